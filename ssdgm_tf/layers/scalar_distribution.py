"""The base of distributions of single numbers that TFP lacks."""

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd


class ScalarDistribution(tfd.Distribution):
    """A distribution of one number, whose draws carry no gradient. A subclass says what its parameters are, and samples.

    Args:
        parameters: {argument of the subclass: value}.
        dtype: that of values.
        name: of its operations.
    """

    def __init__(self, parameters: dict[str, Any], dtype: tf.DType, name: str) -> None:
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=False,
            parameters=parameters,
            name=name,
        )

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)
