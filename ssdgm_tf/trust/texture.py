"""What an image looks like up close: histograms of its values and of the differences of neighbouring pixels.

Images of another source, such as another scanner or pen, differ here even where they show something similar.
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# Where bins begin and end, as shares of the range of values.
_VALUES = np.linspace(0, 1, 17)[1:-1]
_DIFFERENCES = np.array([0.004, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9])
_CURVATURES = np.array([0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0])
# Quantiles of the values that are their range.
_ENDS = (0.001, 0.999)


class Texture(NamedTuple):
    """The statistics of texture of images whose values have a known range.

    Attributes:
        shape: of an image, [H, W, C].
        low: where the range begins, a scalar.
        high: where it ends.
    """

    shape: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, shape: tuple[int, ...]) -> "Texture":
        """That of images like these.

        Args:
            images: [N, H * W * C].
            shape: [H, W, C], H and W at least 3.
        """
        low, high = np.quantile(images, _ENDS)
        return cls(np.array(shape), np.array(low), np.array(max(high, low + 1e-6)))

    def statistics(self, x: tf.Tensor) -> tf.Tensor:
        """The roots of the shares of pixels in bins of values, of differences of neighbours and of curvature, [N, 53].

        With roots, distances are those of Hellinger.

        Args:
            x: float32 [N, D]; the first H * W * C numbers are the image.
        """
        low, high = (tf.cast(end, tf.float32) for end in (self.low, self.high))
        shape = [int(size) for size in self.shape]
        v = (tf.reshape(x[:, : math.prod(shape)], [-1, *shape]) - low) / (high - low)
        curvature = 4 * v[:, 1:-1, 1:-1] - v[:, 2:, 1:-1] - v[:, :-2, 1:-1] - v[:, 1:-1, 2:] - v[:, 1:-1, :-2]
        histograms = (
            _histogram(v, _VALUES),
            _histogram(tf.abs(v[:, 1:] - v[:, :-1]), _DIFFERENCES),
            _histogram(tf.abs(v[:, :, 1:] - v[:, :, :-1]), _DIFFERENCES),
            _histogram(tf.abs(curvature), _CURVATURES),
        )
        return tf.sqrt(tf.concat(histograms, axis=1))


def _histogram(values: tf.Tensor, edges: np.ndarray) -> tf.Tensor:
    """The shares of values [N, ...] in the bins between edges, the first and the last without end, [N, edges + 1]."""
    axes = list(range(1, values.shape.rank))
    below = [tf.reduce_mean(tf.cast(values < edge, tf.float32), axis=axes) for edge in edges.tolist()]
    shares = tf.stack([tf.zeros_like(below[0]), *below, tf.ones_like(below[0])], axis=1)
    return tf.maximum(shares[:, 1:] - shares[:, :-1], 0.0)
