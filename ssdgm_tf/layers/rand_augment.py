"""RandAugment: changes of photographs, drawn from a list."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf.layers.affine import affine_transform
from ssdgm_tf.layers.random_state import RandomView

# How far images are moved at most: degrees, a shear, and a share of a side.
_ROTATION, _SHEAR, _SHIFT = 30.0, 0.3, 0.3
# The factors of blends in FixMatch: every image loses colour, contrast, brightness or sharpness.
_LEAST_FACTOR, _LARGEST_FACTOR = 0.05, 0.95
_LEVELS = 256

# An operation takes images [B, H, W, C] and magnitudes [B, 1, 1, 1], uniform in [0, 1).
_Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandAugment(RandomView):
    """Changes images at random in training, by operations drawn from a list (Cubuk et al. 2020); leaves others unchanged.

    Each image has operations of its own, one after the other, each with a magnitude drawn uniformly, as in FixMatch (Sohn et
    al. 2020, table 12): autocontrast, brightness, colour, contrast, equalize, identity, posterize, rotate, sharpness,
    shear along rows or columns, solarize, shift along rows or columns. Two differ from the papers': grey is the mean of the
    channels, and equalize follows the distribution function of a channel exactly. Every operation is computed for the whole
    batch, so the layer runs under XLA. Follow it by `Cutout` for FixMatch's strong view. Half precision does not hold 256
    levels: give both `dtype="float32"` in a model of mixed precision.

    Args:
        num_operations: how many operations each image has.
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: images [B, H, W, C] in [0, 1].
        training: whether to change them.

    Returns:
        Images of the same shape in [0, 1].

    Raises:
        ValueError: no operation.
    """

    def __init__(self, num_operations: int = 2, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_operations < 1:
            raise ValueError(f"num_operations must be at least 1. Received: num_operations={num_operations!r}")
        self.num_operations = num_operations
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        size, images = [tf.shape(inputs)[0]], inputs
        for seed in tf.unstack(tf.random.experimental.stateless_split(self.next_seed(), self.num_operations)):
            of_operation, of_magnitude = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
            operation = tf.random.stateless_uniform(size, of_operation, 0, NUM_OPERATIONS, tf.int32)
            images = apply(images, operation, tf.random.stateless_uniform(size, of_magnitude))
        return images

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_operations": self.num_operations, "seed": self.seed}


def apply(images: tf.Tensor, operation: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Each image after its own operation.

    Args:
        images: [B, H, W, C] in [0, 1].
        operation: integers [B] below `NUM_OPERATIONS`: an index of `OF_PLACES`, or that of `OF_VALUES` after these.
        magnitude: [B] in [0, 1].

    Returns:
        [B, H, W, C] in [0, 1].
    """
    result = _moved(images, operation, magnitude)
    magnitude = tf.cast(magnitude, images.dtype)[:, None, None, None]
    for index, change in enumerate(OF_VALUES.values(), len(OF_PLACES)):
        result = tf.where((operation == index)[:, None, None, None], change(images, magnitude), result)
    return tf.clip_by_value(result, 0.0, 1.0)


#: The operations that move an image, or leave it as it is.
OF_PLACES = ("identity", "rotate", "shear_rows", "shear_columns", "shift_rows", "shift_columns")


