"""Names that Keras and TensorFlow keep private, each with the reason to use it. No other module uses one."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from keras.src.saving.serialization_lib import ObjectSharingScope
from keras.src.trainers import data_adapters
from tensorflow.python.client import device_lib

# averaged_weights: public Keras shows the average of the weights that an optimizer keeps only by replacing the weights.
# ObjectSharingScope: public Keras offers no scope in which a layer that is held twice is copied once.
# device_lib: public TensorFlow does not say how much memory a device has.
# data_adapters: public Keras reads loaders in `fit` only, where their batches cannot be checked.
__all__ = [
    "Loader",
    "ObjectSharingScope",
    "StreamModel",
    "averaged_weights",
    "evaluates_within_fit",
    "goes_up",
    "gpu_memory",
    "has_strategy",
    "is_endless",
    "is_loader",
    "one_call",
    "sublayers",
    "zipped_lengths",
]

# Data sets that have as many batches as the one that they are made of; public TensorFlow does not show what that is.
_KEEPING_LENGTH = {"_MapDataset", "_ParallelMapDataset", "_PrefetchDataset", "_OptionsDataset", "_CacheDataset"}


@contextlib.contextmanager
def one_call(layer: keras.layers.Layer) -> Iterator[None]:
    """Within it, calls of sublayers belong to one call of `layer`: `layer.losses` holds the losses that all of them add.

    Public Keras clears a network's losses whenever it is called from outside a layer; a step calls a network several times.

    Args:
        layer: a layer or model.
    """
    layer._get_call_context()
    try:
        yield
    finally:
        layer._maybe_reset_call_context()


def averaged_weights(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> list[tuple[keras.Variable, tf.Tensor]]:
    """Weights, and their running average that an optimizer with `use_ema=True` keeps.

    Args:
        optimizer: the optimizer, built.
        variables: the weights, in the order in which it was built for them.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
    # Before the first step the averages are 0.
    has_begun = tf.convert_to_tensor(inner.iterations) > 0
    pairs = zip(variables, inner._model_variables_moving_average, strict=True)
    return [(variable, tf.where(has_begun, average.value, variable.value)) for variable, average in pairs]


def slots_of(
    optimizer: keras.optimizers.Optimizer, weights: list[keras.Variable]
) -> list[tuple[keras.Variable, keras.Variable, bool]]:
    """What an optimizer keeps of each weight: (weight, variable, whether it is a running average of the weight).

    Args:
        optimizer: Adam, built.
        weights: in the order in which it was built for them.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
    averages = [(inner._model_variables_moving_average, True)] if inner.use_ema else []
    return [
        (weight, value, is_average)
        for of_weights, is_average in [(inner._momentums, False), (inner._velocities, False), *averages]
        for weight, value in zip(weights, of_weights, strict=True)
    ]


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layer and every layer in it, each once. Public Keras lists the direct sublayers of models only.

    Args:
        layer: a layer or model.
    """
    return list({id(part): part for part in layer._flatten_layers()}.values())


class StreamModel(keras.Model):
    """A `keras.Model` whose batches are streams of labelled and unlabelled examples, on one device or several."""

    @property
    def is_distributed(self) -> bool:
        """Whether it trains on more than one replica."""
        return self.distribute_strategy.num_replicas_in_sync > 1

    def _get_metrics_result_or_logs(self, logs: dict[str, Any]) -> dict[str, Any]:
        """The metrics over all replicas; Keras would take the mean of the replicas' last logs."""
        if not self.is_distributed:
            return super()._get_metrics_result_or_logs(logs)
        results = self.get_metrics_result()
        return {name: results[name] for name in logs}

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: the model is built already. Keras would call it on a batch of both streams (keras-team/keras#20585)."""

    def _execute_validation_by(self, steps_per_execution: int) -> None:
        """Within the `evaluate` of `fit`: so many steps of the validation data are one execution, and not as in training.

        Args:
            steps_per_execution: how many.
        """
        self._eval_epoch_iterator.steps_per_execution = steps_per_execution

    def _on_one_batch(self, function: Callable, batch: Any, return_dict: bool) -> Any:
        """Runs a compiled step on one batch: the metrics of that batch only, as Keras' `train_on_batch` gives them.

        Args:
            function: `train_function` or `test_function`.
            batch: a batch of the step.
            return_dict: {name: value}; else a list in the order of `metrics_names`, or the only value.
        """
        self.reset_metrics()
        logs = {name: float(value) for name, value in function(iter([batch])).items()}
        return logs if return_dict else self._flatten_metrics_in_order(logs)


def gpu_memory() -> int | None:
    """Bytes that TensorFlow may use of the first GPU; None without one. Public TensorFlow says only how many are used."""
    if not tf.config.list_logical_devices("GPU"):
        return None
    limits = [device.memory_limit for device in device_lib.list_local_devices() if device.device_type == "GPU"]
    return limits[0]


def has_strategy(strategy: tf.distribute.Strategy) -> bool:
    """Whether variables are placed by a strategy that someone chose, be it of one device. Public TensorFlow cannot tell.

    Args:
        strategy: that of a model.
    """
    return not type(strategy).__name__.startswith("_Default")


def evaluates_within_fit(arguments: dict[str, Any]) -> bool:
    """Whether the arguments of `evaluate` come from `fit`, which has checked its validation data already."""
    return "_use_cached_eval_dataset" in arguments


def is_loader(data: Any) -> bool:
    """Whether Keras takes data for batches: a PyDataset, or a loader of Grain or PyTorch."""
    is_foreign = data_adapters.is_grain_dataset(data) or data_adapters.is_torch_dataloader(data)
    return isinstance(data, keras.utils.PyDataset) or is_foreign


def is_endless(loader: Any) -> bool:
    """Whether what `is_loader` takes says that it never ends. One without a length is read to its end, as Keras does."""
    if isinstance(loader, keras.utils.PyDataset):
        return loader.num_batches is None
    return hasattr(loader, "__len__") and len(loader) == sys.maxsize  # of Grain, repeated


class Loader:
    """A PyDataset, as Keras' own `fit` reads it, with its workers.

    Attributes:
        dataset: its batches.
        begin: what must be called before a pass over them.
        end: what must be called after it.
    """

    def __init__(self, loader: keras.utils.PyDataset) -> None:
        adapter = data_adapters.get_data_adapter(loader)
        self.begin, self.end = adapter.on_epoch_begin, adapter.on_epoch_end
        self.dataset = adapter.get_tf_dataset()
        if adapter.num_batches is not None:
            self.dataset = self.dataset.apply(tf.data.experimental.assert_cardinality(adapter.num_batches))


def goes_up(metric: keras.metrics.Metric) -> bool | None:
    """Whether a metric is better the larger it is; None if unknown. Keras' callbacks ask this of its own metrics only."""
    direction = getattr(metric, "_direction", None)
    return None if direction is None else direction == "up"


def zipped_lengths(dataset: tf.data.Dataset) -> dict[str, int]:
    """{name: number of batches} of the data sets that a dict of them was zipped from, as far as it is still to be seen.

    Args:
        dataset: any data set; {} where it was not zipped from a dict, or something that may change lengths came after.
    """
    while type(dataset).__name__ in _KEEPING_LENGTH and len(dataset._inputs()) == 1:
        (dataset,) = dataset._inputs()
    parts = getattr(dataset, "_datasets", None)
    return {name: int(part.cardinality()) for name, part in parts.items()} if isinstance(parts, dict) else {}
