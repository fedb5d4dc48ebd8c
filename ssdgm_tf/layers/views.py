"""Random views of examples, for terms that want predictions not to depend on them; in inference they change nothing."""

from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf.layers.random_state import RandomView

# Of an image of one colour: the gradient of a standard deviation of 0 is not a number. Float16 holds it.
_SMALLEST_VARIANCE = 1e-6


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Cutout(RandomView):
    """Hides a square of each image at random in training (DeVries and Taylor 2017).

    The centre is drawn among all pixels, so the square may lie partly outside.

    Args:
        size: the side of the square, as a share of the shorter side of the image.
        value: the value of the hidden pixels.
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: images [B, H, W, C].
        training: whether to hide pixels.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: a size outside (0, 1].
    """

    def __init__(self, size: float = 0.35, value: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < size <= 1:
            raise ValueError(f"size must be a share in (0, 1]. Received: size={size!r}")
        self.size, self.value = size, value
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width = inputs.shape[1:3]
        half = max(1, round(self.size * min(height, width))) / 2
        centres = tf.random.stateless_uniform([tf.shape(inputs)[0], 2], self.next_seed())
        row, column = (tf.floor(centres[:, axis, None] * size) for axis, size in ((0, height), (1, width)))
        rows, columns = (tf.range(size, dtype=centres.dtype)[None] for size in (height, width))
        # Half-open, so that a square of an even side is as wide as it says.
        in_rows, in_columns = (
            (at - places <= half) & (places - at < half) for at, places in ((row, rows), (column, columns))
        )
        is_hidden = (in_rows[:, :, None] & in_columns[:, None, :])[..., None]
        return tf.where(is_hidden, tf.constant(self.value, inputs.dtype), inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "value": self.value, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandomFlip(RandomView):
    """Flips half of the images from left to right in training.

    For photographs; a flipped letter is another letter.

    Args:
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: images [B, H, W, C].
        training: whether to flip them.

    Returns:
        Images of the same shape.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        is_flipped = tf.random.stateless_uniform([tf.shape(inputs)[0], 1, 1, 1], self.next_seed()) < 0.5
        return tf.where(is_flipped, tf.reverse(inputs, [2]), inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandomSwap(RandomView):
    """Replaces elements at random in training by the same elements of other examples of the batch.

    One other example serves all replaced elements of an example. Every element keeps its distribution over the batch. So the
    layer serves vectors in any units, rows of tables, whose elements are numbers and categories, and series with gaps: a gap
    may come and go.

    Args:
        rate: the probability of an element to be replaced.
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: examples [B, ...].
        training: whether to replace elements.

    Returns:
        Examples of the same shape.

    Raises:
        ValueError: a rate outside [0, 1].
    """

    def __init__(self, rate: float = 0.3, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be a probability in [0, 1]. Received: rate={rate!r}")
        self.rate = rate
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        seeds = tf.random.experimental.stateless_split(self.next_seed(), 2)
        others = tf.gather(inputs, tf.argsort(tf.random.stateless_uniform(tf.shape(inputs)[:1], seeds[0])))
        is_swapped = tf.random.stateless_uniform(tf.shape(inputs), seeds[1]) < self.rate
        return tf.where(is_swapped, others, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandomColours(RandomView):
    """Changes brightness, contrast and saturation of images at random in training.

        x' = mean + contrast (grey + saturation (x - grey) - mean) + brightness std

    `grey` is the mean of a pixel's channels, `mean` and `std` are those of the image. An inverted image has a negative
    contrast: what was dark is light. Nothing is clipped, so the layer serves images in any units; those in [0, 1] may leave
    it.

    Args:
        brightness: the largest change, in standard deviations of the image.
        contrast: the largest |log| of the contrast.
        saturation: the largest |log| of the saturation.
        inversion: the probability of an image to be inverted.
        seed: integer seed of the layer's own random stream, whose state is saved with the model.

    Call arguments:
        inputs: images [B, H, W, C].
        training: whether to change them.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: a probability outside [0, 1].
    """

    def __init__(
        self,
        brightness: float = 0.5,
        contrast: float = 0.5,
        saturation: float = 0.7,
        inversion: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= inversion <= 1:
            raise ValueError(f"inversion must be a probability in [0, 1]. Received: inversion={inversion!r}")
        self.brightness, self.contrast, self.saturation, self.inversion = brightness, contrast, saturation, inversion
        self._make_random_state(seed)

    def changed(self, inputs: tf.Tensor) -> tf.Tensor:
        largest = tf.constant([self.brightness, self.contrast, self.saturation], tf.float32)
        draws = tf.random.stateless_uniform([tf.shape(inputs)[0], 4], self.next_seed(), -1.0, 1.0)
        sign = tf.where(draws[:, 3] < 2 * self.inversion - 1, -1.0, 1.0)
        brightness, contrast, saturation = tf.unstack(draws[:, :3] * largest, axis=1)
        factors = (brightness, sign * tf.exp(contrast), tf.exp(saturation))
        brightness, contrast, saturation = (tf.cast(factor, inputs.dtype)[:, None, None, None] for factor in factors)
        grey = tf.reduce_mean(inputs, axis=-1, keepdims=True)
        mean, variance = tf.nn.moments(inputs, [1, 2, 3], keepdims=True)
        std = tf.sqrt(tf.maximum(variance, tf.constant(_SMALLEST_VARIANCE, inputs.dtype)))
        return mean + contrast * (grey + saturation * (inputs - grey) - mean) + brightness * std

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("brightness", "contrast", "saturation", "inversion", "seed")}
        return {**super().get_config(), **own}
