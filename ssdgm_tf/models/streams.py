"""The batches of steps: rows of arrays, read where they are needed."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.models.order import InOrder, Order
from ssdgm_tf.rows import LEVELS, ArrayOrRows, Rows

# {stream: places of examples}, or how many of them count.
_ByStream = Mapping[str, tf.Tensor]


class Arrays:
    """Arrays whose rows make batches.

    Args:
        x: {name: array [N, ...]} of the observed variables.
        y: {name: array [N, ...]} of the supervised ones; {} for none.
        order: which examples each step takes.
        fills: whether every step has as many examples. A last step of fewer is filled up with others, which do not count:
            the batch says how many do. Then the compiler sees one shape.

    Attributes:
        parts: readers of x and y.
    """

    def __init__(
        self, x: Mapping[str, ArrayOrRows], y: Mapping[str, ArrayOrRows], order: Order | InOrder, fills: bool
    ) -> None:
        self.parts: Any = tf.nest.map_structure(reader, (dict(x), dict(y)))
        self.order, self.fills = order, fills
        #: {stream: examples of the last step}, where these may be fewer: in every evaluation of XLA, for one program.
        self.last = order.sizes | order.last if fills and isinstance(order, InOrder) else order.last

    @property
    def readers(self) -> list["InMemory | FromFile"]:
        """The readers in a list."""
        return tf.nest.flatten(self.parts)

    @property
    def are_in_memory(self) -> bool:
        """Whether no array is in a file."""
        return all(isinstance(part, InMemory) for part in self.readers)

    @property
    def num_bytes(self) -> int:
        """Of the arrays in memory, as they are stored."""
        stored = [part.stored for part in self.readers if isinstance(part, InMemory)]
        return sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in stored)

    def dataset(self, first: int | tf.Tensor = 0) -> tf.data.Dataset:
        """All batches from a step on, pass after pass, endless.

        Args:
            first: the step.
        """
        steps = self.order.steps

        def of_pass(number: tf.Tensor) -> tf.data.Dataset:
            places = tf.data.Dataset.from_tensor_slices(self.order.of_pass(number))
            return tf.data.Dataset.zip(places, tf.data.Dataset.range(steps))

        def batch(places: _ByStream, step: tf.Tensor) -> Any:
            numbers = numbers_of(places, self.last, step == steps - 1)
            return batch_of(
                lambda index: tf.nest.map_structure(lambda part: part(index), self.parts), places, numbers, self.fills
            )

        passes = tf.data.Dataset.counter(start=first // steps, dtype=tf.int64).flat_map(of_pass)
        return passes.skip(first % steps).map(batch)


def numbers_of(places: _ByStream, last: Mapping[str, int | tf.Tensor], is_last: tf.Tensor) -> _ByStream:
    """{stream: how many examples count} of the streams whose last step has fewer.

    Args:
        places: {stream: int64 [size]}, a row of what an order says.
        last: {stream: examples of the last step}, of an order.
        is_last: whether the step is the last one of its pass.
    """
    sizes = {name: tf.size(places[name], out_type=tf.int64) for name in last}
    return {name: tf.where(is_last, tf.cast(last[name], tf.int64), size) for name, size in sizes.items()}


def batch_of(rows: Callable[[tf.Tensor], tuple[Any, Any]], places: _ByStream, numbers: _ByStream, fills: bool) -> Any:
    """The batch of a step.

    Args:
        rows: a function of places [B] that gives x and y of the examples there.
        places: {stream: int64 [size]}, a row of what an order says.
        numbers: see `numbers_of`.
        fills: see `Arrays`.

    Returns:
        {"labelled": (x, y), "unlabelled": x} of an `Order`, with "numbers" where steps are filled up; (x, y) of an
        `InOrder`, or (x, y, number).
    """
    if not fills:
        places = {stream: of[: numbers[stream]] if stream in numbers else of for stream, of in places.items()}
        numbers = {}
    if "examples" in places:
        return (*rows(places["examples"]), *numbers.values())
    batch: dict[str, Any] = {"numbers": numbers} if numbers else {}
    if "labelled" in places:
        batch["labelled"] = rows(places["labelled"])
    if "unlabelled" in places:
        batch["unlabelled"] = rows(places["unlabelled"])[0]
    return batch


class Epochs(NamedTuple):
    """The batches of one epoch at a time.

    Attributes:
        dataset: each iteration over it is the epoch that `epoch` says.
        num_steps: batches of an epoch.
        epoch: the number of the epoch, from 0 on; set it before an iteration.
        from_step: a function of a step that gives all batches from it on, endless.
    """

    dataset: tf.data.Dataset
    num_steps: int
    epoch: tf.Variable
    from_step: Callable[[int], tf.data.Dataset]

    def callback(self) -> keras.callbacks.Callback:
        """Sets the number of each epoch of `fit`."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.epoch.assign(epoch))