def _moved(images: tf.Tensor, operation: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """The images after their operation, where it is one of `OF_PLACES`; as they are where it is not."""
    height, width = images.shape[1:3]
    signed = 2 * magnitude - 1

    def amount(name: str, largest: float) -> tf.Tensor:
        return tf.where(operation == OF_PLACES.index(name), signed * largest, tf.zeros_like(signed))

    angle = amount("rotate", math.radians(_ROTATION))
    cos, sin = tf.cos(angle), tf.sin(angle)
    matrices = [cos, amount("shear_rows", _SHEAR) - sin, sin + amount("shear_columns", _SHEAR), cos]
    offsets = [amount("shift_rows", _SHIFT * height), amount("shift_columns", _SHIFT * width)]
    return affine_transform(images, tf.reshape(tf.stack(matrices, axis=1), [-1, 2, 2]), tf.stack(offsets, axis=1))


def _blend(base: Callable[[tf.Tensor], tf.Tensor]) -> _Operation:
    """Images between what `base` makes of them and themselves."""

    def blended(images: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
        other = base(images)
        return other + (_LEAST_FACTOR + (_LARGEST_FACTOR - _LEAST_FACTOR) * magnitude) * (images - other)

    return blended


def _grey(images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(images, axis=-1, keepdims=True)


def _smoothed(images: tf.Tensor) -> tf.Tensor:
    """The weighted mean of 3x3 pixels, the middle one five times; at the border of the image the image itself."""
    height, width = images.shape[1:3]
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    total = 4 * images + tf.add_n(
        [padded[:, down : down + height, right : right + width] for down in range(3) for right in range(3)]
    )
    rows, columns = tf.range(height), tf.range(width)
    is_inside = ((rows > 0) & (rows < height - 1))[:, None] & ((columns > 0) & (columns < width - 1))
    return tf.where(is_inside[None, :, :, None], total / 13, images)


def _autocontrast(images: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Each channel from 0 to 1; a constant one as it is."""
    low, high = (reduce(images, axis=[1, 2], keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    return tf.where(high > low, tf.math.divide_no_nan(images - low, high - low), images)


def _equalized(images: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Each channel after its distribution function, from 0 for its darkest level to 1; a constant one as it is."""
    shape, pixels = tf.shape(images), images.shape[1] * images.shape[2]
    flat = tf.reshape(tf.transpose(images, [0, 3, 1, 2]), [-1, pixels])  # a row for each channel of each image
    levels = tf.cast(tf.round(tf.cast(flat, tf.float32) * (_LEVELS - 1)), tf.int32)
    rows = tf.range(tf.shape(flat)[0])[:, None]
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(levels), rows * _LEVELS + tf.clip_by_value(levels, 0, _LEVELS - 1), tf.shape(flat)[0] * _LEVELS
    )
    up_to = tf.cumsum(tf.reshape(counts, [-1, _LEVELS]), axis=1)
    at = tf.gather(up_to, tf.clip_by_value(levels, 0, _LEVELS - 1), batch_dims=1)
    darkest = tf.reduce_min(at, axis=1, keepdims=True)
    above_darkest, others = (tf.cast(number, tf.float32) for number in (at - darkest, tf.maximum(pixels - darkest, 1)))
    equal = tf.cast(above_darkest / others, images.dtype)
    equal = tf.where(darkest < pixels, equal, flat)
    back = tf.reshape(equal, [shape[0], shape[3], shape[1], shape[2]])
    return tf.transpose(back, [0, 2, 3, 1])


def _posterized(images: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Of the 8 bits of each pixel the highest 4 to 8."""
    dropped = tf.minimum(tf.floor(5 * magnitude), 4)
    step = 2**dropped
    return tf.floor(tf.round(images * (_LEVELS - 1)) / step) * step / (_LEVELS - 1)


def _solarized(images: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Pixels that are as bright as the magnitude or brighter, inverted."""
    return tf.where(images < magnitude, images, 1 - images)


#: The operations that change the values of pixels where they are.
OF_VALUES: dict[str, _Operation] = {
    "autocontrast": _autocontrast,
    "brightness": _blend(tf.zeros_like),
    "colour": _blend(_grey),
    "contrast": _blend(lambda images: tf.reduce_mean(_grey(images), axis=[1, 2], keepdims=True)),
    "equalize": _equalized,
    "posterize": _posterized,
    "sharpness": _blend(_smoothed),
    "solarize": _solarized,
}
NUM_OPERATIONS = len(OF_PLACES) + len(OF_VALUES)
