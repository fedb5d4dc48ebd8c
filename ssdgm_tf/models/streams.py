"""The two streams of a semi-supervised step: every unlabelled example once per epoch, labelled ones as often as needed."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.models.data_format import DataFormat


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
    x: dict[str, np.ndarray],
    y: dict[str, np.ndarray],
    is_labelled: np.ndarray,
    batch_size: int,
    labelled_batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    num_steps: int | None = None,
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

    Raises:
        ValueError: a batch size below 1.
    """
    for name, size in (("batch_size", batch_size), ("labelled_batch_size", labelled_batch_size)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1. Received: {name}={size}")
    labelled, unlabelled = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
    labelled_batch_size = min(labelled_batch_size or batch_size, len(labelled))
    x, y = tf.nest.map_structure(tf.constant, (x, y))

    def order(indices, epoch, stream, num_passes=1):
        """`num_passes` permutations of `indices`, one after the other."""
        if not shuffle:
            return tf.tile(indices, [num_passes])
        keys = tf.random.stateless_uniform([num_passes, len(indices)], seed=tf.stack([seed, 2 * epoch + stream]))
        return tf.reshape(tf.gather(indices, tf.argsort(keys)), [-1])

    def once(indices, epoch, stream, size):
        """Batches of one pass. If all are full, the step knows their size."""
        ordered = tf.data.Dataset.from_tensor_slices(order(indices, epoch, stream))
        return ordered.batch(size, drop_remainder=len(indices) % size == 0)

    steps = steps_per_epoch(is_labelled, batch_size, labelled_batch_size)
    num_passes = -(-steps * labelled_batch_size // max(1, len(labelled)))

    def epoch_of_indices(epoch):
        if not len(labelled):
            return once(unlabelled, epoch, 1, batch_size).map(lambda index: {"unlabelled": index})
        if not len(unlabelled):
            return once(labelled, epoch, 0, labelled_batch_size).map(lambda index: {"labelled": index})
        fill = order(labelled, epoch, 0, num_passes)[: steps * labelled_batch_size]
        fill = tf.data.Dataset.from_tensor_slices(tf.reshape(fill, [steps, labelled_batch_size]))
        return tf.data.Dataset.zip({"labelled": fill, "unlabelled": once(unlabelled, epoch, 1, batch_size)})

    arrays = {"labelled": (x, y), "unlabelled": x}

    def gather(name, index):
        return tf.nest.map_structure(lambda array: tf.gather(array, index), arrays[name])

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


def steps_per_epoch(is_labelled: np.ndarray, batch_size: int, labelled_batch_size: int | None = None) -> int:
    """Steps of one epoch of `two_streams`: batches of the unlabelled examples, or else of the labelled ones."""
    num_unlabelled = int(np.sum(~is_labelled))
    if num_unlabelled:
        return math.ceil(num_unlabelled / batch_size)
    return math.ceil(len(is_labelled) / min(labelled_batch_size or batch_size, len(is_labelled)))


def check_streams(dataset: tf.data.Dataset, data_format: DataFormat) -> tf.data.Dataset:
    """`dataset` in the form of `two_streams`. The structure is checked now, values while iterating.

    Raises:
        ValueError: elements are not {"labelled": (x, y), "unlabelled": x} (either may be left out), or values have another
            shape than the model was built for.
        tf.errors.InvalidArgumentError: while iterating, on values that a variable cannot take; see
            `supports.as_value_errors`.
    """
    spec = dataset.element_spec
    rule = 'A dataset must yield {"labelled": (x, y), "unlabelled": x}; one of the two may be left out.'
    if not isinstance(spec, dict) or not spec or set(spec) - {"labelled", "unlabelled"}:
        raise ValueError(f"{rule} Received: elements of {spec}")
    if "labelled" in spec and (not isinstance(spec["labelled"], tuple) or len(spec["labelled"]) != 2):
        raise ValueError(f"{rule} Received: labelled of {spec['labelled']}")

    def checked(number, batch):
        result: dict[str, Any] = {}
        if "labelled" in batch:
            x, y = batch["labelled"]
            result["labelled"] = (
                data_format.x_tensors(x, number),
                data_format.y_tensors(y, not data_format.always_complete, number),
            )
        if "unlabelled" in batch:
            result["unlabelled"] = data_format.x_tensors(batch["unlabelled"], number)
        return result

    return dataset.enumerate().map(checked).prefetch(2)


def check_pairs(dataset: tf.data.Dataset, data_format: DataFormat) -> tf.data.Dataset:
    """`dataset` of batches (x, y), where any y may be unknown. The structure is checked now, values while iterating.

    Raises:
        ValueError: elements are not (x, y), or values do not have the shape that the model was built for.
        tf.errors.InvalidArgumentError: while iterating, on values that a variable cannot take; see
            `supports.as_value_errors`.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(f"A dataset to evaluate must yield (x, y). Received: elements of {spec}")

    def checked(number, pair):
        x, y = pair
        return data_format.x_tensors(x, number), data_format.y_tensors(y, True, number)

    return dataset.enumerate().map(checked).prefetch(2)


def check_no_labels_beside(y: Any) -> None:
    """Refuses labels beside data that hold labels already.

    Raises:
        ValueError: `y` is not None.
    """
    if y is not None:
        raise ValueError(
            "y must be None where x is a tf.data.Dataset or a batch of streams, which hold the labels. "
            f"Received: y={type(y).__name__}"
        )
