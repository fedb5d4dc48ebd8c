"""Bytes or numbers: one rule for training and prediction. Channels come last."""

import numpy as np
import pytest

from ssdgm_tf.data import raw
from ssdgm_tf.data.assembly import check_examples


@pytest.mark.parametrize("shape", [(9, 3, 8, 8), (9, 1, 8, 8), (9, 4, 8, 16), (9, 2, 96, 96), (9, 3, 5, 5)])
def test_images_with_channels_first_are_refused(shape):
    with pytest.raises(ValueError, match=r"channels come last: np.moveaxis\(x, 1, -1\). Received: x_train of shape \[9, "):
        check_examples(np.zeros(shape, np.uint8), "x_train")
    check_examples(np.moveaxis(np.zeros(shape, np.uint8), 1, -1), "x_train")


@pytest.mark.parametrize(
    "shape",
    [
        (9, 32, 32, 2),
        (9, 4, 3, 1),
        (9, 3, 4, 4),
        (9, 8, 8, 12),
        (9, 3, 3, 200),
        (9, 1, 8, 3),
        (9, 28, 28),
        (9, 3, 28),
        (9, 3),
    ],
)
def test_other_shapes_are_images_as_they_are(shape):
    assert check_examples(np.zeros(shape), "x").shape == (shape if len(shape) != 3 else (*shape, 1))


@pytest.mark.parametrize(
    ("arrays", "dtype"),
    [
        ([np.zeros((2, 3, 3), np.uint8)], "uint8"),
        ([np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3))], "float32"),
        ([np.zeros((2, 3, 3), bool)], "float32"),
        ([np.zeros((2, 3), np.uint8)], "float32"),
    ],
)
def test_what_raw_examples_are(arrays, dtype):
    assert raw.dtype_of(*arrays) == dtype


NUMBERS = np.dtype(np.float32)
GAP = float("nan")


@pytest.mark.parametrize(
    ("value", "limits", "reason"),
    [
        ([[0.5], [7]], raw.Limits(), ""),
        ([[0.5], [GAP]], raw.Limits(), "An example must be finite in float32. Received: NaN or an infinite value"),
        ([[0.5], [GAP]], raw.Limits(gaps=True), ""),
        ([[GAP], [GAP]], raw.Limits(gaps=True), "An example must have a known element. Received: NaN only"),
        ([GAP, GAP], raw.Limits(gaps=True), "An example must have a known element. Received: NaN only"),
        (
            [0.5, 2.0],
            raw.Limits(unit_interval=True),
            "The model was trained on numbers in [0, 1]. Received: values from 0.5 to 2",
        ),
        ([[0.5], [GAP]], raw.Limits(gaps=True, unit_interval=True), ""),
        (np.array([[7], [9]], np.uint8), raw.Limits(), ""),
        (np.array([[True], [False]]), raw.Limits(), ""),
    ],
)
def test_vectors_and_series_keep_the_rules_of_training(value, limits, reason):
    taken, why = raw.as_taken(np.asarray(value), NUMBERS, limits)
    assert why == reason and (taken is None) == bool(reason)
    if not reason:
        np.testing.assert_array_equal(taken, np.asarray(value, np.float32))


@pytest.mark.parametrize("value", [0, 1, 77, 254, 255])
def test_every_byte_is_found_again_in_each_kind_of_number(value):
    for kind in (np.float32, np.float64):
        image = np.full((1, 1, 1), value / 255, kind)
        taken, reason = raw.as_taken(image, np.dtype(np.uint8))
        assert not reason and taken.dtype == np.uint8 and taken.item() == value
    text = np.full((1, 1, 1), float(f"{value / 255:.6f}"))
    assert raw.as_taken(text, np.dtype(np.uint8))[0].item() == value
