"""Losses of a classifier and a generator, against a softmax over K + 1 classes, closed forms and finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf.objectives import adversarial

GENERATOR = np.random.default_rng(0)
REAL, GENERATED = (tf.constant(GENERATOR.normal(size=(size, 3)) * 4) for size in (5, 7))


def as_classes(logits):
    """Probabilities of K classes and of "generated", whose logit is 0."""
    return tf.nn.softmax(tf.pad(logits, [[0, 0], [0, 1]])).numpy()


def test_real_or_generated_is_a_softmax_with_one_class_more():
    expected = -np.log(1 - as_classes(REAL)[:, -1]).mean() - np.log(as_classes(GENERATED)[:, -1]).mean()
    np.testing.assert_allclose(adversarial.real_or_generated(REAL, GENERATED), expected, rtol=1e-9)


def test_taken_for_real():
    expected = -np.log(1 - as_classes(GENERATED)[:, -1]).mean()
    np.testing.assert_allclose(adversarial.taken_for_real(GENERATED), expected, rtol=1e-9)


@pytest.mark.parametrize("size", [1e3, -1e3])
def test_they_stay_finite_for_sure_classifiers(size):
    far = tf.fill([2, 3], np.float32(size))
    assert np.isfinite(adversarial.real_or_generated(far, far)) and np.isfinite(adversarial.taken_for_real(far))


def test_feature_matching_and_its_gradient():
    """d/dg_md = - 2 / (D G) (mean real_d - mean generated_d); the real features are held."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((REAL, GENERATED))
        loss = adversarial.feature_matching(REAL, GENERATED)
    distance = REAL.numpy().mean(axis=0) - GENERATED.numpy().mean(axis=0)
    np.testing.assert_allclose(loss, (distance**2).mean(), rtol=1e-12)
    np.testing.assert_allclose(tape.gradient(loss, GENERATED), np.tile(-2 / (3 * 7) * distance, (7, 1)), rtol=1e-12)
    assert tape.gradient(loss, REAL) is None


def test_pull_away_is_the_mean_over_pairs():
    unit = GENERATED.numpy() / np.linalg.norm(GENERATED, axis=1, keepdims=True)
    pairs = [(unit[i] @ unit[j]) ** 2 for i in range(7) for j in range(7) if i != j]
    np.testing.assert_allclose(adversarial.pull_away(GENERATED), np.mean(pairs), rtol=1e-9)
    np.testing.assert_allclose(adversarial.pull_away(tf.eye(4)), 0, atol=1e-6)
    np.testing.assert_allclose(adversarial.pull_away(tf.ones((4, 3))), 1, rtol=1e-6)
