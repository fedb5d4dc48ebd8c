"""The weights of the objective, and the arguments of `compile` that choose it."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from ssdgm_tf import choices, objectives
from ssdgm_tf.engine import trace_bounds
from ssdgm_tf.layers import StochasticNode

# The beta of Maaloe et al. 2016 that makes the default weights.
_BETA = 0.1
# Nats that a label of an image weighs at least, for each element: 50 for 28x28. See results/tries.md, W1 to W4.
_NATS_PER_ELEMENT = 50 / 28**2


class ObjectiveScale(NamedTuple):
    """The objective's weights once the data set is known.

    Attributes:
        num_unlabelled: N.
        num_labelled: M.
        gamma: weight of the labelled examples.
        classification_weight: a, nats per labelled example.
    """

    num_unlabelled: int
    num_labelled: int
    gamma: float
    classification_weight: float

    def objective(self, labelled: dict[str, Any], unlabelled: dict[str, Any] | None) -> tf.Tensor:
        """The quantity that a step maximises, a scalar.

        Args:
            labelled: terms of the labelled stream; see `SemiSupervisedModel.labelled_terms`.
            unlabelled: terms of the other; None where there is none.
        """
        supervised = self.labelled(labelled)
        if unlabelled is None or not self.num_unlabelled:
            return tf.reduce_mean(supervised)
        return objectives.total_objective(
            unlabelled["objective"], supervised, self.gamma, self.num_unlabelled, self.num_labelled
        )

    def labelled(self, labelled: dict[str, Any]) -> tf.Tensor:
        """Lsup of labelled examples, [B]."""
        return objectives.labelled_objective(labelled["objective"], labelled["label_objective"], self.classification_weight)

    def parts(self, labelled: dict[str, Any], unlabelled: dict[str, Any] | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """What the two streams add to the objective, example by example: the objective is the sum of their means.

        Args:
            labelled: see `objective`.
            unlabelled: see `objective`.

        Returns:
            Of the labelled stream, gamma M / N Lsup, [B]; and of the other, U, [B], or None where it adds nothing.
        """
        if unlabelled is None or not self.num_unlabelled:
            return self.labelled(labelled), None
        rate = self.gamma * self.num_labelled / self.num_unlabelled
        return rate * self.labelled(labelled), unlabelled["objective"]

    def __str__(self) -> str:
        if not self.num_labelled:
            return f"{self.num_unlabelled:g} unlabelled examples, none labelled; maximises mean U"
        if not self.num_unlabelled:
            return (
                f"{self.num_labelled:g} labelled examples, none unlabelled; "
                f"maximises mean (L + {self.classification_weight:g} log q(y|x))"
            )
        rate = self.gamma * self.num_labelled / self.num_unlabelled
        rho = objectives.supervision_rate(self.gamma, self.num_unlabelled, self.num_labelled)
        return (
            f"N = {self.num_unlabelled:g} unlabelled, M = {self.num_labelled:g} labelled, gamma = {self.gamma:g}, "
            f"classification_weight = {self.classification_weight:g} nats per labelled example; "
            f"maximises mean U + {rate:.3g} mean (L + {self.classification_weight:g} log q(y|x)), "
            f"supervision rate rho = {rho:.3g}"
        )


def default_weights(
    num_unlabelled: int, num_labelled: int, observed: Mapping[str, StochasticNode], has_classes: bool
) -> objectives.ObjectiveWeights:
    """The weights of the objective where `compile` was given none.

        gamma = N / M,    a = max(0.1 (N + M) / M, 50 D / 784),    D elements of images [H, W, C]

    The first is `objectives.adgm_weights`. What an image says of its label by log p(x|y,z) grows with its elements and not
    with the number of labels: the second keeps a from falling behind it as labels become many. It was measured for classes
    of images, and is 0 without images, without a supervised class, and without unlabelled examples, on which alone q(y|x)
    follows that evidence.

    Args:
        num_unlabelled: N.
        num_labelled: M; 0 for weights of 0.
        observed: {observed variable: its stochastic layer}. Several images count together.
        has_classes: whether a supervised variable is a class.
    """
    if not num_labelled:
        return objectives.ObjectiveWeights(0.0, 0.0)
    weights = objectives.adgm_weights(_BETA, num_unlabelled + num_labelled, num_unlabelled, num_labelled)
    if not num_unlabelled or not has_classes:
        return weights
    shapes = [head.known_event_shape for head in observed.values()]
    least = _NATS_PER_ELEMENT * sum(math.prod(shape) for shape in shapes if len(shape) == 3)
    return weights._replace(classification_weight=max(weights.classification_weight, least))


def check_arguments(
    gamma: float | None,
    classification_weight: float | None,
    num_samples: int,
    num_unlabelled: int | None,
    num_labelled: int | None,
    labelled_bound: str | None,
    unlabelled_bound: str,
    free_bits: float,
    bound_weight: Any,
) -> None:
    """Refuses arguments of `compile` that make no objective; see there.

    Raises:
        ValueError: a negative weight, a bound without weight, no sample, one size without the other, an unknown bound, or
            free bits of another bound than the evidence lower bound.
    """
    for name, value in (("gamma", gamma), ("classification_weight", classification_weight)):
        if value is not None and value < 0:
            raise ValueError(f"{name} must not be negative. Received: {name}={value!r}")
    if isinstance(bound_weight, int | float) and not bound_weight > 0:
        raise ValueError(f"bound_weight must be greater than 0. Received: bound_weight={bound_weight!r}")
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1. Received: num_samples={num_samples!r}")
    if (num_unlabelled is None) != (num_labelled is None):
        raise ValueError(
            "num_unlabelled and num_labelled go together. "
            f"Received: num_unlabelled={num_unlabelled!r}, num_labelled={num_labelled!r}"
        )
    choices.check("labelled_bound", labelled_bound, (None, *trace_bounds.LABELLED))
    choices.check("unlabelled_bound", unlabelled_bound, trace_bounds.UNLABELLED)
    if free_bits < 0:
        raise ValueError(f"free_bits must not be negative. Received: free_bits={free_bits!r}")
    if free_bits and (unlabelled_bound == "importance_weighted" or labelled_bound not in (None, "conditional")):
        raise ValueError(
            "free_bits belong to the evidence lower bound. "
            f"Received: labelled_bound={labelled_bound!r}, unlabelled_bound={unlabelled_bound!r}"
        )
