"""Supports: the values that a variable may take. They check arrays at once and tensors when their graph runs.

In the data a variable has one value per example, and a value may be missing. `Classes` are integer labels, -1 where the
label is missing. Every other variable is an array of numbers [N, *event_shape], NaN where an example's value is missing.
Inside a graph of variables classes are one-hot vectors.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ssdgm_tf import checks

# Marks the sentence about a bad value in the error of a failed check.
_BAD_VALUE = "Bad value: "
# The rule of values that may be missing, after "NAME must".
_WHOLE = "be known, or NaN in every element, for each example"


class Support:
    """The numbers that a variable may take: here all real numbers.

    Attributes:
        rule: completes the sentence "NAME must ...".
    """

    rule = "be real numbers"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        """Whether values lie in the support, bool, of a shape that broadcasts with `value`. NaN may give either.

        Args:
            value: floats [N, *event_shape].
        """
        return tf.constant(True)

    def check_array(
        self,
        name: str,
        value: ArrayLike,
        event_shape: tuple[int, ...] | None,
        num_examples: int | None = None,
        missing: bool = False,
    ) -> np.ndarray:
        """The values of a variable in an array, checked.

        Args:
            name: the variable, for messages.
            value: an array-like [N, *event_shape] of numbers.
            event_shape: the shape of one value; None if the model is not yet built for one.
            num_examples: N; None for any.
            missing: whether an example may be NaN in every element, which means that it is not known.

        Returns:
            float32 [N, *event_shape].

        Raises:
            ValueError: no example, another number of examples, another shape, values that are not numbers, not finite or
                outside the support, or an example that is NaN in part.
        """
        checked = checks.numbers(name, value, event_shape)
        if num_examples not in (None, len(checked)):
            raise ValueError(f"{name} must hold one value per example, {num_examples}. Received: {name} of {len(checked)}")
        is_known = _known_rows(name, checked) if missing else np.ones(len(checked), bool)
        checks.finite(name, checked if is_known.all() else np.where(np.isnan(checked), 0, checked))
        if not np.all(inside := np.asarray(self.contains(tf.constant(checked)))):
            self._refuse_outside(name, checked, is_known, np.broadcast_to(inside, checked.shape))
        self.check_scale(name, np.asarray(value))
        return checked

    def _refuse_outside(self, name: str, value: np.ndarray, is_known: np.ndarray, inside: np.ndarray) -> None:
        """Refuses the values [N, *event_shape] of known examples, if any is not inside."""
        outside = np.flatnonzero(is_known & ~inside.reshape(len(value), -1).all(axis=1))
        if len(outside):
            known, first = value[is_known], outside[0]
            shown = np.array2string(value[first][~inside[first]][:5], precision=6)
            raise ValueError(
                f"{name} must {self.rule}{self.hint(known)}. "
                f"Received: {name} in [{known.min():g}, {known.max():g}], with {shown} at index {first}"
            )

    def check_tensor(
        self,
        name: str,
        value: tf.Tensor,
        event_shape: tuple[int, ...] | None,
        missing: bool = False,
        batch: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The values of a variable in a tensor; the graph that is being built checks them when it runs.

        Args:
            name: the variable, for messages.
            value: numbers [B, *event_shape].
            event_shape: as in `check_array`.
            missing: as in `check_array`.
            batch: the number of the batch in its data set, for messages.

        Returns:
            float32 [B, *event_shape].

        Raises:
            ValueError: another shape.
            tf.errors.InvalidArgumentError: when the graph runs, on values as in `check_array`; see `as_value_errors`.
        """
        if event_shape is not None and not value.shape[1:].is_compatible_with(event_shape):
            raise ValueError(
                f"{name} must have the shape that this model was built for, {event_shape} per example. "
                f"Received: batches of shape {value.shape}"
            )
        value = tf.cast(value, tf.float32)
        is_finite = ~tf.math.is_inf(value) if missing else tf.math.is_finite(value)
        value = _checked(value, f"{name} must be finite", is_finite, batch)
        is_nan = tf.math.is_nan(value)
        rows = tf.reshape(is_nan, [tf.shape(value)[0], -1])
        whole = tf.reduce_all(rows, axis=1) | ~tf.reduce_any(rows, axis=1)
        value = _checked(value, f"{name} must {_WHOLE}", tf.reshape(whole, [-1, *[1] * (value.shape.rank - 1)]), batch)
        return _checked(value, f"{name} must {self.rule}", is_nan | self.contains(value), batch)

    def hint(self, value: np.ndarray) -> str:
        """Advice on values outside the support; empty if there is none."""
        return ""

    def check_scale(self, name: str, value: np.ndarray) -> None:
        """Finds raw images, whose pixels are bytes.

        Raises:
            ValueError: images of bytes.

        Warns:
            UserWarning: images of floats that look like bytes.
        """
        if value.ndim < 3:
            return
        if value.dtype == np.uint8:
            raise ValueError(f"Images must be floats: divide by 255. Received: {name} of dtype {value.dtype}")
        if 128 <= np.max(value) <= 255 and np.min(value) >= 0 and np.all(value == np.round(value)):
            warnings.warn(
                f"Images should be scaled: divide by 255. Received: {name} with whole numbers up to {np.max(value):g}",
                stacklevel=2,
            )

    def missing(self, num_examples: int, event_shape: tuple[int, ...] | None) -> np.ndarray:
        """The values of a variable that is not known for any example.

        Args:
            num_examples: N.
            event_shape: the shape of one value.
        """
        return np.full((num_examples, *(event_shape or ())), np.nan, np.float32)

    def is_known(self, value: Any) -> Any:
        """Where a value is given, bool [N]: an array for an array, a tensor for a tensor.

        Args:
            value: in the form of the data.
        """
        index: tuple[slice | int, ...] = (slice(None), *[0] * (len(value.shape) - 1))
        first = value[index]
        return ~np.isnan(first) if isinstance(value, np.ndarray) else ~tf.math.is_nan(first)

    def event(self, value: tf.Tensor, dtype: str, missing: bool = False) -> tf.Tensor:
        """The values in the form of a graph of variables, [B, *event_shape].

        Args:
            value: in the form of the data.
            dtype: the dtype of the result.
            missing: whether a value may be missing; it becomes a value within the support, whose density is finite.
        """
        value = tf.cast(value, dtype)
        return tf.where(tf.math.is_nan(value), self.inner_point(value), value) if missing else value

    def inner_point(self, like: tf.Tensor) -> tf.Tensor:
        """A value well within the support, of the shape and dtype of another [B, *event_shape]."""
        return tf.zeros_like(like)

    def inward(self, draws: tf.Tensor) -> tf.Tensor:
        """Draws that rounded to the edge of the support, where densities are infinite or 0, moved just inside."""
        return draws

    def point(self, mean: np.ndarray) -> np.ndarray:
        """The predicted value, in the form of the data, for a predicted mean [N, *event_shape]."""
        return mean

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        """What the network of a child gets for a value [..., *event_shape]."""
        return tf.convert_to_tensor(value)

    def network_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what the network of a child gets."""
        return event_shape


class Classes(Support):
    """One of K classes: integer labels in the data, -1 for no label; one-hot vectors inside a graph.

    Args:
        num_classes: number of classes K.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.rule = f"lie in 0..{num_classes - 1}"

    def check_array(
        self,
        name: str,
        value: ArrayLike,
        event_shape: tuple[int, ...] | None,
        num_examples: int | None = None,
        missing: bool = False,
    ) -> np.ndarray:
        if num_examples is None:
            num_examples = len(np.atleast_1d(np.asarray(value)))
        return checks.labels(name, value, num_examples, self.num_classes, missing)

    def check_tensor(
        self,
        name: str,
        value: tf.Tensor,
        event_shape: tuple[int, ...] | None,
        missing: bool = False,
        batch: tf.Tensor | None = None,
    ) -> tf.Tensor:
        if not value.dtype.is_integer:
            raise ValueError(f"Labels must be integers. Received: {name} of dtype {value.dtype.name}")
        value = tf.cast(value, tf.int64)  # in which -1 is not 255
        inside = (value >= (checks.UNLABELLED if missing else 0)) & (value < self.num_classes)
        rule = f"Labels of {name} must {self.rule}" + (f", or be {checks.UNLABELLED} for no label" if missing else "")
        return tf.cast(_checked(value, rule, inside, batch), tf.int32)

    def missing(self, num_examples: int, event_shape: tuple[int, ...] | None) -> np.ndarray:
        return np.full(num_examples, checks.UNLABELLED, np.int32)

    def is_known(self, value: Any) -> Any:
        return value >= 0

    def event(self, value: tf.Tensor, dtype: str, missing: bool = False) -> tf.Tensor:
        return tf.one_hot(tf.maximum(tf.cast(value, tf.int32), 0), self.num_classes, dtype=dtype)

    def point(self, mean: np.ndarray) -> np.ndarray:
        return np.argmax(mean, axis=-1).astype(np.int32)


