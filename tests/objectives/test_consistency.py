"""Losses of predictions that need no label, against their definitions in NumPy and SciPy."""

import numpy as np
import pytest
from scipy import special, stats

from ssdgm_tf.objectives import consistency

R = np.random.default_rng(0)
P, Q = special.softmax(R.normal(size=(2, 5, 4)), axis=-1)


def test_entropy_and_divergence():
    np.testing.assert_allclose(consistency.entropy(np.log(P)), stats.entropy(P, axis=1), rtol=1e-10)
    np.testing.assert_allclose(consistency.divergence(np.log(P), np.log(Q)), stats.entropy(P, Q, axis=1), rtol=1e-10)
    assert float(consistency.divergence(np.log(P[0]), np.log(P[0]))) == pytest.approx(0, abs=1e-12)


def test_impossible_classes_give_finite_losses():
    log_q = consistency.log_of(np.array([[0.0, 1.0]], np.float32))
    assert float(consistency.entropy(log_q)[0]) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(consistency.divergence(np.log([[0.5, 0.5]]).astype(np.float32), log_q)).all()


def test_pseudo_labels():
    weight = np.array([1.0, 0.0, 0.5, 1.0, 1.0])
    expected = -weight * np.log(Q)[np.arange(5), P.argmax(axis=1)]
    np.testing.assert_allclose(consistency.pseudo_label(np.log(P), np.log(Q), weight), expected, rtol=1e-10)


def test_squared_distances():
    np.testing.assert_allclose(consistency.squared_distance(np.log(P), np.log(Q)), ((P - Q) ** 2).sum(axis=1), rtol=1e-10)


def test_thresholds_of_free_match():
    made = consistency.free_match_thresholds(np.float64(0.8), np.array([0.5, 0.25, 0.25]))
    np.testing.assert_allclose(made, [0.8, 0.4, 0.4])


def test_weights_of_soft_match():
    confidence, mean, variance = np.array([0.5, 0.7, 0.9]), np.float64(0.7), np.float64(0.04)
    expected = np.where(confidence < mean, np.exp(-((confidence - mean) ** 2) / (2 * variance / 4)), 1.0)
    np.testing.assert_allclose(consistency.soft_match_weight(confidence, mean, variance), expected, rtol=1e-10)
