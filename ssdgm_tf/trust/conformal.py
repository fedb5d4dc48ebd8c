"""Sets of classes that hold the true one as often as asked, whatever the model (Sadinle, Lei and Wasserman 2019)."""

import math

import numpy as np
from numpy.typing import ArrayLike


def class_scores(probabilities: ArrayLike) -> np.ndarray:
    """How little each class conforms to the prediction.

        s_k = 1 - q_k = sum of q_j over j other than k

    The sum keeps what the difference would lose where q_k is almost 1.

    Args:
        probabilities: [N, K].

    Returns:
        [N, K], float64.
    """
    q = np.asarray(probabilities, np.float64)
    return q @ (1 - np.eye(q.shape[-1]))


def threshold(scores: ArrayLike, coverage: float) -> float:
    """The largest score of a class that a set holds.

    It is the ceil((N + 1) coverage)-th smallest of the scores, infinite if there are fewer. Then the set of a new example,
    exchangeable with these, holds its class with a probability of at least `coverage`, and of less than coverage +
    1 / (N + 1) where no scores are equal. This is exact for every N (Vovk et al. 2005).

    Args:
        scores: those of the true classes of N examples whose labels the model did not see, [N].
        coverage: above 0 and below 1.

    Raises:
        ValueError: a coverage outside (0, 1).
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must be above 0 and below 1. Received: coverage={coverage!r}")
    found = np.sort(np.asarray(scores, np.float64))
    # 0.9 * 10 must not be 9.000000000000002.
    place = math.ceil((len(found) + 1) * coverage - 1e-9)
    return float(found[place - 1]) if place <= len(found) else math.inf


def sets(probabilities: ArrayLike, scores: ArrayLike, coverage: float) -> np.ndarray:
    """Which classes the set of each example holds, bool [N, K]; none where no class is likely enough.

    Args:
        probabilities: [N, K].
        scores: see `threshold`.
        coverage: see `threshold`.
    """
    return class_scores(probabilities) <= threshold(scores, coverage)
