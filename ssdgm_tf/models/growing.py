"""A class more: the weights of a trained model in one that knows more classes."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

# How much less likely a new class is at first than the old ones are on average, nats.
_UNLIKELY = 3.0


def grow(model: "GraphicalModel", trained: "GraphicalModel", number: int, known: int) -> None:
    """Gives a new model the weights of one that knows fewer classes.

    What was learned of the old classes stays. What networks make of a new class is the mean of what they make of the old
    ones; q(y|...) gives it a probability that is small for every example, and that new labels raise.

    Args:
        model: the new model, built, of the same graph. Its optimizer goes on at the same step.
        trained: the trained model.
        number: of classes that the new one knows.
        known: of classes that the trained one knows.

    Raises:
        ValueError: graphs that differ in more than the classes.
    """
    if len(model.weights) != len(trained.weights):
        raise ValueError(
            f"A model grows by classes only. Received: {len(trained.weights)} weights for {len(model.weights)} places"
        )
    for new, old in zip(model.weights, trained.weights, strict=True):
        before, after = np.asarray(old), np.asarray(new)
        differing = [axis for axis in range(before.ndim) if before.shape[axis] != after.shape[axis]]
        if before.ndim != after.ndim or any((before.shape[a], after.shape[a]) != (known, number) for a in differing):
            raise ValueError(
                "A model grows where a weight has an axis of classes. "
                f"Received: {old.path}, {before.shape} for {after.shape}"
            )
        for axis in differing:
            before = _grown(before, axis, number - known)
        new.assign(before)
    if trained.optimizer is not None and model.optimizer is not None:
        model.optimizer.iterations.assign(trained.optimizer.iterations)


def _grown(values: np.ndarray, axis: int, more: int) -> np.ndarray:
    """Values with so many more along an axis: the mean of the others; along an axis of logits a little less."""
    mean = values.mean(axis=axis, keepdims=True)
    is_of_logits = values.ndim == 1
    return np.concatenate([values, *[mean - (_UNLIKELY if is_of_logits else 0.0)] * more], axis=axis)
