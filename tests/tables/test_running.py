"""Skipped, resumed and failing cells with a launcher that leaves a run's files; the real launcher with small commands."""

import dataclasses
import json
import os
import pty
import re
import signal
import sys
import threading
import time

import pytest

from ssdgm_tf.tables import cells, records, running
from ssdgm_tf.tables.cells import Cell
from ssdgm_tf.tables.running import Minutes


@pytest.fixture
def launcher(table, options, finish):
    """Remembers the cells that it ran; those in `failing` end with a traceback."""

    class Launcher:
        ran, failing = [], set()

        def __call__(self, words, log):
            name = log.parent.name
            self.ran.append(name)
            log.write_text("bar 1%\rbar 99%\r\nTraceback\nValueError: no\n")
            if name in self.failing:
                return 1
            row, labels, seed = re.fullmatch(r"(\w+?)(?:_labels(\d+))?_seed(\d+)", name).groups()
            finish(log.parent, **cells.config(table, Cell("tiny", row, labels and int(labels), int(seed))))
            return 0

    launch = Launcher()
    launch.ran, launch.failing = [], set()
    return launch


def go(table, options, launcher, rows=(), labels=(), seeds="0"):
    todo, damaged = running.plan(table, cells.select(table, list(rows), list(labels), seeds), options)
    return running.run(table, todo, options, launcher), damaged


def test_what_a_cell_builds_on_comes_first(table, options, launcher):
    go(table, options, launcher, rows=["on_m1", "m2"], labels=["30", "100"], seeds="0-1")
    assert launcher.ran == [
        *("m1_seed0", "on_m1_labels30_seed0", "m1_seed1", "on_m1_labels30_seed1"),
        *("m2_labels30_seed0", "m2_labels30_seed1"),
        *("on_m1_labels100_seed0", "on_m1_labels100_seed1", "m2_labels100_seed0", "m2_labels100_seed1"),
    ]


def test_finished_cells_are_skipped(table, options, launcher):
    go(table, options, launcher, rows=["m2"], labels=["30"])
    go(table, options, launcher, rows=["m2"], labels=["30", "100"])
    assert launcher.ran == ["m2_labels30_seed0", "m2_labels100_seed0"]
    record = records.read(options.results_file(Cell("tiny", "m2", 30, 0)))
    assert record["results"]["error"] == 0.1 and record["minutes"] == 2.0


def test_a_cell_of_another_config_is_reported_and_run_again(table, options, launcher):
    go(table, options, launcher, rows=["m2"], labels=["30"], seeds="0-1")
    changed = dataclasses.replace(table.rows["m2"], overrides={"epochs": 2})
    changed = dataclasses.replace(table, rows=table.rows | {"m2": changed})
    todo, damaged = running.plan(changed, cells.select(changed, ["m2"], ["30"], "0"), options)
    assert [cell.name for cell in todo] == ["m2_labels30_seed0"]
    assert len(damaged) == 1 and "tiny/m2_labels30_seed0, which was run with another epochs" in damaged[0]


@pytest.mark.parametrize(("field", "value"), [("warmup_epochs", None), ("preprocessing", None), ("preprocessing", "none")])
def test_a_record_that_lacks_newer_fields_counts_as_run_at_their_defaults(field, value, table, options, launcher):
    """And `preprocessing` was "none" before it was "auto", which is the same of images."""
    go(table, options, launcher, rows=["m2"], labels=["30"])
    path = options.results_file(Cell("tiny", "m2", 30, 0))
    record = records.read(path)
    record["config"] = {name: record["config"][name] for name in record["config"] if name != field}
    record["config"] |= {field: value} if value else {}
    records.write(path, record | {"digest": records.digest(record)})
    assert running.plan(table, cells.select(table, ["m2"], ["30"], "0"), options) == ([], [])


