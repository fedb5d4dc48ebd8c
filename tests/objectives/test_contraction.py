"""The penalties of contractive autoencoders against Jacobians by automatic differentiation."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf.objectives.contraction import contraction, curvature

KERNEL = tf.constant(np.random.default_rng(0).normal(size=(5, 4)))
SHIFT = tf.constant(np.random.default_rng(1).normal(size=4))
X = tf.constant(np.random.default_rng(2).normal(size=(3, 5)))


def hidden(x):
    return tf.sigmoid(tf.matmul(x, KERNEL) + SHIFT)


def jacobians(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        h = hidden(x)
    return tape.batch_jacobian(h, x)


def test_contraction_is_the_squared_norm_of_the_jacobian():
    expected = tf.reduce_sum(jacobians(X) ** 2, axis=[1, 2])
    np.testing.assert_allclose(contraction(hidden(X), KERNEL), expected, rtol=1e-12)


def test_curvature_is_the_squared_distance_of_two_jacobians():
    moved = X + tf.constant(np.random.default_rng(3).normal(size=(3, 5)))
    expected = tf.reduce_sum((jacobians(X) - jacobians(moved)) ** 2, axis=[1, 2])
    np.testing.assert_allclose(curvature(hidden(X), hidden(moved), KERNEL), expected, rtol=1e-12)


@pytest.mark.parametrize("penalty", [lambda k: contraction(hidden(X), k), lambda k: curvature(hidden(X), hidden(X + 1), k)])
def test_it_has_a_gradient_for_the_weights(penalty):
    with tf.GradientTape() as tape:
        tape.watch(KERNEL)
        value = tf.reduce_sum(penalty(KERNEL))
    gradient = tape.gradient(value, KERNEL).numpy()
    assert np.all(np.isfinite(gradient)) and np.any(gradient)
