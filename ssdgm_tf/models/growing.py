"""A class more: the weights of a trained model in one that knows more classes."""

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdgm_tf import keras_internals

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

# How much less likely a new class is at first than the old ones are on average, nats.
_UNLIKELY = 3.0


def grow(model: "GraphicalModel", trained: "GraphicalModel", number: int, known: int) -> None:
    """Gives a new model the weights of one that knows fewer classes.

    What was learned of the old classes stays. What networks make of a new class is the mean of what they make of the old
    ones; q(y|...) gives it a probability that is small for every example, and that new labels raise. The optimizer goes on:
    its moments of what is new are 0, and a running average of the weights is that of the old ones, grown in the same way.

    Args:
        model: the new model, built and compiled, of the same graph.
        trained: the trained model.
        number: of classes that the new one knows.
        known: of classes that the trained one knows.

    Raises:
        ValueError: graphs that differ in more than the classes.
    """
    if len(model.weights) != len(trained.weights) or model.data_format.classes.get("y") != number:
        raise ValueError(
            f"A model grows by classes only. Received: {len(trained.weights)} weights for {len(model.weights)} places"
        )
    grown = functools.partial(_grown, number=number, known=known, places=_places_of_classes(trained))
    for new, old in zip(model.weights, trained.weights, strict=True):
        new.assign(grown(old, new, old.path, True))
    _grow_optimizer(model, trained, grown)


def _places_of_classes(trained: "GraphicalModel") -> dict[str, tuple[int, int]]:
    """{path of a weight: (all inputs of its node's network, where those of y begin)}, of the nodes that y is a parent of."""
    found: dict[str, tuple[int, int]] = {}
    for nodes in (trained.graph.generative, trained.graph.recognition):
        for node in nodes.values():
            if "y" in node.parents:
                sizes = [math.prod(shape) for shape in node.parent_shapes]
                begin = sum(sizes[: list(node.parents).index("y")])
                found |= {weight.path: (sum(sizes), begin) for weight in node.weights}
    return found


def _grown(
    old: Any, new: Any, path: str, is_weight: bool, number: int, known: int, places: dict[str, tuple[int, int]]
) -> np.ndarray:
    """The values of a weight, or of what an optimizer keeps of it, with room for the new classes; 0 there of the latter.

    Raises:
        ValueError: another shape.
    """
    values, wanted = np.asarray(old), tuple(new.shape)
    if values.ndim != len(wanted):
        raise ValueError(f"A model grows by classes only. Received: {path}, {values.shape} for {wanted}")
    for axis in range(values.ndim):
        size = values.shape[axis]
        if size == wanted[axis]:
            continue
        total, begin = places.get(path, (known, 0))
        begin = begin if size == total else 0
        if wanted[axis] - size != number - known or size not in (known, total):
            raise ValueError(f"A model grows by classes only. Received: {path}, {values.shape} for {wanted}")
        of_classes = np.take(values, range(begin, begin + known), axis=axis)
        one = of_classes.mean(axis=axis, keepdims=True) - (_UNLIKELY if values.ndim == 1 else 0.0)
        one = one if is_weight else np.zeros_like(one)
        parts = np.split(values, [begin + known], axis=axis)
        values = np.concatenate([parts[0], *[one] * (number - known), parts[1]], axis=axis)
    return values


def _grow_optimizer(model: "GraphicalModel", trained: "GraphicalModel", grown: Callable[..., np.ndarray]) -> None:
    """Gives the optimizer of a new model what that of a smaller one keeps."""
    if trained.optimizer is None or not trained.optimizer.built:
        return
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(trained.optimizer.iterations)
    kept = (keras_internals.slots_of(one.optimizer, one.trainable_variables) for one in (model, trained))
    for (_, new, _), (weight, old, is_average) in zip(*kept, strict=True):
        new.assign(grown(old, new, weight.path, is_average))
