"""A results file is whole and as it was written, or it is refused; it holds no path of the machine."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from ssdgm_tf.engine_version import ENGINE
from ssdgm_tf.tables import records
from ssdgm_tf.tables.cells import Cell

CELL = Cell("tiny", "m2", 30, 1)


@pytest.fixture
def written(tmp_path, finish):
    folder = tmp_path / "run"
    finish(folder, error=0.25, minutes=3.0)
    rows = [{"epoch": 1, "loss": 1.23456789}, {"epoch": 2, "loss": -0.5}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "tiny" / f"{CELL.name}.json"
    records.write(path, records.collect(CELL, folder, "abc", seconds=1.0))
    return path


def test_what_is_written_is_read(written):
    record = records.read(written)
    assert (record["table"], record["row"], record["labels"], record["seed"]) == ("tiny", "m2", 30, 1)
    assert record["config"] == {"data": "digits", "hidden_units": [3]} and record["precision"] == "float32"
    assert record["metrics"] == {"epoch": [1.0, 2.0], "loss": [1.2346, -0.5]}
    assert (record["revision"], record["minutes"]) == ("abc", 3.0)
    assert record["results"]["environment"] == {"cpu_cores": 2, "engine": ENGINE}
    assert not list(written.parent.glob("*partial*"))


def test_the_digest_is_sha256_of_the_canonical_rest(written):
    record = json.loads(written.read_text())
    rest = json.dumps({k: v for k, v in record.items() if k != "digest"}, sort_keys=True, separators=(",", ":"))
    assert record["digest"] == hashlib.sha256(rest.encode()).hexdigest()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: text.replace('"error": 0.25', '"error": 0.05'), "its digest does not fit"),
        (lambda text: text.replace('"loss": [1.2346', '"loss": [1.2345'), "its digest does not fit"),
        (lambda text: text[: len(text) // 2], "Expecting|Unterminated"),
        (lambda text: "", "Expecting value"),
        (lambda text: "[]", "list indices"),
        (lambda text: "{}", "without 'table'"),
    ],
)
def test_an_edited_or_half_written_file_is_refused_by_name(written, edit, reason):
    written.write_text(edit(written.read_text()))
    with pytest.raises(ValueError, match=rf"Received: tiny/m2_labels30_seed1.json \(.*({reason})"):
        records.read(written)
    assert records.read_all(written.parent)[0] == []
    assert len(records.read_all(written.parent)[1]) == 1


def test_a_copy_under_another_name_is_refused(written):
    written.rename(written.with_name("m2_labels30_seed2.json"))
    with pytest.raises(ValueError, match=r"it is the file of tiny/m2_labels30_seed1"):
        records.read(written.with_name("m2_labels30_seed2.json"))


def test_a_run_without_metrics_or_training_time(tmp_path, finish):
    finish(tmp_path)
    (tmp_path / "results.json").write_text('{"error": 0.5}')
    record = records.collect(CELL, tmp_path, None, seconds=90.0)
    assert record["minutes"] == 1.5 and record["metrics"] == {} and record["revision"] is None
    records.write(tmp_path / "tiny" / f"{CELL.name}.json", record)
    assert records.read(tmp_path / "tiny" / f"{CELL.name}.json") == record


def test_a_run_without_results_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must have a config.json and a results.json"):
        records.collect(CELL, tmp_path, None, seconds=1.0)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("npz:/home/someone/data/svhn.npz", "npz:svhn.npz"),
        ("npz:/tmp/a b/train.npz,/tmp/a b/test.npz", "npz:train.npz,test.npz"),
        ("npz:sets/svhn.npz", "npz:sets/svhn.npz"),
        ("npz:../sets/a.npz,b.npz", "npz:../sets/a.npz,b.npz"),
        ("idx:~/mnist", "idx:mnist"),
        ("folder:C:\\Users\\someone\\faces", "folder:faces"),
        ("/home/someone/runs/m1_seed0", "m1_seed0"),
        ("runs/m1_seed0", "runs/m1_seed0"),
        ("cifar10_corrupted/fog_1", "cifar10_corrupted/fog_1"),
        ("mnist:3.0.1", "mnist:3.0.1"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_absolute_paths_lose_their_folders(value, stored):
    assert records.without_folders({"a": [value, 1]}) == {"a": [stored, 1]}


@pytest.mark.parametrize("value", ["data=/home/someone/x.npz", "see '/tmp/x/y'", "read ~/data/x.npz", "a C:\\x\\y"])
def test_other_paths_are_refused(value):
    with pytest.raises(ValueError, match=r"no path of the machine. Received"):
        records.without_folders([{"a": value}])


def test_no_result_holds_the_folder_of_the_run(tmp_path, finish):
    finish(tmp_path, data=f"npz:{tmp_path}/x.npz", m1=str(tmp_path / "m1_seed0"))
    record = records.collect(CELL, tmp_path, None, 1.0)
    assert str(tmp_path) not in json.dumps(record) and str(Path.home()) not in json.dumps(record)
    assert record["config"]["m1"] == "m1_seed0"


def test_the_revision_is_dirty_where_the_package_differs(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True, capture_output=True
        )

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(records, "_PACKAGE", package)
    git("init")
    assert records.git_revision() is None, "not in the repository"
    git("add", "-A")
    git("commit", "-m", "first")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=tmp_path, capture_output=True, text=True).stdout
    (tmp_path / "README.md").write_text("beside the package")
    assert records.git_revision() == commit.strip()
    (package / "__init__.py").write_text("1")
    assert records.git_revision() == f"{commit.strip()}-dirty"
