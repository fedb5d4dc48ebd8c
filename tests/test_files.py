"""Files that are written whole or not at all."""

import json

import pytest

from ssdgm_tf import files


def test_a_file_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with files.whole(path) as partial:
        partial.write_text("after")
        assert path.read_text() == "before" and partial.suffix == ".txt"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_one_before_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(error), files.whole(path) as partial:
        partial.write_text("half of it")
        raise error
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_a_file_with_a_likely_name_is_left_alone(tmp_path):
    (tmp_path / "partial-a.txt").write_text("mine")
    with files.whole(tmp_path / "a.txt") as partial:
        partial.write_text("text")
    assert (tmp_path / "partial-a.txt").read_text() == "mine"


@pytest.mark.parametrize("indent", [1, 2])
def test_rows_of_a_matrix_stand_on_one_line_and_texts_are_kept(indent):
    texts = {"b": ["[\n1]", '"[', "]"], "two": ["two  spaces", 1]}
    value = {"a": [[1, 2.5], [-3e-9, None], []], "c": [{"d": [True]}, 1], "e": [], "f": {}} | texts
    text = files.json_text(value, indent)
    assert json.loads(text) == value
    lines = [line.strip(" ,") for line in text.splitlines()]
    assert {"[1, 2.5]", "[-3e-09, null]", "[]", '"d": [true]'} <= set(lines) and text.splitlines()[1].startswith(
        " " * indent
    )
