"""What known examples say of another one without any model: principal components and neighbours."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA

from ssdgm_tf.trust.neighbours import NEIGHBOUR, as_float32, squared_distance

# Bands of principal components end where these shares of the variance are explained, or at a number of components.
_EXPLAINED, _MOST_COMPONENTS = (0.5, 0.8, 0.95), 200
# Of the variance: squares below it count as it.
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
        center, components, variances, _, total, known = map(as_float32, self)
        along = tf.matmul(x - center, components, transpose_b=True)
        outside = tf.reduce_sum(tf.square(x - center), axis=1) - tf.reduce_sum(tf.square(along), axis=1)
        near = squared_distance(known, along, NEIGHBOUR)
        in_angle = squared_distance(tf.math.l2_normalize(known, 1), tf.math.l2_normalize(along, 1), NEIGHBOUR)
        edges = [0, *self.bands.tolist()]
        within = [
            tf.reduce_mean(tf.square(along[:, start:end]) / variances[start:end], axis=1)
            for start, end in itertools.pairwise(edges)
            if end > start
        ]
        length = tf.reduce_sum(tf.square(x), axis=1)
        squares = (length / total, *within, outside / total, near / total, in_angle)
        return tf.stack([tf.math.log(tf.maximum(square, _TINY)) for square in squares], axis=1)