@pytest.mark.parametrize(
    ("epochs", "earlier", "received"), [(3, [], "3"), (1, [2], "2, then 1"), (4, [1, 2], "1, then 2, then 4")]
)
def test_a_cell_does_not_go_on_with_a_run_of_other_epochs(epochs, earlier, received, table, options, launcher, finish):
    """Nor take the results of one that went on: where its rate falls along the epochs, that is no run of its preset."""
    folder = options.run_folder(Cell("tiny", "m2", 30, 0))
    finish(folder, epochs=epochs)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | ({"earlier_epochs": earlier} if earlier else {})))
    failed, _ = go(table, options, launcher, rows=["m2"], labels=["30"])
    assert not launcher.ran
    (message,) = failed.values()
    assert re.search(rf"one run of 1 epochs: remove .*m2_labels30_seed0\. Received: a run of {received} epochs", message)


def test_epochs_that_are_left_to_the_data_fit_any(table, options, launcher, finish):
    """0 stands for the number that the run has found; a run that went on to more is still refused."""
    rows = {"m2": dataclasses.replace(table.rows["m2"], overrides={"epochs": 0})}
    open_table = dataclasses.replace(table, rows=rows)
    config = cells.config(open_table, Cell("tiny", "m2", 30, 0))
    assert config["epochs"] == 0
    finish(options.run_folder(Cell("tiny", "m2", 30, 0)), **config | {"epochs": 7})
    go(open_table, options, lambda words, log: 0, rows=["m2"], labels=["30"])
    assert running.plan(open_table, [Cell("tiny", "m2", 30, 0)], options) == ([], [])


def test_an_edited_file_is_reported_and_run_again(table, options, launcher):
    go(table, options, launcher, rows=["m2"], labels=["30"], seeds="0-1")
    path = options.results_file(Cell("tiny", "m2", 30, 1))
    path.write_text(path.read_text().replace("0.1", "0.01"))
    _, damaged = go(table, options, launcher, rows=["m2"], labels=["30"], seeds="0-1")
    assert len(damaged) == 1 and "tiny/m2_labels30_seed1.json" in damaged[0]
    assert launcher.ran[2:] == ["m2_labels30_seed1"]
    assert records.read(path)["results"]["error"] == 0.1


def test_a_trained_m1_is_needed_not_its_results_file_alone(table, options, launcher):
    go(table, options, launcher, rows=["m1"])
    (options.run_folder(Cell("tiny", "m1", None, 0)) / "results.json").unlink()  # as in a fresh clone
    go(table, options, launcher, rows=["m1"])
    assert launcher.ran == ["m1_seed0"]
    go(table, options, launcher, rows=["on_m1"], labels=["30"])
    assert launcher.ran == ["m1_seed0", "m1_seed0", "on_m1_labels30_seed0"]
    go(table, options, launcher, rows=["on_m1"], labels=["100"])
    assert launcher.ran[3:] == ["on_m1_labels100_seed0"]


def test_a_failing_cell_ends_nothing_else(table, options, launcher, capsys):
    launcher.failing = {"m2_labels30_seed0"}
    failed, _ = go(table, options, launcher, rows=["m2"], labels=["30"], seeds="0-1")
    assert [cell.name for cell in failed] == ["m2_labels30_seed0"] and launcher.ran[-1] == "m2_labels30_seed1"
    reason = failed[Cell("tiny", "m2", 30, 0)]
    assert "exit status 1" in reason and reason.endswith("  bar 99%\n  Traceback\n  ValueError: no")
    assert "m2_labels30_seed0 FAILED: exit status 1" in capsys.readouterr().err
    assert [path.name for path in (options.results / "tiny").iterdir()] == ["m2_labels30_seed1.json"]
    launcher.failing = set()
    assert go(table, options, launcher, rows=["m2"], labels=["30"], seeds="0-1")[0] == {}
    assert launcher.ran[2:] == ["m2_labels30_seed0"]


def test_what_builds_on_a_failed_cell_is_not_run(table, options, launcher):
    launcher.failing = {"m1_seed0"}
    failed, _ = go(table, options, launcher, rows=["on_m1", "m2"], labels=["30"])
    assert launcher.ran == ["m1_seed0", "m2_labels30_seed0"]
    assert failed[Cell("tiny", "on_m1", 30, 0)] == "needs m1_seed0, which failed"


