"""The running average of a model's weights, in their place for a while."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf import keras_internals


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Within it the weights are their running averages, where the optimizer keeps such.

    Args:
        model: the model, whose optimizer is built.
    """
    if not getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema:
        yield
        return
    averages = keras_internals.averaged_weights(model.optimizer, model.trainable_variables)
    own = [(weight, tf.identity(weight.value)) for weight, _ in averages]
    for weight, average in averages:
        weight.assign(average)
    try:
        yield
    finally:
        for weight, value in own:
            weight.assign(value)


class AveragedValidation(keras.callbacks.Callback):
    """Validation by the averaged weights, where the optimizer keeps such: those that remain after training."""

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.within = contextlib.ExitStack()
        self.within.enter_context(averaged(self.model))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self.within.close()
