"""Static shapes: the sizes known before a graph runs."""

from collections.abc import Sequence

import tensorflow as tf


def with_static_shape(tensor: tf.Tensor, shape: Sequence[int | None]) -> tf.Tensor:
    """Sets the static shape of a tensor.

    `tf.ensure_shape` does the same but leaves an operation in the graph that LiteRT lacks.

    Args:
        tensor: a tensor that has this shape at run time, for example after a reshape to a computed shape.
        shape: the sizes; None for an unknown size.

    Returns:
        The same tensor.
    """
    tensor.set_shape(shape)
    return tensor