def test_a_run_that_ends_well_without_results_has_failed(table, options):
    failed, _ = go(table, options, lambda words, log: 0, rows=["m2"], labels=["30"])
    assert "must have a config.json and a results.json" in failed[Cell("tiny", "m2", 30, 0)]


def test_every_revision_of_a_resumed_run_is_kept(table, options, launcher, monkeypatch):
    monkeypatch.setattr(records, "git_revision", lambda: "one")
    launcher.failing = {"m2_labels30_seed0"}
    go(table, options, launcher, rows=["m2"], labels=["30"])
    monkeypatch.setattr(records, "git_revision", lambda: "two")
    launcher.failing = set()
    go(table, options, launcher, rows=["m2"], labels=["30"])
    assert records.read(options.results_file(Cell("tiny", "m2", 30, 0)))["revision"] == "one, two"


def test_an_interruption_ends_the_rest(table, options, launcher):
    def interrupted(words, log):
        if launcher.ran:
            raise KeyboardInterrupt
        return launcher(words, log)

    with pytest.raises(KeyboardInterrupt):
        go(table, options, interrupted, rows=["m2"], labels=["30"], seeds="0-2")
    go(table, options, launcher, rows=["m2"], labels=["30"], seeds="0-2")
    assert launcher.ran == ["m2_labels30_seed0", "m2_labels30_seed1", "m2_labels30_seed2"]


def test_time_left_is_by_row_then_by_all():
    minutes = Minutes([])
    ahead = [Cell("t", "a", 30, 0), Cell("t", "a", 30, 1), Cell("t", "new", 30, 0)]
    assert minutes.left(ahead) == "time left not known yet"
    for row, value in (("a", 10.0), ("a", 20.0), ("b", 60.0)):
        minutes.add({"row": row, "minutes": value})
    assert minutes.left(ahead) == "about 60 minutes left"  # 15 + 15 + (10 + 20 + 60) / 3
    assert minutes.left(ahead * 3) == "about 3.0 hours left"


def test_an_invalid_config_is_found_before_any_training(table, options):
    asked = cells.select(table, [], [], "0")
    running.check(table, asked, asked, options)
    table.rows["m2"].overrides["nonsense"] = 1
    with pytest.raises(ValueError, match=r"tiny/m2_labels30_seed0, .*nonsense"):
        running.check(table, asked, [], options)


def test_missing_data_are_found_before_any_training(table, options):
    asked = cells.select(table, [], [], "0")
    table.rows["m2"].overrides["data"] = "mnist"
    with pytest.raises(FileNotFoundError, match="'mnist' must be prepared"):
        running.check(table, asked, asked, dataclasses.replace(options, data_dir="nowhere"))
    running.check(table, asked, [], options)  # nothing is left to run


def test_output_goes_into_the_log_and_the_status_comes_back(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("before\n")
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert running.launch_process([sys.executable, "-c", code], log) == 3
    assert log.read_text() == "before\nout\nerr\n"


def test_on_a_terminal_output_goes_to_both(tmp_path, monkeypatch):
    leader, follower = pty.openpty()
    with open(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        code = "import sys; print(sys.stderr.isatty(), end='.')"
        assert running.launch_process([sys.executable, "-c", code], tmp_path / "log.txt") == 0
        monkeypatch.undo()
        assert os.read(leader, 100) == b"True."
    os.close(leader)
    assert (tmp_path / "log.txt").read_bytes() == b"True."


def test_an_interruption_is_passed_on_and_waited_for(tmp_path, monkeypatch):
    """The process takes a while to end, and says so after that."""
    code = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("started")
    signal.pause()
except KeyboardInterrupt:
    time.sleep(0.3)
    print("saved")
"""
    log = tmp_path / "log.txt"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt():
        while "started" not in log.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    log.touch()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            running.launch_process([sys.executable, "-c", code], log)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert re.fullmatch("started\nsaved\n", log.read_text())
