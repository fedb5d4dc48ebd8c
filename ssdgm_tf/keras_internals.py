"""Names that Keras keeps private, each with the reason to use it. No other module uses one."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.saving.serialization_lib import ObjectSharingScope

# ObjectSharingScope: public Keras offers no scope in which a layer that is held twice is copied once.
__all__ = ["ObjectSharingScope", "StreamModel", "evaluates_within_fit", "one_call", "sublayers"]


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


def evaluates_within_fit(arguments: dict[str, Any]) -> bool:
    """Whether the arguments of `evaluate` come from `fit`, which has checked its validation data already."""
    return "_use_cached_eval_dataset" in arguments
