"""The distribution of a number of any shape: shares of bins, and wide tails."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers.scalar_distribution import ScalarDistribution

#: The share of values that come from the tail.
TAIL = 0.01
#: What stands for the logit of what there is not, and the log density of bins beyond their ends: its exponential is 0.
NOTHING = -1e4


class Histogram(ScalarDistribution):
    """A number in one of K bins, uniform within it; one in a hundred is from a wide distribution instead.

        p(v) = 0.99 softmax(logits)_k / (e_{k+1} - e_k) + 0.01 tail(v),        e_k <= v < e_{k+1}

    Beyond the outer edges there is the tail only. Draws are exact and carry no gradient.

    Args:
        logits: [..., n, K], of n columns; those beyond the last bin of a column are left out.
        edges: of the bins of each column, increasing, [number of bins + 1].
        tail: a distribution of batch shape [n].
        name: of its operations.
    """

    def __init__(
        self, logits: tf.Tensor, edges: Sequence[np.ndarray], tail: tfd.Distribution, name: str = "Histogram"
    ) -> None:
        logits = tf.convert_to_tensor(logits)
        num_bins, most = np.array([len(of) - 1 for of in edges]), logits.shape[-1]
        # Bins that there are not are of width 1, beyond the last one.
        filled_up = [np.concatenate([of, of[-1] + 1 + np.arange(most + 1 - len(of))]) for of in edges]
        is_bin = np.arange(most) < num_bins[:, None]
        self.logits = logits if is_bin.all() else tf.where(is_bin, logits, tf.constant(NOTHING, logits.dtype))
        self.edges, self.last = tf.constant(np.array(filled_up), logits.dtype), num_bins - 1
        self.end, self.tail = tf.constant([of[-1] for of in edges], logits.dtype), tail
        super().__init__({"logits": self.logits, "edges": edges, "tail": tail}, self.logits.dtype, name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        properties = tfp.util.ParameterProperties
        return {
            "logits": properties(event_ndims=1),
            "edges": properties(event_ndims=None),
            "tail": properties(event_ndims=None),
        }

    def _batch_shape(self) -> tf.TensorShape:
        return self.logits.shape[:-1]

    def _batch_shape_tensor(self, **_: Any) -> tf.Tensor:
        return tf.shape(self.logits)[:-1]

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        in_bin = tf.reduce_sum(tf.cast(value[..., None] >= self.edges[:, 1:-1], tf.int32), axis=-1)
        one_hot = tf.one_hot(tf.minimum(in_bin, tf.constant(self.last, tf.int32)), self.logits.shape[-1], dtype=self.dtype)
        log_density = tf.nn.log_softmax(self.logits) - tf.math.log(high - low)
        in_bins = tf.reduce_sum(one_hot * log_density, axis=-1)
        is_inside = (value >= self.edges[:, 0]) & (value <= self.end)
        in_bins = tf.where(is_inside, in_bins, NOTHING * tf.ones_like(in_bins))
        of_bins, of_tail = math.log1p(-TAIL) + in_bins, math.log(TAIL) + self.tail.log_prob(value)
        return of_tail + tf.nn.softplus(of_bins - of_tail)  # log(exp(of_bins) + exp(of_tail))

    def _mean(self) -> tf.Tensor:
        middles = (self.edges[:, :-1] + self.edges[:, 1:]) / 2
        return (1 - TAIL) * tf.reduce_sum(tf.nn.softmax(self.logits) * middles, axis=-1) + TAIL * self.tail.mean()

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        of_bin, of_place, of_tail, of_choice = tfp.random.split_seed(seed, n=4, salt="Histogram")
        logits = tf.stop_gradient(self.logits)
        one_hot = tfd.OneHotCategorical(logits=logits, dtype=self.dtype).sample(n, seed=of_bin)
        low, high = (tf.reduce_sum(one_hot * edges, axis=-1) for edges in (self.edges[:, :-1], self.edges[:, 1:]))
        place, choice = (tf.random.stateless_uniform(tf.shape(low), own, dtype=self.dtype) for own in (of_place, of_choice))
        shape = tf.concat([[n], tf.shape(logits)[:-2]], axis=0)
        beyond = tf.cast(self.tail.sample(shape, seed=of_tail), self.dtype)
        return tf.where(choice < TAIL, beyond, low + place * (high - low))
