"""Self-training: a classifier that learns from its own confident predictions."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import SelfTrainingClassifier

from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.features import RBFFeatures, kernel_width
from ssdgm_tf.checks import UNLABELLED


class SelfTraining(Baseline):
    """Logistic regression on RBF features that labels the examples it is sure of and learns from them, at most ten times.

    scikit-learn's SelfTrainingClassifier on the features of `TransductiveSVM`. Classes have equal weight in the regression:
    otherwise the easy ones take over, since they gain the most predicted labels.

    Args:
        threshold: the smallest probability at which a predicted label is accepted.
        num_landmarks: number of features of the RBF kernel.
        seed: seed of the features.
    """

    def __init__(self, threshold: float = 0.95, num_landmarks: int = 500, seed: int = 0) -> None:
        self.threshold = threshold
        self.num_landmarks = num_landmarks
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        features = RBFFeatures(kernel_width(x, len(self.classes_), self.seed), self.num_landmarks, self.seed).fit(x)
        classifier = LogisticRegression(C=100.0, max_iter=100, class_weight="balanced")
        if np.any(y == UNLABELLED):
            classifier = SelfTrainingClassifier(classifier, threshold=self.threshold, max_iter=10)
        positions = np.where(y == UNLABELLED, UNLABELLED, np.searchsorted(self.classes_, y))
        with warnings.catch_warnings():
            # A regression cut short is as good a step of self-training as one that converged.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(features.transform(x), positions)
        self._classifier = make_pipeline(features, classifier)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)
