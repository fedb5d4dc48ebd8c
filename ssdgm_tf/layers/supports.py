"""Supports: the values that a variable may take. They check arrays at once and tensors when their graph runs.

In the data a variable has one value per example, and a value may be missing. `Classes` are integer labels, -1 where the
label is missing. Every other variable is an array of numbers [N, *event_shape], NaN where an example's value is missing.
Inside a graph of variables classes are one-hot vectors.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ssdgm_tf import checks
from ssdgm_tf.rows import Rows, blocks

# Marks the sentence about a bad value in the error of a failed check.
_BAD_VALUE, _END = "Bad value: ", " \\(end\\)"
# A standard deviation from which on the first layers of networks saturate or diverge.
_LARGE_SPREAD = 10.0
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
        gaps: bool = False,
    ) -> np.ndarray:
        """The values of a variable in an array, checked.

        Args:
            name: the variable, for messages.
            value: an array-like [N, *event_shape] of numbers.
            event_shape: the shape of one value; None if the model is not yet built for one.
            num_examples: N; None for any.
            missing: whether an example may be NaN in every element, which means that it is not known.
            gaps: whether any element may be NaN, which means that it is not known.

        Returns:
            Numbers [N, *event_shape], float32 if floats were given; integers, booleans and `Rows` as they are.

        Raises:
            ValueError: no example, another number of examples, another shape, values that are not numbers, not finite or
                outside the support, or an example that is NaN in part.
        """
        checked = checks.numbers(name, value, event_shape)
        if num_examples not in (None, len(checked)):
            raise ValueError(f"{name} must hold one value per example, {num_examples}. Received: {name} of {len(checked)}")
        self.check_scale(name, checked.dtype, checked.ndim)
        possible = checked.possible if isinstance(checked, Rows) else None
        if possible is not None and np.all(self.contains(tf.constant(possible))):
            return checked
        for some in blocks(checked.shape):
            self._check_block(name, checked[some].astype(np.float32, copy=False), missing, gaps, some.start)
        return checked

    def _check_block(self, name: str, value: np.ndarray, missing: bool, gaps: bool, first: int) -> None:
        """Refuses bad values among the examples [first, ...) of an array, float32 [n, *event_shape]."""
        is_nan = np.isnan(value)
        if missing and not gaps:
            _check_whole(name, is_nan, first)
        may_be_nan = missing or gaps
        checks.finite(name, np.where(is_nan, 0, value) if may_be_nan and is_nan.any() else value, first)
        inside = is_nan | np.broadcast_to(np.asarray(self.contains(tf.constant(value))), value.shape)
        outside = np.flatnonzero(~inside.reshape(len(value), -1).all(axis=1))
        if len(outside):
            known, row = value[~is_nan], outside[0]
            shown = np.array2string(value[row][~inside[row]][:5], precision=6)
            raise ValueError(
                f"{name} must {self.rule}{self.hint(known)}. "
                f"Received: {name} in [{known.min():g}, {known.max():g}], with {shown} at index {first + row}"
            )

    def check_tensor(
        self,
        name: str,
        value: tf.Tensor,
        event_shape: tuple[int, ...] | None,
        missing: bool = False,
        batch: tf.Tensor | None = None,
        gaps: bool = False,
    ) -> tf.Tensor:
        """The values of a variable in a tensor; the graph that is being built checks them when it runs.

        Args:
            name: the variable, for messages.
            value: numbers [B, *event_shape].
            event_shape: as in `check_array`.
            missing: as in `check_array`.
            batch: the number of the batch in its data set, for messages.
            gaps: as in `check_array`.

        Returns:
            float32 [B, *event_shape].

        Raises:
            ValueError: another shape.
            tf.errors.InvalidArgumentError: when the graph runs, on values as in `check_array`; see `as_value_errors`.
        """
        if not (value.dtype.is_floating or value.dtype.is_integer or value.dtype.is_bool):
            raise ValueError(f"{name} must be numeric. Received: {name} of dtype {value.dtype.name}")
        value = _of_shape(name, value, event_shape, batch)
        self.check_scale(name, value.dtype.as_numpy_dtype, value.shape.rank)
        value = tf.cast(value, tf.float32)
        is_finite = ~tf.math.is_inf(value) if missing or gaps else tf.math.is_finite(value)
        value = _checked(value, f"{name} must be finite", is_finite, batch)
        is_nan = tf.math.is_nan(value)
        if not gaps:
            rows = tf.reshape(is_nan, [tf.shape(value)[0], -1])
            whole = tf.reduce_all(rows, axis=1) | ~tf.reduce_any(rows, axis=1)
            whole = tf.reshape(whole, [-1, *[1] * (value.shape.rank - 1)])
            value = _checked(value, f"{name} must {_WHOLE}", whole, batch)
        return _checked(value, f"{name} must {self.rule}", is_nan | self.contains(value), batch)

    def hint(self, value: np.ndarray) -> str:
        """Advice on values outside the support; empty if there is none."""
        return ""

    def check_scale(self, name: str, dtype: np.dtype, rank: int) -> None:
        """Refuses raw images, whose pixels are bytes.

        Args:
            name: the variable, for messages.
            dtype: the dtype of values [N, *event_shape].
            rank: their number of axes.

        Raises:
            ValueError: images of bytes.
        """
        if rank >= 3 and dtype == np.uint8:
            raise ValueError(f"Images must be floats: divide by 255. Received: {name} of dtype uint8")

    def advice(self, value: np.ndarray) -> str:
        """What to do about values whose size hinders training; empty if there is nothing.

        Args:
            value: checked values [N, *event_shape], some of them if there are many.
        """
        known = value[np.isfinite(value)]
        if not known.size:
            return ""
        is_whole = known.min() >= 0 and np.all(known == np.round(known))
        if value.ndim >= 3 and is_whole and 128 <= known.max() <= 255:
            return f"images should be scaled: divide by 255. Received: whole numbers up to {known.max():g}"
        if checks.is_channels_first(value.shape):
            return f"{checks.CHANNELS_LAST}. Received: images of shape {value.shape[1:]}"
        if (spread := spread_of(value)) > _LARGE_SPREAD:
            return f"values should be standardised. Received: a standard deviation of {spread:.3g}"
        return ""

    def missing(self, num_examples: int, event_shape: tuple[int, ...] | None) -> np.ndarray:
        """The values of a variable that is not known for any example.

        Args:
            num_examples: N.
            event_shape: the shape of one value.
        """
        return np.full((num_examples, *(event_shape or ())), np.nan, np.float32)

    def missing_tensor(self, num_examples: tf.Tensor, event_shape: tuple[int, ...]) -> tf.Tensor:
        """`missing` of a number of examples that is a tensor."""
        return tf.repeat(tf.constant(self.missing(1, event_shape)), num_examples, axis=0)

    def is_known(self, value: Any) -> Any:
        """Where a value is given, bool [N]: an array for an array, a tensor for a tensor.

        Args:
            value: in the form of the data.
        """
        index: tuple[slice | int, ...] = (slice(None), *[0] * (len(value.shape) - 1))
        first = value[index]
        return ~np.isnan(first) if isinstance(value, np.ndarray) else ~tf.math.is_nan(tf.cast(first, tf.float32))

    def event(self, value: tf.Tensor, dtype: str, missing: bool = False) -> tf.Tensor:
        """The values in the form of a graph of variables, [B, *event_shape].

        Args:
            value: in the form of the data.
            dtype: the dtype of the result.
            missing: whether a value may be missing; it becomes a value within the support, whose density is finite.
        """
        value = tf.cast(value, dtype)
        return self.filled(value, ~tf.math.is_nan(value)) if missing else value

    def filled(self, value: tf.Tensor, is_known: tf.Tensor) -> tf.Tensor:
        """The values with one well within the support in place of each that is not known.

        Args:
            value: [..., *event_shape].
            is_known: bool, which broadcasts with `value`.
        """
        return tf.where(is_known, value, self.inner_point(value))

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

    @property
    def as_is(self) -> "Support":
        """The support that shows networks the values as they are; of a variable with gaps, filled."""
        return Support()

    @property
    def values(self) -> "Support":
        """Of a variable with gaps, the support that shows networks the values only; else this one."""
        return self

    def with_gaps(self) -> "Filled":
        """The support of a variable whose elements may be missing, as the networks of its children see it."""
        return Masked(self)


class Filled(Support):
    """What the networks of children get of a variable whose elements may be missing, NaN: a value within the support there.

    Args:
        support: that of the known elements.
    """

    def __init__(self, support: Support) -> None:
        self.support = support

    @property
    def as_is(self) -> Support:
        return _FilledAsIs(self.support)

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        return self.support.network_input(self.support.filled(value, ~tf.math.is_nan(value)))

    def network_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.support.network_shape(event_shape)


class _FilledAsIs(Filled):
    """The values as they are, filled."""

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        return self.support.filled(value, ~tf.math.is_nan(value))

    def network_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        return event_shape


class Masked(Filled):
    """What the networks of children get of such a variable, and along the last axis beside it which elements are known."""

    @property
    def values(self) -> Support:
        return Filled(self.support)

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        shown = self.values.network_input(value)
        return tf.concat([shown, tf.cast(~tf.math.is_nan(value), shown.dtype)], axis=-1)

    def network_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        shape = super().network_shape(event_shape)
        return (*shape[:-1], shape[-1] + event_shape[-1])


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
        gaps: bool = False,
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
        gaps: bool = False,
    ) -> tf.Tensor:
        if not (value.dtype.is_integer or value.dtype.is_floating):
            raise ValueError(f"Labels must be integers. Received: {name} of dtype {value.dtype.name}")
        value = _of_shape(name, value, (), batch)
        if value.dtype.is_floating:
            whole = tf.math.is_nan(value) | (value == tf.round(value))
            value = _checked(value, f"Labels of {name} must be whole numbers", whole, batch)
            value = tf.where(tf.math.is_nan(value), tf.cast(checks.UNLABELLED, value.dtype), value)
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

    def check_scale(self, name: str, dtype: np.dtype, rank: int) -> None:
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
    """Whole numbers of at least 0, such as counts. Networks get log(1 + n) of counts without a limit, which may be large.

    Args:
        last: the largest number; None for no limit.
        target_sum: of counts without a limit, t in log(1 + t n / N), where N is the sum of the known counts of the example:
            what networks get in place of log(1 + n); None for that.
        event_rank: the number of axes of the counts of one example, over which N is the sum.
    """

    def __init__(self, last: int | None = None, target_sum: float | None = None, event_rank: int = 1) -> None:
        self.last, self.target_sum, self.event_rank = last, target_sum, event_rank
        self.rule = "be whole numbers of at least 0" if last is None else f"be whole numbers in 0..{last}"

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        is_whole = (value >= 0) & (value == tf.round(value))
        return is_whole if self.last is None else is_whole & (value <= self.last)

    def check_scale(self, name: str, dtype: np.dtype, rank: int) -> None:
        """Does nothing: bytes are whole numbers."""

    def advice(self, value: np.ndarray) -> str:
        """Nothing: networks get the logarithms of large counts."""
        return ""

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        if self.last is not None:
            return value
        if self.target_sum is not None:
            total = tf.reduce_sum(value, axis=list(range(-self.event_rank, 0)), keepdims=True)
            value = self.target_sum * value / tf.maximum(total, 1)
        return tf.math.log1p(value)


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
        found = re.search(rf"{_BAD_VALUE}(.*?){_END}", str(error))
        if found is None:
            raise
        raise ValueError(found.group(1)) from None


def _checked(value: tf.Tensor, rule: str, inside: tf.Tensor, batch: tf.Tensor | None) -> tf.Tensor:
    """The value [B, ...], after a check that all of it is inside, which runs with the graph."""
    inside = tf.broadcast_to(inside, tf.shape(value))
    is_bad = ~tf.reduce_all(inside, axis=list(range(1, value.shape.rank)))
    first = tf.argmax(tf.concat([is_bad, [True]], axis=0), output_type=tf.int32)  # of an empty batch there is one too
    received = [tf.boolean_mask(value, ~inside)[:5], first]
    holds = ~tf.reduce_any(is_bad)
    return require(value, holds, f"{rule}. Received: " + "{} at index {}", received, batch, " of batch {}")


def spread_of(value: np.ndarray) -> float:
    """The standard deviation of an element over the examples of [N, *event_shape], in the mean square over elements."""
    value = value.reshape(len(value), -1)
    some_known = value[:, ~np.isnan(value).all(axis=0)]
    return float(np.sqrt(np.mean(np.nanvar(some_known, axis=0, dtype=np.float64)))) if some_known.size else 0.0


def require(
    value: tf.Tensor,
    holds: tf.Tensor,
    template: str,
    received: list[tf.Tensor],
    batch: tf.Tensor | None = None,
    of_batch: str = " in batch {}",
) -> tf.Tensor:
    """The value, after a check that runs with the graph; see `as_value_errors`.

    Args:
        value: a tensor.
        holds: a bool scalar, whether the value is good.
        template: the message, with {} for each tensor received.
        received: the tensors that the message shows.
        batch: the number of the batch in its data set; None where there is none.
        of_batch: how the message ends where there is one.
    """
    if batch is not None:
        template, received = template + of_batch, [*received, batch]
    message = tf.strings.format(_BAD_VALUE + template + " (end)", received)
    assertion = tf.debugging.Assert(holds, [message])
    with tf.control_dependencies([] if assertion is None else [assertion]):  # None where tensors are eager
        return tf.identity(value)


def _of_shape(name: str, value: tf.Tensor, event_shape: tuple[int, ...] | None, batch: tf.Tensor | None) -> tf.Tensor:
    """The value with the static shape [None, *event_shape]; where a batch of numbers is expected, [B] is [B, 1] and back.

    Args:
        name: the variable, for messages.
        value: a tensor, whose shape need not be known.
        event_shape: the shape of one value; () of a label; None for any.
        batch: the number of the batch in its data set, for messages.

    Raises:
        ValueError: another shape, if it is known.
    """
    known = value.shape
    if event_shape is None or (known.rank is not None and known[1:].as_list() == list(event_shape)):
        return value
    shapes = [(), (1,)] if event_shape in ((), (1,)) else [tuple(event_shape)]
    what = "one label per example" if event_shape == () else f"the shape {tuple(event_shape)} per example"
    if known.rank is not None and not any(known[1:].is_compatible_with(shape) for shape in shapes):
        advice = ": np.argmax(y, axis=1) makes labels of one-hot rows" if event_shape == () and known.rank == 2 else ""
        raise ValueError(f"{name} must have {what}{advice}. Received: batches of shape {known}")
    if known.rank is None or None in known[1:]:
        template = f"{name} must have {what}. Received: a batch of shape " + "{}"
        found = tf.shape(value, tf.int64)[1:]
        holds = tf.reduce_any([_equal(found, shape) for shape in shapes])
        value = require(value, holds, template, [tf.shape(value)], batch, ", batch {}")
    return tf.reshape(value, [tf.shape(value)[0], *event_shape])


def _equal(found: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Whether a shape, a tensor of unknown length, is this one."""
    wanted = tf.constant(shape, tf.int64, [len(shape)])
    return tf.cond(tf.size(found) == len(shape), lambda: tf.reduce_all(found == wanted), lambda: False)


def _finfo(values: tf.Tensor) -> np.finfo:
    return np.finfo(values.dtype.as_numpy_dtype)


def _smallest(values: tf.Tensor) -> float:
    """The smallest positive number, with some room: hardware may take smaller ones for 0."""
    return float(16 * _finfo(values).tiny)


def _check_whole(name: str, is_nan: np.ndarray, first: int) -> None:
    """Refuses an example that is NaN in part among the examples [first, ...) of an array.

    Raises:
        ValueError: there is one.
    """
    is_nan = is_nan.reshape(len(is_nan), -1)
    in_part = is_nan.any(1) & ~is_nan.all(1)
    if in_part.any():
        raise ValueError(
            f"{name} must {_WHOLE}. "
            f"Received: {in_part.sum()} examples NaN in part, the first at {first + np.flatnonzero(in_part)[0]}"
        )
