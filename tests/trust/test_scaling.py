"""Scalings against what generated the labels, and the conditions of a minimum."""

import numpy as np
import pytest
from scipy import optimize, special

from ssdgm_tf import trust
from ssdgm_tf.trust import scaling as of_scaling
from ssdgm_tf.trust.scaling import METHODS


def drawn(num, classes=3, seed=0, scaling=None):
    """Predictions [N, K], and a label of each, drawn from their scaling."""
    generator = np.random.default_rng(seed)
    predictions = generator.dirichlet(np.ones(classes), num)
    true = predictions if scaling is None else scaling(predictions)
    return predictions, (true.cumsum(axis=1) < generator.uniform(size=(num, 1))).sum(axis=1)


def loss(found, predictions, y):
    """What is made least, by hand: every slope of a temperature is the same one."""
    log_slope = np.log(found.slope if np.any(found.offset) else found.slope[:1])
    priors = (np.sum(log_slope**2) + np.sum(found.offset**2)) / 2 + 10 * found.floor
    return priors - np.sum(np.log(found(predictions)[np.arange(len(y)), y]))


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(slope):
    predictions, y = drawn(100_000, scaling=trust.Scaling(np.full(3, slope), np.zeros(3), 0.0))
    found = trust.temperature(predictions, y)
    np.testing.assert_allclose(found.slope, slope, rtol=0.045)  # at least 5 standard errors
    np.testing.assert_array_equal(found.offset, 0)
    assert found.floor < 0.01


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_floor_that_made_the_labels_is_found(method):
    """Of sure predictions a fifth are of nothing: no temperature says so."""
    generator = np.random.default_rng(0)
    y = generator.integers(4, size=20_000)
    shown = np.where(generator.uniform(size=len(y)) < 0.2, generator.integers(4, size=len(y)), y)
    predictions = np.where(np.eye(4)[shown] == 1, 1 - 3e-9, 1e-9)
    found = METHODS[method](predictions, y)
    np.testing.assert_allclose(found.floor, 0.2, atol=0.025)  # 5 standard errors, and what a slope does
    sure = found(predictions).max(axis=1).mean()
    np.testing.assert_allclose(sure, np.mean(predictions.argmax(axis=1) == y), atol=1e-3)


def test_the_slopes_and_offsets_that_made_the_labels_are_found():
    true = trust.Scaling(np.array([0.5, 1.0, 2.0]), np.array([1.0, -0.5, -0.5]), 0.0)
    found = trust.vector(*drawn(100_000, scaling=true))
    np.testing.assert_allclose(found.slope, true.slope, atol=0.2)  # at least 5 standard errors
    np.testing.assert_allclose(found.offset - found.offset.mean(), true.offset, atol=0.1)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_small_change_makes_the_loss_less(method):
    predictions, y = drawn(60, classes=4, seed=1)
    wrong = special.softmax(3 * np.log(predictions) + [1.0, 0.0, 0.0, -1.0], axis=1)
    y[:12] = (y[:12] + 1) % 4
    found = METHODS[method](wrong, y)
    least = loss(found, wrong, y)
    moves = [(np.full(4, 1.0), np.zeros(4), 0.0)] if method == "temperature" else []
    moves += [(np.eye(4)[k], np.zeros(4), 0.0) for k in range(4) if method == "vector"]
    moves += [(np.zeros(4), np.eye(4)[k], 0.0) for k in range(4) if method == "vector"]
    for of_slope, of_offset, of_floor in [*moves, (np.zeros(4), np.zeros(4), 1.0)]:
        for step in (-1e-2, 1e-2):
            floor = found.floor + step * of_floor
            if floor >= 0:
                moved = trust.Scaling(found.slope + step * of_slope, found.offset + step * of_offset, floor)
                assert loss(moved, wrong, y) > least


@pytest.mark.parametrize("number", [0, 4])
def test_the_gradient_is_that_of_finite_differences(number):
    predictions, y = drawn(20, classes=4, seed=2)
    log_q, slopes = np.log(predictions), max(1, number)
    parameters = np.random.default_rng(0).normal(size=slopes + number + 1) / 2

    def value_and_gradient(parameters):
        floor = special.expit(parameters[-1])
        return of_scaling._loss(log_q, y, parameters[:slopes], parameters[slopes:-1], floor)

    numeric = optimize.approx_fprime(parameters, lambda at: value_and_gradient(at)[0], 1e-6)
    np.testing.assert_allclose(value_and_gradient(parameters)[1], numeric, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("number", [1, 10, 1000])
def test_labels_that_are_all_right_do_not_make_it_sure(number):
    """Of N equal predictions q of two classes, all right: log T is where the prior holds against N labels.

    d/da [ N log(1 + e^(-m e^a)) + a^2 / 2 ] = 0,  m = log(q / (1 - q)).
    """
    predictions, y = np.tile([0.8, 0.2], [number, 1]), np.zeros(number, int)
    a, m = np.log(trust.temperature(predictions, y).slope[0]), np.log(4)
    np.testing.assert_allclose(number * m * np.exp(a) * special.expit(-m * np.exp(a)), a, rtol=0.02)


def test_a_temperature_keeps_the_order_of_the_classes_and_impossible_ones_stay_finite():
    predictions = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.2]])
    found = trust.Scaling(np.full(3, 0.1), np.zeros(3), 0.1)(predictions)
    assert np.all(np.isfinite(found)) and np.all(np.argsort(found[1]) == np.argsort(predictions[1]))
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_single_wrong_label_of_few_does_not_make_it_unsure():
    predictions = np.where(np.eye(3)[np.zeros(10, int)] == 1, 1 - 2e-4, 1e-4)
    assert trust.temperature(predictions, np.array([1] + [0] * 9))(predictions)[0, 0] > 0.9


@pytest.mark.parametrize(
    ("y", "match"),
    [([0, -1], "Labels must be 0..1. Received: -1"), ([0, 2], "to 2"), ([0], "shapes"), ([0.0, 1.0], "of float64")],
)
def test_labels_that_are_none_are_refused(y, match):
    with pytest.raises(ValueError, match=match):
        trust.temperature(np.full((2, 2), 0.5), np.array(y))
