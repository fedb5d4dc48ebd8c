"""Weights in the dtype that a layer computes in, cast once however often a step uses them."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

_casts = contextvars.ContextVar("casts", default=None)


@contextlib.contextmanager
def casting_once() -> Iterator[None]:
    """Within it every weight is cast once: both streams of a step use one copy, and add its gradients before their cast."""
    token = _casts.set({})
    try:
        yield
    finally:
        _casts.reset(token)


def cast_weight(variable: keras.Variable, dtype: str) -> tf.Tensor:
    """The value of a weight.

    Args:
        variable: the weight.
        dtype: the compute dtype of the layer that uses it.
    """
    casts = _casts.get()
    if casts is None:
        return tf.cast(variable.value, dtype)
    # A function within a function has a graph, and needs a copy, of its own.
    key = (id(variable), dtype, id(tf.compat.v1.get_default_graph()))
    if key not in casts:
        casts[key] = tf.cast(variable.value, dtype)
    return casts[key]
