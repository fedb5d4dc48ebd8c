"""What random views change in training, and that they change nothing else."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers

SIZE = 4000


@pytest.mark.parametrize(("size", "side"), [(0.3, 3), (0.4, 4), (0.01, 1)])
def test_a_square_is_hidden_and_nothing_else(size, side):
    images = np.random.default_rng(0).uniform(1, 2, (SIZE, 10, 12, 2)).astype(np.float32)
    made = np.asarray(layers.Cutout(size, value=-1.0, seed=1)(images, training=True))
    is_hidden = (made == -1).all(axis=-1)
    np.testing.assert_array_equal(made[~is_hidden], images[~is_hidden])
    rows, columns = is_hidden.any(axis=2).sum(axis=1), is_hidden.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(is_hidden.sum(axis=(1, 2)), rows * columns)
    assert rows.max() == columns.max() == side and rows.min() >= side // 2
    centre = is_hidden[:, 5, 5].mean()  # of a pixel at which no square is cut off: the share of its area
    assert abs(centre - side**2 / 120) < 6 * np.sqrt(side**2 / 120 / SIZE), "fails by chance with probability below 1e-8"


def test_swapped_elements_are_those_of_other_examples():
    x = np.arange(SIZE * 3, dtype=np.float32).reshape(SIZE, 3)
    made = np.asarray(layers.RandomSwap(0.25, seed=1)(x, training=True))
    is_swapped = made != x
    assert np.all(made % 3 == np.arange(3)), "an element stays in its column"
    assert abs(is_swapped.mean() - 0.25) < 6 * np.sqrt(0.25 * 0.75 / (3 * SIZE)) + 1 / SIZE
    rows = made // 3
    both = is_swapped[:, 0] & is_swapped[:, 1]
    np.testing.assert_array_equal(rows[both, 0], rows[both, 1])


def test_half_of_the_images_are_flipped_and_no_other_changes():
    images = np.random.default_rng(0).random((SIZE, 3, 4, 2), np.float32)
    made = np.asarray(layers.RandomFlip(seed=1)(images, training=True))
    is_flipped = (made == images[:, :, ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(made[~is_flipped], images[~is_flipped])
    assert abs(is_flipped.mean() - 0.5) < 6 * np.sqrt(0.25 / SIZE), "fails by chance with probability below 1e-8"


def test_gaps_come_and_go():
    x = np.where(np.random.default_rng(0).random((SIZE, 2)) < 0.5, np.nan, 1).astype(np.float32)
    made = np.asarray(layers.RandomSwap(1.0, seed=1)(x, training=True))
    assert np.isnan(made).sum() == np.isnan(x).sum() and 0.3 < np.mean(np.isnan(made) != np.isnan(x)) < 0.7


def test_colours_change_by_the_formula_and_nothing_is_clipped():
    x = np.random.default_rng(0).normal(3, 2, (5, 4, 3, 3)).astype(np.float32)
    mean, std = x.mean(axis=(1, 2, 3), keepdims=True), x.std(axis=(1, 2, 3), keepdims=True)
    grey = x.mean(axis=-1, keepdims=True)
    brighter = np.asarray(layers.RandomColours(0.5, 0.0, 0.0, seed=1)(x, training=True))
    change = (brighter - x) / std
    np.testing.assert_allclose(change, np.broadcast_to(change[:, :1, :1, :1], x.shape), atol=1e-5)
    assert 0 < np.ptp(change) and np.abs(change).max() <= 0.5
    sharper = np.asarray(layers.RandomColours(0.0, 0.5, 0.0, seed=1)(x, training=True))
    np.testing.assert_allclose(sharper.mean(axis=(1, 2, 3), keepdims=True), mean, rtol=1e-5)
    factor = sharper.std(axis=(1, 2, 3)) / std.ravel()
    np.testing.assert_allclose(sharper - mean, factor[:, None, None, None] * (x - mean), atol=1e-4)
    richer = np.asarray(layers.RandomColours(0.0, 0.0, 0.7, seed=1)(x, training=True))
    np.testing.assert_allclose(richer.mean(axis=-1, keepdims=True), grey, rtol=1e-4)
    assert np.all(np.abs(np.log(factor)) <= 0.5) and not np.allclose(richer, x)


def test_views_of_one_seed_draw_different_numbers():
    """One image in each of 300 calls: whether it is made brighter does not follow from whether it is flipped."""
    x = np.random.default_rng(0).uniform(size=(1, 4, 3, 3)).astype(np.float32)
    colours, flip = layers.RandomColours(1, 0, 0, seed=1), layers.RandomFlip(seed=1)
    views = tf.function(lambda x: (colours(x, training=True), flip(x, training=True)))
    drawn = [views(x) for _ in range(300)]
    is_brighter = [np.mean(made) > x.mean() for made, _ in drawn]
    is_flipped = [not np.array_equal(made, x) for _, made in drawn]
    assert abs(np.corrcoef(is_brighter, is_flipped)[0, 1]) < 6 / np.sqrt(300), "fails by chance with probability below 1e-8"


def test_a_share_of_the_images_is_inverted():
    x = np.random.default_rng(0).uniform(0, 1, (SIZE, 4, 3, 3)).astype(np.float32)
    made = np.asarray(layers.RandomColours(0.0, 0.0, 0.0, inversion=0.3, seed=1)(x, training=True))
    inverted = 2 * x.mean(axis=(1, 2, 3), keepdims=True) - x
    is_inverted = np.abs(made - inverted).max(axis=(1, 2, 3)) < 1e-5
    np.testing.assert_allclose(made[~is_inverted], x[~is_inverted], atol=1e-5)
    assert abs(is_inverted.mean() - 0.3) < 6 * np.sqrt(0.3 * 0.7 / SIZE), "fails by chance with probability below 1e-8"


@pytest.mark.parametrize(
    "layer",
    [
        layers.Cutout(seed=1),
        layers.RandomColours(seed=1),
        layers.RandomSwap(seed=1),
        layers.RandomFlip(seed=1),
        layers.RandAugment(seed=1),
    ],
)
def test_views_are_for_training_and_run_under_xla(layer):
    x = np.random.default_rng(0).uniform(0, 1, (6, 5, 5, 1)).astype(np.float32)
    np.testing.assert_array_equal(layer(x), x)
    compiled = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    first, second = (np.asarray(compiled(x)) for _ in range(2))
    assert not np.array_equal(first, x) and not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Cutout(0.0), r"size must be a share in \(0, 1\]. Received: size=0.0"),
        (lambda: layers.RandomSwap(1.5), r"rate must be a probability in \[0, 1\]. Received: rate=1.5"),
        (
            lambda: layers.RandomColours(inversion=-0.1),
            r"inversion must be a probability in \[0, 1\]. Received: inversion=-0.1",
        ),
    ],
)
def test_other_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
