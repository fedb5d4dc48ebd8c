"""Affine transformations against SciPy's, and the random ones."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from ssdgm_tf import layers


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 10, 3)])
def test_it_is_scipys_affine_transform(shape):
    generator = np.random.default_rng(0)
    images = generator.uniform(size=(6, *shape)).astype(np.float32)
    matrices = (np.eye(2) + 0.3 * generator.normal(size=(6, 2, 2))).astype(np.float32)
    offsets = generator.normal(size=(6, 2)).astype(np.float32) * 2
    ours = layers.affine_transform(images, matrices, offsets)
    centre = (np.array(shape[:2]) - 1) / 2
    for image, matrix, offset, out in zip(images, matrices, offsets, np.asarray(ours), strict=True):
        shift = centre + offset - matrix @ centre
        for channel in range(shape[2]):
            theirs = ndimage.affine_transform(image[..., channel], matrix, shift, order=1, mode="grid-constant")
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


def test_turning_and_scaling_keep_the_centre():
    x = np.zeros((50, 21, 21, 1), np.float32)
    x[:, 10, 10] = 1.0
    moved = np.asarray(layers.RandomAffine(shift=0.0, seed=1)(x, training=True))
    np.testing.assert_allclose(moved[:, 10, 10], 1.0, rtol=1e-4)
