"""Weights in the compute dtype, cast once per step however often the step uses them."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

_casts: contextvars.ContextVar[dict[tuple[int, str, int], tf.Tensor] | None] = contextvars.ContextVar("casts", default=None)


@contextlib.contextmanager
def casting_once() -> Iterator[None]:
    """A context in which a weight is cast once. Both streams of a step use it; their gradients are added before the cast."""
    token = _casts.set({})
    try:
        yield
    finally:
        _casts.reset(token)


def cast_weight(variable: keras.Variable, dtype: str) -> tf.Tensor:
    """The value of a weight in the compute dtype.

    Args:
        variable: the weight.
        dtype: the compute dtype of the layer that uses it.
    """
    casts = _casts.get()
    if casts is None:
        return tf.cast(variable.value, dtype)
    # A nested function has its own graph and needs its own copy.
    key = (id(variable), dtype, id(tf.compat.v1.get_default_graph()))
    if key not in casts:
        casts[key] = tf.cast(variable.value, dtype)
    return casts[key]