class UnitInterval(Support):
    """Numbers in [0, 1], such as pixels."""

    rule = "lie in [0, 1]"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        return (value >= 0) & (value <= 1)

    def inner_point(self, like: tf.Tensor) -> tf.Tensor:
        return tf.fill(tf.shape(like), tf.constant(0.5, like.dtype))

    def hint(self, value: np.ndarray) -> str:
        return ": divide by 255" if value.min() >= 0 and 1 < value.max() <= 255 else ""

    def check_scale(self, name: str, value: np.ndarray) -> None:
        """Does nothing: bytes other than 0 and 1 lie outside."""


class OpenUnitInterval(UnitInterval):
    """Numbers between 0 and 1, at which densities may be infinite."""

    rule = "lie between 0 and 1, without 0 and 1"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        return (value > 0) & (value < 1)

    def hint(self, value: np.ndarray) -> str:
        """Nothing: bytes divided by 255 may be 0 or 1."""
        return ""

    def inward(self, draws: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(draws, _smallest(draws), 1 - _finfo(draws).eps)


class Levels(UnitInterval):
    """Equally spaced numbers in [0, 1].

    Args:
        num_levels: how many, at least 2.
    """

    def __init__(self, num_levels: int) -> None:
        self.num_levels = num_levels
        self.rule = f"be multiples of 1/{num_levels - 1} in [0, 1]"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        scaled = value * (self.num_levels - 1)
        return super().contains(value) & (tf.abs(scaled - tf.round(scaled)) < 1e-2)


class Positive(Support):
    """Numbers above 0."""

    rule = "be positive"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        return value > 0

    def inner_point(self, like: tf.Tensor) -> tf.Tensor:
        return tf.ones_like(like)

    def inward(self, draws: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(draws, _smallest(draws), _finfo(draws).max / 16)


class Whole(Support):
    """Whole numbers of at least 0, such as counts.

    Args:
        last: the largest number; None for no limit.
    """

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.rule = "be whole numbers of at least 0" if last is None else f"be whole numbers in 0..{last}"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        is_whole = (value >= 0) & (value == tf.round(value))
        return is_whole if self.last is None else is_whole & (value <= self.last)

    def check_scale(self, name: str, value: np.ndarray) -> None:
        """Does nothing: bytes are whole numbers."""


class Simplex(Support):
    """Probability vectors: the last axis is positive and sums to 1. At 0 densities may be infinite."""

    rule = "be probability vectors, every element above 0"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        return (value > 0) & (tf.abs(tf.reduce_sum(value, -1, keepdims=True) - 1) < 1e-3)

    def inner_point(self, like: tf.Tensor) -> tf.Tensor:
        return tf.fill(tf.shape(like), tf.constant(1 / like.shape[-1], like.dtype))

    def inward(self, draws: tf.Tensor) -> tf.Tensor:
        return tf.maximum(draws, _smallest(draws))


class Directions(Support):
    """Unit vectors along the last axis."""

    rule = "be unit vectors"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        return tf.abs(tf.reduce_sum(value**2, -1, keepdims=True) - 1) < 1e-3

    def inner_point(self, like: tf.Tensor) -> tf.Tensor:
        return tf.fill(tf.shape(like), tf.constant(like.shape[-1] ** -0.5, like.dtype))


class Angles(Support):
    """Angles in radians: all real numbers. Networks get the cosine and the sine, which have no jump at +-pi."""

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        return tf.concat([tf.cos(value), tf.sin(value)], axis=-1)

    def network_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*event_shape[:-1], 2 * event_shape[-1])


@contextlib.contextmanager
def as_value_errors() -> Iterator[None]:
    """Within it, a check of `check_tensor` that fails raises a ValueError with the rule and what was received."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(rf"{_BAD_VALUE}(.* at index \d+( of batch \d+)?)", str(error))
        if found is None:
            raise
        raise ValueError(found.group(1)) from None


def _checked(value: tf.Tensor, rule: str, inside: tf.Tensor, batch: tf.Tensor | None) -> tf.Tensor:
    """The value [B, ...], after a check that all of it is inside, which runs with the graph."""
    inside = tf.broadcast_to(inside, tf.shape(value))
    is_bad = ~tf.reduce_all(inside, axis=list(range(1, value.shape.rank)))
    place = [tf.boolean_mask(value, ~inside)[:5], tf.argmax(is_bad, output_type=tf.int32)]
    template = _BAD_VALUE + f"{rule}. Received: " + "{} at index {}"
    if batch is not None:
        place, template = [*place, batch], template + " of batch {}"
    assertion = tf.debugging.Assert(~tf.reduce_any(is_bad), [tf.strings.format(template, place)])
    with tf.control_dependencies([] if assertion is None else [assertion]):  # None where tensors are eager
        return tf.identity(value)


def _finfo(values: tf.Tensor) -> np.finfo:
    return np.finfo(values.dtype.as_numpy_dtype)


def _smallest(values: tf.Tensor) -> float:
    """The smallest positive number, with some room: hardware may take smaller ones for 0."""
    return float(16 * _finfo(values).tiny)


def _known_rows(name: str, x: np.ndarray) -> np.ndarray:
    """Bool [N]: the examples that are known.

    Raises:
        ValueError: an example is NaN in part.
    """
    is_nan = np.isnan(x).reshape(len(x), -1)
    in_part = is_nan.any(1) & ~is_nan.all(1)
    if in_part.any():
        raise ValueError(
            f"{name} must {_WHOLE}. "
            f"Received: {in_part.sum()} examples NaN in part, the first at {np.flatnonzero(in_part)[0]}"
        )
    return ~is_nan[:, 0]
