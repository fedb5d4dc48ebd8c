import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import objectives

GENERATOR = np.random.default_rng(5)


def normal(*shape):
    return GENERATOR.normal(size=shape)


def log_softmax(logits):
    return logits - np.log(np.sum(np.exp(logits), axis=0))


def test_labelled_bound_is_equation_6_and_broadcasts():
    log_px, log_py, kl_z = normal(3, 4, 5), normal(3, 1, 1), normal(3, 1, 5)
    expected = np.zeros((3, 5))
    for k in range(3):
        for b in range(5):
            expected[k, b] = np.mean([log_px[k, s, b] for s in range(4)]) + log_py[k, 0, 0] - kl_z[k, 0, b]
    np.testing.assert_allclose(objectives.labelled_bound(log_px, log_py, kl_z), expected, rtol=1e-12)


def test_unlabelled_bound_is_equation_7_by_an_explicit_loop():
    bound, log_qy = normal(4, 6), log_softmax(normal(4, 6))
    expected = np.zeros(6)
    for b in range(6):
        for k in range(4):
            expected[b] += np.exp(log_qy[k, b]) * (bound[k, b] - log_qy[k, b])
    np.testing.assert_allclose(objectives.unlabelled_bound(bound, log_qy), expected, rtol=1e-12)


def test_unlabelled_bound_at_the_exact_posterior_is_the_evidence():
    log_joint = normal(4, 6)
    evidence = np.log(np.sum(np.exp(log_joint), axis=0))
    np.testing.assert_allclose(objectives.unlabelled_bound(log_joint, log_joint - evidence), evidence, rtol=1e-12)


@pytest.mark.parametrize("offset", [-1e4, 0.0, 1e4])
def test_importance_weighted_bound_is_a_log_mean_without_overflow(offset):
    log_w = normal(3, 7, 5)
    expected = np.log(np.sum(np.exp(log_w), axis=(0, 1)) / 7) + offset
    np.testing.assert_allclose(objectives.importance_weighted_bound(log_w + offset), expected, rtol=1e-9)


def test_importance_weighted_bound_of_one_sample_is_above_the_unlabelled_bound():
    log_w, log_qy = normal(3, 1, 500), log_softmax(normal(3, 500))
    tighter = objectives.importance_weighted_bound(log_w)
    assert np.all(tighter >= objectives.unlabelled_bound(log_w[:, 0], log_qy) - 1e-9)


def test_a_label_without_weight_is_left_out():
    log_w = normal(3, 7, 5)
    only = np.where(np.arange(3)[:, None, None] == 1, log_w, -np.inf)
    np.testing.assert_allclose(
        objectives.importance_weighted_bound(only), objectives.importance_weighted_bound(log_w[1:2]), rtol=1e-12
    )


def test_gradients_agree_with_finite_differences():
    bound, logits = tf.Variable(normal(3, 2)), tf.Variable(normal(3, 2))

    def value(bound, logits):
        return tf.reduce_sum(objectives.unlabelled_bound(bound, tf.nn.log_softmax(logits, axis=0)))

    theoretical, numerical = tf.test.compute_gradient(value, [bound, logits])
    for exact, approximate in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(exact, approximate, atol=1e-5)


def test_a_certain_classifier_leaves_no_nan():
    log_qy = tf.nn.log_softmax(tf.constant([[500.0], [-500.0]]), axis=0)
    np.testing.assert_allclose(objectives.unlabelled_bound(tf.constant([[-3.0], [-9.0]]), log_qy), [-3.0], atol=1e-6)
