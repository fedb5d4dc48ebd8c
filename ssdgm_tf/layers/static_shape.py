"""Static shapes: the sizes known before a graph runs."""

from collections.abc import Sequence

import tensorflow as tf

from ssdgm_tf.layers.types import Shape


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


def as_shapes(input_shape: Shape | Sequence[Shape]) -> list[Shape]:
    """One shape or several, as a list.

    Args:
        input_shape: the shape of an input of a Keras layer.
    """
    shapes = [tuple(shape) for shape in input_shape if isinstance(shape, list | tuple)]
    return shapes or [tuple(size for size in input_shape if not isinstance(size, list | tuple))]
