"""How unlike the training data an example is, so that "none of these" can be said at a known rate of false alarms.

The likelihood of a deep generative model alone does not say it: simple examples of another kind may be likelier than the
training data (Nalisnick et al. 2019). So an example is compared in several statistics at once, as in the density of states
estimation of Morningstar et al. 2021: those of the model, and four that know no model.
"""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ssdgm_tf.trust.conformal import threshold

#: The fewest examples that it can be learned from.
FEWEST = 40
# The most examples of each of both halves: enough for neighbours, few enough for the file of a model.
_MOST = 5000
# Principal components: as many as explain this share of the variance, up to a number.
_EXPLAINED, _MOST_COMPONENTS = 0.95, 100
# The neighbour whose distance counts: in principal components, and in statistics.
_NEIGHBOUR, _NEIGHBOUR_IN_STATISTICS = 5, 10
# Of the variance: a residual below it counts as it.
_TINY = 1e-6


class Background(NamedTuple):
    """What half of the examples say of another example without any model.

    Attributes:
        center: mean of the examples, [D].
        components: principal components, [P, D].
        variances: variances along them, [P].
        total: the variance of the examples, a scalar.
        coordinates: the examples along the components, [A, P].
    """

    center: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    total: np.ndarray
    coordinates: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> "Background":
        """The background of examples [A, D]."""
        most = min(_MOST_COMPONENTS, *x.shape)
        with np.errstate(invalid="ignore"):  # of examples that are all the same, no component explains any share
            found = PCA(most, svd_solver="randomized" if most < min(x.shape) else "auto", random_state=0).fit(x)
        total = max(float(np.sum(np.var(x, axis=0, ddof=1, dtype=np.float64))), _TINY)
        enough = np.searchsorted(np.cumsum(found.explained_variance_) / total, _EXPLAINED) + 1
        number = min(int(enough), most)
        components, variances = found.components_[:number], np.maximum(found.explained_variance_[:number], _TINY * total)
        return cls(found.mean_, components, variances, np.array(total), (x - found.mean_) @ components.T)

    def statistics(self, x: np.ndarray) -> np.ndarray:
        """Four statistics of each example, [N, 4], logarithms all.

        How far it is from the plane of the components; how far out it is within it, in standard deviations; how far its
        fifth nearest neighbour is; and the same of examples scaled to length 1.

        Args:
            x: [N, D].
        """
        along = (x - self.center) @ self.components.T
        outside = np.sum(np.square(x - self.center), axis=1) - np.sum(np.square(along), axis=1)
        within = np.sum(np.square(along) / self.variances, axis=1)
        near = _distance(self.coordinates, along, _NEIGHBOUR) ** 2
        in_angle = _distance(_scaled(self.coordinates), _scaled(along), _NEIGHBOUR) ** 2
        sizes = (outside / self.total, within / len(self.variances), near / self.total, in_angle)
        return np.stack([np.log(np.maximum(size, _TINY)) for size in sizes], axis=1)


class Novelty(NamedTuple):
    """What is known of the training data, and how far from it examples are.

    Attributes:
        background: of half of the examples.
        statistics: of the other half, [B, J]: those of the model, then those of the background.
        distances: how far each of that half is from its tenth nearest neighbour, [B].
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
        known = np.concatenate([statistics[second], background.statistics(x[second])], axis=1)
        scaled = _standardised(known, known)
        # An example is its own nearest neighbour.
        return cls(background, known, _distance(scaled, scaled, _NEIGHBOUR_IN_STATISTICS + 1))

    def score(self, x: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """How far examples are from the tenth nearest one of the training data, [N], in standardised statistics.

        Args:
            x: as in `of`.
            statistics: as in `of`.
        """
        found = np.concatenate([statistics, self.background.statistics(x)], axis=1)
        known, found = (_standardised(values, self.statistics) for values in (self.statistics, found))
        return _distance(known, found, _NEIGHBOUR_IN_STATISTICS)

    def threshold(self, false_alarms: float) -> float:
        """The score that examples like the training data exceed at this rate; see `ssdgm_tf.trust.threshold`.

        Args:
            false_alarms: above 0 and below 1.

        Raises:
            ValueError: a rate outside (0, 1).
        """
        if not 0 < false_alarms < 1:
            raise ValueError(f"false_alarms must be above 0 and below 1. Received: false_alarms={false_alarms!r}")
        return threshold(self.distances, 1 - false_alarms)


def _standardised(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Statistics in standard deviations of the known ones. One that is the same for all of these is in units of its own."""
    center, spread = known.mean(axis=0), known.std(axis=0)
    return (values - center) / np.where(spread > _TINY * np.maximum(1.0, np.abs(center)), spread, 1.0)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Vectors of length 1; those of length 0 stay."""
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _distance(known: np.ndarray, values: np.ndarray, neighbour: int) -> np.ndarray:
    """How far each vector is from its so-many-th nearest known one."""
    return NearestNeighbors(n_neighbors=neighbour).fit(known).kneighbors(values)[0][:, -1]
