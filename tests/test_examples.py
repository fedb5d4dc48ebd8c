"""The examples, on tiny data."""

import importlib.util
from pathlib import Path

import numpy as np

from tests.data.test_cells import save

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_cells_are_classified_and_the_example_has_at_most_40_lines(tmp_path):
    """Two kinds of cells that differ in which half of 12 genes they express, with libraries of very different sizes."""
    assert len((EXAMPLES / "cells.py").read_text().splitlines()) <= 40
    generator, y = np.random.default_rng(0), np.arange(60) % 2
    rates = np.where((np.arange(12) < 6) == (y[:, None] == 0), 8.0, 1.0) * generator.uniform(0.3, 3, size=(60, 1))
    cells = example("cells")
    read = cells.ssdgm.data.load_cells(save(tmp_path / "cells.npz", generator.poisson(rates), y=y))
    predicted, test, train, labelled = cells.classify(read, seed=1, steps=12)
    assert sorted([*test, *train]) == list(range(60)) and len(test) == 18
    assert np.bincount(y[labelled]).tolist() == [10, 10] and set(labelled) <= set(train)
    assert np.mean(predicted == y[test]) > 0.9
