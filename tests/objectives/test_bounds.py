"""Each equation against an explicit loop, its limits, and finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import objectives

GENERATOR = np.random.default_rng(5)


def normal(*shape):
    return GENERATOR.normal(size=shape)


def log_softmax(logits):
    return logits - np.log(np.sum(np.exp(logits), axis=0))


def zeros(*shape):
    return np.zeros(shape)


def test_evidence_lower_bound_is_equation_7_by_an_explicit_loop_and_broadcasts():
    log_ratio, log_qy = normal(3, 4, 5), log_softmax(normal(3, 1, 5))
    expected = np.zeros(5)
    for b in range(5):
        for k in range(3):
            expected[b] += np.exp(log_qy[k, 0, b]) * np.mean([log_ratio[k, s, b] for s in range(4)])
    np.testing.assert_allclose(objectives.evidence_lower_bound(log_ratio, log_qy), expected, rtol=1e-12)


def test_evidence_lower_bound_at_the_exact_posterior_is_the_evidence():
    log_joint = normal(4, 1, 6)
    evidence = np.log(np.sum(np.exp(log_joint), axis=(0, 1)))
    log_qy = log_joint - evidence
    np.testing.assert_allclose(objectives.evidence_lower_bound(log_joint - log_qy, log_qy), evidence, rtol=1e-12)


@pytest.mark.parametrize("offset", [-1e4, 0.0, 1e4])
def test_importance_weighted_bound_is_a_log_mean_without_overflow(offset):
    log_ratio, log_weight = normal(3, 7, 5), log_softmax(normal(3, 7, 5))
    expected = np.log(np.sum(np.exp(log_ratio + log_weight), axis=(0, 1)) / 7) + offset
    np.testing.assert_allclose(objectives.importance_weighted_bound(log_ratio + offset, log_weight), expected, rtol=1e-9)


def test_importance_weighted_bound_of_one_sample_is_above_the_evidence_lower_bound():
    log_ratio, log_weight = normal(3, 1, 500), log_softmax(normal(3, 1, 500))
    tighter = objectives.importance_weighted_bound(log_ratio, log_weight)
    assert np.all(tighter >= objectives.evidence_lower_bound(log_ratio, log_weight) - 1e-9)
    assert np.mean(tighter - objectives.evidence_lower_bound(log_ratio, log_weight)) > 0.1


def test_log_normaliser_is_the_log_mean_weight():
    log_w, log_weight = normal(3, 4, 5), log_softmax(normal(3, 4, 5))
    expected = np.log(np.sum(np.exp(log_weight + log_w), axis=(0, 1)) / 4)
    np.testing.assert_allclose(objectives.log_normaliser(log_w, log_weight), expected, rtol=1e-12)


def test_importance_bound_is_equation_8_by_an_explicit_loop():
    """Without the classification term: (1/S) sum_s (w_s/Z) [log p - log q(y,u)] + log Z."""
    log_p_minus_log_qu, log_w = normal(1, 6, 4), normal(1, 6, 4) * 3
    for b in range(4):
        w = np.exp(log_w[0, :, b])
        z = np.mean(w)
        expected = np.mean(w / z * (log_p_minus_log_qu[0, :, b] - np.log(w))) + np.log(z)
        got = objectives.importance_bound(log_p_minus_log_qu, log_w, zeros(1, 1, 1))[b]
        assert float(got) == pytest.approx(expected, rel=1e-12)


def test_equal_weights_recover_the_conditional_form():
    log_ratio, log_w = normal(1, 6, 4), np.full((1, 6, 4), -3.7)
    conditional = objectives.evidence_lower_bound(log_ratio, zeros(1, 1, 1))
    np.testing.assert_allclose(objectives.importance_bound(log_ratio, log_w, zeros(1, 1, 1)), conditional, rtol=1e-12)


def test_weights_from_1e_30_to_1_neither_overflow_nor_vanish():
    """In float32, with a weight of 0 among the states: the sums of float64, and finite gradients."""
    log_w = np.log(np.logspace(-30, 0, 31))[None, :, None].repeat(2, axis=2)
    log_ratio, log_weight = normal(2, 31, 2), np.log([[0.25], [0.75]])[..., None]
    log_w = np.concatenate([log_w, np.full_like(log_w, -200.0)])
    exact = objectives.importance_bound(log_ratio, log_w, log_weight)
    arguments = [tf.constant(a, tf.float32) for a in (log_ratio, log_w, log_weight + zeros(2, 31, 2))]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        bound = objectives.importance_bound(*arguments)
    np.testing.assert_allclose(bound, exact, rtol=1e-5)
    assert all(np.all(np.isfinite(gradient)) for gradient in tape.gradient(bound, arguments))
    extreme = objectives.importance_bound(log_ratio + 1e4, log_w - 1e4, log_weight)
    np.testing.assert_allclose(extreme, exact + 1e4, rtol=1e-9)


def test_self_normalised_weights_sum_to_the_number_of_samples():
    log_w = normal(1, 50, 3) * 30
    log_z = objectives.log_normaliser(log_w, zeros(1, 1, 1))
    np.testing.assert_allclose(np.sum(np.exp(log_w - log_z), axis=(0, 1)), 50, rtol=1e-10)


@pytest.mark.parametrize("function", ["evidence_lower_bound", "importance_weighted_bound"])
def test_a_state_without_weight_is_left_out(function):
    bound = getattr(objectives, function)
    log_ratio = normal(3, 7, 5)
    only = np.where(np.arange(3)[:, None, None] == 1, 0.0, -np.inf)
    np.testing.assert_allclose(bound(log_ratio, only), bound(log_ratio[1:2], zeros(1, 1, 1)), rtol=1e-12)
    with tf.GradientTape() as tape:
        variable = tf.Variable(log_ratio)
        value = bound(variable, only)
    gradient = np.asarray(tape.gradient(value, variable))
    assert np.all(np.isfinite(gradient)) and not gradient[[0, 2]].any()


@pytest.mark.parametrize("function", ["evidence_lower_bound", "importance_weighted_bound", "importance_bound"])
def test_gradients_agree_with_finite_differences(function):
    arguments = [tf.Variable(normal(3, 4, 2)), tf.Variable(normal(3, 4, 2))]
    arguments += [tf.Variable(normal(3, 4, 2))] if function == "importance_bound" else []
    bound = getattr(objectives, function)

    def value(*arguments):
        *others, logits = arguments
        return tf.reduce_sum(bound(*others, tf.nn.log_softmax(logits, axis=0)))

    theoretical, numerical = tf.test.compute_gradient(value, arguments)
    for exact, approximate in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(exact, approximate, atol=1e-5)


def test_a_certain_classifier_leaves_no_nan():
    log_qy = tf.nn.log_softmax(tf.constant([[[500.0]], [[-500.0]]]), axis=0)
    log_ratio = tf.constant([[[-3.0]], [[-9.0]]]) - log_qy
    np.testing.assert_allclose(objectives.evidence_lower_bound(log_ratio, log_qy), [-3.0], atol=1e-6)
