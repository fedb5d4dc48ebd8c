import numpy as np
import tensorflow_probability as tfp

from ssdgm_tf.models.metrics import ExpectedCalibrationError


def test_ece_over_batches_is_that_of_tfp_over_the_whole():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(500, 4)).astype("float32") * 2
    labels = generator.integers(4, size=500)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    metric = ExpectedCalibrationError(num_bins=10)
    for start in range(0, 500, 70):
        metric.update_state(labels[start : start + 70], probs[start : start + 70])
    expected = tfp.stats.expected_calibration_error(10, logits=logits, labels_true=labels)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-4)


def test_ece_of_a_calibrated_and_of_an_overconfident_classifier():
    labels = np.array([0, 0, 0, 1])
    metric = ExpectedCalibrationError()
    metric.update_state(labels, np.tile([[0.75, 0.25]], (4, 1)).astype("float32"))
    assert float(metric.result()) < 1e-6
    metric.reset_state()
    metric.update_state(labels, np.tile([[1.0, 0.0]], (4, 1)).astype("float32"))
    np.testing.assert_allclose(metric.result(), 0.25, atol=1e-6)


def test_ece_leaves_out_examples_of_weight_zero():
    probs = np.array([[0.9, 0.1], [0.6, 0.4]], "float32")
    metric = ExpectedCalibrationError()
    metric.update_state(np.array([0, 1]), probs, sample_weight=np.array([1.0, 0.0]))
    np.testing.assert_allclose(metric.result(), 0.1, atol=1e-6)
