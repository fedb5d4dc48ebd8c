"""Affine transformations and bends of images, and a layer of random ones."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.layers.random_state import RandomView

# The bends of an image follow from a grid of so many points on a side.
_BENDS = 6


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
    height, width = images.shape[1:3]
    output_size = output_size or (height, width)
    return resample(images, _affine_points((height, width), matrices, offsets, output_size), output_size)


def _affine_points(
    size: tuple[int, int], matrices: tf.Tensor, offsets: tf.Tensor, output_size: tuple[int, int]
) -> tf.Tensor:
    """Where the pixels of the output come from, [B, 2, H' W']."""
    centre, output_centre = (tf.constant([(h - 1) / 2, (w - 1) / 2], matrices.dtype) for h, w in (size, output_size))
    rows, columns = tf.meshgrid(*(tf.range(length) for length in output_size), indexing="ij")
    grid = tf.cast(tf.stack([tf.reshape(rows, [-1]), tf.reshape(columns, [-1])]), matrices.dtype) - output_centre[:, None]
    return tf.matmul(matrices, grid) + (centre + offsets)[..., None]


def resample(images: tf.Tensor, points: tf.Tensor, output_size: tuple[int, int]) -> tf.Tensor:
    """The values of images at points between their pixels: bilinear, zero outside. A NaN point counts as outside.

    Args:
        images: [B, H, W, C].
        points: (row, column) in pixels for every pixel of the output, [B, 2, H' W'].
        output_size: (H', W').

    Returns:
        [B, H', W', C], in the dtype of the images.
    """
    height, width, channels = images.shape[1:]
    size = tf.shape(images)[0]
    # A frame of zeros: every point outside lands on it.
    limits = tf.constant([[height], [width]], points.dtype)
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
    """Shifts, rotates, scales, shears and bends images at random in training; leaves them unchanged in inference.

    In front of a classifier it is an augmentation that needs no labels. q(y|T(x)), with a T drawn at every step, is a
    recognition model like any other, so the bounds stay bounds; the model still generates x itself. A model with this layer
    depends on the positions of pixels: it is not invariant to their permutation.

    Args:
        shift: largest shift along each axis, in pixels.
        rotation: largest angle, in degrees.
        scaling: largest |log| of the scale along each axis.
        shear: largest shear.
        bending: standard deviation of the shifts of 6x6 points, in pixels; between them the shift is smooth (cubic
            B-splines). An elastic distortion in the manner of Simard et al. 2003.
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
        bending: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.shift, self.rotation, self.scaling, self.shear, self.bending = shift, rotation, scaling, shear, bending
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        size, space = [tf.shape(inputs)[0]], inputs.shape[1:3]
        seed = self.next_seed()
        largest = (self.rotation * math.pi / 180, self.scaling, self.scaling, self.shear, self.shift, self.shift)
        draws = tf.random.stateless_uniform([*size, 6], seed, -1.0, 1.0) * tf.constant(largest)
        angle, log_height, log_width, shear, down, right = tf.unstack(draws, axis=1)
        cos, sin, height, width = tf.cos(angle), tf.sin(angle), tf.exp(log_height), tf.exp(log_width)
        matrices = [cos * height, (shear * cos - sin) * width, sin * height, (shear * sin + cos) * width]
        matrices = tf.reshape(tf.stack(matrices, axis=1), [-1, 2, 2])
        points = _affine_points(space, matrices, tf.stack([down, right], axis=1), space)
        if self.bending:
            seed = tf.random.experimental.stateless_fold_in(seed, 1)
            shifts = self.bending * tf.random.stateless_normal([*size, 2, _BENDS, _BENDS], seed)
            smooth = tf.einsum("hi,bcij,wj->bchw", _splines(space[0]), shifts, _splines(space[1]))
            points += tf.reshape(smooth, [-1, 2, space[0] * space[1]])
        return resample(inputs, points, space)

    def get_config(self) -> dict[str, Any]:
        own = {"shift": self.shift, "rotation": self.rotation, "scaling": self.scaling, "shear": self.shear}
        return {**super().get_config(), **own, "bending": self.bending, "seed": self.seed}


def _splines(length: int) -> tf.Tensor:
    """Uniform cubic B-splines around `_BENDS` points at the pixels of a side, [length, points]; each row sums to 1."""
    places = np.linspace(1, _BENDS - 2, length)[:, None]
    distance = np.abs(places - np.arange(_BENDS))
    near, far = (4 - 6 * distance**2 + 3 * distance**3) / 6, np.maximum(2 - distance, 0) ** 3 / 6
    return tf.constant(np.where(distance < 1, near, far), tf.float32)
