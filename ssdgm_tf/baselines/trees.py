"""Trees of the labelled examples: a random forest, gradient boosting, and a forest that trains itself."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.semi_supervised import SelfTrainingClassifier

from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.checks import UNLABELLED


class Forest(Baseline):
    """scikit-learn's random forest of the labelled examples.

    Args:
        num_trees: number of trees.
        seed: seed of the examples and features that each tree sees.
    """

    def __init__(self, num_trees: int = 300, seed: int = 0) -> None:
        self.num_trees = num_trees
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        forest = RandomForestClassifier(self.num_trees, random_state=self.seed)
        self._classifier = forest.fit(*_labelled(self, x, y))

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)


class Boosting(Baseline):
    """scikit-learn's gradient boosting of trees on histograms, of the labelled examples.

    Args:
        min_examples: the fewest examples in a leaf, at most half of the labelled ones; scikit-learn's own 20 leaves little
            to split of 50 labels.
        seed: seed of its draws.
    """

    def __init__(self, min_examples: int = 5, seed: int = 0) -> None:
        self.min_examples = min_examples
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        examples, positions = _labelled(self, x, y)
        fewest = max(1, min(self.min_examples, len(examples) // 2))
        boosting = HistGradientBoostingClassifier(min_samples_leaf=fewest, random_state=self.seed)
        self._classifier = boosting.fit(examples, positions)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)


class SelfTrainingForest(Baseline):
    """A random forest that labels the examples it is sure of and learns from them, at most ten times.

    Args:
        num_trees: number of trees.
        threshold: the smallest probability at which a predicted label is accepted.
        seed: seed of the forest.
    """

    def __init__(self, num_trees: int = 200, threshold: float = 0.8, seed: int = 0) -> None:
        self.num_trees = num_trees
        self.threshold = threshold
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        forest = RandomForestClassifier(self.num_trees, random_state=self.seed)
        positions = np.where(y == UNLABELLED, UNLABELLED, np.searchsorted(self.classes_, y))
        self._classifier: ClassifierMixin = forest
        if np.any(y == UNLABELLED):
            self._classifier = SelfTrainingClassifier(forest, threshold=self.threshold)
        self._classifier.fit(x, positions)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)


def _labelled(baseline: Baseline, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labelled examples, and the positions of their labels in `classes_`."""
    shown = y != UNLABELLED
    return x[shown], np.searchsorted(baseline.classes_, y[shown])
