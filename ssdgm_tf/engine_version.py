"""The number of the engine, which every result keeps. Imports nothing."""

#: It grows with each change of what a model computes from the same data and config, but for its random numbers:
#: objectives, gradients, defaults, networks. `tests/test_engine_version.py` notices such changes.
#: 1: from 2026-11-29 on, the first number. Before it no number was kept.
ENGINE = 1
