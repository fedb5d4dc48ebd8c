"""Images on a canvas: placed, cropped at a place, and overlaid (spatial transformers, Jaderberg et al. 2015).

A place is (log scale, row, column): the scale of the image on the canvas, and the position of its centre, from -1 to 1
across the canvas with 0 in the middle. `ssdgm_tf.data.make_canvases` gives places in the same form.
"""

from collections.abc import Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from ssdgm_tf.layers.affine import affine_transform
from ssdgm_tf.layers.serialization import from_parts
from ssdgm_tf.layers.types import Shape

# Limits on places; a canvas extends from -1 to 1.
_LARGEST_LOG_SCALE, _FARTHEST = 6.0, 1e4


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class PlaceImage(keras.layers.Layer):
    """Puts an image in its place on an empty square canvas: bilinear, differentiable in both.

        canvas(v) = image((v - centre) / scale),    v and the image's coordinates from the middle, in pixels

    Args:
        canvas_size: S, in pixels.

    Call arguments:
        inputs: [images [B, H, W, C], places [B, 3]].

    Returns:
        Canvases [B, S, S, C].
    """

    takes_parents_apart = True

    def __init__(self, canvas_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.canvas_size = canvas_size

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        images, places = inputs
        scale, centre = _scale_and_centre(places, self.canvas_size)
        # Sampling points are always float32: bfloat16 would resolve them to only 8 bits.
        placed = affine_transform(
            tf.cast(images, tf.float32), _diagonal(1 / scale), -centre / scale, (self.canvas_size, self.canvas_size)
        )
        return tf.cast(placed, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        images = input_shape[0]
        return (images[0], self.canvas_size, self.canvas_size, images[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "canvas_size": self.canvas_size}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Glimpse(keras.layers.Layer):
    """The part of a square canvas in a place, at the size of an image: the inverse of `PlaceImage`.

        image(v) = canvas(scale v + centre)

    Args:
        image_size: (H, W), in pixels.

    Call arguments:
        inputs: [canvases [B, S, S, C], places [B, 3]].

    Returns:
        Images [B, H, W, C].
    """

    takes_parents_apart = True

    def __init__(self, image_size: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        height, width = image_size
        self.image_size = (height, width)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        canvases, places = inputs
        scale, centre = _scale_and_centre(places, canvases.shape[1])
        seen = affine_transform(tf.cast(canvases, tf.float32), _diagonal(scale), centre, self.image_size)
        return tf.cast(seen, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        canvases = input_shape[0]
        return (canvases[0], *self.image_size, canvases[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "image_size": self.image_size}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Overlay(keras.layers.Layer):
    """The first `count` of K canvases, overlaid: their sum, clipped at 1.

    Call arguments:
        inputs: [counts, one-hot [B, K + 1]; K canvases [B, S, S, C]].

    Returns:
        Canvases [B, S, S, C].
    """

    takes_parents_apart = True

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        count, *canvases = inputs
        # at_least[:, k]: whether there is a canvas k + 1.
        at_least = tf.cumsum(count, axis=1, reverse=True)[:, 1:]
        layered = [
            tf.cast(at_least[:, k, None, None, None], self.compute_dtype) * tf.cast(canvas, self.compute_dtype)
            for k, canvas in enumerate(canvases)
        ]
        return tf.minimum(tf.add_n(layered), 1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return input_shape[1]


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Unexplained(keras.layers.Layer):
    """Features of a canvas and of the part of it explained so far, which is a second set of channels.

    Args:
        network: a network over canvases [B, S, S, 2 C], such as `ConvEncoder`. Several nodes may share it, as the steps of a
            recurrent network share theirs.

    Call arguments:
        inputs: [canvases [B, S, S, C]; any number of canvases of the same shape, each of which explains a part].
        training: passed to the network.

    Returns:
        The output of the network.
    """

    takes_parents_apart = True

    def __init__(self, network: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network

    def build(self, input_shape: Sequence[Shape]) -> None:
        if not self.network.built:
            self.network.build(_with_twice_the_channels(input_shape[0]))

    def call(self, inputs: Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        canvas, *explained = [tf.cast(value, self.compute_dtype) for value in inputs]
        so_far = tf.add_n(explained) if explained else tf.zeros_like(canvas)
        return self.network(tf.concat([canvas, so_far], axis=-1), training=training)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return self.network.compute_output_shape(_with_twice_the_channels(input_shape[0]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "network": self.network}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**from_parts(config, ("network",)))


def _with_twice_the_channels(shape: Shape) -> Shape:
    *space, channels = shape
    return (*space, None if channels is None else 2 * channels)


def _scale_and_centre(places: tf.Tensor, canvas_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales [B, 1], and centres [B, 2] in pixels from the middle."""
    places = tf.cast(places, tf.float32)
    # Beyond the limits an image shrinks to a point or a point of it fills the canvas. An unlimited place may overflow.
    scale = tf.exp(tf.clip_by_value(places[:, :1], -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE))
    return scale, tf.clip_by_value(places[:, 1:], -_FARTHEST, _FARTHEST) * (canvas_size / 2)


def _diagonal(scale: tf.Tensor) -> tf.Tensor:
    """Scales [B, 1] as matrices [B, 2, 2]."""
    return scale[..., None] * tf.eye(2)
