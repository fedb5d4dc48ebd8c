"""Affine transformations against SciPy's, and the random ones."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from ssdgm_tf import layers


@pytest.mark.parametrize(("shape", "output_size"), [((8, 8, 1), None), ((7, 10, 3), None), ((6, 5, 1), (11, 8))])
def test_it_is_scipys_affine_transform(shape, output_size):
    generator = np.random.default_rng(0)
    images = generator.uniform(size=(6, *shape)).astype(np.float32)
    matrices = (np.eye(2) + 0.3 * generator.normal(size=(6, 2, 2))).astype(np.float32)
    offsets = generator.normal(size=(6, 2)).astype(np.float32) * 2
    ours = layers.affine_transform(images, matrices, offsets, output_size)
    output_shape = output_size or shape[:2]
    centre, output_centre = ((np.array(size) - 1) / 2 for size in (shape[:2], output_shape))
    for image, matrix, offset, out in zip(images, matrices, offsets, np.asarray(ours), strict=True):
        shift = centre + offset - matrix @ output_centre
        for channel in range(shape[2]):
            theirs = ndimage.affine_transform(
                image[..., channel], matrix, shift, output_shape, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(out[..., channel], theirs, atol=2e-5)


def test_its_gradients_are_finite_differences():
    generator = np.random.default_rng(1)
    values = [
        generator.uniform(size=(2, 5, 6, 1)),
        np.eye(2) + 0.2 * generator.normal(size=(2, 2, 2)),
        0.3 + 0.1 * generator.normal(size=(2, 2)),
    ]
    weights = tf.constant(generator.normal(size=(2, 5, 6, 1)))
    theirs, ours = tf.test.compute_gradient(
        lambda *args: tf.reduce_sum(weights * layers.affine_transform(*args)), [tf.constant(v) for v in values], delta=1e-6
    )
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_images_are_moved_in_training_alone_and_each_in_its_own_way():
    x = np.zeros((400, 21, 21, 1), np.float32)
    x[:, 10, 10] = 1.0
    layer = layers.RandomAffine(shift=3.0, rotation=0.0, scaling=0.0, shear=0.0, seed=1)
    np.testing.assert_array_equal(layer(x), x)
    moved = np.asarray(layer(x, training=True))[..., 0]
    rows = (moved.sum(axis=2) * np.arange(21)).sum(axis=1) - 10
    assert np.abs(rows).max() <= 3.0 + 1e-4
    # Uniform on [-3, 3]: standard deviation 3^0.5; the mean of 400 is beyond 5 standard errors with probability 6e-7.
    assert abs(rows.mean()) < 5 * np.sqrt(3) / 20 and rows.std() == pytest.approx(np.sqrt(3), rel=0.15)
    np.testing.assert_allclose(moved.sum(axis=(1, 2)), 1.0, rtol=1e-4)
    assert not np.allclose(layer(x, training=True)[..., 0], moved)


@pytest.mark.parametrize("only", ["rotation", "scaling", "shear"])
def test_each_kind_has_its_own_matrix_within_its_limit(only):
    """Read off two ramps, whose values are the row and the column that a pixel came from."""
    limits = {"rotation": 40.0, "scaling": 0.5, "shear": 0.5}
    layer = layers.RandomAffine(
        **{"shift": 0.0, "rotation": 0.0, "scaling": 0.0, "shear": 0.0} | {only: limits[only]}, seed=1
    )
    rows, columns = np.meshgrid(np.arange(21.0), np.arange(21.0), indexing="ij")
    ramps = np.tile(np.stack([rows, columns], axis=-1)[None], (300, 1, 1, 1)).astype(np.float32)
    out = np.asarray(layer(ramps, training=True))
    np.testing.assert_allclose(out[:, 10, 10], 10.0, atol=1e-4)
    m = np.stack([out[:, 11, 10] - out[:, 10, 10], out[:, 10, 11] - out[:, 10, 10]], axis=-1)  # [B, 2, 2]
    if only == "rotation":
        np.testing.assert_allclose(np.linalg.det(m), 1.0, atol=1e-3)
        np.testing.assert_allclose(m[:, 0, 0], m[:, 1, 1], atol=1e-3)
        drawn = np.degrees(np.arctan2(m[:, 1, 0], m[:, 0, 0]))
    elif only == "scaling":
        np.testing.assert_allclose(m[:, [0, 1], [1, 0]], 0.0, atol=1e-4)
        drawn = np.log(np.concatenate([m[:, 0, 0], m[:, 1, 1]]))
        assert np.corrcoef(np.log(m[:, 0, 0]), np.log(m[:, 1, 1]))[0, 1] < 0.3  # each axis has its own
    else:
        np.testing.assert_allclose(m[:, [0, 1, 1], [0, 1, 0]], [[1.0, 1.0, 0.0]] * 300, atol=1e-4)
        drawn = m[:, 0, 1]
    # Uniform within the limit: standard deviation limit / 3^0.5, to 5 standard errors of 300 draws (failure below 1e-5).
    assert np.abs(drawn).max() <= limits[only] + 1e-2
    assert drawn.std() == pytest.approx(limits[only] / np.sqrt(3), rel=0.15)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_rounds_pixels_and_not_places(policy):
    """At column 60 bfloat16 knows halves of a pixel."""
    x = np.random.default_rng(2).uniform(size=(20, 64, 64, 1)).astype(np.float32)
    moved, expected = (
        np.asarray(layers.RandomAffine(seed=1, dtype=dtype)(x, training=True), np.float32) for dtype in (policy, "float32")
    )
    np.testing.assert_allclose(moved, expected, atol=2e-2)


def test_bends_are_smooth_shifts_of_a_known_size():
    """Read off two ramps, as above. The shift of a pixel is a weighted sum of the shifts of the points around it."""
    still = {"shift": 0.0, "rotation": 0.0, "scaling": 0.0, "shear": 0.0}
    rows, columns = np.meshgrid(np.arange(41.0), np.arange(31.0), indexing="ij")
    ramps = np.tile(np.stack([rows, columns], axis=-1)[None], (400, 1, 1, 1)).astype(np.float32)
    out = np.asarray(layers.RandomAffine(**still, bending=1.0, seed=1)(ramps, training=True))
    shifts = (out - ramps)[:, 5:-5, 5:-5]  # away from the edge, beyond which everything is 0
    # At the centre between two points of a uniform cubic B-spline: weights 1/48, 23/48, 23/48 and 1/48 along each axis.
    expected = 2 * (23**2 + 1) / 48**2
    centre = shifts[:, 15, 10].std(axis=0)
    # The deviation of 400 normal draws is off by a fifth with a probability below 1e-7.
    np.testing.assert_allclose(centre, expected, rtol=0.2)
    assert abs(np.corrcoef(shifts[:, 15, 10].T)[0, 1]) < 0.25  # rows and columns by themselves, 5 standard errors
    assert np.abs(np.diff(shifts, n=2, axis=1)).max() < 0.15 and np.abs(shifts.mean(axis=0)).max() < 0.3
    np.testing.assert_array_equal(layers.RandomAffine(**still, seed=1)(ramps, training=True), ramps)
