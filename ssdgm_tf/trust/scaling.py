"""Probabilities of classes made to say how often they are right, from labels that training did not see."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

# Probabilities below it count as it.
_TINY = 1e-30
# The logarithms of slopes that are tried: temperatures from 1/100 to 100. And log-odds of floors.
_SLOPES, _OFFSETS, _FLOORS = (-4.6, 4.6), (-10.0, 10.0), (-12.0, 4.0)
# The rate of the exponential prior of the floor.
_FLOOR_RATE = 10.0
# Where the search starts, because a minimum need not be the least: logarithms of slopes, and log-odds of the floor.
_STARTS = ((0.0, -6.0), (0.0, -1.5), (-1.0, -6.0), (-1.0, -1.5))


class Scaling(NamedTuple):
    """A map of the probabilities q_k of K classes.

        p_k = (1 - floor) q_k^slope_k exp(offset_k) / sum_j q_j^slope_j exp(offset_j) + floor / K

    Attributes:
        slope: [K]; of a temperature T all are 1 / T.
        offset: [K], nats; of a temperature all are 0.
        floor: a scalar; the share of examples of which q says nothing, however sure it is.
    """

    slope: np.ndarray
    offset: np.ndarray
    floor: np.ndarray

    def __call__(self, probabilities: ArrayLike) -> np.ndarray:
        """Scaled probabilities, float64.

        Args:
            probabilities: [N, K].
        """
        scaled = special.softmax(_log(probabilities) * self.slope + self.offset, axis=-1)
        return (1 - self.floor) * scaled + self.floor / scaled.shape[-1]


def temperature(probabilities: ArrayLike, y: ArrayLike) -> Scaling:
    """The temperature (Guo et al. 2017, section 4.2) and the floor that make labels likeliest.

        p_k = (1 - e) q_k^(1/T) / sum_j q_j^(1/T) + e / K
        T, e = argmin - sum_n log p_{y_n} + (log T)^2 / 2 + 10 e

    The last terms are priors: log T is standard normal, e exponential with a mean of 0.1. Without them, few labels that are
    all predicted right would make the model sure, and a single wrong one unsure. Where errors are as sure as right answers,
    no temperature helps, and the floor does. The order of the classes stays.

    Args:
        probabilities: of models that did not see the labels, [N, K], K >= 2.
        y: labels 0..K-1, [N].

    Raises:
        ValueError: other labels, or other shapes.
    """
    return _least(probabilities, y, by_class=False)


def vector(probabilities: ArrayLike, y: ArrayLike) -> Scaling:
    """A slope and an offset for each class (Guo et al. 2017, section 4.2) and a floor, which make labels likeliest.

        argmin - sum_n log p_{y_n} + sum_k [ (log slope_k)^2 + offset_k^2 ] / 2 + 10 e

    It has 2K + 1 numbers where a temperature has two, and takes more labels. It can change which class is likeliest.

    Args:
        probabilities: see `temperature`.
        y: see `temperature`.

    Raises:
        ValueError: see `temperature`.
    """
    return _least(probabilities, y, by_class=True)


#: {name: how a scaling is found}.
METHODS: dict[str, Callable[[ArrayLike, ArrayLike], Scaling]] = {"temperature": temperature, "vector": vector}


def _least(probabilities: ArrayLike, y: ArrayLike, by_class: bool) -> Scaling:
    """The scaling of the least loss: with a slope and an offset for each class, or one slope and no offset."""
    log_q, labels = _log(probabilities), np.asarray(y)
    if log_q.ndim != 2 or labels.shape != log_q.shape[:1] or labels.dtype.kind not in "iu" or not len(labels):
        raise ValueError(
            "A scaling takes probabilities [N, K] and integer labels [N], N >= 1. "
            f"Received: shapes {log_q.shape} and {labels.shape}, labels of {labels.dtype}"
        )
    size = log_q.shape[1]
    if labels.min() < 0 or labels.max() >= size:
        raise ValueError(f"Labels must be 0..{size - 1}. Received: {labels.min()} to {labels.max()}")
    number = size if by_class else 1

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        log_slope, offset, floor = parameters[:number], parameters[number:-1], special.expit(parameters[-1])
        return _loss(log_q, labels, log_slope, offset, floor)

    bounds = [_SLOPES] * number + [_OFFSETS] * (size if by_class else 0) + [_FLOORS]
    starts = [np.array([slope] * number + [0.0] * (len(bounds) - number - 1) + [floor]) for slope, floor in _STARTS]
    found = min((optimize.minimize(loss, start, jac=True, bounds=bounds) for start in starts), key=lambda run: run.fun)
    log_slope, offset = found.x[:number], found.x[number:-1]
    slope = np.broadcast_to(np.exp(log_slope), size).copy()
    return Scaling(slope, offset if by_class else np.zeros(size), np.array(special.expit(found.x[-1])))


def _loss(
    log_q: np.ndarray, labels: np.ndarray, log_slope: np.ndarray, offset: np.ndarray, floor: float
) -> tuple[float, np.ndarray]:
    """The loss, and its gradient by the logarithms of slopes, the offsets and the log-odds of the floor."""
    sloped = np.exp(log_slope) * log_q
    scaled = special.softmax(sloped + (offset if len(offset) else 0.0), axis=1)
    of_label = scaled[np.arange(len(labels)), labels]
    p = (1 - floor) * of_label + floor / log_q.shape[1]
    by_logits = -((1 - floor) * of_label / p)[:, None] * (np.eye(log_q.shape[1])[labels] - scaled)
    by_slopes = np.sum(by_logits * sloped, axis=0)
    by_floor = (_FLOOR_RATE - np.sum((1 / log_q.shape[1] - of_label) / p)) * floor * (1 - floor)
    gradient = [
        (by_slopes if len(log_slope) > 1 else by_slopes.sum(keepdims=True)) + log_slope,
        by_logits.sum(axis=0)[: len(offset)] + offset,
        [by_floor],
    ]
    value = -np.sum(np.log(p)) + (np.sum(log_slope**2) + np.sum(offset**2)) / 2 + _FLOOR_RATE * floor
    return float(value), np.concatenate(gradient)


def _log(probabilities: ArrayLike) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))
