"""Means and standard deviations: in float32 those of float64, however extreme the parameters; of angles round the circle."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate
from tensorflow_probability import distributions as tfd

from ssdgm_tf import layers
from tests.layers.test_supports import CASES, CLASSES

PREDICTED = [name for name in CASES if name != "relaxed"]


def average(values):
    """The mean over components [K, 1, 1, ...] -> [1, ...]."""
    return tf.reduce_mean(values[:, 0], axis=0)


@pytest.mark.parametrize("size", [0.1, 1.0, 6.0])
@pytest.mark.parametrize("name", PREDICTED)
def test_moments_of_float32_are_those_of_float64(name, size):
    parameters = np.random.default_rng(0).normal(size=(40, CASES[name][0]().num_parameters)) * size
    found = {}
    for dtype in ("float32", "float64"):
        head = type(CASES[name][0]()).from_config(CASES[name][0]().get_config() | {"dtype": dtype})
        distribution = head.make_distribution(tf.constant(parameters, dtype)[None, None])
        mean, stddev = (m(distribution, lambda v: v[0, 0]) for m in (head.mean_over, head.stddev_over))
        found[dtype] = np.asarray(mean, np.float64), np.asarray(stddev, np.float64)
    for single, double in zip(found["float32"], found["float64"], strict=True):
        fits = double < 1e15  # the square of what is larger may overflow
        single, double = single[fits], double[fits]
        np.testing.assert_allclose(single, double, rtol=2e-3, atol=1e-6 * np.abs(double).max())
    assert np.all(found["float32"][1] > 0)


@pytest.mark.parametrize("dim", [2, 4, 5])
@pytest.mark.parametrize("concentration", [1e-3, 0.5, 49.0, 51.0, 1e4])
def test_a_direction(dim, concentration):
    """Against integrals over the angle to the mean."""
    head = layers.VonMisesFisherNode(dim)
    q = tfd.VonMisesFisher([1.0] + [0.0] * (dim - 1), tf.constant(concentration, tf.float32))
    angle = (np.arange(200_000) + 0.5) / 200_000 * min(np.pi, 15 / np.sqrt(concentration))
    density = np.exp(-2 * concentration * np.sin(angle / 2) ** 2) * np.sin(angle) ** (dim - 2)
    density /= density.sum()
    missing = 2 * np.sin(angle / 2) ** 2
    along = np.sum(density * (missing - np.sum(density * missing)) ** 2)
    across = np.sum(density * np.sin(angle) ** 2) / (dim - 1)
    np.testing.assert_allclose(head.variance(q), [along] + [across] * (dim - 1), rtol=2e-3)


@pytest.mark.parametrize("name", [*CASES, *CLASSES])
def test_what_can_be_predicted_says_so(name):
    assert (CASES | CLASSES)[name][0]().has_moments == (name != "relaxed")
    assert not layers.StudentTNode(2, df=2.0).has_moments and not layers.StudentTNode(2, df=1.0).has_moments


def test_the_centre_of_heavy_tails_is_finite():
    head = layers.StudentTNode(1, df=0.5)
    np.testing.assert_array_equal(head.mean(head.make_distribution(tf.constant([[3.0, 0.0]]))), [[3.0]])


@pytest.mark.parametrize("logit", [-30.0, -0.02, 0.0, 0.003, 1.0, 40.0])
def test_continuous_bernoulli(logit):
    head = layers.ContinuousBernoulliNode(1)
    distribution = head.make_distribution(tf.constant([[logit]]))
    moments = [
        integrate.quad(lambda x, power=power: x**power * np.exp(logit * (x - (logit > 0))), 0, 1, epsabs=0, limit=200)[0]
        for power in range(3)
    ]
    mean = moments[1] / moments[0]
    centred = integrate.quad(lambda x: (x - mean) ** 2 * np.exp(logit * (x - (logit > 0))), 0, 1, epsabs=0, limit=200)[0]
    np.testing.assert_allclose(head.mean(distribution), [[mean]], rtol=1e-4)
    np.testing.assert_allclose(head.variance(distribution), [[centred / moments[0]]], rtol=1e-3)


@pytest.mark.parametrize("logit", [-40.0, 0.0, 17.0, 40.0])
def test_bernoulli(logit):
    head = layers.BernoulliNode(1)
    variance = head.variance(head.make_distribution(tf.constant([[logit]])))
    np.testing.assert_allclose(variance, [[np.exp(-abs(logit)) / (1 + np.exp(-abs(logit))) ** 2]], rtol=1e-5)


@pytest.mark.parametrize("loc", [0.0, 3.1, -2.0])
@pytest.mark.parametrize("concentration", [0.5, 5.0, 400.0, 1e6])
def test_an_angle(concentration, loc):
    """Of one component, the mean is loc and the spread sqrt(-2 log A(k)), about 1 / sqrt(k) where k is large."""
    head = layers.VonMisesNode(1)
    parameters = [[[[concentration * np.cos(loc), concentration * np.sin(loc)]]]]
    q = head.make_distribution(tf.constant(parameters, tf.float32))
    np.testing.assert_allclose(head.mean_over(q, average), [[loc]], atol=1e-5)
    turn = np.linspace(-1, 1, 100_001) * min(np.pi, 12 / np.sqrt(concentration))
    density = np.exp(-2 * concentration * np.sin(turn / 2) ** 2)
    missing = np.sum(2 * np.sin(turn / 2) ** 2 * density) / np.sum(density)
    np.testing.assert_allclose(head.stddev_over(q, average), [[np.sqrt(-2 * np.log1p(-missing))]], rtol=1e-3)


def test_angles_are_averaged_round_the_circle():
    head = layers.VonMisesNode(1)
    angles = np.array([3.13, -3.14])
    parameters = 1e4 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    q = head.make_distribution(tf.constant(parameters[:, None, None], tf.float32))
    mean, stddev = (float(np.squeeze(m(q, average))) for m in (head.mean_over, head.stddev_over))
    assert abs(mean) > 3.13  # and not 0
    within, between = 1 / 1e4, np.var([3.13, 2 * np.pi - 3.14])
    np.testing.assert_allclose(stddev, np.sqrt(within + between), rtol=1e-3)


def test_a_categorical_that_is_nearly_certain():
    head = layers.CategoricalNode(1, 200)
    logits = np.zeros(200)
    logits[190] = 25.0
    q = head.make_distribution(tf.constant(logits[None], tf.float32))
    p = np.exp(logits) / np.exp(logits).sum()
    expected = np.sum(p * (np.arange(200) - np.sum(p * np.arange(200))) ** 2)
    np.testing.assert_allclose(head.variance(q), [[expected]], rtol=1e-4)
