"""How far the nearest known examples are, in numbers of any kind."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

#: The neighbour whose distance counts.
NEIGHBOUR = 5
# The share of the unit matrix in the covariance, so that no direction counts without end.
_SHRINKAGE = 0.1
# Of a unit: spreads below it count as none.
_TINY = 1e-6
# Squared distances below it are rounding: examples that are the same.
_SAME = 1e-4
# Rows that are looked at at once.
_BLOCK = 1000


class Neighbours(NamedTuple):
    """Known examples as numbers, and how far apart they are.

    Attributes:
        center: the mean of the numbers, [J].
        whitening: what makes the numbers uncorrelated and of one size, [J, J].
        known: the known examples, whitened, [B, J].
        level: the mean of the logarithms of their distances, each from its fifth nearest other one; a scalar.
        spread: the standard deviation of these logarithms.
    """

    center: np.ndarray
    whitening: np.ndarray
    known: np.ndarray
    level: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, examples: np.ndarray) -> "Neighbours":
        """The neighbours among examples.

        Args:
            examples: [B, J].
        """
        center, whitening = examples.mean(axis=0), _whitening(examples)
        made = cls(center, whitening, (examples - center) @ whitening, np.array(0.0), np.array(1.0))
        # Each is its own nearest neighbour.
        logarithms = in_blocks(lambda values: made._log_distance(values, NEIGHBOUR + 1), examples)
        spread = logarithms.std()
        return made._replace(level=logarithms.mean(), spread=np.array(spread if spread > _TINY else 1.0))

    def unlikeness(self, values: tf.Tensor) -> tf.Tensor:
        """How far examples are from the fifth nearest known one, [N], in standard deviations of the known distances.

            (log d - level) / spread

        d is the Euclidean distance of whitened numbers. Infinite where a number is not finite.

        Args:
            values: float32 [N, J].
        """
        found = (self._log_distance(values, NEIGHBOUR) - as_float32(self.level)) / as_float32(self.spread)
        return tf.where(tf.math.is_finite(found), found, float("inf"))

    def _log_distance(self, values: tf.Tensor, neighbour: int) -> tf.Tensor:
        whitened = tf.matmul(values - as_float32(self.center), as_float32(self.whitening))
        return 0.5 * tf.math.log(tf.maximum(squared_distance(as_float32(self.known), whitened, neighbour), _SAME))


def _whitening(examples: np.ndarray) -> np.ndarray:
    """What makes the numbers of examples [B, J] uncorrelated and of one size, [J, J], by their shrunken correlation."""
    center, spread = examples.mean(axis=0), examples.std(axis=0)
    # A number that is the same for all examples is in units of its own.
    spread = np.where(spread > _TINY * np.maximum(1.0, np.abs(center)), spread, 1.0)
    correlation = np.atleast_2d(np.cov((examples - center) / spread, rowvar=False))
    variances, axes = np.linalg.eigh((1 - _SHRINKAGE) * correlation + _SHRINKAGE * np.eye(len(spread)))
    return axes / np.sqrt(variances) / spread[:, None]


def in_blocks(function: Callable[[tf.Tensor], tf.Tensor], values: np.ndarray) -> np.ndarray:
    """A function of many rows, [N, ...], without memory for all of them at once.

    Args:
        function: of float32 rows.
        values: [N, ...].
    """
    starts = range(0, len(values), _BLOCK)
    return np.concatenate([function(as_float32(values[start : start + _BLOCK])).numpy() for start in starts])


def as_float32(values: Any) -> tf.Tensor:
    """Numbers as float32.

    Args:
        values: an array or tensor.
    """
    return tf.cast(values, tf.float32)


def squared_distance(known: tf.Tensor, values: tf.Tensor, neighbour: int) -> tf.Tensor:
    """The squared distance of each vector from its so-many-th nearest known one, [N].

    Args:
        known: [B, P].
        values: [N, P].
        neighbour: 1 for the nearest.
    """
    products = tf.matmul(values, known, transpose_b=True)
    squares = tf.reduce_sum(tf.square(known), axis=1) - 2 * products
    nearest = -tf.math.top_k(-squares, neighbour).values[:, -1]
    return tf.maximum(nearest + tf.reduce_sum(tf.square(values), axis=1), 0.0)
