"""Labels that spread along a graph of nearest neighbours."""

import warnings
from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix, identity
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from tqdm.auto import tqdm

from ssdgm_tf import checks, choices, rows
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.checks import UNLABELLED

METHODS = ("propagation", "spreading")
# Of `spread_labels`. Distances of more components cost more time and say no more.
_NUM_COMPONENTS, _NUM_NEIGHBOURS, _ALPHA = 50, 8, 0.99
# Not enough to converge: labels go so many steps along the graph.
_NUM_SWEEPS = 100
# Neighbours that may be in a circle, where there are ten times as many examples.
_CIRCLE = 30
# The least share of an edge, before it is squared. Ends that share nothing stay joined, so that labels reach both.
_LEAST_SHARED = 1e-2
# Examples between two moves of a progress bar. Intersecting the circles of all at once would take much memory.
_EXAMPLES_AT_A_TIME = 5_000


class LabelGraph(Baseline):
    """Labels spread along the graph of nearest neighbours: scikit-learn's LabelPropagation or LabelSpreading.

    The graph joins two examples where either is among the nearest of the other. scikit-learn's own kernel="knn" is directed
    and joins each example to itself; on images with few labels it makes far more errors. Memory and the time of a sweep are
    linear in the number of examples. The search for neighbours is quadratic.

    All edges weigh the same; those of `spread_labels` do not. An example that is connected with no labelled one gets the
    label of the nearest labelled example. A new example gets the mean of its nearest neighbours' labels. `predict` takes
    every example for a new one, those of `fit` too.

    Args:
        method: "propagation" (Zhu and Ghahramani 2002: given labels are kept) or "spreading" (Zhou et al. 2004: given labels
            are weighed against the neighbours' labels).
        num_neighbours: neighbours of each example, at most all the others.
        alpha: weight of the neighbours against the given label in "spreading", in (0, 1).
    """

    def __init__(self, method: str = "spreading", num_neighbours: int = 7, alpha: float = 0.9) -> None:
        self.method = method
        self.num_neighbours = num_neighbours
        self.alpha = alpha

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        choices.check("method", self.method, METHODS)
        shown = y != UNLABELLED
        positions = np.where(shown, np.searchsorted(self.classes_, y), UNLABELLED)
        kernel = partial(neighbour_graph, num_neighbours=min(self.num_neighbours, len(x) - 1))
        self._graph = LabelPropagation(kernel, max_iter=1000)
        if self.method == "spreading":
            self._graph = LabelSpreading(kernel, alpha=self.alpha, max_iter=1000)
        self._nearest = KNeighborsClassifier(1).fit(x[shown], positions[shown])
        # scikit-learn compares its tolerance with a sum over all examples: large sets rarely reach it, although no label
        # changes any more.
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            self._graph.fit(x, positions)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            probabilities = self._graph.predict_proba(x)  # 0 / 0 where no label arrived
        unreached = np.isnan(probabilities).any(axis=1)
        predicted = np.nan_to_num(probabilities).argmax(axis=1)
        if unreached.any():
            predicted[unreached] = self._nearest.predict(x[unreached])
        return predicted


