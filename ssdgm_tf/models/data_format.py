"""The data that a model takes: its observed and supervised variables by name, checked, as arrays or tensors."""

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ssdgm_tf import rows
from ssdgm_tf.data import Limits
from ssdgm_tf.engine.site import Held
from ssdgm_tf.layers import StochasticNode, supports
from ssdgm_tf.layers.supports import Classes

# Examples whose size is looked at before training.
_LOOKED_AT = 1000


class DataFormat:
    """Turns what users pass into {name: array} of every variable, and that into what a pass holds.

    Labels of a class are integers, -1 for "not known". Other variables are numbers, NaN for "not known". A label is known or
    not as a whole. Of an observed variable any element may be missing, where its elements are independent given its parents.

    Args:
        observed: {name: head} of the variables that are always given.
        supervised: {name: head} of those given for some examples.
        exposures: the variables that counts are multiples of, of which no element may be missing.
    """

    def __init__(
        self,
        observed: Mapping[str, StochasticNode],
        supervised: Mapping[str, StochasticNode],
        exposures: Collection[str] = (),
    ) -> None:
        self.observed, self.supervised, self.exposures = dict(observed), dict(supervised), tuple(exposures)

    def takes_gaps(self, name: str) -> bool:
        """Whether elements of an observed variable may be missing.

        Args:
            name: its name.
        """
        return self.observed[name].has_independent_elements and name not in self.exposures

    def limits(self, name: str) -> Limits:
        """What an observed variable takes in new examples: gaps, where the model was trained with them, and which numbers.

        Args:
            name: its name.
        """
        head = self.observed[name]
        return Limits(bool(head.gaps), isinstance(head.observed_support, supports.UnitInterval))

    def x(self, x: Any) -> dict[str, Any]:
        """The observed variables, each an array or `Rows` [N, ...].

        Args:
            x: an array, where one variable is observed; or {name: array}.

        Raises:
            ValueError: other names, bad values, or different numbers of examples.
        """
        arrays = self._observed("x", x)
        checked = {
            name: head.observed_support.check_array(name, arrays[name], head.event_shape, gaps=self.takes_gaps(name))
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

    def pair(self, x: Any, y: Any = None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Both, see `x` and `y`.

        Raises:
            ValueError: other names, bad values, or different numbers of examples.
        """
        arrays = self.x(x)
        return arrays, self.y(y, num_examples(arrays))

    def x_tensors(self, x: Any, batch: tf.Tensor | None = None, complete: Iterable[str] = ()) -> dict[str, tf.Tensor]:
        """`x` of a batch of tensors; the graph that is being built checks the values when it runs.

        Args:
            x: a tensor, where one variable is observed; or {name: tensor}.
            batch: the number of the batch, for messages.
            complete: the variables of which no element may be missing.

        Raises:
            ValueError: other names, or another shape.
        """
        tensors = {name: _not_empty(tensor, batch) for name, tensor in self._observed("x", x).items()}
        checked = {}
        for name, head in self.observed.items():
            tensor, gaps = tensors[name], self.takes_gaps(name)
            if gaps and name in complete and tensor.dtype.is_floating:
                tensor = _without_nan(name, tensor, batch)
            checked[name] = head.observed_support.check_tensor(name, tensor, head.event_shape, batch=batch, gaps=gaps)
        size = batch_size(checked)
        return {name: _of_size(name, tensor, size, batch) for name, tensor in checked.items()}

    def y_tensors(
        self, y: Any, num_examples: tf.Tensor, missing: bool, batch: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        """`y` of a batch of tensors, checked like `x_tensors`.

        Args:
            y: None; a tensor, where one variable is supervised; or {name: tensor} of any of them.
            num_examples: the number of examples of the batch.
            missing: whether a value may be "not known".
            batch: the number of the batch, for messages.

        Raises:
            ValueError: other names, or another shape.
        """
        tensors = {} if y is None else self._by_name("y", y, self.supervised)
        checked = {}
        for name, head in self.supervised.items():
            if name in tensors:
                tensor = head.support.check_tensor(name, tensors[name], head.event_shape, missing, batch)
                checked[name] = _of_size(name, tensor, num_examples, batch)
            else:
                checked[name] = head.support.missing_tensor(num_examples, head.known_event_shape)
        return checked

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

    def take_gaps(self, without_gaps: Collection[str]) -> None:
        """Lets the data say which observed variables have gaps, where their nodes leave it open.

        Args:
            without_gaps: the variables of which no element is missing.
        """
        # Two variables may share a head.
        with_gaps = [head for name, head in self.observed.items() if name not in without_gaps]
        for head in self.observed.values():
            if head.gaps is None:
                head.gaps = any(head is other for other in with_gaps)

    def without_gaps(self, *parts: Mapping[str, Any]) -> tuple[str, ...]:
        """The observed variables of which no element is missing.

        Args:
            *parts: {name: values [N, ...]} each, already checked.
        """
        return tuple(name for name in self.observed if not any(rows.has_nan(x[name]) for x in parts))

    def is_known(self, y: Mapping[str, Any]) -> dict[str, Any]:
        """{name: bool [N]}, of arrays or tensors: where each supervised variable is given."""
        return {name: head.support.is_known(y[name]) for name, head in self.supervised.items()}

    def only(self, y: dict[str, tf.Tensor], mask: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """The supervised variables of some examples: those of the others are not known.

        Args:
            y: {name: tensor [B, ...]}.
            mask: bool [B]; None for all.
        """
        if mask is None:
            return y
        hidden = {}
        for name, head in self.supervised.items():
            missing = head.support.missing_tensor(batch_size(y), head.known_event_shape)
            of_each = tf.reshape(mask, [-1, *[1] * (y[name].shape.rank - 1)])
            hidden[name] = tf.where(of_each, y[name], tf.cast(missing, y[name].dtype))
        return hidden

    def is_labelled(self, y: Mapping[str, np.ndarray]) -> np.ndarray:
        """Bool [N]: where any supervised variable is given."""
        return np.any(list(self.is_known(y).values()), axis=0)

    def warn_of_scale(self, x: Mapping[str, np.ndarray]) -> None:
        """Warns of observed values whose size hinders training.

        Args:
            x: {name: values [N, ...]}, already checked; the first of them are looked at.
        """
        for name, head in self.observed.items():
            first = x[name][: rows.batch_size(x[name].shape, _LOOKED_AT)]
            if advice := head.advice(np.asarray(first, np.float32)):
                warnings.warn(f"{name}: {advice}", stacklevel=5)

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
                    stacklevel=5,
                )
        if is_labelled.all():
            warnings.warn("No unlabelled example: training as a supervised model.", stacklevel=5)
        elif y and not is_labelled.any():
            warnings.warn("No labelled example: training as an unsupervised model.", stacklevel=5)

    def held(
        self, x: Mapping[str, tf.Tensor], y: Mapping[str, tf.Tensor] | None = None, complete: Iterable[str] = ()
    ) -> dict[str, Held]:
        """The variables that a pass holds.

        Args:
            x: {name: tensor} of the observed variables.
            y: {name: tensor} of supervised variables; None for none.
            complete: those that are given for every example; of observed variables, in every element.
        """
        held = {name: self._observation(name, event(head, x[name], False), complete) for name, head in self.observed.items()}
        for name, tensor in (y or {}).items():
            head = self.supervised[name]
            mask = None if name in complete else tf.convert_to_tensor(head.support.is_known(tensor))
            held[name] = Held(event(head, tensor), mask)
        return held

    def _observation(self, name: str, value: tf.Tensor, complete: Iterable[str]) -> Held:
        """An observed variable, and which of its elements are known unless all are."""
        head = self.observed[name]
        if name in complete or not self.takes_gaps(name):
            return Held(value)
        is_known = ~tf.math.is_nan(value)
        return Held(value if head.gaps else head.support.filled(value, is_known), is_known=is_known)

    def as_dict(self, x: Any) -> dict[str, Any]:
        """{name: tensor} of what `call` takes: a tensor, where one variable is observed, or a dict."""
        return x if isinstance(x, dict) else {next(iter(self.observed)): x}

    def _observed(self, argument: str, data: Any) -> dict[str, Any]:
        """{name: values} of every observed variable."""
        found = self._by_name(argument, data, self.observed)
        if absent := sorted(set(self.observed) - set(found)):
            raise ValueError(f"{argument} must hold every observed variable. Received: {argument} without {absent}")
        return found

    @staticmethod
    def _by_name(argument: str, data: Any, variables: Mapping[str, StochasticNode]) -> dict[str, Any]:
        if isinstance(data, Mapping):
            if unknown := sorted(set(data) - set(variables)):
                raise ValueError(f"{argument} may hold {sorted(variables)}. Received: {unknown}")
            return dict(data)
        if len(variables) != 1:
            raise ValueError(f"{argument} must be a dict of {sorted(variables)}. Received: {argument}={type(data).__name__}")
        return {next(iter(variables)): data}


def _not_empty(tensor: tf.Tensor, batch: tf.Tensor | None) -> tf.Tensor:
    """The tensor, after a check, when the graph runs, that it holds an example."""
    template = "A batch must hold at least one example. Received: none"
    return supports.require(tensor, tf.shape(tensor)[0] > 0, template, [], batch)


def _without_nan(name: str, tensor: tf.Tensor, batch: tf.Tensor | None) -> tf.Tensor:
    """The tensor, after a check, when the graph runs, that no element is missing."""
    template = (
        f"{name} must be finite where no element of the first batch is missing; with gaps=True its node takes missing ones "
        "anywhere. Received: {} that are NaN"
    )
    number = tf.math.count_nonzero(tf.math.is_nan(tensor))
    return supports.require(tensor, tf.equal(number, 0), template, [number], batch)


def _of_size(name: str, tensor: tf.Tensor, size: tf.Tensor, batch: tf.Tensor | None) -> tf.Tensor:
    """The values of a variable, after a check, when the graph runs, that they are as many as the examples of the batch."""
    template = f"{name} must hold one value per example, " + "{}. Received: " + f"{name} of " + "{}"
    found = tf.shape(tensor)[0]
    return supports.require(tensor, tf.equal(found, size), template, [size, found], batch)


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


def batch_size(by_name: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """How many examples {name: tensor} holds, a scalar."""
    return tf.shape(next(iter(by_name.values())))[0]


def num_examples(by_name: Mapping[str, Any]) -> int:
    """How many examples {name: array} holds."""
    return len(next(iter(by_name.values())))
