"""What is known of a shape before any value is."""

import tensorflow as tf


def with_static_shape(tensor: tf.Tensor, shape) -> tf.Tensor:
    """The tensor, known to have this shape.

    `tf.ensure_shape` says the same, but leaves an operation in the graph that LiteRT does not have.

    Args:
        tensor: of that shape at run time, as where a reshape with a computed shape made it.
        shape: sizes; None for those that are not known.
    """
    tensor.set_shape(shape)
    return tensor
