"""Where the tables of a prediction may lie."""

import os
from pathlib import Path

import pytest

from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.prediction_files import PredictionFiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two inputs, a run and a SavedModel in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/more", "run/m1", "served", "out"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "photos/a.png",
        "x.csv",
        "p_errors.csv",
        ".partial-p.csv",
        "run/config.json",
        "served/saved_model.pb",
        "file",
    ):
        (tmp_path / name).write_text(name)
    os.link("x.csv", "hard.csv")
    os.symlink("x.csv", "soft.csv")
    os.symlink("photos", "link")
    os.link("run/config.json", "run/q.csv")
    (tmp_path / "dir.csv").mkdir()
    (tmp_path / "taken_errors.csv").mkdir()
    return tmp_path


def check(output, source, model="run"):
    PredictionFiles.of(output).check(Path(source), Path(model))


@pytest.mark.parametrize(
    ("output", "source"),
    [
        ("p.csv", "photos"),
        ("p.csv", "x.csv"),
        ("out/p.csv", "x.csv"),
        ("new/folder/p.csv", "photos"),
        ("run/p.csv", "x.csv"),  # as a run has no .csv of its own
        ("photos.csv", "photos"),
        ("photos/../p.csv", "photos"),
        ("photos/p.csv", "x.csv"),
    ],
)
def test_tables_may_lie_anywhere_else(folder, output, source):
    check(output, source)


@pytest.mark.parametrize(
    ("output", "source", "model", "message"),
    [
        ("p.txt", "photos", "run", "must be a .csv file .* Received: p.txt"),
        (".csv", "photos", "run", "must be a .csv file"),
        ("p_errors.csv", "photos", "run", "does not end in _errors or _top_uncertain"),
        ("p_top_uncertain.csv", "photos", "run", "does not end in _errors or _top_uncertain"),
        ("x.csv", "x.csv", "run", "leave the input as it is. Received: x.csv, which is --input=x.csv"),
        ("out/../x.csv", "x.csv", "run", "leave the input as it is"),
        ("hard.csv", "x.csv", "run", "leave the input as it is"),
        ("soft.csv", "x.csv", "run", "leave the input as it is"),
        ("x.csv", "soft.csv", "run", "leave the input as it is"),
        ("p.csv", "p_errors.csv", "run", "leave the input as it is. Received: p_errors.csv"),
        ("p.csv", ".partial-p.csv", "run", "leave the input as it is. Received: .partial-p.csv"),
        ("photos/p.csv", "photos", "run", "outside the folder --input"),
        ("photos/more/new/p.csv", "photos", "run", "outside the folder --input"),
        ("link/p.csv", "photos", "run", "outside the folder --input"),
        ("photos/p.csv", "link", "run", "outside the folder --input"),
        ("p.csv", ".", "run", "outside the folder --input"),
        ("served/p.csv", "x.csv", "served", "outside a SavedModel"),
        ("served/assets/p.csv", "x.csv", "served", "outside a SavedModel"),
        ("run/q.csv", "x.csv", "run", "leave the files of the run as they are. Received: run/q.csv"),
        ("dir.csv", "x.csv", "run", "must name a file. Received: dir.csv, a folder"),
        ("taken.csv", "x.csv", "run", "must name a file. Received: taken_errors.csv, a folder"),
        ("file/p.csv", "x.csv", "run", "must lie in a folder. Received: file/p.csv, in the file"),
    ],
)
def test_tables_that_would_do_harm_are_refused(folder, output, source, model, message):
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError, match=message):
        check(output, source, model)
    assert sorted(folder.rglob("*")) == before
