"""The two streams of a semi-supervised step: every unlabelled example once per epoch, labelled ones as often as needed."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.rows import LEVELS, ArrayOrRows, Rows


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


def two_streams(
    x: dict[str, ArrayOrRows],
    y: dict[str, np.ndarray],
    is_labelled: np.ndarray,
    batch_size: int,
    labelled_batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    num_steps: int | None = None,
    classes: np.ndarray | None = None,
) -> Epochs:
    """Epochs of {"labelled": (x, y), "unlabelled": x}.

    An epoch is one pass over the unlabelled examples; its last batch may be smaller. Meanwhile the labelled examples
    pass in whole permutations, as often as it takes to fill a batch for every step. Without examples of one kind there is
    only the key of the other, and an epoch is one pass over the examples of that kind.

    The batches of epoch e are a pure function of (seed, e): a run resumed at epoch e takes those of an uninterrupted run.

    Args:
        x: {name: array [N + M, ...]} of the observed variables.
        y: {name: array [N + M, ...]} of the supervised ones.
        is_labelled: bool [N + M].
        batch_size: unlabelled examples per step (labelled ones where none is unlabelled).
        labelled_batch_size: labelled examples per step, at most all of them; None for `batch_size`.
        shuffle: whether to shuffle each epoch; else the order of `x` is kept.
        seed: seed of the order.
        num_steps: steps of an epoch, which then goes on where the last one stopped; None for one pass.
        classes: int [N + M], -1 without a label: the classes that the labelled stream is balanced by. The K classes that
            have labels take turns, so that their numbers in a batch, an epoch or all epochs differ by one at most; each
            class passes in whole permutations of its own. None for permutations of all labelled examples.

    Raises:
        ValueError: a batch size below 1.
    """
    for name, size in (("batch_size", batch_size), ("labelled_batch_size", labelled_batch_size)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1. Received: {name}={size}")
    labelled, unlabelled = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
    labelled_batch_size = min(labelled_batch_size or batch_size, len(labelled))
    of_x, of_y = tf.nest.map_structure(reader, (x, y))
    readers = {"labelled": (of_x, of_y), "unlabelled": of_x}

    def order(indices, epoch, stream, num_passes=1):
        """`num_passes` permutations of `indices`, one after the other."""
        if not shuffle:
            return tf.tile(indices, [num_passes])
        keys = tf.random.stateless_uniform([num_passes, len(indices)], seed=tf.stack([seed, 2 * epoch + stream]))
        return tf.reshape(tf.gather(indices, tf.argsort(keys)), [-1])

    steps = steps_per_epoch(is_labelled, batch_size, labelled_batch_size)
    # An epoch takes so many labelled examples.
    num_labelled = steps * labelled_batch_size if len(unlabelled) else len(labelled)
    by_class = None if classes is None else _ByClass(labelled, classes[labelled], num_labelled)

    def order_of_labelled(epoch):
        """The labelled indices of an epoch."""
        if by_class is None:
            return order(labelled, epoch, 0, -(-num_labelled // max(1, len(labelled))))[:num_labelled]
        return by_class.shuffled(epoch, tf.stack([seed, 2 * epoch])) if shuffle else by_class.in_turn(epoch)

    def in_batches(ordered, size):
        """Batches of indices. If all are full, the step knows their size."""
        return tf.data.Dataset.from_tensor_slices(ordered).batch(size, drop_remainder=len(ordered) % size == 0)

    def epoch_of_indices(epoch):
        if not len(unlabelled):
            once = in_batches(order_of_labelled(epoch), labelled_batch_size)
            return once.map(lambda index: {"labelled": index})
        once = in_batches(order(unlabelled, epoch, 1), batch_size)
        if not len(labelled):
            return once.map(lambda index: {"unlabelled": index})
        fill = tf.data.Dataset.from_tensor_slices(tf.reshape(order_of_labelled(epoch), [steps, labelled_batch_size]))
        return tf.data.Dataset.zip({"labelled": fill, "unlabelled": once})

    def gather(name, index):
        return tf.nest.map_structure(lambda read: read(index), readers[name])

    num_steps = num_steps or steps
    with tf.device("CPU:0"):
        epoch = tf.Variable(0, trainable=False, dtype=tf.int64)

    def from_step(first):
        """All batches from this one on, endless."""
        passes = tf.data.Dataset.counter(start=first // steps, dtype=tf.int64).flat_map(epoch_of_indices)
        batches = passes.skip(first % steps)
        return batches.map(lambda indices: {name: gather(name, index) for name, index in indices.items()})

    of_epoch = tf.data.Dataset.from_tensors(0).flat_map(lambda _: from_step(epoch * num_steps).take(num_steps))
    dataset = of_epoch.apply(tf.data.experimental.assert_cardinality(num_steps)).prefetch(2)
    return Epochs(dataset, num_steps, epoch, lambda first: from_step(tf.constant(first, tf.int64)).prefetch(2))


class _ByClass:
    """The order of labelled examples whose classes take turns. Every K in a row hold one of each class.

    Args:
        labelled: indices of examples, [M].
        classes: the class of each, [M].
        num_examples: examples of an epoch, of all classes together.
    """

    def __init__(self, labelled: np.ndarray, classes: np.ndarray, num_examples: int) -> None:
        self.num_examples = num_examples
        self.members = labelled[np.argsort(classes, kind="stable")]  # those of a class side by side
        self.sizes = np.unique(classes, return_counts=True)[1]
        self.starts = np.cumsum(self.sizes) - self.sizes

    def shuffled(self, epoch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The indices of an epoch, with the classes, in one order all through it, and their members in random order.

        Args:
            epoch: its number.
            seed: a seed of TensorFlow's stateless functions, [2].
        """
        num_classes, position = len(self.sizes), tf.range(self.num_examples, dtype=tf.int64)
        examples, passes, starts = self._passes()
        of_classes, of_members = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        keys = tf.random.stateless_uniform([len(examples)], of_members, dtype=tf.float64)
        examples = tf.gather(examples, tf.argsort(passes + keys))
        # First, in random order, the classes that get one more than the others: in each epoch the next ones.
        turn = (tf.range(num_classes, dtype=tf.int64) - epoch * self.num_examples) % num_classes
        comes_later = tf.cast(turn >= self.num_examples % num_classes, tf.float64)
        classes = tf.argsort(comes_later + tf.random.stateless_uniform([num_classes], of_classes, dtype=tf.float64))
        return tf.gather(examples, tf.gather(starts, tf.gather(classes, position % num_classes)) + position // num_classes)

    def in_turn(self, epoch: tf.Tensor) -> tf.Tensor:
        """The indices of an epoch in the order of classes and examples, which goes on where the last epoch stopped.

        Args:
            epoch: its number.
        """
        position = epoch * self.num_examples + tf.range(self.num_examples, dtype=tf.int64)
        round_of_all, of_class = position // len(self.sizes), position % len(self.sizes)
        place = round_of_all % tf.gather(self.sizes, of_class)
        return tf.gather(self.members, tf.gather(self.starts, of_class) + place)

    def _passes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Passes over each class, as many as its share of an epoch takes: examples, the pass of each, starts of classes."""
        passes = -(-self.num_examples // len(self.sizes) // self.sizes)
        lengths = passes * self.sizes
        starts, of_class = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(of_class)) - starts[of_class]
        examples = self.members[self.starts[of_class] + place % self.sizes[of_class]]
        first_passes = np.cumsum(passes) - passes
        return examples, (first_passes[of_class] + place // self.sizes[of_class]).astype(np.float64), starts


def in_order(arrays: Any, batch_size: int) -> tf.data.Dataset:
    """Batches of arrays in their order, read from their files as they are needed.

    Args:
        arrays: any structure of arrays [N, ...].
        batch_size: examples a batch; the last one may be smaller.
    """
    readers, size = tf.nest.map_structure(reader, arrays), len(tf.nest.flatten(arrays)[0])
    indices = tf.data.Dataset.range(size).batch(batch_size)
    return indices.map(lambda index: tf.nest.map_structure(lambda read: read(index), readers)).prefetch(2)


def reader(array: ArrayOrRows) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from indices [B] to the rows of an array [N, ...]: of one in a file, from the file.

    Args:
        array: an array in memory, of which TensorFlow takes a copy; a `numpy.memmap`; or `Rows`, which are converted after
            they are read.
    """
    if isinstance(array, Rows):
        return _converting_reader(array)
    if not isinstance(array, np.memmap):
        tensor = tf.constant(array)
        return lambda index: tf.gather(tensor, index)

    # TensorFlow knows neither other orders of bytes, nor one dtype for floats of every size.
    dtype = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype.newbyteorder("=")

    def read(index: tf.Tensor) -> tf.Tensor:
        rows = tf.numpy_function(lambda index: np.asarray(array[index], dtype), [index], dtype)
        return tf.ensure_shape(rows, [index.shape[0], *array.shape[1:]])

    return read


def _converting_reader(rows: Rows) -> Callable[[tf.Tensor], tf.Tensor]:
    """`reader` of `Rows`. TensorFlow's copy is of the rows that are used, as they are stored."""
    in_file = isinstance(rows.stored, np.memmap)
    if rows.index is None or not in_file:
        read = reader(rows.stored if rows.index is None else rows.stored[rows.index])
    else:
        read_stored, places = reader(rows.stored), tf.constant(rows.index)

        def read(index: tf.Tensor) -> tf.Tensor:
            return read_stored(tf.gather(places, index))

    def convert(index: tf.Tensor) -> tf.Tensor:
        stored = read(index)
        # A table, because TensorFlow may turn a division by 255 into a product, which rounds otherwise.
        x = tf.gather(LEVELS, tf.cast(stored, tf.int32)) if rows.is_bytes else tf.cast(stored, tf.float32)
        return x if rows.mapping is None else rows.mapping(x)

    return convert


def steps_per_epoch(is_labelled: np.ndarray, batch_size: int, labelled_batch_size: int | None = None) -> int:
    """Steps of one epoch of `two_streams`: batches of the unlabelled examples, or else of the labelled ones."""
    num_unlabelled = int(np.sum(~is_labelled))
    if num_unlabelled:
        return math.ceil(num_unlabelled / batch_size)
    return math.ceil(len(is_labelled) / min(labelled_batch_size or batch_size, len(is_labelled)))
