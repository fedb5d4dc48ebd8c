"""Metrics that Keras lacks."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ExpectedCalibrationError(keras.metrics.Metric):
    """ECE of Naeini et al. 2015, over the whole data set and not batch by batch.

        ECE = sum_b (n_b / n) | accuracy_b - confidence_b |

    over equal-width bins of the largest probability: what `tfp.stats.expected_calibration_error` computes of one array,
    accumulated over batches.

    Args:
        num_bins: number of bins.
    """

    def __init__(self, num_bins: int = 15, name: str = "ece", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_bins = num_bins
        # Per bin: examples, sum of confidences, sum of hits.
        self.totals = self.add_variable((3, num_bins), initializer="zeros", name="totals")

    def update_state(self, y_true, probabilities, sample_weight=None):
        """Adds labels [B] and class probabilities [B, K], counted `sample_weight` [B] times."""
        confidence = tf.reduce_max(probabilities, axis=-1)
        hit = tf.cast(tf.argmax(probabilities, axis=-1, output_type=tf.int32) == tf.cast(y_true, tf.int32), confidence.dtype)
        index = tf.clip_by_value(tf.cast(confidence * self.num_bins, tf.int32), 0, self.num_bins - 1)
        bins = tf.one_hot(index, self.num_bins, dtype=confidence.dtype)
        weight = tf.ones_like(confidence) if sample_weight is None else tf.cast(sample_weight, confidence.dtype)
        self.totals.assign_add(tf.stack([weight, weight * confidence, weight * hit]) @ bins)

    def result(self):
        count, confidence, hits = tf.unstack(tf.convert_to_tensor(self.totals))
        return tf.math.divide_no_nan(tf.reduce_sum(tf.abs(hits - confidence)), tf.reduce_sum(count))

    def get_config(self):
        return {**super().get_config(), "num_bins": self.num_bins}
