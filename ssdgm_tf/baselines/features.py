"""A finite feature map of the RBF kernel, and a kernel width that follows the spread of the examples."""

from typing import Self

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.kernel_approximation import Nystroem

_ROWS = 8192  # the kernel of this many rows is held in float64 at a time


class RBFFeatures(TransformerMixin, BaseEstimator):
    """Features phi with phi(x) . phi(x') ~ exp(-|x - x'|^2 / (2 width^2)): scikit-learn's Nystroem in bounded memory.

    Args:
        width: width of the kernel, in the units of the examples.
        num_landmarks: number of landmarks, and so of features; all examples where there are fewer.
        seed: seed of the draw of landmarks among the examples.
    """

    def __init__(self, width: float, num_landmarks: int = 1000, seed: int = 0) -> None:
        self.width = width
        self.num_landmarks = num_landmarks
        self.seed = seed

    def fit(self, x: np.ndarray, y: None = None) -> Self:
        """Draws the landmarks among the examples `x`, [N, D]; `y` is not used.

        Returns:
            The feature map itself.
        """
        count = min(self.num_landmarks, len(x))
        # In float64: the features divide by square roots of the kernel's smallest eigenvalues.
        landmarks = x[np.sort(np.random.default_rng(self.seed).choice(len(x), count, replace=False))].astype(np.float64)
        self.nystroem_ = Nystroem(gamma=1 / (2 * self.width**2), n_components=count, random_state=self.seed).fit(landmarks)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """The features of `x`, [N, D]: float32 [N, num_landmarks]."""
        parts = [x[start : start + _ROWS].astype(np.float64) for start in range(0, len(x), _ROWS)]
        return np.concatenate([self.nystroem_.transform(part).astype(np.float32) for part in parts])


def kernel_width(x: np.ndarray, num_classes: int, seed: int) -> float:
    """The 1/(20 K) quantile of the distances between examples; 1 where that is 0.

    With K balanced classes one pair in K is of one class, so this distance reaches about a twentieth of an example's class.

    Args:
        x: examples [N, D]; at most 1,500 of them, drawn at random, are used.
        num_classes: number of classes K.
        seed: seed of that draw.
    """
    rows = np.random.default_rng(seed).permutation(len(x))[:1500]
    return float(np.quantile(pdist(x[rows]), 1 / (20 * num_classes))) or 1.0
