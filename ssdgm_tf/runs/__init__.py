"""Runs: from config to report, with their folders, checkpoints, exports and predictions."""
