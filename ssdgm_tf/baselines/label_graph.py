"""Labels that spread along a graph of nearest neighbours."""

import warnings
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.checks import UNLABELLED

METHODS = ("propagation", "spreading")


class LabelGraph(Baseline):
    """Labels spread along the graph of nearest neighbours: scikit-learn's LabelPropagation or LabelSpreading.

    The graph joins two examples where either is among the nearest of the other. scikit-learn's own kernel="knn" is directed
    and joins each example to itself; on images with few labels it makes far more errors. Memory and the time of a sweep are
    linear in the number of examples. The search for neighbours is quadratic.

    An example that is connected with no labelled one gets the label of the nearest labelled example. A new example gets the
    mean of its nearest neighbours' labels.

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
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}. Received: method={self.method!r}")
        shown = y != UNLABELLED
        positions = np.where(shown, np.searchsorted(self.classes_, y), UNLABELLED)
        kernel = partial(neighbour_graph, num_neighbours=min(self.num_neighbours, len(x) - 1))
        self._graph = LabelPropagation(kernel, max_iter=1000)
        if self.method == "spreading":
            self._graph = LabelSpreading(kernel, alpha=self.alpha, max_iter=1000)
        self._nearest = KNeighborsClassifier(1).fit(x[shown], positions[shown])
        with warnings.catch_warnings():
            # scikit-learn compares its tolerance with a sum over all examples: large sets rarely reach it, although no label
            # changes any more.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._graph.fit(x, positions)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            probabilities = self._graph.predict_proba(x)  # 0 / 0 where no label arrived
        unreached = np.isnan(probabilities).any(axis=1)
        predicted = np.nan_to_num(probabilities).argmax(axis=1)
        if unreached.any():
            predicted[unreached] = self._nearest.predict(x[unreached])
        return predicted


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
