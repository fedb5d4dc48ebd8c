"""A step on several devices: how its batch is split, and the weights that make the sum the step of one device.

Each replica takes a contiguous part of every batch. Its loss weighs its means by its share of the examples, so that the mean
over replicas is the mean over the batch, whatever the sizes of the parts:

    loss = (1/R) sum_r loss_r,    loss_r = - [ s_r mean_r U + ... ],    s_r = R n_r / sum_r n_r
"""

from numbers import Integral
from typing import Any

import tensorflow as tf

from ssdgm_tf.engine import counted

# The terms of a loss.
_WEIGHED = ("objective", "label_objective")


def split(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Any:
    """The dataset with every batch split into one part for each replica.

    A batch of fewer examples than replicas goes to all of them. Each of several workers makes the same
    whole dataset, and takes the parts of its own replicas.

    Args:
        dataset: batches of any structure of tensors; each tensor is split by its own size.
        strategy: the strategy that distributes it.

    Returns:
        A `tf.distribute.DistributedDataset`.
    """

    def of_worker(context):
        num_replicas = context.num_replicas_in_sync
        num_local = num_replicas // context.num_input_pipelines
        first = context.input_pipeline_id * num_local
        parts = tf.data.Dataset.range(first, first + num_local)

        def part(batch, index):
            def of_tensor(tensor):
                size = tf.shape(tensor, tf.int64)[0]
                start, end = size * index // num_replicas, size * (index + 1) // num_replicas
                return tf.cond(size < num_replicas, lambda: tensor, lambda: tensor[start:end])

            return tf.nest.map_structure(of_tensor, batch)

        def parts_of(*batch):
            return parts.map(lambda index: part(batch[0] if len(batch) == 1 else batch, index))

        return dataset.flat_map(parts_of).prefetch(2)

    return strategy.distribute_datasets_from_function(of_worker)


def share(num_examples: tf.Tensor) -> tf.Tensor | float:
    """The weight of this replica's mean over `num_examples` in the mean over all replicas; 1 on one device."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 1.0
    size = tf.cast(num_examples, tf.float32)
    return size * context.num_replicas_in_sync / context.all_reduce(tf.distribute.ReduceOp.SUM, size)


def on_all_replicas(is_so: tf.Tensor) -> tf.Tensor:
    """Whether a bool is True on all replicas, as 1 or 0."""
    context, value = tf.distribute.get_replica_context(), tf.cast(is_so, tf.float32)
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, value) == context.num_replicas_in_sync, tf.float32)


def scale_loss(loss: tf.Tensor) -> tf.Tensor:
    """A replica's loss divided by the number of replicas, because the optimizer sums their gradients."""
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def check(strategy: tf.distribute.Strategy, jit_compile: bool | str, steps_per_execution: int | str) -> None:
    """Refuses arguments of `compile` that TensorFlow and Keras cannot serve on several replicas.

    Args:
        strategy: the model's strategy.
        jit_compile: the argument of `compile`.
        steps_per_execution: the argument of `compile`.

    Raises:
        ValueError: no number of steps; XLA, or several steps at a time, on several replicas.
    """
    if steps_per_execution != "auto" and (not isinstance(steps_per_execution, Integral) or steps_per_execution < 1):
        raise ValueError(
            "steps_per_execution must be a whole number of at least 1, or 'auto'. "
            f"Received: steps_per_execution={steps_per_execution!r}"
        )
    if strategy.num_replicas_in_sync == 1:
        return
    received = f"{strategy.num_replicas_in_sync} replicas"
    if jit_compile is True:
        raise ValueError(
            "On several replicas the step cannot be compiled by XLA, which needs its variables on one device: "
            f"jit_compile must be False or 'auto'. Received: jit_compile=True, {received}"
        )
    if steps_per_execution not in (1, "auto"):
        raise ValueError(
            "On several replicas Keras takes one step at a time: steps_per_execution must be 1. "
            f"Received: steps_per_execution={steps_per_execution}, {received}"
        )


def as_share(terms: dict[str, Any] | None, number: tf.Tensor | None = None) -> dict[str, Any] | None:
    """The terms, scaled so that their mean is the replica's share of that of the examples that count in the whole batch.

    Args:
        terms: the terms of a stream, [B] each; None for a missing stream.
        number: how many of its examples count; None for all. On several replicas all do.
    """
    if terms is None:
        return None
    if number is not None:
        return terms | {name: counted.share(terms[name], number) for name in _WEIGHED if name in terms}
    weight = share(tf.shape(terms["objective"])[0])
    if isinstance(weight, float):
        return terms
    return terms | {name: terms[name] * tf.cast(weight, terms[name].dtype) for name in _WEIGHED if name in terms}


def validation(strategy: tf.distribute.Strategy, data: tf.data.Dataset) -> dict[str, Any]:
    """The arguments of Keras' `fit` about validation data, whose batches are split among replicas.

    Args:
        strategy: the strategy that distributes them.
        data: batches (x, y).
    """
    steps = {}
    if (size := int(data.cardinality())) > 0:  # Keras does not know the size of a distributed data set
        steps["validation_steps"], data = size, data.repeat()
    return steps | {"validation_data": split(data, strategy), "validation_batch_size": None}


def as_logs(strategy: tf.distribute.Strategy, logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The logs that a step returns; Keras concatenates those of several workers and takes the mean (keras-team/keras#20585).

    Args:
        strategy: the model's strategy.
        logs: {name: scalar}.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return logs
    return {name: tf.reshape(value, [1]) for name, value in logs.items()}
