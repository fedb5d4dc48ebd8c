"""Measurements of speed and memory, side by side; see README.md of this folder."""
