"""The logistic regression of the labelled examples."""

import numpy as np
from sklearn.linear_model import LogisticRegression as Regression

from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.checks import UNLABELLED


class LogisticRegression(Baseline):
    """scikit-learn's logistic regression of the labelled examples, which should be standardised.

    Args:
        penalty_weight: weight of the squared coefficients, 1 / C.
    """

    def __init__(self, penalty_weight: float = 1.0) -> None:
        self.penalty_weight = penalty_weight

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        shown = y != UNLABELLED
        # In float64 the solver converges.
        regression = Regression(C=1 / self.penalty_weight, max_iter=2000)
        self._classifier = regression.fit(x[shown].astype(np.float64), np.searchsorted(self.classes_, y[shown]))

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(x)
