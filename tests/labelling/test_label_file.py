import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile, fingerprint
from ssdgm_tf.rows import Rows

X = np.arange(40, dtype=np.float32).reshape(10, 4)
CLASSES = {"y": ["a", "b", "c"]}


def written(path, *events):
    file = LabelFile(path / "labels.jsonl")
    for event in events:
        file.append([event], X, CLASSES, "ada")
    return file


def label(index, value, variable="y"):
    return {"event": "label", "index": index, "variable": variable, "value": value}


def other_kind(event, index):
    return {"event": event, "index": index, "variable": "y"}


UNDO = {"event": "undo"}
NEW = {"event": "class", "variable": "y", "name": "d"}


def test_what_was_written_is_read(tmp_path):
    file = written(tmp_path, label(3, 1), other_kind("none", 4), other_kind("skip", 5), NEW, label(6, 3))
    found = file.read()
    assert found.values == {"y": {3: 1, 6: 3}}
    assert (found.none, found.skipped, found.new_classes) == ({"y": {4}}, {"y": {5}}, {"y": ["d"]})
    assert (found.events, found.number) == (5, 2)
    assert found.last == json.loads(file.path.read_text().splitlines()[-1])
    assert found.last["by"] == "ada"


def test_a_snapshot_stays_as_it_was(tmp_path):
    file = written(tmp_path, label(3, 1))
    then = file.snapshot()
    file.append([label(4, 2)], X, CLASSES)
    assert then.read().values == {"y": {3: 1}}
    assert file.content.startswith(then.content)


def test_several_are_written_at_once(tmp_path):
    file = written(tmp_path)
    file.append([label(3, 1), label(4, 2)], X, CLASSES)
    assert file.read().values == {"y": {3: 1, 4: 2}}


def test_what_teaches_the_same_is_the_same(tmp_path):
    one = written(tmp_path, label(3, 1)).read()
    (tmp_path / "other").mkdir()
    other = written(tmp_path / "other", other_kind("skip", 5), label(3, 2), UNDO, label(3, 1), label(4, 1), UNDO).read()
    assert one.teaches_as(other)
    assert not one.teaches_as(other._replace(none={"y": {7}}))


