"""Surrogates at the edges that exact expectations of graphs do not reach."""

import numpy as np
import tensorflow as tf

from ssdgm_tf import objectives


def test_a_sample_of_probability_zero_counts_as_a_sample():
    """S = 3, of which one has weight 0: the signals are log mean_3 less log mean_2 of the others."""
    weights = np.array([0.0, 2.0, 5.0])
    log_q = tf.Variable(np.zeros((3, 1)))
    with np.errstate(divide="ignore"):
        log_ratio = tf.constant(np.log(weights).reshape(1, 3, 1))
    with tf.GradientTape() as tape:
        surrogate = objectives.importance_weighted_surrogate(log_ratio, tf.zeros([1, 1, 1], tf.float64), log_q)
    expected = [np.log(weights.mean()) - np.log(np.delete(weights, s).mean()) for s in range(3)]
    np.testing.assert_allclose(tape.gradient(surrogate, log_q)[:, 0], expected, rtol=1e-12)
    np.testing.assert_array_equal(surrogate, [0.0])
