"""The shares of a class: among the labels, among the examples, and the shift between them."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from ssdgm_tf import layers

LABELLED, PREDICTED, CERTAINTY = np.array([0.5, 0.25, 0.25]), np.array([0.1, 0.1, 0.8]), 0.83


@pytest.fixture
def node():
    made = layers.ShiftedCategoricalNode(3, seed=1)
    made.labelled.assign(LABELLED)
    made.predicted.assign(PREDICTED)
    made.certainty.assign(CERTAINTY)
    return made


def test_at_first_there_is_no_shift():
    inputs = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    node = layers.ShiftedCategoricalNode(3, seed=1)
    np.testing.assert_allclose(node.distribution(inputs).logits, node.projection(inputs), rtol=1e-6)


def test_the_shift_is_that_of_bayes_rule(node):
    log_shares = node.follow(tf.constant(PREDICTED, tf.float32), tf.constant(CERTAINTY), 26.0)
    explained = 0.5  # of the variance: (0.83 - 0.66) / (1 - 0.66)
    rho = 24 / (26 * explained + 24)
    shares = (1 - rho) * PREDICTED + rho * LABELLED
    np.testing.assert_allclose(np.exp(log_shares), shares, rtol=1e-5)
    inputs = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    probs = node.distribution(inputs).probs_parameter()
    expected = scipy.special.softmax(node.projection(inputs), axis=-1) * shares / LABELLED
    np.testing.assert_allclose(probs, expected / expected.sum(axis=-1, keepdims=True), rtol=1e-4)


def test_a_label_is_scored_by_the_shares_among_the_labels(node):
    node.follow(tf.constant(PREDICTED, tf.float32), tf.constant(CERTAINTY), 26.0)
    inputs = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    probs, value = node.distribution(inputs).probs_parameter(), tf.eye(3)
    scored = tf.math.log(tf.reduce_sum(value * probs, axis=-1)) + node.log_prob_among_labels(probs, value)
    np.testing.assert_allclose(scored, np.diag(tf.nn.log_softmax(node.projection(inputs))), rtol=1e-4, atol=1e-5)


def test_predicted_shares_follow_slowly(node):
    node.follow(tf.constant([1.0, 0.0, 0.0]), tf.constant(1.0), 26.0)
    np.testing.assert_allclose(node.predicted, PREDICTED + 0.03 * (np.array([1.0, 0, 0]) - PREDICTED), rtol=1e-5)
    np.testing.assert_allclose(node.certainty, CERTAINTY + 0.03 * (1 - CERTAINTY), rtol=1e-5)


def test_predictions_that_are_the_same_for_all_examples_shift_nothing(node):
    node.predicted.assign([0.9, 0.05, 0.05])
    node.certainty.assign(0.9**2 + 2 * 0.05**2)
    log_shares = node.follow(node.predicted, node.certainty, 26.0)
    np.testing.assert_allclose(np.exp(log_shares), LABELLED, rtol=1e-5)
    np.testing.assert_allclose(node.shift, 0, atol=1e-5)


def test_certain_predictions_count_as_all_labels_do(node):
    node.certainty.assign(1.0)
    log_shares = node.follow(tf.constant(PREDICTED, tf.float32), tf.constant(1.0), 26.0)
    rho = 24 / (26 + 24)
    np.testing.assert_allclose(np.exp(log_shares), (1 - rho) * PREDICTED + rho * LABELLED, rtol=1e-5)


def test_shares_among_the_labels_are_the_mean_of_the_batches():
    node = layers.ShiftedCategoricalNode(3)
    batches = np.array([[1.0, 0, 0], [0, 0.5, 0.5], [0.2, 0.2, 0.6]], np.float32)
    for step, shares in enumerate(batches):
        node.see_labels(tf.constant(shares * 0.7), tf.constant(step, tf.int64))  # some examples of a batch have no label
    np.testing.assert_allclose(node.labelled, batches.mean(axis=0), rtol=1e-5)


def test_a_batch_without_labels_changes_nothing(node):
    node.see_labels(tf.zeros(3), tf.constant(0, tf.int64))
    np.testing.assert_allclose(node.labelled, LABELLED)
