"""Batches of which only the first examples count: the others fill them up, so that every step has one shape."""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

_number: contextvars.ContextVar[tf.Tensor | None] = contextvars.ContextVar("number", default=None)


@contextlib.contextmanager
def first(number: tf.Tensor | None) -> Iterator[None]:
    """Within it `mean` is over the first examples of a batch.

    Args:
        number: how many, a scalar; None for all.
    """
    token = _number.set(number)
    try:
        yield
    finally:
        _number.reset(token)


def mean(values: tf.Tensor) -> tf.Tensor:
    """The mean over the examples that count, [...].

    Args:
        values: [B, ...].
    """
    number = _number.get()
    return tf.reduce_mean(values if number is None else share(values, number), axis=0)


def mask(values: tf.Tensor, number: tf.Tensor | None) -> tf.Tensor | None:
    """Which examples count, bool [B]; None for all.

    Args:
        values: anything of the examples, [B, ...].
        number: how many count; None for all.
    """
    return None if number is None else tf.range(tf.shape(values, out_type=tf.int64)[0]) < number


def share(values: tf.Tensor, number: tf.Tensor | None) -> tf.Tensor:
    """Values whose mean is that of the examples that count: zeros for the others.

    Args:
        values: [B, ...].
        number: how many count; None for all.
    """
    if number is None:
        return values
    rate = tf.cast(tf.shape(values)[0], values.dtype) / tf.cast(number, values.dtype)
    counts = tf.reshape(mask(values, number), [-1, *[1] * (values.shape.rank - 1)])
    return tf.where(counts, rate * values, tf.zeros_like(values))
