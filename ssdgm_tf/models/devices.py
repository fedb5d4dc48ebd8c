"""A step on several devices: how its batch is split among them, and what makes their sum the step of one device.

Each replica takes a contiguous part of every batch. Its loss weighs its means by its share of the examples, so that the mean
over replicas is the mean over the batch, whatever the sizes of the parts:

    loss = (1/R) sum_r loss_r,    loss_r = - [ s_r mean_r U + ... ],    s_r = R n_r / sum_r n_r
"""

import tensorflow as tf

# The terms that a loss is made of.
_WEIGHED = ("objective", "classification_loss")


def split(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy):
    """The dataset with every batch in as many parts as there are replicas, a part for each.

    A batch of fewer examples than replicas goes to all of them. With several workers each makes the whole dataset, the same
    by its seed, and takes the parts of its own replicas.

    Args:
        dataset: batches of any structure of tensors; the parts of a batch are of each tensor's own size.
        strategy: what distributes it.

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
    """The weight of this replica's mean over so many examples in the mean of all replicas' means; 1 on one device."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 1.0
    size = tf.cast(num_examples, tf.float32)
    return size * context.num_replicas_in_sync / context.all_reduce(tf.distribute.ReduceOp.SUM, size)


def on_all_replicas(is_so: tf.Tensor) -> tf.Tensor:
    """A bool of this replica as 1 or 0: whether it is so on all of them."""
    context, value = tf.distribute.get_replica_context(), tf.cast(is_so, tf.float32)
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return tf.cast(context.all_reduce(tf.distribute.ReduceOp.SUM, value) == context.num_replicas_in_sync, tf.float32)


def scale_loss(loss: tf.Tensor) -> tf.Tensor:
    """A replica's loss as its part of the sum over replicas, which is how the optimizer reduces gradients."""
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


class DistributedModel:
    """What a `keras.Model` with its own `train_step` needs to train on several replicas; nothing changes on one."""

    @property
    def is_distributed(self) -> bool:
        """Does it train on more than one replica?"""
        return self.distribute_strategy.num_replicas_in_sync > 1

    def _check_distribution(self, jit_compile, steps_per_execution) -> None:
        """Refuses what TensorFlow and Keras cannot do on several replicas."""
        if not self.is_distributed:
            return
        received = f"{self.distribute_strategy.num_replicas_in_sync} replicas"
        if jit_compile is True:
            raise ValueError(
                "On several replicas the step cannot be compiled by XLA, which wants its variables on one device: "
                f"jit_compile must be False or 'auto'. Received: jit_compile=True, {received}"
            )
        if steps_per_execution != 1:
            raise ValueError(
                "On several replicas Keras takes one step at a time: steps_per_execution must be 1. "
                f"Received: steps_per_execution={steps_per_execution}, {received}"
            )

    def _as_share(self, terms):
        """A replica's terms, scaled so that the mean of all replicas' losses is that of the batch."""
        if terms is None or not self.is_distributed:
            return terms
        weight = share(tf.shape(terms["objective"])[0])
        return terms | {name: terms[name] * tf.cast(weight, terms[name].dtype) for name in _WEIGHED if name in terms}

    def _distributed_validation(self, kwargs) -> dict:
        """The arguments of `fit` about validation data, whose batches are split among replicas."""
        if kwargs.get("validation_data") is None:
            return {}
        data, y = kwargs["validation_data"]
        steps = {}
        if not isinstance(data, tf.data.Dataset):
            size = kwargs.get("validation_batch_size") or 100
            steps["validation_steps"] = -(-len(next(iter(data.values()))) // size)
            data = tf.data.Dataset.from_tensor_slices((data, y)).batch(size).repeat()
        return steps | {"validation_data": split(data, self.distribute_strategy), "validation_batch_size": None}

    def _as_logs(self, logs: dict) -> dict:
        """What a step returns; of several workers Keras concatenates it, and takes the mean (keras-team/keras#20585)."""
        if not isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return logs
        return {name: tf.reshape(value, [1]) for name, value in logs.items()}

    def _get_metrics_result_or_logs(self, logs):
        """The metrics over all replicas; Keras would take the mean of the replicas' last logs."""
        if not self.is_distributed:
            return super()._get_metrics_result_or_logs(logs)
        results = self.get_metrics_result()
        return {name: results[name] for name in logs}

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: `fit` has built the model. Keras would call it on a batch of both streams (keras-team/keras#20585)."""