def two_streams(arrays: Arrays, num_steps: int | None = None) -> Epochs:
    """Epochs of {"labelled": (x, y), "unlabelled": x}, one pass of an `Order` each.

    The batches of epoch e are a pure function of (seed, e): a run resumed at epoch e takes those of an uninterrupted run.

    Args:
        arrays: the arrays.
        num_steps: steps of an epoch, which then goes on where the last one stopped; None for one pass.
    """
    num_steps = num_steps or arrays.order.steps
    with tf.device("CPU:0"):
        epoch = tf.Variable(0, trainable=False, dtype=tf.int64)
    of_epoch = tf.data.Dataset.from_tensors(0).flat_map(lambda _: arrays.dataset(epoch * num_steps).take(num_steps))
    dataset = of_epoch.apply(tf.data.experimental.assert_cardinality(num_steps)).prefetch(2)
    return Epochs(dataset, num_steps, epoch, lambda first: arrays.dataset(tf.constant(first, tf.int64)).prefetch(2))


def in_order(arrays: Arrays) -> tf.data.Dataset:
    """Batches of arrays in their order, read from their files as they are needed.

    Args:
        arrays: the arrays, in an `InOrder`.
    """
    steps = arrays.order.steps
    one_pass = arrays.dataset(tf.constant(0, tf.int64)).take(steps)
    return one_pass.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(2)


class Conversion:
    """From rows of `Rows` as they are stored to floats.

    Args:
        rows: the `Rows`.
    """

    def __init__(self, rows: Rows) -> None:
        self.is_bytes, self.mapping = rows.is_bytes, rows.mapping

    @property
    def key(self) -> tuple[bool, int]:
        """Conversions of one key do the same, as long as they live."""
        return self.is_bytes, id(self.mapping)

    def __call__(self, stored: tf.Tensor) -> tf.Tensor:
        """The floats, of the same shape."""
        # A table, because TensorFlow may turn a division by 255 into a product, which rounds otherwise.
        x = tf.gather(LEVELS, tf.cast(stored, tf.int32)) if self.is_bytes else tf.cast(stored, tf.float32)
        return x if self.mapping is None else self.mapping(x)


class InMemory:
    """Reads rows of an array that TensorFlow holds a copy of on the host, as it is stored.

    Args:
        array: an array in memory, or `Rows` of one.

    Attributes:
        stored: the copy, [N, ...].
        conversion: what is done with rows; None for nothing.
    """

    def __init__(self, array: ArrayOrRows) -> None:
        self.conversion = Conversion(array) if isinstance(array, Rows) else None
        if isinstance(array, Rows):  # those that are used
            array = array.stored if array.index is None else array.stored[array.index]
        with tf.device("CPU:0"):
            self.stored = tf.constant(array)

    def __call__(self, index: tf.Tensor) -> tf.Tensor:
        """The rows at these places, [B, ...]."""
        return rows_of(self.stored, self.conversion, index)


class FromFile:
    """Reads rows of an array in a file.

    Args:
        array: a `numpy.memmap`, or `Rows` of one.
    """

    def __init__(self, array: ArrayOrRows) -> None:
        self.conversion, self.places = None, None
        if isinstance(array, Rows):
            self.conversion = Conversion(array)
            self.places = None if array.index is None else tf.constant(array.index)
            array = array.stored
        self.array = array

    def __call__(self, index: tf.Tensor) -> tf.Tensor:
        """The rows at these places, [B, ...]."""
        # TensorFlow knows neither other orders of bytes, nor one dtype for floats of every size.
        dtype = np.dtype(np.float32) if self.array.dtype.kind == "f" else self.array.dtype.newbyteorder("=")
        places = index if self.places is None else tf.gather(self.places, index)
        stored = tf.numpy_function(lambda places: np.asarray(self.array[places], dtype), [places], dtype)
        stored = tf.ensure_shape(stored, [index.shape[0], *self.array.shape[1:]])
        return stored if self.conversion is None else self.conversion(stored)


def rows_of(stored: tf.Tensor, conversion: Conversion | None, index: tf.Tensor) -> tf.Tensor:
    """Rows of an array in memory.

    Args:
        stored: the array as it is stored, [N, ...].
        conversion: what is done with rows; None for nothing.
        index: places, [B].
    """
    rows = tf.gather(stored, index)
    return rows if conversion is None else conversion(rows)


def reader(array: ArrayOrRows) -> InMemory | FromFile:
    """A function from indices [B] to the rows of an array [N, ...].

    Args:
        array: an array in memory or in a file (`numpy.memmap`), or `Rows` of either.
    """
    stored = array.stored if isinstance(array, Rows) else array
    return FromFile(array) if isinstance(stored, np.memmap) else InMemory(array)
