"""Of a batch that is filled up only the first examples count."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf.engine import counted, trace_bounds
from ssdgm_tf.models import VAE

VALUES = tf.constant([1.0, 2.0, 9.0, 9.0])


def test_means_and_shares_are_of_the_first_examples():
    number = tf.constant(2, tf.int64)
    with counted.first(number):
        assert float(counted.mean(VALUES)) == 1.5
    assert float(counted.mean(VALUES)) == 5.25
    np.testing.assert_array_equal(counted.share(VALUES, number), [2.0, 4.0, 0.0, 0.0])
    rows = tf.stack([VALUES, 10 * VALUES], axis=1)
    with counted.first(number):
        np.testing.assert_array_equal(counted.mean(rows), [1.5, 15.0])
    np.testing.assert_array_equal(counted.mask(VALUES, number), [True, True, False, False])
    assert counted.share(VALUES, None) is VALUES and counted.mask(VALUES, None) is None


def test_values_that_do_not_count_need_not_be_finite():
    values = tf.constant([1.0, np.nan, np.inf])
    assert float(tf.reduce_mean(counted.share(values, tf.constant(1, tf.int64)))) == 1.0


@pytest.mark.usefixtures("eager")
def test_free_bits_are_granted_by_the_mean_of_the_examples_that_count():
    """Free bits between the mean KL of the first examples and that of all."""
    model = VAE(2, hidden_units=(4,), seed=0)
    model.build((None, 4))
    model.compile("sgd")
    x = np.random.default_rng(0).uniform(size=(6, 4)).astype(np.float32) * np.array([[9.0]] * 3 + [[0.0]] * 3, np.float32)
    one_pass = model.pass_over({"x": tf.constant(x)}, seed=tf.constant([0, 0]))
    kl = -np.asarray(trace_bounds.bound(one_pass, "evidence_lower_bound").terms["z"])
    of_first, of_all = kl[:3].mean(), kl.mean()
    free_bits = float(of_first + of_all) / 2
    with counted.first(tf.constant(3, tf.int64)):
        counts = trace_bounds.bound(one_pass, "evidence_lower_bound", free_bits=free_bits)
    every = trace_bounds.bound(one_pass, "evidence_lower_bound", free_bits=free_bits)
    for result, mean in ((counts, of_first), (every, of_all)):
        granted = kl - free_bits if mean <= free_bits else 0.0
        np.testing.assert_allclose(result.warmed, np.asarray(result.bound) + granted, rtol=1e-5)
    assert abs(of_first - of_all) > 1e-3
