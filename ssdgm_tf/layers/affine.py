"""Affine transformations of images, and a layer of random ones."""

import math
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf.layers.random_state import RandomView


def affine_transform(
    images: tf.Tensor, matrices: tf.Tensor, offsets: tf.Tensor, output_size: tuple[int, int] | None = None
) -> tf.Tensor:
    """Resamples images on a grid transformed about their centre: bilinear, zero outside.

        out(c' + v) = image(c + matrix v + offset),    c and c' the two centres, v = (row, column) from c', in pixels

    The convention of `scipy.ndimage.affine_transform`: the matrix maps the output to the input. A NaN point counts as
    outside. Runs under XLA; differentiable in images, matrices and offsets.

    Args:
        images: [B, H, W, C].
        matrices: [B, 2, 2], rows before columns. Sampling points are computed in their dtype: use at least float32, because
            half precision resolves a point to 8 or 11 bits.
        offsets: [B, 2], in pixels, in the dtype of the matrices.
        output_size: (H', W') of the output; None for the size of the images.

    Returns:
        [B, H', W', C], in the dtype of the images.
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

    def corner(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        return tf.gather(flat, row * (width + 2) + column, batch_dims=1)

    down, right = fraction[:, 0, :, None], fraction[:, 1, :, None]
    above = (1 - right) * corner(first[:, 0], first[:, 1]) + right * corner(first[:, 0], second[:, 1])
    below = (1 - right) * corner(second[:, 0], first[:, 1]) + right * corner(second[:, 0], second[:, 1])
    return tf.reshape((1 - down) * above + down * below, [size, *output_size, channels])


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandomAffine(RandomView):
    """Shifts, rotates, scales and shears images at random in training; leaves them unchanged in inference.

    In front of a classifier it is an augmentation that needs no labels. q(y|T(x)), with a T drawn at every step, is a
    recognition model like any other, so the bounds stay bounds; the model still generates x itself. A model with this layer
    depends on the positions of pixels: it is not invariant to their permutation.

    Args:
        shift: largest shift along each axis, in pixels.
        rotation: largest angle, in degrees.
        scaling: largest |log| of the scale along each axis.
        shear: largest shear.
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: images [B, H, W, C].
        training: whether to transform them.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.shift, self.rotation, self.scaling, self.shear = shift, rotation, scaling, shear
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        size = [tf.shape(inputs)[0]]
        largest = (self.rotation * math.pi / 180, self.scaling, self.scaling, self.shear, self.shift, self.shift)
        draws = tf.random.stateless_uniform([*size, 6], self.next_seed(), -1.0, 1.0) * tf.constant(largest)
        angle, log_height, log_width, shear, down, right = tf.unstack(draws, axis=1)
        cos, sin, height, width = tf.cos(angle), tf.sin(angle), tf.exp(log_height), tf.exp(log_width)
        matrices = [cos * height, (shear * cos - sin) * width, sin * height, (shear * sin + cos) * width]
        return affine_transform(inputs, tf.reshape(tf.stack(matrices, axis=1), [-1, 2, 2]), tf.stack([down, right], axis=1))

    def get_config(self) -> dict[str, Any]:
        own = {"shift": self.shift, "rotation": self.rotation, "scaling": self.scaling, "shear": self.shear}
        return {**super().get_config(), **own, "seed": self.seed}
