"""How unlike the training data an example is, so that "none of these" can be said at a known rate of false alarms.

The likelihood of a deep generative model alone does not say it: simple examples of another kind may be likelier than the
training data (Nalisnick et al. 2019). So an example is compared in several statistics at once, as in the density of states
estimation of Morningstar et al. 2021: those of the model, and some that know no model.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA

#: The fewest examples that it can be learned from.
FEWEST = 40
# The most examples of each of both halves: enough for neighbours, few enough for the file of a model.
_MOST = 5000
# Bands of principal components end where these shares of the variance are explained, or at a number of components.
_EXPLAINED, _MOST_COMPONENTS = (0.5, 0.8, 0.95), 200
# The neighbour whose distance counts.
_NEIGHBOUR = 5
# The share of the unit matrix in the covariance of statistics, so that no direction counts without end.
_SHRINKAGE = 0.1
# Examples that are looked at at once.
_BLOCK = 1000
# Of the variance: a residual below it counts as it.
_TINY = 1e-6


class Background(NamedTuple):
    """What half of the examples say of another example without any model.

    Attributes:
        center: mean of the examples, [D].
        components: principal components, [P, D].
        variances: variances along them, [P].
        bands: where bands of them end, [3].
        total: the variance of the examples, a scalar.
        coordinates: the examples along the components, [A, P].
    """

    center: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    bands: np.ndarray
    total: np.ndarray
    coordinates: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> "Background":
        """The background of examples [A, D]."""
        most = min(_MOST_COMPONENTS, *x.shape)
        with np.errstate(invalid="ignore"):  # of examples that are all the same, no component explains any share
            found = PCA(most, svd_solver="randomized" if most < min(x.shape) else "auto", random_state=0).fit(x)
        total = max(float(np.sum(np.var(x, axis=0, ddof=1, dtype=np.float64))), _TINY)
        shares = np.cumsum(found.explained_variance_) / total
        bands = np.minimum(np.searchsorted(shares, _EXPLAINED) + 1, most)
        components = found.components_[: bands[-1]]
        variances = np.maximum(found.explained_variance_[: bands[-1]], _TINY * total)
        return cls(found.mean_, components, variances, bands, np.array(total), (x - found.mean_) @ components.T)

    def statistics(self, x: tf.Tensor) -> tf.Tensor:
        """Statistics of each example, [N, up to 7].

        All are logarithms of squares: its length; how far out it is along each band of the components, in standard
        deviations; how far it is from their plane; how far its fifth nearest neighbour in the plane is; and the same of
        examples scaled to length 1.

        Args:
            x: float32 [N, D].
        """
        center, components, variances, _, total, known = map(_float32, self)
        along = tf.matmul(x - center, components, transpose_b=True)
        outside = tf.reduce_sum(tf.square(x - center), axis=1) - tf.reduce_sum(tf.square(along), axis=1)
        near = _squared_distance(known, along, _NEIGHBOUR)
        in_angle = _squared_distance(tf.math.l2_normalize(known, 1), tf.math.l2_normalize(along, 1), _NEIGHBOUR)
        edges = [0, *self.bands.tolist()]
        within = [
            tf.reduce_mean(tf.square(along[:, start:end]) / variances[start:end], axis=1)
            for start, end in itertools.pairwise(edges)
            if end > start
        ]
        length = tf.reduce_sum(tf.square(x), axis=1)
        squares = (length / total, *within, outside / total, near / total, in_angle)
        return tf.stack([tf.math.log(tf.maximum(square, _TINY)) for square in squares], axis=1)


class Novelty(NamedTuple):
    """What is known of the training data, and how far from it examples are.

    Attributes:
        background: of half of the examples.
        statistics: of the other half, [B, J]: those of the model, then those of the background.
        distances: how far each of that half is from its fifth nearest neighbour in the statistics, [B].
    """

    background: Background
    statistics: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, statistics: np.ndarray, seed: int = 0) -> "Novelty":
        """Learns what examples are like.

        Args:
            x: the examples as numbers of one scale, [N, D].
            statistics: what a model says of each, [N, J].
            seed: of the halves.
        """
        order = np.random.default_rng(seed).permutation(len(x))[: 2 * _MOST]
        first, second = np.array_split(order, 2)
        background = Background.of(x[first])
        own = in_blocks(background.statistics, x[second])
        known = np.concatenate([statistics[second], own], axis=1)
        learned = cls(background, known, np.zeros(len(known)))
        # An example is its own nearest neighbour.
        return learned._replace(distances=in_blocks(lambda values: learned._distance(values, 1), known))

    def score(self, x: tf.Tensor, statistics: tf.Tensor) -> tf.Tensor:
        """How far examples are from the fifth nearest known one, [N], in the statistics, whitened.

        Args:
            x: float32, as in `of`.
            statistics: float32, as in `of`.
        """
        return self._distance(tf.concat([statistics, self.background.statistics(x)], axis=1))

    def _distance(self, statistics: tf.Tensor, num_same: int = 0) -> tf.Tensor:
        """The distance from the fifth nearest known example, after those that are the same."""
        center, spread = self.statistics.mean(axis=0), self.statistics.std(axis=0)
        # A statistic that is the same for all known examples is in units of its own.
        spread = np.where(spread > _TINY * np.maximum(1.0, np.abs(center)), spread, 1.0)
        correlation = np.cov((self.statistics - center) / spread, rowvar=False)
        variances, axes = np.linalg.eigh((1 - _SHRINKAGE) * correlation + _SHRINKAGE * np.eye(len(spread)))
        whitening = _float32(axes / np.sqrt(variances) / spread[:, None])
        known, found = (
            tf.matmul(_float32(values) - _float32(center), whitening) for values in (self.statistics, statistics)
        )
        return tf.sqrt(_squared_distance(known, found, _NEIGHBOUR + num_same))

    def p_value(self, scores: tf.Tensor) -> tf.Tensor:
        """The share of known examples that are as novel, [N]; of new examples of their kind it is uniform.

            p(s) = (1 + #{b: distance_b >= s}) / (B + 1)

        So calling an example novel where p <= a gives false alarms at a rate of at most a, and of more than a - 1 / (B + 1)
        (Vovk et al. 2005); exact where training treated known and new examples alike.

        Args:
            scores: see `score`.
        """
        nearer = tf.searchsorted(tf.constant(np.sort(self.distances), tf.float32), scores, side="left")
        number = len(self.distances)
        return _float32(1 + number - nearer) / (number + 1)


def in_blocks(function: Callable[[tf.Tensor], tf.Tensor], values: np.ndarray) -> np.ndarray:
    """A function of many rows, [N, ...], without memory for all of them at once.

    Args:
        function: of float32 rows.
        values: [N, ...].
    """
    starts = range(0, len(values), _BLOCK)
    return np.concatenate([function(_float32(values[start : start + _BLOCK])).numpy() for start in starts])


def _float32(values: Any) -> tf.Tensor:
    return tf.cast(values, tf.float32)


def _squared_distance(known: tf.Tensor, values: tf.Tensor, neighbour: int) -> tf.Tensor:
    """The squared distance of each vector, [N, P], from its so-many-th nearest known one, [N]."""
    products = tf.matmul(values, known, transpose_b=True)
    squares = tf.reduce_sum(tf.square(known), axis=1) - 2 * products
    nearest = -tf.math.top_k(-squares, neighbour).values[:, -1]
    return tf.maximum(nearest + tf.reduce_sum(tf.square(values), axis=1), 0.0)
