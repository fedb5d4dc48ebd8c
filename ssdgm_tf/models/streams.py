"""The two streams of a semi-supervised step: every unlabelled example once an epoch, labelled ones re-drawn to keep up."""

import math

import numpy as np
import tensorflow as tf

from ssdgm_tf.models import checks


def two_streams(
    x: np.ndarray,
    y: np.ndarray,
    batch_size: int,
    labelled_batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    initial_epoch: int = 0,
) -> tuple[tf.data.Dataset, int]:
    """An endless dataset of {"labelled": (x, y), "unlabelled": x}, and the steps of one epoch.

    An epoch is one pass over the unlabelled examples; its last batch may be smaller. Meanwhile the labelled examples
    pass in whole permutations, as often as it takes to fill a batch for every step. Without unlabelled examples there is
    only the key "labelled", and an epoch is one pass over those.

    The order of epoch e is a pure function of (seed, e): a run that starts at epoch e draws what an uninterrupted one
    would have drawn.

    Args:
        x: images [N + M, ...], float32.
        y: labels [N + M], int32, -1 for none.
        batch_size: unlabelled examples a step (labelled ones where none is unlabelled).
        labelled_batch_size: labelled examples a step; None for as many as `batch_size`, at most all of them.
        shuffle: shuffle each epoch; else keep the order of `x`.
        seed: of the order.
        initial_epoch: the first epoch of the dataset.

    Raises:
        ValueError: a batch size below 1.
    """
    for name, size in (("batch_size", batch_size), ("labelled_batch_size", labelled_batch_size)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1. Received: {name}={size}")
    labelled, unlabelled = np.flatnonzero(y != checks.UNLABELLED), np.flatnonzero(y == checks.UNLABELLED)
    labelled_batch_size = min(labelled_batch_size or batch_size, len(labelled))
    images, classes = tf.constant(x), tf.constant(y)

    def order(indices, epoch, stream, num_passes=1):
        """`num_passes` permutations of `indices`, one after the other."""
        if not shuffle:
            return tf.tile(indices, [num_passes])
        keys = tf.random.stateless_uniform([num_passes, len(indices)], seed=tf.stack([seed, 2 * epoch + stream]))
        return tf.reshape(tf.gather(indices, tf.argsort(keys)), [-1])

    def labelled_batch(index):
        return tf.gather(images, index), tf.gather(classes, index)

    steps = steps_per_epoch(y, batch_size, labelled_batch_size)
    if len(unlabelled) == 0:

        def supervised_epoch(epoch):
            return tf.data.Dataset.from_tensor_slices(order(labelled, epoch, stream=0)).batch(labelled_batch_size)

        batches = _epochs(initial_epoch).flat_map(supervised_epoch)
        return batches.map(lambda index: {"labelled": labelled_batch(index)}).prefetch(2), steps

    num_passes = -(-steps * labelled_batch_size // len(labelled))

    def epoch_of_indices(epoch):
        fill = order(labelled, epoch, stream=0, num_passes=num_passes)[: steps * labelled_batch_size]
        fill = tf.data.Dataset.from_tensor_slices(tf.reshape(fill, [steps, labelled_batch_size]))
        once = tf.data.Dataset.from_tensor_slices(order(unlabelled, epoch, stream=1)).batch(batch_size)
        return tf.data.Dataset.zip(fill, once)

    batches = _epochs(initial_epoch).flat_map(epoch_of_indices)
    return batches.map(
        lambda index, other: {"labelled": labelled_batch(index), "unlabelled": tf.gather(images, other)}
    ).prefetch(2), steps


def steps_per_epoch(y: np.ndarray, batch_size: int, labelled_batch_size: int | None = None) -> int:
    """Steps of one epoch of `two_streams`: batches of the unlabelled examples, or of the labelled where there are none."""
    num_unlabelled = int(np.sum(y == checks.UNLABELLED))
    if num_unlabelled:
        return math.ceil(num_unlabelled / batch_size)
    return math.ceil(len(y) / min(labelled_batch_size or batch_size, len(y)))


def check_streams(dataset: tf.data.Dataset, image_shape, num_classes: int, unit_interval: bool) -> tf.data.Dataset:
    """`dataset` with its structure checked now and its values checked as they pass.

    Raises:
        ValueError: elements are not {"labelled": (x, y), "unlabelled": x} (the second optional), or images have another
            shape than the model was built for.
        tf.errors.InvalidArgumentError: while iterating, on labels outside 0..num_classes - 1 or bad pixels.
    """
    spec = dataset.element_spec
    rule = 'A dataset must yield {"labelled": (x, y), "unlabelled": x} or {"labelled": (x, y)}.'
    if not isinstance(spec, dict) or "labelled" not in spec or set(spec) - {"labelled", "unlabelled"}:
        raise ValueError(f"{rule} Received: elements of {spec}")
    if not isinstance(spec["labelled"], tuple) or len(spec["labelled"]) != 2:
        raise ValueError(f"{rule} Received: labelled of {spec['labelled']}")
    if not spec["labelled"][1].dtype.is_integer:
        raise ValueError(f"Labels must be integers. Received: labels of dtype {spec['labelled'][1].dtype.name}")
    for x in (spec["labelled"][0], spec.get("unlabelled")):
        _check_shape(x, image_shape)

    def checked(batch):
        x, y = batch["labelled"]
        result = {"labelled": (_checked_images(x, unit_interval), _checked_labels(y, 0, num_classes))}
        if "unlabelled" in batch:
            result["unlabelled"] = _checked_images(batch["unlabelled"], unit_interval)
        return result

    return dataset.map(checked).prefetch(2)


def check_pairs(dataset: tf.data.Dataset, image_shape, num_classes: int, unit_interval: bool) -> tf.data.Dataset:
    """A dataset of batches (x, y), y = -1 for "no label", with its structure checked now and its values as they pass.

    Raises:
        ValueError: elements are not (x, y), or images have another shape than the model was built for.
        tf.errors.InvalidArgumentError: while iterating, on labels outside -1..num_classes - 1 or bad pixels.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(f"A dataset to evaluate must yield (x, y). Received: elements of {spec}")
    _check_shape(spec[0], image_shape)
    return dataset.map(
        lambda x, y: (_checked_images(x, unit_interval), _checked_labels(y, checks.UNLABELLED, num_classes))
    ).prefetch(2)


def _check_shape(spec, image_shape) -> None:
    if spec is not None and image_shape is not None and not spec.shape[1:].is_compatible_with(image_shape):
        raise ValueError(
            f"Images must have the shape that this model was built for, {tuple(image_shape)}. "
            f"Received: batches of shape {spec.shape}"
        )


def _checked_images(x, unit_interval):
    x = tf.cast(x, tf.float32)
    tf.debugging.assert_all_finite(x, "Pixels must be finite.")
    if unit_interval:
        tf.debugging.Assert(
            tf.reduce_all((x >= 0) & (x <= 1)),
            ["Pixels must lie in [0, 1] for a Bernoulli likelihood. Received:", tf.reduce_min(x), tf.reduce_max(x)],
        )
    return x


def _checked_labels(y, lowest, num_classes):
    tf.debugging.Assert(
        tf.reduce_all((y >= lowest) & (y < num_classes)), [f"Labels must lie in {lowest}..{num_classes - 1}. Received:", y]
    )
    return tf.cast(y, tf.int32)


def _epochs(initial_epoch: int) -> tf.data.Dataset:
    """Epoch numbers from `initial_epoch` on, without end."""
    return tf.data.Dataset.counter(start=initial_epoch, dtype=tf.int64)
