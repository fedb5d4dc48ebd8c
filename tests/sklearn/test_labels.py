"""What counts as a label, and what as none."""

import datetime
from decimal import Decimal

import numpy as np
import pytest

from ssdgm_tf.sklearn import labels

NAN = float("nan")


@pytest.mark.filterwarnings("ignore:Labels of 'nan'")
@pytest.mark.parametrize(
    ("y", "known", "of"),
    [
        ([0, 1, -1, 2], [0, 1, 2], "i"),
        ([0.0, 1.0, NAN, -1.0], [0, 1], "f"),
        (np.array([0, 1, None, -1], object), [0, 1], "i"),
        (np.array(["a", "b", None, NAN], object), ["a", "b"], "O"),
        (np.array(["a", -1, "b", -1], object), ["a", "b"], "O"),
        (np.array(["a", "", "nan", "b"]), ["a", "b"], "U"),
        ([True, False, True], [True, False, True], "b"),
        ([3, 7, 7], [3, 7, 7], "i"),
    ],
)
def test_classes(y, known, of):
    found, is_known = labels.classes(y, len(y))
    assert found[is_known].tolist() == known and found.dtype.kind == of
    assert len(found) == len(is_known) == len(y)


def test_classes_of_frames():
    pandas = pytest.importorskip("pandas")
    for column, known in (
        (pandas.Series([1, None, 2], dtype="Int64"), [1, 2]),
        (pandas.Series([1, None, -1], dtype="Int8"), [1]),
        (pandas.Series(["a", None, "b"], dtype="string"), ["a", "b"]),
        (pandas.Series(["a", None, "b"], dtype="category"), ["a", "b"]),
        (pandas.Series([True, None, False], dtype="boolean"), [True, False]),
    ):
        found, is_known = labels.classes(column, 3)
        assert found[is_known].tolist() == known
        assert list(map(type, found[is_known].tolist())) == list(map(type, known))
    polars = pytest.importorskip("polars")
    for column in ([1, None, 2], ["a", None, "b"]):
        found, is_known = labels.classes(polars.Series(column), 3)
        assert found[is_known].tolist() == [column[0], column[2]]


def test_words_that_are_taken_for_no_label_are_said():
    with pytest.warns(UserWarning, match="Labels of 'None' are taken for no label"):
        assert labels.classes(np.array(["None", "Mild", "Severe"]), 3)[1].tolist() == [False, True, True]


def test_a_frame_of_one_column_holds_labels():
    for name in ("pandas", "polars"):
        frame = pytest.importorskip(name).DataFrame({"y": [1, 2, 1]})
        with pytest.warns(UserWarning, match="column-vector"):
            assert labels.classes(frame, 3)[0].tolist() == [1, 2, 1]


def test_numbers():
    found = labels.numbers(np.array([1, None, 2.5, NAN], object), 4)
    np.testing.assert_array_equal(found, [1, NAN, 2.5, NAN])
    np.testing.assert_array_equal(labels.numbers([1, -1], 2), [1, -1])
    np.testing.assert_array_equal(labels.numbers([Decimal("0.5"), Decimal(2)], 2), [0.5, 2])
    for y in (["1", "2"], np.array([1, datetime.date(2020, 1, 1)], object)):
        with pytest.raises(ValueError, match="y must hold numbers"):
            labels.numbers(y, 2)
