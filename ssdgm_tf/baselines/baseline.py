"""The base class of all baselines: scikit-learn's API on arrays of any shape, with -1 for "no label"."""

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ssdgm_tf import checks, rows
from ssdgm_tf.checks import UNLABELLED


class Baseline(ClassifierMixin, BaseEstimator):
    """A classifier of examples [N, ...] that takes -1 for "no label".

    A subclass implements `_fit(x, y)`, where `y` holds -1 too, and `_predict(x)`, which returns positions in `classes_`.
    Both get float32 examples, flattened to [N, D] unless `keeps_shape` is True.

    Attributes:
        classes_: the labels seen, sorted, [K].
        example_shape_: the shape of one example.
    """

    keeps_shape = False
    #: Whether examples must lie in [0, 1], as pixels do.
    takes_pixels = False

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Learns from labelled examples, and from unlabelled ones where the method can.

        Args:
            x: examples [N, ...], numeric and finite.
            y: integer labels [N]; -1 where there is none.

        Returns:
            The classifier itself.

        Raises:
            ValueError: examples or labels of the wrong shape or kind, labels of fewer than two classes, or examples outside
                [0, 1] where the method needs pixels.
        """
        x = checks.examples("x", x)
        if self.takes_pixels and not (x.min() >= 0 and x.max() <= 1):
            raise ValueError(
                f"{type(self).__name__} takes examples in [0, 1]. Received: x between {x.min():g} and {x.max():g}"
            )
        y = checks.labels("y", y, len(x))
        classes = np.unique(y[y != UNLABELLED])
        if len(classes) < 2:
            raise ValueError(
                f"y must hold labelled examples of at least two classes. Received: labels of {classes.tolist()}"
            )
        self.classes_, self.example_shape_ = classes, x.shape[1:]
        self._fit(self._shaped(x), y)
        return self

    def predict(self, x: ArrayLike) -> np.ndarray:
        """The predicted labels [N].

        Args:
            x: examples [N, ...] of the shape seen in `fit`.

        Raises:
            ValueError: the classifier is not fitted, or examples of another shape, not numeric or not finite.
        """
        positions = self._in_blocks(self._predict, x)
        return self.classes_[positions]

    def _in_blocks(self, function: Callable[[np.ndarray], np.ndarray], x: ArrayLike) -> np.ndarray:
        """The results of a function of examples in the form that `_predict` takes, read, checked and given in blocks."""
        check_is_fitted(self)
        examples, parts = checks.numbers("x", x, self.example_shape_), []
        for some in rows.blocks(examples.shape):
            values = np.asarray(examples[some], np.float32)
            checks.finite("x", values, some.start)
            parts.append(function(self._shaped(values)))
        return np.concatenate(parts)

    def _shaped(self, x: np.ndarray) -> np.ndarray:
        return x if self.keeps_shape else x.reshape(len(x), -1)

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        raise NotImplementedError

    def _predict(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def smallest_class(y: np.ndarray) -> int:
    """The number of examples of the rarest class among the labels `y`, [M], all of them known."""
    return int(np.unique(y, return_counts=True)[1].min())
