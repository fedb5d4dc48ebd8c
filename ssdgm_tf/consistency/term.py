"""The base of all terms: a weight, the variables that it is of, and its loss."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from ssdgm_tf.consistency.passes import Passes


def check_averages(what: str, optimizer: keras.optimizers.Optimizer) -> None:
    """Refuses an optimizer that keeps no running average of the weights.

    Args:
        what: who needs it, for messages.
        optimizer: the optimizer.

    Raises:
        ValueError: it keeps none.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
    if not inner.use_ema:
        raise ValueError(
            f"{what} needs an optimizer that averages weights: use_ema=True, on the command line config.ema_momentum=0.99. "
            f"Received: {type(inner).__name__} without"
        )


class Term(abc.ABC):
    """A loss of q(y|.) that needs no label, added to minus the objective of `fit` with a weight.

    It is not part of a bound: the logged bounds are those of the model, and its own mean is logged by its name.

    Args:
        weight: factor of the loss, which is per unlabelled example.
        variables: the supervised class or classes that it is of; None for all.

    Raises:
        ValueError: a weight that is not above 0.
    """

    #: Its name in `compile`, in configs and in the logs.
    name: ClassVar[str]

    @property
    def mixes_examples(self) -> bool:
        """Whether the loss of an example, or a state, depends on the others of the step."""
        return False

    def __init__(self, weight: float = 1.0, variables: str | tuple[str, ...] | list[str] | None = None) -> None:
        if not weight > 0:
            raise ValueError(f"The weight of a term must be greater than 0. Received: weight={weight!r} of {self.name}")
        self.weight = weight
        self.variables = (variables,) if isinstance(variables, str) else None if variables is None else tuple(variables)
        #: {name: state}, saved with the model.
        self.states: dict[str, keras.Variable] = {}

    def check(self, classes: Mapping[str, int], observed: Mapping[str, Any], priors: Mapping[str, bool]) -> None:
        """Refuses a model that the term does not suit. A subclass adds its own rules.

        Args:
            classes: {supervised class: its number of classes} of the model.
            observed: {observed variable: its stochastic layer}.
            priors: {supervised class: whether p(y) has no parents}.

        Raises:
            ValueError: a variable that is no class of the model, or a model without any.
        """
        strange = [name for name in self.variables or () if name not in classes]
        if strange or not classes:
            received = repr(strange[0]) if strange else "a model without any"
            known = ", ".join(classes) or "none"
            raise ValueError(f"consistency={self.name!r} is of supervised classes, which are {known}. Received: {received}")

    def check_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:  # noqa: B027
        """Refuses an optimizer that the term does not suit; by default none.

        Args:
            optimizer: the optimizer.

        Raises:
            ValueError: it does not.
        """

    def of(self, classes: Mapping[str, int]) -> tuple[str, ...]:
        """The variables of a model that the term is of.

        Args:
            classes: the supervised classes of the model.
        """
        return tuple(classes) if self.variables is None else self.variables

    def build(  # noqa: B027
        self,
        classes: Mapping[str, int],
        shapes: Mapping[str, tuple[int, ...]],
        sublayers: Sequence[keras.layers.Layer] = (),
    ) -> None:
        """Makes the `states` of the term; by default none.

        Args:
            classes: {supervised class: its number of classes} of the model.
            shapes: {observed variable: the shape of one example}.
            sublayers: the layers of the model, all of them.
        """

    @abc.abstractmethod
    def loss(self, passes: Passes, variables: tuple[str, ...]) -> tf.Tensor:
        """The loss, the sum over the variables, without the weight; [B].

        Args:
            passes: the predictions of the step.
            variables: those that it is of.
        """

    def get_config(self) -> dict[str, Any]:
        """What the term is made of again."""
        return {"weight": self.weight, "variables": self.variables}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Term":
        """The term of a config."""
        return cls(**config)
