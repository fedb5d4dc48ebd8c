"""Runs whose figures are not the point."""

import pytest

from ssdgm_tf.runs import run


@pytest.fixture
def bare(monkeypatch):
    """Runs are trained and measured, but draw no figures and train no baselines: a third of the time."""
    monkeypatch.setattr(run.report, "write", lambda *args: None)
    monkeypatch.setattr(run, "compare", lambda compared: {})


@pytest.fixture
def unmeasured(bare, monkeypatch):
    """Runs are trained, and do nothing else."""
    monkeypatch.setattr(run.measuring, "measure", lambda model, config, dataset: {"test_images": 1, "error": 0.5})
