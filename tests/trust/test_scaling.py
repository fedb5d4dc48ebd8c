"""Scalings against what generated the labels, closed forms and the conditions of a minimum."""

import numpy as np
import pytest
from scipy import special

from ssdgm_tf import trust
from ssdgm_tf.trust.scaling import METHODS


def drawn(num, classes=3, seed=0, scaling=None):
    """Predictions [N, K], and a label of each, drawn from their scaling."""
    generator = np.random.default_rng(seed)
    predictions = generator.dirichlet(np.ones(classes), num)
    true = predictions if scaling is None else scaling(predictions)
    return predictions, (true.cumsum(axis=1) < generator.uniform(size=(num, 1))).sum(axis=1)


def cross_entropy(scaling, probabilities, y):
    """The cross-entropy of labels that weigh (N + 1) / (N + 2), by hand."""
    log_p, rest = np.log(scaling(probabilities)), 1 / (len(y) + 2)
    of_labels = log_p[np.arange(len(y)), y]
    return -np.mean((1 - rest) * of_labels + rest / (log_p.shape[1] - 1) * (log_p.sum(axis=1) - of_labels))


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(slope):
    predictions, y = drawn(100_000, scaling=trust.Scaling(np.full(3, slope), np.zeros(3)))
    found = trust.temperature(predictions, y)
    np.testing.assert_allclose(found.slope, slope, rtol=0.045)  # 5 standard errors
    np.testing.assert_array_equal(found.offset, 0)


def test_the_slopes_and_offsets_that_made_the_labels_are_found():
    true = trust.Scaling(np.array([0.5, 1.0, 2.0]), np.array([1.0, -0.5, -0.5]))
    found = trust.vector(*drawn(100_000, scaling=true))
    np.testing.assert_allclose(found.slope, true.slope, atol=0.2)  # at least 5 standard errors
    np.testing.assert_allclose(found.offset, true.offset, atol=0.1)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_small_change_makes_the_cross_entropy_less(method):
    probabilities, y = drawn(50, classes=4, seed=1)
    wrong = special.softmax(3 * np.log(probabilities) + [1.0, 0.0, 0.0, -1.0], axis=1)
    found = METHODS[method](wrong, y)
    least = cross_entropy(found, wrong, y)
    moves = [(np.full(4, 1.0), np.zeros(4))] if method == "temperature" else []
    moves += [(np.eye(4)[k], np.zeros(4)) for k in range(4) if method == "vector"]
    moves += [(np.zeros(4), np.eye(4)[k]) for k in range(4) if method == "vector"]
    for of_slope, of_offset in moves:
        for step in (-1e-2, 1e-2):
            moved = trust.Scaling(found.slope + step * of_slope, found.offset + step * of_offset)
            assert cross_entropy(moved, wrong, y) > least


@pytest.mark.parametrize("number", [1, 10, 1000])
def test_labels_that_are_all_right_do_not_make_it_sure(number):
    """Equal predictions, all of them right: the calibrated one is (N + 1) / (N + 2), as Laplace had it."""
    probabilities, y = np.tile([0.8, 0.2], [number, 1]), np.zeros(number, int)
    found = trust.temperature(probabilities, y)(probabilities)
    np.testing.assert_allclose(found[:, 0], (number + 1) / (number + 2), atol=1e-5)


def test_a_temperature_keeps_the_order_of_the_classes_and_impossible_ones_stay_finite():
    probabilities = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.2]])
    found = trust.Scaling(np.full(3, 0.1), np.zeros(3))(probabilities)
    assert np.all(np.isfinite(found)) and np.all(np.argsort(found[1]) == np.argsort(probabilities[1]))
    np.testing.assert_allclose(found.sum(axis=1), 1)
