"""A class whose shares among the labels differ from its shares among the examples."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers.categorical import OneHotCategoricalNode

# How fast the predicted shares follow the predictions of a batch; the mean over labels does not get slower than this.
_RATE, _SLOWEST = 0.03, 0.01
# Labels of each class that the shares among the labels count as, against M labels of the mean prediction.
_PSEUDO_LABELS = 8.0
_SMALLEST = 1e-3


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ShiftedCategoricalNode(OneHotCategoricalNode):
    """OneHotCategorical(logits = W inputs + b + shift): a class that is rarer or more frequent than among the labels.

    Labels are often drawn class by class. A classifier that is trained on them, q_s(y|x), knows the shares s of the classes
    among the labels. Of examples with the shares pi it says (Saerens et al. 2002)

        q(y|x)  =  q_s(y|x) pi_y / s_y  /  sum_k q_s(k|x) pi_k / s_k,          shift = log pi - log s

    pi is unknown. It is the mean prediction, drawn towards s as by 8 more labels of each class:

        pi = (1 - rho) mean q(y|x) + rho s,      rho = 8 K / (M r + 8 K)          K classes, M labels

    r is the share of the variance of y that the predictions explain: 1 if they are certain, 0 if they are the same for all
    examples, for then their mean tells nothing of pi, and a classifier that tells little must not call all of one class:

        r = (mean sum_k q(k|x)^2 - m) / (1 - m),      m = sum_k (mean q(k|x))^2

    All means are running ones, of the batches of training. The shift is 0 at the start, and no gradient changes it.

    Args:
        num_classes: number of classes K, at least 2.
        prior: None, or "uniform"; see `OneHotCategoricalNode`.
        seed: integer seed of the node's draws.

    Attributes:
        shift: log pi - log s, [K].
        labelled: s, [K].
        predicted: the running mean of q(y|x), [K].
        certainty: the running mean of sum_k q(k|x)^2, scalar.
    """

    def __init__(self, num_classes: int, prior: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(num_classes, prior=prior, seed=seed, **kwargs)
        uniform = keras.initializers.Constant(1 / num_classes)
        self.shift = self._add_fixed("shift", "zeros")
        self.labelled = self._add_fixed("labelled", uniform)
        self.predicted = self._add_fixed("predicted", uniform)
        self.certainty = self._add_fixed("certainty", uniform, ())

    def _add_fixed(self, name: str, initializer: Any, shape: tuple[int, ...] | None = None) -> keras.Variable:
        return self.add_weight(
            shape=(self.num_classes,) if shape is None else shape,
            initializer=initializer,
            dtype=self.density_dtype,
            trainable=False,
            aggregation="mean",
            name=name,
        )

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return super().make_distribution(parameters + tf.cast(self.shift, parameters.dtype))

    def log_prob_among_labels(self, probs: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """The difference log q_s(y|x) - log q(y|x): what to add for the shares among the labels, nats, [B].

        Args:
            probs: q(y|x), [B, K].
            value: one-hot y, [B, K].
        """
        shift = tf.cast(self.shift, probs.dtype)
        return -tf.linalg.matvec(value, shift) - tf.math.log(tf.linalg.matvec(probs, tf.exp(-shift)))

    def see_labels(self, shares: tf.Tensor, step: tf.Tensor) -> None:
        """Takes a batch into the shares among the labels.

        Args:
            shares: those of the batch, [K]; of sum 0 where it has no label.
            step: the number of the training step, from 0.
        """
        total = tf.reduce_sum(shares)
        rate = tf.maximum(1 / (tf.cast(step, self.density_dtype) + 1), _SLOWEST)
        mean = shares / tf.where(total > 0, total, tf.ones_like(total))
        self.labelled.assign_add(tf.where(total > 0, rate, tf.zeros_like(rate)) * (mean - self.labelled))

    def follow(self, predicted: tf.Tensor, certainty: tf.Tensor, num_labels: float) -> tf.Tensor:
        """Takes the mean prediction of a batch into pi, and sets the shift.

        Args:
            predicted: the mean of q(y|x) over the batch, [K].
            certainty: the mean of sum_k q(k|x)^2 over the batch, scalar.
            num_labels: M.

        Returns:
            log pi, [K].
        """
        self.predicted.assign_add(_RATE * (predicted - self.predicted))
        self.certainty.assign_add(_RATE * (certainty - self.certainty))
        of_mean = tf.reduce_sum(tf.square(self.predicted))
        explained = tf.clip_by_value((self.certainty - of_mean) / tf.maximum(1 - of_mean, _SMALLEST), 0.0, 1.0)
        pseudo_labels = _PSEUDO_LABELS * self.num_classes
        rho = pseudo_labels / (num_labels * explained + pseudo_labels)
        log_shares = tf.math.log(tf.maximum((1 - rho) * self.predicted + rho * self.labelled, _SMALLEST / self.num_classes))
        self.shift.assign(log_shares - tf.math.log(tf.maximum(self.labelled, _SMALLEST)))
        return log_shares