def spread_labels(x: rows.ArrayOrRows, y: np.ndarray, share: float = 0.8, most: int = 60_000, seed: int = 0) -> np.ndarray:
    """Labels for examples that have none, spread along a graph of nearest neighbours, -1 where unsure.

    Where near examples are of one class, a network that starts from them confirms fewer of its errors than one that starts
    from the given labels: see `results/tries.md`, K64 to K84. Labels spread as in Zhou et al. 2004 with alpha = 0.99, in 100
    sweeps. Neighbours are those of the first 50 principal components. An edge weighs much where its ends share their
    neighbours, see `shared_neighbour_graph`.

    An example is sure of a class where the labels that arrive agree, however few arrive. Examples of a class without labels
    may be among the surest. Of an example with more copies than neighbours, some copies may stay without a label.

        first = spread_labels(x, y)
        model.fit(x[first >= 0], first[first >= 0], steps_per_epoch=400)
        model.fit(x, y, epochs=20)

    Args:
        x: examples without gaps, [N, ...], at least two.
        y: their classes, as `checks.labels` takes them, [N]; -1 for no label.
        share: the share of the graph's examples that have a label afterwards, the surest first. Given labels stay.
        most: the most examples of the graph. Of more, so many are drawn, labelled ones first; the others stay as they are.
        seed: of this draw.

    Returns:
        Classes, int32 [N], or -1.

    Raises:
        ValueError: a share outside (0, 1], labels of another shape, no label, one example, or values that are not finite.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1. Received: share={share!r}")
    y = checks.labels("y", y, len(x))
    order = np.random.default_rng(seed).permutation(len(y))
    used = order[np.argsort(y[order] == UNLABELLED, kind="stable")][:most]
    given, of_used = y[used], np.asarray(rows.take(x, used)).reshape(len(used), -1)
    shown, unfinite = given != UNLABELLED, ~np.isfinite(of_used).all(axis=1)
    if unfinite.any() or not shown.any() or len(used) < 2:
        raise ValueError(
            "Labels spread from labelled examples to others, by finite values. "
            f"Received: {len(used)} examples, {shown.sum()} with labels, {unfinite.sum()} with other values"
        )
    classes, probabilities = _spread(_near(of_used, seed), given)
    sureness = np.where(shown, np.inf, probabilities.max(axis=1))
    sure = np.argsort(-sureness, kind="stable")[: max(round(share * len(used)), shown.sum())]
    sure = sure[sureness[sure] > 0]  # no label arrives at the others
    spread = y.copy()
    spread[used[sure]] = np.where(shown, given, classes[probabilities.argmax(axis=1)])[sure]
    return spread


def _near(x: np.ndarray, seed: int) -> np.ndarray:
    """The first principal components of examples [N, D]."""
    return PCA(min(_NUM_COMPONENTS, *x.shape), random_state=seed).fit_transform(x)


def _spread(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes [K], and the probabilities [N, K] that they spread to examples; 0 where no label arrives."""
    graph = shared_neighbour_graph(x, *_sizes(len(x)))
    spreading = LabelSpreading(lambda one, other: graph, alpha=_ALPHA, max_iter=_NUM_SWEEPS, tol=0.0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # it is to stop before
        spreading.fit(x, y)
    return spreading.classes_, spreading.label_distributions_


def _sizes(num_examples: int) -> tuple[int, int]:
    """The neighbours of an example, at most half of the others, and how many may be in its circle."""
    num_neighbours = min(_NUM_NEIGHBOURS, max(1, (num_examples - 1) // 2))
    return num_neighbours, min(_CIRCLE, max(num_examples // 10, num_neighbours))


def neighbour_graph(x: np.ndarray, x_new: np.ndarray, num_neighbours: int) -> csr_matrix:
    """Which examples are neighbours, as a kernel of scikit-learn's graph methods.

    Args:
        x: examples [N, D].
        x_new: the same array, or new examples [B, D].
        num_neighbours: how many of the nearest examples are neighbours.

    Returns:
        A sparse matrix with a 1 at (i, j): [N, N], where i is among the nearest of j or j among the nearest of i; or [N, B],
        where i is among the nearest of the new example j.
    """
    search = NearestNeighbors(n_neighbors=num_neighbours).fit(x)
    if x is x_new:
        directed = search.kneighbors_graph()
        return directed.maximum(directed.T)
    return search.kneighbors_graph(x_new).T.tocsr()


def shared_neighbour_graph(x: np.ndarray, num_neighbours: int, circle: int) -> csr_matrix:
    """The graph of nearest neighbours. An edge weighs more where its ends share more neighbours.

        weight of (i, j) = max(J(C_i, C_j), 0.01)^2,    J(A, B) = |A and B| / |A or B|

    The circle C_i holds i, and every j where i and j are each among the other's `circle` nearest. Two that are near by
    chance share few such neighbours, so that labels hardly cross from one class to another (Jarvis and Patrick 1973; circles
    as in Zhong et al. 2017, arXiv 1701.08398).

    Args:
        x: examples [N, D], at least two.
        num_neighbours: examples are joined where either is among so many nearest of the other.
        circle: how many of the nearest may be in a circle, at least `num_neighbours`. Of both, at most N - 1 are taken.

    Returns:
        A symmetric matrix [N, N], weights from 1e-4 to 1 at the edges.
    """
    num_neighbours, circle = min(num_neighbours, len(x) - 1), min(max(circle, num_neighbours), len(x) - 1)
    nearest = _nearest_others(x, circle)
    circles = _joined(nearest, np.ones(nearest.shape))
    circles = (circles.multiply(circles.T) + identity(len(x))).tocsr()
    circles.sort_indices()  # else every intersection takes the slow way
    sizes = np.asarray(circles.sum(axis=1)).ravel()
    weights = np.empty((len(x), num_neighbours))
    for part in _parts(len(x), "shared neighbours"):
        one, other = np.repeat(np.arange(len(x))[part], num_neighbours), nearest[part, :num_neighbours].ravel()
        shared = np.asarray(circles[one].multiply(circles[other]).sum(axis=1)).ravel()
        share = shared / (sizes[one] + sizes[other] - shared)
        weights[part] = np.maximum(share, _LEAST_SHARED).reshape(-1, num_neighbours) ** 2
    directed = _joined(nearest[:, :num_neighbours], weights)
    return directed.maximum(directed.T)


def _nearest_others(x: np.ndarray, count: int) -> np.ndarray:
    """The positions of the nearest others of each example, nearest first, [N, count]."""
    search = NearestNeighbors(n_neighbors=count + 1).fit(x)
    nearest = np.empty((len(x), count), int)
    for part in _parts(len(x), "neighbours"):
        found = search.kneighbors(x[part], return_distance=False)
        others = found != np.arange(len(x))[part, None]
        others[others.all(axis=1), -1] = False  # its copies came first, and it is not among those found
        nearest[part] = found[others].reshape(-1, count)
    return nearest


def _parts(count: int, title: str) -> Iterator[slice]:
    """Slices that cover so many examples, with a progress bar after two seconds."""
    for start in tqdm(range(0, count, _EXAMPLES_AT_A_TIME), desc=title, delay=2, leave=False):
        yield slice(start, min(start + _EXAMPLES_AT_A_TIME, count))


def _joined(nearest: np.ndarray, weights: np.ndarray) -> csr_matrix:
    """A matrix [N, N] with weights [N, k] from each example to its k nearest."""
    count, width = nearest.shape
    return csr_matrix((weights.ravel(), nearest.ravel(), np.arange(0, nearest.size + 1, width)), shape=(count, count))
