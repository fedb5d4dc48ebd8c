"""How unlike the training data an example is, so that "none of these" can be said at a known rate of false alarms.

The likelihood of a deep generative model alone does not say it: simple examples of another kind may be likelier than the
training data (Nalisnick et al. 2019). So an example is compared in several statistics at once, as in the density of states
estimation of Morningstar et al. 2021: those of the model, and some that know no model.
"""

import itertools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA

#: The fewest examples that it can be learned from.
FEWEST = 100
# Where the first and the second of the three parts of the examples end.
_PARTS = (0.4, 0.8)
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
    """What some examples say of another one without any model.

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

    The examples are cut into three parts, each for one thing, so that those of the third part are treated as new ones are.

    Attributes:
        background: of the first part.
        statistics: of the second part, [B, J]: those of the model, then those of the background.
        distances: how far each example of the third part is from its fifth nearest of the second, in the statistics, [C].
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
            seed: of the parts.

        Raises:
            ValueError: fewer than 100 examples whose numbers are all finite.

        Warns:
            UserWarning: examples are left out, because a number of theirs is not finite.
        """
        is_finite = np.all(np.isfinite(x), axis=1) & np.all(np.isfinite(statistics), axis=1)
        if not is_finite.all():
            warnings.warn(
                f"{np.sum(~is_finite)} of {len(x)} known examples have statistics that are not finite, and are left out.",
                stacklevel=2,
            )
        usable = np.flatnonzero(is_finite)
        if len(usable) < FEWEST:
            raise ValueError(
                f"Novelty is learned from at least {FEWEST} examples with finite statistics. Received: {len(usable)}"
            )
        order = np.random.default_rng(seed).permutation(usable)
        first, second, third = np.split(order, np.rint(np.multiply(_PARTS, len(order))).astype(int))
        background = Background.of(x[first])

        def described(part: np.ndarray) -> np.ndarray:
            return np.concatenate([statistics[part], in_blocks(background.statistics, x[part])], axis=1)

        learned = cls(background, described(second), np.zeros(0))
        return learned._replace(distances=in_blocks(learned._distance, described(third)))

    def score(self, x: tf.Tensor, statistics: tf.Tensor) -> tf.Tensor:
        """How far examples are from the fifth nearest known one, [N], in the statistics, whitened; infinite where one is
        not finite.

        Args:
            x: float32, as in `of`.
            statistics: float32, as in `of`.
        """
        distance = self._distance(tf.concat([statistics, self.background.statistics(x)], axis=1))
        return tf.where(tf.math.is_finite(distance), distance, float("inf"))

    def _distance(self, statistics: tf.Tensor) -> tf.Tensor:
        """The distance from the fifth nearest known example."""
        center, spread = self.statistics.mean(axis=0), self.statistics.std(axis=0)
        # A statistic that is the same for all known examples is in units of its own.
        spread = np.where(spread > _TINY * np.maximum(1.0, np.abs(center)), spread, 1.0)
        correlation = np.cov((self.statistics - center) / spread, rowvar=False)
        variances, axes = np.linalg.eigh((1 - _SHRINKAGE) * correlation + _SHRINKAGE * np.eye(len(spread)))
        whitening = _float32(axes / np.sqrt(variances) / spread[:, None])
        known, found = (
            tf.matmul(_float32(values) - _float32(center), whitening) for values in (self.statistics, statistics)
        )
        return tf.sqrt(_squared_distance(known, found, _NEIGHBOUR))

    @property
    def least_rate(self) -> float:
        """The smallest `p_value`, 1 / (C + 1)."""
        return 1 / (len(self.distances) + 1)

    def p_value(self, scores: tf.Tensor) -> tf.Tensor:
        """The share of known examples that are as novel, [N]; of new examples of their kind it is uniform.

            p(s) = (1 + #{c: distance_c >= s}) / (C + 1)

        So calling an example novel where p <= a gives false alarms at a rate of at most a, and of more than a - 1 / (C + 1)
        (Vovk et al. 2005). It is exact for every C, where training treated known and new examples alike.

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
