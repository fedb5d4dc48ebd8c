"""Affine transformations of images, and random ones as a layer."""

import math

import keras
import tensorflow as tf

from ssdgm_tf.layers.random_state import SavedRandomState


def affine_transform(
    images: tf.Tensor, matrices: tf.Tensor, offsets: tf.Tensor, output_size: tuple[int, int] | None = None
) -> tf.Tensor:
    """Images resampled on a grid that is moved about their centre, bilinear, zero outside.

        out(c' + v) = image(c + matrix v + offset),    c, c' the centres, v = (row, column) off it, in pixels

    The convention of `scipy.ndimage.affine_transform`: the matrix leads from the output to the input. A point that is no
    number is outside. Runs under XLA and has gradients to all three.

    Args:
        images: [B, H, W, C].
        matrices: [B, 2, 2], rows before columns. Where images are sampled is computed in their dtype: float32 at least, half
            precision has 8 or 11 bits for a place.
        offsets: [B, 2], in pixels, of the dtype of the matrices.
        output_size: (H', W') of the output; None for that of the images.

    Returns:
        [B, H', W', C], of the dtype of the images.
    """
    height, width, channels = images.shape[1:]
    output_size = output_size or (height, width)
    size = tf.shape(images)[0]
    centre, output_centre = (
        tf.constant([(h - 1) / 2, (w - 1) / 2], matrices.dtype) for h, w in ((height, width), output_size)
    )
    rows, columns = tf.meshgrid(*(tf.range(length) for length in output_size), indexing="ij")
    grid = tf.cast(tf.stack([tf.reshape(rows, [-1]), tf.reshape(columns, [-1])]), matrices.dtype) - output_centre[:, None]
    points = tf.matmul(matrices, grid) + (centre + offsets)[..., None]
    # A frame of zeros: every point outside lands on it.
    limits = tf.constant([[height], [width]], matrices.dtype)
    points = tf.clip_by_value(tf.where(tf.math.is_nan(points), tf.cast(-1, points.dtype), points), -1.0, limits)
    flat = tf.reshape(tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]), [size, (height + 2) * (width + 2), channels])
    low = tf.floor(points)
    fraction = tf.cast(points - low, images.dtype)
    first = tf.cast(low, tf.int32) + 1
    second = tf.minimum(first + 1, [[height + 1], [width + 1]])

    def corner(row, column):
        return tf.gather(flat, row * (width + 2) + column, batch_dims=1)

    down, right = fraction[:, 0, :, None], fraction[:, 1, :, None]
    above = (1 - right) * corner(first[:, 0], first[:, 1]) + right * corner(first[:, 0], second[:, 1])
    below = (1 - right) * corner(second[:, 0], first[:, 1]) + right * corner(second[:, 0], second[:, 1])
    return tf.reshape((1 - down) * above + down * below, [size, *output_size, channels])


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandomAffine(SavedRandomState, keras.layers.Layer):
    """Images moved, turned, scaled and sheared at random in training; as they are in inference.

    In front of a classifier it is a label-free augmentation: q(y|T(x)) with a T drawn at every step is a recognition model
    like any other, so that the bounds stay bounds, while what is generated is x itself. A model with it knows that pixels
    have places: it is no longer invariant to their permutation.

    Args:
        shift: largest shift along each axis, in pixels.
        rotation: largest angle, in degrees.
        scaling: largest |log| of the scale along each axis.
        shear: largest shear.
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: images [B, H, W, C].
        training: transform them?

    Returns:
        Images of the same shape.
    """

    def __init__(
        self,
        shift: float = 2.0,
        rotation: float = 15.0,
        scaling: float = 0.15,
        shear: float = 0.15,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shift, self.rotation, self.scaling, self.shear = shift, rotation, scaling, shear
        self._make_random_state(seed)

    def call(self, inputs, training=False):
        if not training:
            return inputs
        size = [tf.shape(inputs)[0]]
        largest = (self.rotation * math.pi / 180, self.scaling, self.scaling, self.shear, self.shift, self.shift)
        draws = tf.random.stateless_uniform([*size, 6], self.next_seed(), -1.0, 1.0) * tf.constant(largest)
        angle, log_height, log_width, shear, down, right = tf.unstack(draws, axis=1)
        cos, sin, height, width = tf.cos(angle), tf.sin(angle), tf.exp(log_height), tf.exp(log_width)
        matrices = [cos * height, (shear * cos - sin) * width, sin * height, (shear * sin + cos) * width]
        return affine_transform(inputs, tf.reshape(tf.stack(matrices, axis=1), [-1, 2, 2]), tf.stack([down, right], axis=1))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"shift": self.shift, "rotation": self.rotation, "scaling": self.scaling, "shear": self.shear}
        return {**super().get_config(), **own, "seed": self.seed}
