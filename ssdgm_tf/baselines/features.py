"""A finite feature map of the RBF kernel, of the same width wherever the examples have the same spread."""

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.kernel_approximation import Nystroem

_ROWS = 8192  # rows whose kernel is held in float64 at a time


class RBFFeatures(TransformerMixin, BaseEstimator):
    """Features phi with phi(x) . phi(x') ~ exp(-|x - x'|^2 / (2 width^2)): scikit-learn's Nystroem, a bounded memory.

    Args:
        width: of the kernel, in the units of the examples.
        num_landmarks: number of features, at most the number of examples.
        seed: of the draw of the landmarks among the examples.
    """

    def __init__(self, width: float, num_landmarks: int = 1000, seed: int = 0):
        self.width = width
        self.num_landmarks = num_landmarks
        self.seed = seed

    def fit(self, x, y=None):
        """Draws the landmarks among the examples `x`, [N, D]; `y` is not used.

        Returns:
            The feature map itself.
        """
        count = min(self.num_landmarks, len(x))
        # In float64: the features divide by square roots of the kernel's smallest eigenvalues.
        landmarks = x[np.sort(np.random.default_rng(self.seed).choice(len(x), count, replace=False))].astype(np.float64)
        self.nystroem_ = Nystroem(gamma=1 / (2 * self.width**2), n_components=count, random_state=self.seed).fit(landmarks)
        return self

    def transform(self, x) -> np.ndarray:
        """The features of `x`, [N, D]: float32 [N, num_landmarks]."""
        parts = [x[start : start + _ROWS].astype(np.float64) for start in range(0, len(x), _ROWS)]
        return np.concatenate([self.nystroem_.transform(part).astype(np.float32) for part in parts])


def kernel_width(x: np.ndarray, num_classes: int, seed: int) -> float:
    """The 1/(20 K) quantile of the distances between examples; 1 where that is 0.

    One pair in K is of one class, where the K classes are balanced, so that this reaches about a twentieth of an example's
    own class.

    Args:
        x: examples [N, D], of which at most 1,500 are looked at.
        num_classes: number of classes K.
        seed: of the draw of these.
    """
    rows = np.random.default_rng(seed).permutation(len(x))[:1500]
    return float(np.quantile(pdist(x[rows]), 1 / (20 * num_classes))) or 1.0
