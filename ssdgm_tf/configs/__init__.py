"""Experiments: one file per model and data set, `get_config(arg)` in each. They import ml_collections alone."""