@pytest.mark.parametrize(
    ("events", "values", "none"),
    [
        ([label(1, 0), label(1, 2)], {1: 2}, set()),
        ([label(1, 0), other_kind("none", 1)], {}, {1}),
        ([other_kind("none", 1), label(1, 0)], {1: 0}, set()),
        ([label(1, 0), other_kind("skip", 1)], {}, set()),
        ([label(1, 0), UNDO], {}, set()),
        ([label(1, 0), label(1, 2), UNDO], {1: 0}, set()),
        ([label(1, 0), label(2, 1), UNDO, UNDO], {}, set()),
        ([UNDO, label(1, 0)], {1: 0}, set()),
        ([label(1, 0), UNDO, label(2, 2), UNDO, UNDO], {}, set()),
    ],
)
def test_the_last_that_holds_counts(events, values, none, tmp_path):
    found = written(tmp_path, *events).read()
    assert found.values.get("y", {}) == values
    assert found.none.get("y", set()) == none


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=6))
def test_undoing_everything_leaves_nothing(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("labels")
    found = written(path, *(label(*event) for event in events), *[UNDO] * len(events)).read()
    assert found.number == 0
    assert found.last is None


def test_a_half_written_line_is_passed_over_and_gone_with_the_next(tmp_path):
    file = written(tmp_path, label(3, 1))
    with open(file.path, "ab") as stream:
        stream.write(b'{"event": "label", "ind')
    assert file.read().values == {"y": {3: 1}}
    file.append([label(4, 2)], X, CLASSES)
    assert file.read().values == {"y": {3: 1, 4: 2}}
    assert file.path.read_bytes().count(b"\n") == 3


def test_every_label_is_on_the_disk_when_the_process_is_killed(tmp_path):
    code = f"""
import sys, numpy as np
from ssdgm_tf.labelling.label_file import LabelFile
file = LabelFile({str(tmp_path / "labels.jsonl")!r})
for index in range(10):
    event = {{"event": "label", "index": index, "variable": "y", "value": 1}}
    file.append([event], np.zeros((10, 1)), {{"y": ["a", "b"]}})
    print(index, flush=True)
    if index == 5:
        sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline().strip() for _ in range(6)] == list("012345")
        process.kill()
    assert sorted(LabelFile(tmp_path / "labels.jsonl").read().values["y"]) == [0, 1, 2, 3, 4, 5]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = written(tmp_path, label(3, 1))
    before = file.path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.append([label(4, 2)], X, CLASSES)
    assert file.path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("no json", "JSONDecodeError"),
        ('{"event": "other", "variable": "y"}', "event 'other'"),
        ('{"event": "label", "variable": "y", "index": 1}', "'value'"),
        ('{"event": "label", "variable": "y", "index": -1, "value": 1}', "index"),
        ('{"event": "label", "variable": "y", "index": true, "value": 1}', "index"),
        ('{"event": "label", "variable": "y", "index": 1, "value": "b"}', "value"),
        ('{"event": "label", "variable": "y", "index": 1, "value": NaN}', "value"),
        ('{"event": "label", "variable": 3, "index": 1, "value": 1}', "variable"),
        ('{"event": "class", "variable": "y", "name": ""}', "name"),
        ("[1]", "TypeError"),
    ],
)
def test_refuses_a_damaged_line_by_its_number(line, what, tmp_path):
    file = written(tmp_path, label(3, 1))
    with open(file.path, "a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UserError, match=f"line 3 .*{what}"):
        file.read()


def test_refuses_a_file_of_another_kind(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text("index,label\n")
    with pytest.raises(UserError, match=r"must be one that ssdgm-label wrote. Received: .*, line 1"):
        LabelFile(path).read()


@pytest.mark.parametrize(
    ("x", "classes", "what"),
    [
        (X[:9], CLASSES, "examples = 10, where this run has 9"),
        (X.reshape(10, 2, 2), CLASSES, "shape"),
        (X + 1, CLASSES, "fingerprint"),
        (X[::-1], CLASSES, "fingerprint"),
        (X, {"y": ["a", "b"]}, "classes"),
        (X, {"other": ["a", "b", "c"]}, "classes"),
    ],
)
def test_refuses_labels_of_other_examples_or_classes(x, classes, what, tmp_path):
    file = written(tmp_path, label(3, 1))
    file.check(X, CLASSES)
    with pytest.raises(UserError, match=f"Labels belong to the training examples .*{what}"):
        file.check(x, classes)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (label(10, 1), r"of the 10 training examples. Received: .*, with y of 10"),
        (other_kind("none", 10), r"of the 10 training examples. Received: .*, with y of 10"),
        (label(1, 3), r"Labels of y must be classes 0..2. Received: .*, with 3 of 1"),
        (label(1, 0, "z"), r"Labels must be of y. Received: .*, with labels of 'z'"),
    ],
)
def test_refuses_labels_of_what_is_not_there(event, message, tmp_path):
    with pytest.raises(UserError, match=message):
        written(tmp_path, event).check(X, CLASSES)


def test_no_file_holds_no_label(tmp_path):
    file = LabelFile(tmp_path / "none.jsonl")
    file.check(X, CLASSES)
    assert file.read().number == 0
    assert not file.path.exists()


def test_the_fingerprint_is_of_the_values_not_of_how_they_are_kept():
    levels = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1), dtype=np.uint8)
    assert fingerprint(Rows(levels)) == fingerprint(levels.astype(np.float32) / np.float32(255))
    assert fingerprint(X) != fingerprint(X[:, :3])


def test_the_fingerprint_forgives_another_machine(tmp_path):
    written(tmp_path, label(3, 1)).check(-X * (1 + 1e-5), CLASSES)  # signs and last digits of principal components
