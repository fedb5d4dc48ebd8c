"""Convolutional networks for small images and for time series."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from ssdgm_tf.layers.types import Activation, Shape


class _Layers(NamedTuple):
    """The layers of inputs of one rank."""

    convolution: type[keras.layers.Layer]
    pooling: type[keras.layers.Layer]
    transposed: type[keras.layers.Layer]


_OF_RANK = {
    3: _Layers(keras.layers.Conv1D, keras.layers.MaxPooling1D, keras.layers.Conv1DTranspose),
    4: _Layers(keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.Conv2DTranspose),
}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ConvEncoder(keras.layers.Layer):
    """Features of images or series: a strided convolution, then convolutions each followed by pooling, then a dense layer.

    Convolutions go along every axis between the first and the last: two of an image, one of a time series.

    Args:
        filters: channels of each convolution; the first is 5 wide (images: 5x5) with stride 2, the others 3 wide.
        units: width of the dense layer.
        dropout: share of the last feature map that is dropped in training.
        activation: the activation of every layer.
        seed: integer seed of the dropout.

    Call arguments:
        inputs: images [B, H, W, C] or series [B, T, C].
        training: whether to apply dropout.

    Returns:
        [B, units], in the compute dtype.

    Raises:
        ValueError: no filters, or a number below 1; inputs that are neither images nor series.
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64, 64),
        units: int = 128,
        dropout: float = 0.0,
        activation: Activation = "relu",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.units, self.dropout, self.seed = _checked(filters), units, dropout, seed
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) not in _OF_RANK:
            raise ValueError(f"inputs must be images [B, H, W, C] or series [B, T, C]. Received: shape {input_shape}")
        of_rank = _OF_RANK[len(input_shape)]
        first, *rest = self.filters
        same = {"padding": "same", "activation": self.activation, "dtype": self.dtype_policy}
        stack = [of_rank.convolution(first, 5, strides=2, **same)]
        for channels in rest:
            pooling = of_rank.pooling(padding="same", dtype=self.dtype_policy)
            stack += [of_rank.convolution(channels, 3, **same), pooling]
        dropout = keras.layers.Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        stack += [keras.layers.Flatten(dtype=self.dtype_policy), dropout]
        self.stack = [*stack, keras.layers.Dense(self.units, self.activation, dtype=self.dtype_policy)]
        _build_in_turn(self.stack, input_shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        return _call_in_turn(self.stack, inputs, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "units": self.units, "dropout": self.dropout, "seed": self.seed}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ConvDecoder(keras.layers.Layer):
    """Images or series from vectors: a dense layer, then transposed convolutions that each double height and width, or time.

    As the network of an image's node it gives the parameters of each pixel directly. Its `example_shape` is then
    [H, W, C times the parameters per element]; likewise of a series.

    Args:
        example_shape: of the output, (height, width, channels) or (times, channels).
        filters: channels of the feature maps, smallest map first.
        activation: the activation of every layer but the last.

    Call arguments:
        inputs: vectors [B, D].

    Returns:
        [B, *example_shape], in the compute dtype.

    Raises:
        ValueError: no filters, or a number below 1; a shape of other than two or three numbers.
    """

    def __init__(
        self, example_shape: Sequence[int], filters: Sequence[int] = (64, 32), activation: Activation = "relu", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.example_shape, self.filters = tuple(example_shape), _checked(filters)
        if len(self.example_shape) + 1 not in _OF_RANK:
            raise ValueError(
                "example_shape must be (height, width, channels) or (times, channels). "
                f"Received: example_shape={example_shape}"
            )
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        *lengths, channels = self.example_shape
        transposed = _OF_RANK[len(self.example_shape) + 1].transposed
        factor = 2 ** len(self.filters)
        small = (*(-(-length // factor) for length in lengths), self.filters[0])
        inner = {"activation": self.activation, "dtype": self.dtype_policy}
        stack = [
            keras.layers.Dense(math.prod(small), **inner),
            keras.layers.Reshape(small, dtype=self.dtype_policy),
        ]
        for maps in self.filters[1:]:
            stack.append(transposed(maps, 4, strides=2, padding="same", **inner))
        stack.append(transposed(channels, 4, strides=2, padding="same", dtype=self.dtype_policy))
        self.stack = stack
        _build_in_turn(self.stack, input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        made = _call_in_turn(self.stack, inputs, False)
        return made[(slice(None), *(slice(length) for length in self.example_shape[:-1]))]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self.example_shape)

    def get_config(self) -> dict[str, Any]:
        own = {"example_shape": self.example_shape, "filters": self.filters}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LocalContrast(keras.layers.Layer):
    """Removes the lighting of images: the log of each pixel, minus the mean over its neighbours, over their deviation.

        v = log(x + 0.02),    d = v - mean(v),    out = d / sqrt(mean(d^2) + 0.01),    means over `size` x `size` pixels

    For a network that should recognise an object under any light: shadows keep as much contrast as lit parts.

    Args:
        size: side of the neighbourhood, in pixels.

    Call arguments:
        inputs: images [B, H, W, C] in [0, 1].

    Returns:
        Images of the same shape.
    """

    def __init__(self, size: int = 9, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # In float32: bfloat16 cannot tell dark pixels apart.
        log = tf.math.log(tf.maximum(tf.cast(inputs, tf.float32), 0.0) + 0.02)
        difference = log - tf.nn.avg_pool2d(log, self.size, 1, "SAME")
        variance = tf.nn.avg_pool2d(difference**2, self.size, 1, "SAME")
        return tf.cast(difference / tf.sqrt(variance + 0.01), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


def _checked(filters: Sequence[int]) -> tuple[int, ...]:
    if not filters or min(filters) < 1:
        raise ValueError(f"filters must hold at least one positive number. Received: filters={filters!r}")
    return tuple(filters)


def _build_in_turn(stack: Sequence[keras.layers.Layer], shape: Shape) -> None:
    for layer in stack:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)


def _call_in_turn(stack: Sequence[keras.layers.Layer], values: tf.Tensor, training: bool) -> tf.Tensor:
    for layer in stack:
        values = layer(values, training=training) if isinstance(layer, keras.layers.Dropout) else layer(values)
    return values
