"""Probabilities of classes made to say how often they are right, from labels that training did not see."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

# Probabilities below it count as it.
_TINY = 1e-30
# The logarithms of the slopes that are tried: temperatures from 1/100 to 100.
_WIDEST = np.log(100.0)


class Scaling(NamedTuple):
    """A map of the probabilities q_k of K classes.

        p_k = q_k^slope_k exp(offset_k) / sum_j q_j^slope_j exp(offset_j)

    Attributes:
        slope: [K]; of a temperature T all are 1 / T.
        offset: [K], nats; of a temperature all are 0.
    """

    slope: np.ndarray
    offset: np.ndarray

    def __call__(self, probabilities: ArrayLike) -> np.ndarray:
        """Scaled probabilities, float64.

        Args:
            probabilities: [N, K].
        """
        return special.softmax(_log(probabilities) * self.slope + self.offset, axis=-1)


def temperature(probabilities: ArrayLike, y: ArrayLike) -> Scaling:
    """The temperature that makes the cross-entropy of labels least (Guo et al. 2017, section 4.2).

        p_k ~ q_k^(1/T)        T = argmin_T - sum_n sum_k t_nk log p_nk

    The target t_n of a label is not 1 but (N + 1) / (N + 2), as in Platt 1999, and the rest is shared by the other classes.
    Without it, N labels that are all predicted right would make the model sure.

    Args:
        probabilities: of models that did not see the labels, [N, K], K >= 2.
        y: labels 0..K-1, [N].
    """
    log_q, targets = _log(probabilities), _targets(y, np.shape(probabilities)[1])

    def loss(log_slope: float) -> float:
        return _cross_entropy(np.exp(log_slope) * log_q, targets)

    found = optimize.minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-6})
    size = log_q.shape[1]
    return Scaling(np.full(size, np.exp(found.x)), np.zeros(size))


def vector(probabilities: ArrayLike, y: ArrayLike) -> Scaling:
    """A slope and an offset for each class, which make the cross-entropy of labels least (Guo et al. 2017, section 4.2).

    It has 2K numbers where a temperature has one, and takes as many more labels. It can change which class is likeliest.

    Args:
        probabilities: see `temperature`.
        y: see `temperature`.
    """
    start = temperature(probabilities, y)
    log_q, targets = _log(probabilities), _targets(y, np.shape(probabilities)[1])

    def loss_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, offset = np.split(parameters, 2)
        logits = log_q * slope + offset
        excess = (special.softmax(logits, axis=1) - targets) / len(logits)
        return _cross_entropy(logits, targets), np.concatenate([np.sum(excess * log_q, axis=0), excess.sum(axis=0)])

    found = optimize.minimize(loss_and_gradient, np.concatenate(start), jac=True, method="L-BFGS-B")
    slope, offset = np.split(found.x, 2)
    return Scaling(slope, offset - offset.mean())


#: {name: how a scaling is found}.
METHODS: dict[str, Callable[[ArrayLike, ArrayLike], Scaling]] = {"temperature": temperature, "vector": vector}


def _log(probabilities: ArrayLike) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))


def _targets(y: ArrayLike, num_classes: int) -> np.ndarray:
    """What stands for the labels, [N, K]."""
    labels = np.asarray(y)
    rest = 1 / (len(labels) + 2)
    targets = np.full((len(labels), num_classes), rest / (num_classes - 1))
    targets[np.arange(len(labels)), labels] = 1 - rest
    return targets


def _cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    return -float(np.mean(np.sum(targets * special.log_softmax(logits, axis=1), axis=1)))
