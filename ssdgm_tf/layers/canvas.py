"""Images on a canvas: put in a place, looked at there, laid over each other (spatial transformers, Jaderberg et al. 2015).

A place is (log scale, row, column): the scale of the image on the canvas, and where its centre is, from -1 to 1 over the
canvas, 0 in the middle. `ssdgm_tf.data.make_canvases` says places in the same numbers.
"""

import keras
import tensorflow as tf

from ssdgm_tf.layers.affine import affine_transform
from ssdgm_tf.layers.serialization import from_parts

# Of places; a canvas goes from -1 to 1.
_LARGEST_LOG_SCALE, _FARTHEST = 6.0, 1e4


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class PlaceImage(keras.layers.Layer):
    """An image in its place on an empty square canvas, bilinear; gradients to both.

        canvas(v) = image((v - centre) / scale),    v, image coordinates off the middle, in pixels

    Args:
        canvas_size: S, in pixels.

    Call arguments:
        inputs: [images [B, H, W, C], places [B, 3]].

    Returns:
        Canvases [B, S, S, C].
    """

    takes_parents_apart = True

    def __init__(self, canvas_size: int, **kwargs):
        super().__init__(**kwargs)
        self.canvas_size = canvas_size

    def call(self, inputs):
        images, places = inputs
        scale, centre = _scale_and_centre(places, self.canvas_size)
        # Where an image is sampled is float32 always: bfloat16 has places of pixels for 8 bits alone.
        placed = affine_transform(
            tf.cast(images, tf.float32), _diagonal(1 / scale), -centre / scale, (self.canvas_size, self.canvas_size)
        )
        return tf.cast(placed, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        images = input_shape[0]
        return (images[0], self.canvas_size, self.canvas_size, images[-1])

    def get_config(self):
        return {**super().get_config(), "canvas_size": self.canvas_size}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Glimpse(keras.layers.Layer):
    """What a square canvas shows in a place, at the size of an image: the inverse of `PlaceImage`.

        image(v) = canvas(scale v + centre)

    Args:
        image_size: (H, W), in pixels.

    Call arguments:
        inputs: [canvases [B, S, S, C], places [B, 3]].

    Returns:
        Images [B, H, W, C].
    """

    takes_parents_apart = True

    def __init__(self, image_size: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.image_size = tuple(image_size)

    def call(self, inputs):
        canvases, places = inputs
        scale, centre = _scale_and_centre(places, canvases.shape[1])
        seen = affine_transform(tf.cast(canvases, tf.float32), _diagonal(scale), centre, self.image_size)
        return tf.cast(seen, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        canvases = input_shape[0]
        return (canvases[0], *self.image_size, canvases[-1])

    def get_config(self):
        return {**super().get_config(), "image_size": self.image_size}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Overlay(keras.layers.Layer):
    """The first `count` of K canvases laid over each other: their sum, cut off at 1.

    Call arguments:
        inputs: [counts, one-hot [B, K + 1]; K canvases [B, S, S, C]].

    Returns:
        Canvases [B, S, S, C].
    """

    takes_parents_apart = True

    def call(self, inputs):
        count, *canvases = inputs
        # at_least[:, k]: is there a canvas k + 1?
        at_least = tf.cumsum(count, axis=1, reverse=True)[:, 1:]
        layered = [
            tf.cast(at_least[:, k, None, None, None], self.compute_dtype) * tf.cast(canvas, self.compute_dtype)
            for k, canvas in enumerate(canvases)
        ]
        return tf.minimum(tf.add_n(layered), 1)

    def compute_output_shape(self, input_shape):
        return input_shape[1]


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Unexplained(keras.layers.Layer):
    """Features of a canvas and of what is explained of it so far, as a second set of channels.

    Args:
        network: of canvases [B, S, S, 2 C], such as `ConvEncoder`. Held by several nodes it is one network: what a recurrent
            one does at each of its steps.

    Call arguments:
        inputs: [canvases [B, S, S, C]; any number of canvases that explain a part of them, of the same shape].
        training: as of the network.

    Returns:
        What the network returns.
    """

    takes_parents_apart = True

    def __init__(self, network: keras.layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def build(self, input_shape):
        *space, channels = input_shape[0]
        if not self.network.built:
            self.network.build((*space, 2 * channels))

    def call(self, inputs, training=False):
        canvas, *explained = [tf.cast(value, self.compute_dtype) for value in inputs]
        so_far = tf.add_n(explained) if explained else tf.zeros_like(canvas)
        return self.network(tf.concat([canvas, so_far], axis=-1), training=training)

    def compute_output_shape(self, input_shape):
        *space, channels = input_shape[0]
        return self.network.compute_output_shape((*space, 2 * channels))

    def get_config(self):
        return {**super().get_config(), "network": self.network}

    @classmethod
    def from_config(cls, config):
        return cls(**from_parts(config, ("network",)))


def _scale_and_centre(places, canvas_size):
    """Scales [B, 1], and centres [B, 2] in pixels off the middle."""
    places = tf.cast(places, tf.float32)
    # Beyond, an image is one point or all of the canvas is; without limits a place that nothing holds overflows.
    scale = tf.exp(tf.clip_by_value(places[:, :1], -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE))
    return scale, tf.clip_by_value(places[:, 1:], -_FARTHEST, _FARTHEST) * (canvas_size / 2)


def _diagonal(scale):
    return scale[..., None] * tf.eye(2)
