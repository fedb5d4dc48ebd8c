"""What all baselines share: scikit-learn's API on arrays of any shape, -1 for "no label", and what is refused."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

UNLABELLED = -1


class Baseline(ClassifierMixin, BaseEstimator):
    """A classifier of examples [N, ...] that is told -1 for "no label".

    A baseline implements `_fit(x, y)`, of which `y` holds -1, and `_predict(x)`, which answers with positions in `classes_`.
    Both get float32 examples, flattened to [N, D] unless `keeps_shape`.

    Attributes:
        classes_: the labels seen, sorted, [K].
        example_shape_: the shape of one example.
    """

    keeps_shape = False

    def fit(self, x, y):
        """Learns from labelled examples, and from those without a label where the method can.

        Args:
            x: examples [N, ...], numeric and finite.
            y: integer labels [N]; -1 where there is none.

        Returns:
            The classifier itself.

        Raises:
            ValueError: examples or labels of the wrong shape or kind, no labelled example, or labels of one class alone.
        """
        x = checked_examples(x)
        y = checked_labels(y, len(x))
        self.classes_, self.example_shape_ = np.unique(y[y != UNLABELLED]), x.shape[1:]
        self._fit(self._shaped(x), y)
        return self

    def predict(self, x) -> np.ndarray:
        """The labels [N] that the classifier gives to the examples `x`, [N, ...].

        Raises:
            ValueError: examples that are not finite, or of another shape than those of `fit`.
        """
        x = self._like_fit(x)
        return self.classes_[self._predict(x)]

    def _like_fit(self, x):
        """Examples to predict, checked and as `_predict` takes them."""
        check_is_fitted(self)
        x = checked_examples(x)
        if x.shape[1:] != self.example_shape_:
            raise ValueError(
                f"x must hold examples of the shape seen in fit, {self.example_shape_}. Received: x of shape {x.shape}"
            )
        return self._shaped(x)

    def _shaped(self, x):
        return x if self.keeps_shape else x.reshape(len(x), -1)

    def _fit(self, x, y):
        raise NotImplementedError

    def _predict(self, x):
        raise NotImplementedError


def checked_examples(x) -> np.ndarray:
    """`x` as float32, [N, ...].

    Args:
        x: array-like.

    Raises:
        ValueError: no example, not numeric, or values that are NaN or infinite.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"x must hold at least one example, shape [N, ...]. Received: x of shape {x.shape}")
    if not (np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.integer) or x.dtype == bool):
        raise ValueError(f"x must be numeric. Received: x of dtype {x.dtype}")
    x = x.astype(np.float32, copy=False)
    bad = ~np.isfinite(x)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"x must be finite. Received: {bad.sum()} NaN or infinite values, the first at {first}")
    return x


def checked_labels(y, num_examples: int) -> np.ndarray:
    """`y` as int64 [N], -1 for "no label".

    Args:
        y: array-like.
        num_examples: N.

    Raises:
        ValueError: wrong shape, labels that are no integers or below -1, no labelled example, or labels of one class alone.
    """
    y = np.asarray(y)
    if y.shape != (num_examples,):
        raise ValueError(f"y must hold one label per example, shape ({num_examples},). Received: y of shape {y.shape}")
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"Labels must be integers. Received: y of dtype {y.dtype} with values such as {y[:3].tolist()}")
    if y.min() < UNLABELLED:
        raise ValueError(f"Labels must be 0 or more, or be -1 for no label. Received: y with the label {y.min()}")
    shown = np.unique(y[y != UNLABELLED])
    if len(shown) < 2:
        raise ValueError(f"y must hold labelled examples of at least two classes. Received: labels of {shown.tolist()}")
    return y.astype(np.int64)


def smallest_class(y: np.ndarray) -> int:
    """How many examples the rarest class has among the labels `y`, [M], none of them -1."""
    return int(np.unique(y, return_counts=True)[1].min())
