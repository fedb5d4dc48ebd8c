"""The support vector machine of the labelled examples."""

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from ssdgm_tf import choices
from ssdgm_tf.baselines.baseline import Baseline, smallest_class
from ssdgm_tf.checks import UNLABELLED

KERNELS = ("linear", "rbf")


class SupportVectorMachine(Baseline):
    """scikit-learn's SVC on the labelled examples.

    Examples are centred and divided by one number, their root-mean-square norm. Features are not scaled one by one: that
    would blow up the border pixels of an image, or a latent variable that a model does not use, to the size of the others.

    Where every class has 5 labelled examples or more, C and the kernel's gamma have the best cross-validated accuracy
    (5 folds). Otherwise C = 100 and gamma = 1.

    Args:
        kernel: "linear" or "rbf".
        seed: seed of the folds.
    """

    def __init__(self, kernel: str = "rbf", seed: int = 0) -> None:
        self.kernel = kernel
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        choices.check("kernel", self.kernel, KERNELS)
        shown = y != UNLABELLED
        x, y = x[shown], np.searchsorted(self.classes_, y[shown])
        self._centre = x.mean(axis=0)
        self._norm = float(np.sqrt(np.mean(np.sum((x - self._centre) ** 2, axis=1)))) or 1.0
        self._classifier = SVC(kernel=self.kernel, C=100.0, gamma=1.0)
        if smallest_class(y) >= 5:
            grid = {"C": [1, 10, 100, 1000]} | ({"gamma": [0.25, 0.5, 1, 2, 4]} if self.kernel == "rbf" else {})
            folds = StratifiedKFold(5, shuffle=True, random_state=self.seed)
            self._classifier = GridSearchCV(self._classifier, grid, cv=folds)
        self._classifier.fit(self._scaled(x), y)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._classifier.predict(self._scaled(x))

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return (x - self._centre) / self._norm
