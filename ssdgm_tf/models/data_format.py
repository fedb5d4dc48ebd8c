"""What a model takes: its observed and supervised variables as arrays or tensors, checked and in one form."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ssdgm_tf.engine.trace import Held
from ssdgm_tf.layers import StochasticNode
from ssdgm_tf.models import checks


class DataFormat:
    """Turns what users pass into {name: array} of every variable, and that into what a pass holds.

    Labels of a class are integers, -1 for "not known"; other variables are numbers, NaN for "not known".

    Args:
        observed: {name: head} of the variables that are always given.
        supervised: {name: head} of those given for some examples.
    """

    def __init__(self, observed: Mapping[str, StochasticNode], supervised: Mapping[str, StochasticNode]):
        self.observed, self.supervised = dict(observed), dict(supervised)

    def x(self, x) -> dict[str, np.ndarray]:
        """The observed variables, each [N, ...].

        Args:
            x: an array, where one variable is observed; or {name: array}.

        Raises:
            ValueError: other names, bad values, or different numbers of examples.
        """
        arrays = self._by_name("x", x, self.observed)
        if absent := sorted(set(self.observed) - set(arrays)):
            raise ValueError(f"x must hold every observed variable. Received: x without {absent}")
        checked = {}
        for name, head in self.observed.items():
            if head.support == "classes":
                size = len(np.atleast_1d(arrays[name]))
                checked[name] = checks.labels(name, arrays[name], head.num_classes, size, missing=False)
            else:
                checked[name] = checks.values(name, arrays[name], head.event_shape, head.support)
        sizes = {name: len(array) for name, array in checked.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"Observed variables must have as many examples each. Received: {sizes}")
        return checked

    def y(self, y, num_examples: int) -> dict[str, np.ndarray]:
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
            if head.support == "classes":
                given = arrays.get(name, np.full(num_examples, checks.UNLABELLED))
                checked[name] = checks.labels(name, given, head.num_classes, num_examples)
                continue
            if name not in arrays:
                checked[name] = np.full((num_examples, *head.event_shape), np.nan, np.float32)
                continue
            checked[name] = checks.values(name, arrays[name], head.event_shape, head.support, missing=True)
            if len(checked[name]) != num_examples:
                raise ValueError(
                    f"{name} must hold one value per example, {num_examples}. Received: {name} of {len(checked[name])}"
                )
        return checked

    @property
    def dtype(self) -> str:
        """The dtype of densities."""
        return next(iter(self.observed.values())).density_dtype

    @property
    def always_complete(self) -> tuple[str, ...]:
        """Supervised variables that every labelled example has whatever the data: an only one."""
        return tuple(self.supervised) if len(self.supervised) == 1 else ()

    @property
    def classes(self) -> dict[str, int]:
        """{name: number of classes} of the supervised classes."""
        return {name: head.num_classes for name, head in self.supervised.items() if head.support == "classes"}

    def is_known(self, y: Mapping) -> dict:
        """{name: bool [N]}, of arrays or tensors: where each supervised variable is given."""
        return {name: self._is_known(name, y[name]) for name in self.supervised}

    def is_labelled(self, y: Mapping[str, np.ndarray]) -> np.ndarray:
        """Bool [N]: where any supervised variable is given."""
        return np.any(list(self.is_known(y).values()), axis=0)

    def held(self, x: Mapping, y: Mapping | None = None, complete=()) -> dict[str, Held]:
        """What a pass holds.

        Args:
            x: {name: tensor} of the observed variables.
            y: {name: tensor} of supervised variables; None for none.
            complete: those that are given for every example.
        """
        held = {name: Held(self._as_event(head, x[name])) for name, head in self.observed.items()}
        for name, tensor in (y or {}).items():
            mask = None if name in complete else tf.convert_to_tensor(self._is_known(name, tensor))
            held[name] = Held(self.event(self.supervised[name], tensor), mask)
        return held

    def as_dict(self, x) -> dict:
        """{name: tensor} of what `call` takes: a tensor, where one variable is observed, or a dict."""
        return x if isinstance(x, dict) else {next(iter(self.observed)): x}

    def event(self, head: StochasticNode, tensor) -> tf.Tensor:
        """Labels as one-hot vectors, NaN as 0: values [B, *event_shape]."""
        value = self._as_event(head, tensor)
        return value if head.support == "classes" else tf.where(tf.math.is_nan(value), tf.zeros_like(value), value)

    @staticmethod
    def _as_event(head, tensor):
        tensor = tf.convert_to_tensor(tensor)
        if head.support == "classes":
            return tf.one_hot(tf.maximum(tf.cast(tensor, tf.int32), 0), head.num_classes, dtype=head.density_dtype)
        if not tensor.shape[1:].is_compatible_with(head.event_shape):
            raise ValueError(
                f"Values must have the shape that this model was built for, {head.event_shape}. "
                f"Received: a tensor of shape {tensor.shape}"
            )
        return tf.cast(tensor, head.density_dtype)

    def _is_known(self, name, y):
        head = self.supervised[name]
        if head.support == "classes":
            return y >= 0
        first = y[(slice(None), *[0] * len(head.event_shape))]
        return ~np.isnan(first) if isinstance(y, np.ndarray) else ~tf.math.is_nan(first)

    @staticmethod
    def _by_name(argument, data, variables) -> dict:
        if isinstance(data, Mapping):
            if unknown := sorted(set(data) - set(variables)):
                raise ValueError(f"{argument} may hold {sorted(variables)}. Received: {unknown}")
            return dict(data)
        if len(variables) != 1:
            raise ValueError(f"{argument} must be a dict of {sorted(variables)}. Received: {argument}={type(data).__name__}")
        return {next(iter(variables)): data}


def only_or_all(by_name: dict):
    """The value of the only name, or {name: value} of several: what users pass and get."""
    return by_name if len(by_name) > 1 else next(iter(by_name.values()))


def num_examples(by_name: Mapping) -> int:
    """How many examples {name: array} holds."""
    return len(next(iter(by_name.values())))
