"""The data that a model takes: its observed and supervised variables by name, checked, as arrays or tensors."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ssdgm_tf.engine.site import Held
from ssdgm_tf.layers import StochasticNode
from ssdgm_tf.layers.supports import Classes


class DataFormat:
    """Turns what users pass into {name: array} of every variable, and that into what a pass holds.

    Labels of a class are integers, -1 for "not known". Other variables are numbers, NaN for "not known".

    Args:
        observed: {name: head} of the variables that are always given.
        supervised: {name: head} of those given for some examples.
    """

    def __init__(self, observed: Mapping[str, StochasticNode], supervised: Mapping[str, StochasticNode]) -> None:
        self.observed, self.supervised = dict(observed), dict(supervised)

    def x(self, x: Any) -> dict[str, np.ndarray]:
        """The observed variables, each [N, ...].

        Args:
            x: an array, where one variable is observed; or {name: array}.

        Raises:
            ValueError: other names, bad values, or different numbers of examples.
        """
        arrays = self._by_name("x", x, self.observed)
        if absent := sorted(set(self.observed) - set(arrays)):
            raise ValueError(f"x must hold every observed variable. Received: x without {absent}")
        checked = {
            name: head.observed_support.check_array(name, arrays[name], head.event_shape)
            for name, head in self.observed.items()
        }
        sizes = {name: len(array) for name, array in checked.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"Observed variables must have as many examples each. Received: {sizes}")
        return checked

    def y(self, y: Any, num_examples: int) -> dict[str, np.ndarray]:
        """The supervised variables, each [N, ...], all of them: those left out are not known.

        Args:
            y: None; an array, where one variable is supervised; or {name: array} of any of them.
            num_examples: N.

        Raises:
            ValueError: other names, or bad values.
        """
        arrays = {} if y is None else self._by_name("y", y, self.supervised)
        checked = {}
        for name, head in self.supervised.items():
            if name not in arrays:
                checked[name] = head.support.missing(num_examples, head.event_shape)
                continue
            checked[name] = head.support.check_array(name, arrays[name], head.event_shape, num_examples, missing=True)
        return checked

    def x_tensors(self, x: Any, batch: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """`x` of a batch of tensors; the graph that is being built checks the values when it runs.

        Args:
            x: a tensor, where one variable is observed; or {name: tensor}.
            batch: the number of the batch, for messages.

        Raises:
            ValueError: other names, or another shape.
        """
        x = self.as_dict(x)
        if set(x) != set(self.observed):
            raise ValueError(f"x must hold the observed variables {sorted(self.observed)}. Received: {sorted(x)}")
        return {
            name: head.observed_support.check_tensor(name, x[name], head.event_shape, batch=batch)
            for name, head in self.observed.items()
        }

    def y_tensors(self, y: Any, missing: bool, batch: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """`y` of a batch of tensors, checked like `x_tensors`.

        Args:
            y: a tensor, where one variable is supervised; or {name: tensor}.
            missing: whether a value may be "not known".
            batch: the number of the batch, for messages.

        Raises:
            ValueError: other names, or another shape.
        """
        y = y if isinstance(y, dict) else dict.fromkeys(self.supervised, y)
        if set(y) != set(self.supervised):
            raise ValueError(f"y must hold the supervised variables {sorted(self.supervised)}. Received: {sorted(y)}")
        return {
            name: head.support.check_tensor(name, y[name], head.event_shape, missing, batch)
            for name, head in self.supervised.items()
        }

    @property
    def dtype(self) -> str:
        """The dtype of densities."""
        return next(iter(self.observed.values())).density_dtype

    @property
    def always_complete(self) -> tuple[str, ...]:
        """The supervised variables that every labelled example has, whatever the data: the only one, if there is one."""
        return tuple(self.supervised) if len(self.supervised) == 1 else ()

    @property
    def classes(self) -> dict[str, int]:
        """{name: number of classes} of the supervised classes."""
        supports = {name: head.support for name, head in self.supervised.items()}
        return {name: support.num_classes for name, support in supports.items() if isinstance(support, Classes)}

    def is_known(self, y: Mapping[str, Any]) -> dict[str, Any]:
        """{name: bool [N]}, of arrays or tensors: where each supervised variable is given."""
        return {name: head.support.is_known(y[name]) for name, head in self.supervised.items()}

    def is_labelled(self, y: Mapping[str, np.ndarray]) -> np.ndarray:
        """Bool [N]: where any supervised variable is given."""
        return np.any(list(self.is_known(y).values()), axis=0)

    def warn_of_supervision(self, y: Mapping[str, np.ndarray], is_labelled: np.ndarray) -> None:
        """Warns of classes without a labelled example, and of data that are all labelled or not at all.

        Args:
            y: {name: labels [N]}, already checked.
            is_labelled: bool [N].
        """
        for name, size in self.classes.items():
            missing = sorted(set(range(size)) - set(np.unique(y[name]).tolist()))
            if missing and np.any(y[name] >= 0):
                warnings.warn(
                    f"No labelled example of class {missing} of {name}: the model will choose by itself which examples "
                    "belong to it.",
                    stacklevel=4,
                )
        if is_labelled.all():
            warnings.warn("No unlabelled example: training as a supervised model.", stacklevel=4)
        elif y and not is_labelled.any():
            warnings.warn("No labelled example: training as an unsupervised model.", stacklevel=4)

    def held(
        self, x: Mapping[str, tf.Tensor], y: Mapping[str, tf.Tensor] | None = None, complete: Iterable[str] = ()
    ) -> dict[str, Held]:
        """The variables that a pass holds.

        Args:
            x: {name: tensor} of the observed variables.
            y: {name: tensor} of supervised variables; None for none.
            complete: those that are given for every example.
        """
        held = {name: Held(event(head, x[name], missing=False)) for name, head in self.observed.items()}
        for name, tensor in (y or {}).items():
            head = self.supervised[name]
            mask = None if name in complete else tf.convert_to_tensor(head.support.is_known(tensor))
            held[name] = Held(event(head, tensor), mask)
        return held

    def as_dict(self, x: Any) -> dict[str, Any]:
        """{name: tensor} of what `call` takes: a tensor, where one variable is observed, or a dict."""
        return x if isinstance(x, dict) else {next(iter(self.observed)): x}

    @staticmethod
    def _by_name(argument: str, data: Any, variables: Mapping[str, StochasticNode]) -> dict[str, Any]:
        if isinstance(data, Mapping):
            if unknown := sorted(set(data) - set(variables)):
                raise ValueError(f"{argument} may hold {sorted(variables)}. Received: {unknown}")
            return dict(data)
        if len(variables) != 1:
            raise ValueError(f"{argument} must be a dict of {sorted(variables)}. Received: {argument}={type(data).__name__}")
        return {next(iter(variables)): data}


def event(head: StochasticNode, tensor: tf.Tensor | np.ndarray, missing: bool = True) -> tf.Tensor:
    """The values of a variable as a pass holds them, [B, *event_shape]: labels one-hot.

    Args:
        head: the stochastic layer of the variable.
        tensor: values in the form of the data.
        missing: whether a value may be missing, which becomes one within the support.

    Raises:
        ValueError: values of another shape.
    """
    tensor = tf.convert_to_tensor(tensor)
    value = head.support.event(tensor, head.density_dtype, missing)
    if not value.shape[1:].is_compatible_with(head.event_shape):
        raise ValueError(
            f"Values must have the shape that this model was built for, {head.event_shape}. "
            f"Received: a tensor of shape {tensor.shape}"
        )
    return value


def only_or_all(by_name: dict[str, Any]) -> Any:
    """The value of the only name, or {name: value} of several: what users pass and get."""
    return by_name if len(by_name) > 1 else next(iter(by_name.values()))


def num_examples(by_name: Mapping[str, Any]) -> int:
    """How many examples {name: array} holds."""
    return len(next(iter(by_name.values())))
