"""Canvases of several digits: balance, determinism, and that a digit is where its place says."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import data, layers

SIDE, SIZE = 8, 20
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, size=(30, SIDE, SIDE, 1)).astype(np.uint8)
LABELS = np.arange(30) % 10


def canvases(num=41, seed=1, **options):
    return data.make_canvases(IMAGES, LABELS, num, seed, canvas_size=SIZE, **options)


def test_counts_are_balanced_and_digits_fill_the_first_slots():
    made = canvases(42)
    assert sorted(np.bincount(made.count)) == [10, 10, 11, 11]
    np.testing.assert_array_equal((made.digits >= 0).sum(axis=1), made.count)
    np.testing.assert_array_equal(made.digits >= 0, np.arange(3) < made.count[:, None])
    np.testing.assert_array_equal(np.isnan(made.places), np.repeat(made.digits[..., None] < 0, 3, axis=2))
    assert made.x.dtype == np.uint8 and made.x.shape == (42, SIZE, SIZE, 1)
    assert not made.x[made.count == 0].any() and made.x[made.count > 0].any(axis=(1, 2, 3)).all()


def test_the_seed_decides_everything():
    for first, again, other in zip(canvases(), canvases(), canvases(seed=2), strict=True):
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other, equal_nan=True)


def test_a_canvas_is_the_sum_of_its_digits_where_they_are_said_to_be():
    """Against the spatial transformer that models place digits with."""
    made = canvases(max_overlap=1.0)
    by_label = {label: IMAGES[LABELS == label].astype(np.float32) for label in range(10)}
    for x, digits, places in zip(made.x[:20], made.digits[:20], made.places[:20], strict=True):
        options = []
        for digit, (log_scale, row, column) in zip(digits, places, strict=True):
            if digit < 0:
                continue
            choices = by_label[digit]
            place = np.tile([log_scale, row, column], (len(choices), 1))
            options.append(np.asarray(layers.PlaceImage(SIZE)([choices, place])))
        sums = [np.clip(sum(some, np.zeros_like(x, float)), 0, 255) for some in itertools.product(*options)]
        assert min(np.abs(total - x).max() for total in sums) <= 0.51  # rounded to whole grey levels


def test_places_keep_to_their_limits():
    made = canvases(400, scales=(0.5, 1.5), max_overlap=0.2)
    log_scale, centres = made.places[..., 0], made.places[..., 1:] * SIZE / 2
    half = SIDE * np.exp(log_scale) / 2
    assert np.nanmin(log_scale) >= np.log(0.5) - 1e-6 and np.nanmax(log_scale) <= np.log(1.5) + 1e-6
    assert np.nanmax(np.abs(centres) + half[..., None]) <= SIZE / 2 + 1e-4
    columns = np.nan_to_num(centres[..., 1], nan=SIZE)  # to the right of everything
    assert (np.diff(columns, axis=1) >= 0).all(), "from left to right"
    for i, j in itertools.permutations(range(3), 2):
        near = np.maximum(centres[:, i] - half[:, i, None], centres[:, j] - half[:, j, None])
        far = np.minimum(centres[:, i] + half[:, i, None], centres[:, j] + half[:, j, None])
        covered = np.prod(np.clip(far - near, 0, None), axis=1) / (2 * half[:, i]) ** 2
        assert (covered[~np.isnan(covered)] <= 0.2 + 1e-5).all()


def test_a_stream_is_ever_new_and_the_same_for_its_seed():
    def stream(seed):
        return itertools.islice(data.stream_canvases(IMAGES, LABELS, 8, seed, canvas_size=SIZE), 2)

    (first, second), (again, _) = stream(3), stream(3)
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, second.x)
    assert list(np.bincount(second.count)) == [2, 2, 2, 2]
    shapes = (tf.TensorSpec((None, SIZE, SIZE, 1), tf.uint8), tf.TensorSpec((None,), tf.int32))
    batches = tf.data.Dataset.from_generator(lambda: ((c.x, c.count) for c in stream(3)), output_signature=shapes)
    assert len(list(batches)) == 2


def test_a_file_gives_back_what_was_written(tmp_path):
    made, path = canvases(), tmp_path / "canvases.npz"
    data.save_canvases(path, made)
    assert [file.name for file in tmp_path.iterdir()] == ["canvases.npz"]
    for written, read in zip(made, data.load_canvases(path), strict=True):
        np.testing.assert_array_equal(written, read)
    np.savez(path, x=made.x)
    with pytest.raises(ValueError, match=r"must hold x, count, digits, places. Received: .*canvases.npz without .*count"):
        data.load_canvases(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": (1.0, 3.0)}, r"must fit on the canvas. Received: scales=\(1.0, 3.0\), images of side 8, canvas_size=20"),
        ({"scales": (0.0, 1.0)}, "scales must be positive"),
        (
            {"max_digits": 9, "scales": (1.0, 1.0), "max_overlap": 0.0, "num": 10},
            "at most 0.0. Received: max_digits=9",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        canvases(**options)
    with pytest.raises(ValueError, match="30 images and 29 labels"):
        data.make_canvases(IMAGES, LABELS[1:], 4, 0, canvas_size=SIZE)


def test_what_is_known_of_canvases_is_by_variable():
    made = canvases(20, max_digits=2)
    known = data.known_places(made, 3)
    assert list(known) == ["count", "place_1", "place_2", "place_3", "digit_1", "digit_2", "digit_3"]
    np.testing.assert_array_equal(known["place_2"], made.places[:, 1])
    assert np.isnan(known["place_3"]).all() and (known["digit_3"] == -1).all()
    with pytest.raises(ValueError, match=r"must have at most 1 digits, like the model. Received: a canvas with 2"):
        data.known_places(made, 1)


def test_canvases_of_another_data_set(monkeypatch):
    """The same canvases for every seed, which draws whose labels are shown; digits are known of the test set alone."""
    monkeypatch.setattr(data.sources, "_NUM_CANVASES", (80, 24))
    monkeypatch.setattr(data.sources, "make_canvases", functools.partial(data.make_canvases, canvas_size=16))
    first, other = (data.load("canvases:digits", 20, seed, num_validation=20) for seed in (0, 1))
    np.testing.assert_array_equal(first.x_test[:5].shape, (5, 16, 16, 1))
    assert first.raw_dtype == "uint8"
    assert set(first.y_train) == {"count", "place_1", "place_2", "place_3"} and "digit_1" in first.y_test
    np.testing.assert_array_equal(np.bincount(first.y_train["count"][first.is_labelled]), [5, 5, 5, 5])
    assert len(first.x_train) == 60 and len(first.x_validation) == 20
    shown = first.y_train["count"] > 0
    assert not np.isnan(first.y_train["place_1"][shown]).any() and np.isnan(first.y_train["place_1"][~shown]).all()
    assert not np.array_equal(first.is_labelled, other.is_labelled)
    assert 0 <= first.x_train.min() and first.x_train.max() <= 1 and first.digit_shape == (8, 8, 1)
