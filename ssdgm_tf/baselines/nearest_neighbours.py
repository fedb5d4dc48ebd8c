"""The nearest-neighbour classifier."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from ssdgm_tf.baselines.baseline import Baseline, smallest_class
from ssdgm_tf.checks import UNLABELLED


class NearestNeighbours(Baseline):
    """The nearest labelled examples vote with weight 1 / (Euclidean distance).

    Args:
        num_neighbours: how many vote; None for 1 where a class has fewer than 10 labelled examples, else 3.
    """

    def __init__(self, num_neighbours: int | None = None) -> None:
        self.num_neighbours = num_neighbours

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        shown = y != UNLABELLED
        count = self.num_neighbours or (1 if smallest_class(y[shown]) < 10 else 3)
        self._classifier = KNeighborsClassifier(count, weights="distance")
        self._classifier.fit(x[shown], np.searchsorted(self.classes_, y[shown]))

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)
