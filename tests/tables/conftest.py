import json

import pytest

from ssdgm_tf.engine_version import ENGINE
from ssdgm_tf.tables import Row, Table
from ssdgm_tf.tables.cells import Options


@pytest.fixture
def table():
    """Rows of every kind, on presets that the package has."""
    rows = [
        Row("m1", "M1", "m2_digits", labelled=False),
        Row("m2", "M2", "m2_digits", {"epochs": 1}),
        Row("on_m1", "M1 + a|b", "m2_digits", uses="m1"),
    ]
    return Table("tiny", "A table", {row.name: row for row in rows}, (30, 100), None, "", "tiny")


@pytest.fixture
def options(tmp_path):
    return Options(tmp_path / "runs", tmp_path / "results")


@pytest.fixture
def finish():
    """finish(folder, error, minutes): the files that a finished run leaves."""

    def write(folder, error=0.1, minutes=2.0, **config):
        folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "config": {"data": "digits", "hidden_units": (3,)} | config,
            "precision": "float32",
            "jit_compile": "auto",
        }
        results = {"error": error, "labels_only_error": 2 * error, "training_seconds": 60 * minutes}
        (folder / "config.json").write_text(json.dumps(settings))
        (folder / "results.json").write_text(json.dumps(results | {"environment": {"cpu_cores": 2, "engine": ENGINE}}))

    return write
