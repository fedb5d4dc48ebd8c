"""ssdgm-table: mistakes before any training, the exit status, and one cell trained for real."""

import os
import subprocess
import sys

import pytest

from ssdgm_tf.tables import TABLES, Row, Table, records, rendering, running
from ssdgm_tf.tables.cells import Cell, Options


def run(*arguments, cwd):
    words = [sys.executable, "-m", "ssdgm_tf.trainers.table", *arguments]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=os.environ)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--table must be one of kingma_mnist, "),
        (["--table=kingma_mnst"], "Received: --table='kingma_mnst'. Did you mean 'kingma_mnist'?"),
        (["--table=adgm", "--rows=m2,m3"], f"of adgm: {', '.join(TABLES['adgm'].rows)}. Received: 'm3'"),
        (["--table=adgm", "--labels=100,600"], "--labels must be label counts of adgm: 100. Received: '600'"),
        (["--table=adgm", "--seeds=2-0"], "Received: '2-0'"),
        (["--table=adgm", "--rows=m2", "--data_dir=nowhere"], "The data set 'mnist' must be prepared under nowhere"),
    ],
)
def test_a_mistake_gets_one_line_and_leaves_nothing(arguments, message, tmp_path):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 1 and message in result.stderr
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_help_and_render_wait_for_no_tensorflow(tmp_path):
    words = [sys.executable, "-X", "importtime", "-m", "ssdgm_tf.trainers.table"]
    for argument in ("--help", "--render"):
        result = subprocess.run([*words, argument], cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0
        assert not any(name in result.stderr for name in ("tensorflow", "keras", "sklearn"))
        assert "--seeds" in result.stdout or argument == "--render"
    for path, text in rendering.documents(tmp_path / "results").items():
        assert path.read_text() == text


def test_failed_cells_end_in_exit_status_1_after_the_table(tmp_path):
    """Its run folder holds the run of another version, which ssdgm-train refuses."""
    folder = tmp_path / "runs" / "tables" / "digits" / "m2_labels30_seed0"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"config": {"model": "m2", "epochs": 200}}')
    result = run("--table=digits", "--rows=m2", "--labels=30", cwd=tmp_path)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert result.stdout.splitlines()[-1] == "The table is in results/digits.md and results/digits.csv"
    assert "1 of 1 cells failed: m2_labels30_seed0. See log.txt" in result.stderr.splitlines()[-1]
    assert "must have every field of a run" in (folder / "log.txt").read_text()
    assert "m2_labels30_seed0 FAILED: exit status 1" in result.stderr and "must have every field of a run" in result.stderr
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"digits.md", "digits.csv"}


@pytest.mark.slow
def test_a_cell_trains_and_is_rendered(tmp_path):
    row = Row("m2", "M2", "m2_digits", {"epochs": 1, "hidden_units": (8,), "num_importance_samples": 2})
    table, options = (
        Table("tiny", "A table", {"m2": row}, (30,), None, "", "tiny"),
        Options(tmp_path / "runs", tmp_path / "results"),
    )
    cell = Cell("tiny", "m2", 30, 0)
    assert running.run(table, [cell], options) == {}
    record = records.read(options.results_file(cell))
    assert record["config"]["epochs"] == 1 and record["config"]["hidden_units"] == [8] and record["config"]["labels"] == 30
    assert record["metrics"]["epoch"] == [1.0] and "tensorflow" in record["results"]["environment"]
    assert str(tmp_path) not in options.results_file(cell).read_text()
    error = 100 * record["results"]["error"]
    assert f"| 30 | M2 | – | {error:.2f} | 1 |" in rendering.markdown(table, [record])
    assert running.plan(table, [cell], options) == ([], [])
