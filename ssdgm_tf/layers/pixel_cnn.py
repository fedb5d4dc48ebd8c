"""Stochastic node of images whose pixels depend on the pixels before them."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers.discretized_logistic import DiscretizedLogisticNode, of_raw
from ssdgm_tf.layers.types import Shape

# Draws that stand for the mean of an image, and their seed.
_MEAN_DRAWS, _MEAN_SEED = 4, (0, 8)

# (pixels [N, H, W, C], raw parameters [N, H, W, 2 C]) -> the raw parameters of each pixel given those before it.
_Correction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class PixelCNNNode(DiscretizedLogisticNode):
    """A small PixelCNN: each pixel given the inputs, the rows above and the pixels to its left (van den Oord et al. 2016).

        log p(x | inputs) = sum_i log DiscretizedLogistic(x_i; r_i + c_i(x_<i, r)),    r = W inputs + b

    The parameters r are those of a `DiscretizedLogisticNode`, two for each number. Two stacks of convolutions add c. One
    sees the rows above, the other that stack and the pixels to the left, so no pixel within reach is left out; both see r.
    c is 0 in a new node. The channels of a pixel are independent given the pixels before. It is an exact likelihood, and any
    graph can have it as its decoder. A draw takes a pass of the network for each pixel.

    A PixelCNN needs no latent variable for the details of an image; what is left to y and z is what it looks like as a whole
    (Makhzani and Frey 2017, PixelGAN autoencoders).

    `mean` and `variance` have no closed form: they are those of four draws of fixed noise, for figures. Elements depend on
    each other, so none may be missing, and the node cannot be supervised.

    Args:
        event_shape: shape of an image (H, W, C); None inside a graphical model for the shape of the data.
        num_levels: number of levels, at least 2; 256 for 8-bit pixels divided by 255.
        filters: channels of both stacks.
        num_layers: convolutions of each stack after the first, 3 wide.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws, which carry no gradient.

    Raises:
        ValueError: an event that is no image, or a size below 1.
    """

    def __init__(
        self,
        event_shape: Sequence[int] | None,
        num_levels: int = 256,
        filters: int = 16,
        num_layers: int = 2,
        prior: None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, num_levels, prior, seed, **kwargs)
        for name, number in (("filters", filters), ("num_layers", num_layers)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1. Received: {name}={number!r}")
        self.filters, self.num_layers = filters, num_layers
        self._check_image()

    def _check_image(self) -> None:
        if self.event_shape is not None and len(self.event_shape) != 3:
            raise ValueError(f"A PixelCNN is of images (H, W, C). Received: event_shape={self.event_shape}")

    @property
    def has_independent_elements(self) -> bool:
        return False

    @property
    def is_reparameterized(self) -> bool:
        return False

    @property
    def has_moments(self) -> bool:
        return False

    def build_own_weights(self) -> None:
        if hasattr(self, "stacks"):
            return
        self._check_image()
        height, width, channels = self.known_event_shape
        self.stacks = _Stacks(self.filters, self.num_layers, 2 * channels, dtype=self.dtype_policy, name="stacks")
        self.stacks.build([(None, height, width, channels), (None, height, width, 2 * channels)])

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        raw = tf.concat(self._split(parameters, 2), axis=-1)
        return _PixelCNN(raw, self._corrected, self.num_levels)

    def _corrected(self, pixels: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
        return raw + tf.cast(self.stacks([pixels, raw]), raw.dtype)

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        return tf.reduce_mean(self._of_fixed_noise(distribution), axis=0)

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        return tf.math.reduce_variance(self._of_fixed_noise(distribution), axis=0)

    def _of_fixed_noise(self, distribution: tfd.Distribution) -> tf.Tensor:
        return distribution.sample(_MEAN_DRAWS, seed=tf.constant(_MEAN_SEED, tf.int32))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "num_layers": self.num_layers}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class _Stacks(keras.layers.Layer):
    """The two stacks of convolutions. They take pixels and raw parameters, and give what is added to the parameters.

    Args:
        filters: channels of both stacks.
        num_layers: convolutions of each stack after the first.
        num_outputs: numbers for each pixel.
    """

    def __init__(self, filters: int, num_layers: int, num_outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.num_layers, self.num_outputs = filters, num_layers, num_outputs

    def build(self, input_shape: Sequence[Shape]) -> None:
        (*_, channels), (*space, num_raw) = input_shape
        convolution = functools.partial(keras.layers.Conv2D, self.filters, dtype=self.dtype_policy)
        # The kernels of `above` end at their own row. The pixels come shifted by one, so features never see their own pixel.
        self.above = [convolution((2, 3), name=f"above_{i}") for i in range(self.num_layers + 1)]
        self.left = [convolution((1, 2), name=f"left_{i}") for i in range(self.num_layers + 1)]
        self.links = [convolution(1, name=f"link_{i}") for i in range(self.num_layers + 1)]
        self.of_raw = convolution(3, padding="same", name="of_raw")
        self.last = keras.layers.Conv2D(
            self.num_outputs, 1, kernel_initializer="zeros", dtype=self.dtype_policy, name="last"
        )
        for place, (above, left, link) in enumerate(zip(self.above, self.left, self.links, strict=True)):
            depth = self.filters if place else channels
            above.build((*space[:1], None, None, depth))
            left.build((*space[:1], None, None, depth))
            link.build((*space[:1], None, None, self.filters))
        self.of_raw.build((*space, num_raw))
        self.last.build((*space, self.filters))

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        pixels, raw = (tf.cast(part, self.compute_dtype) for part in inputs)
        of_raw = self.of_raw(raw)
        above = of_raw + self.above[0](_pad(_shift(2 * pixels - 1, down=1), rows=1, columns=(1, 1)))
        left = of_raw + self.left[0](_pad(_shift(2 * pixels - 1, right=1), rows=0, columns=(1, 0))) + self.links[0](above)
        for of_above, of_left, link in zip(self.above[1:], self.left[1:], self.links[1:], strict=True):
            above += of_above(_pad(tf.nn.relu(above), rows=1, columns=(1, 1)))
            left += of_left(_pad(tf.nn.relu(left), rows=0, columns=(1, 0))) + link(tf.nn.relu(above))
        return self.last(tf.nn.relu(left))

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "num_layers": self.num_layers, "num_outputs": self.num_outputs}
        return {**super().get_config(), **own}


def _shift(images: tf.Tensor, down: int = 0, right: int = 0) -> tf.Tensor:
    """Images moved, zero where nothing comes from: pixel (r, c) is that of (r - down, c - right)."""
    height, width = images.shape[1:3]
    return tf.pad(images, [[0, 0], [down, 0], [right, 0], [0, 0]])[:, :height, :width]


def _pad(images: tf.Tensor, rows: int, columns: tuple[int, int]) -> tf.Tensor:
    """Zeros above and beside, so that a convolution without padding keeps the size and sees nothing below."""
    return tf.pad(images, [[0, 0], [rows, 0], list(columns), [0, 0]])


class _PixelCNN(tfd.Distribution):
    """The distribution of images [H, W, C]; see the node.

    Args:
        raw: the raw parameters, [..., H, W, 2 C].
        corrected: what makes of them the raw parameters given the pixels before.
        num_levels: number of levels.
    """

    def __init__(self, raw: tf.Tensor, corrected: _Correction, num_levels: int, name: str = "PixelCNN") -> None:
        self.raw, self.corrected, self.num_levels = raw, corrected, num_levels
        super().__init__(
            dtype=raw.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=False,
            parameters={"raw": raw, "corrected": corrected, "num_levels": num_levels},
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        properties = tfp.util.ParameterProperties
        return {"raw": properties(event_ndims=3), "corrected": properties(event_ndims=None)} | {
            "num_levels": properties(event_ndims=None)
        }

    def _event_shape(self) -> tf.TensorShape:
        height, width, both = self.raw.shape[-3:]
        return tf.TensorShape([height, width, both // 2])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._event_shape().as_list(), tf.int32)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        lead = tf.broadcast_dynamic_shape(tf.shape(value)[:-3], tf.shape(self.raw)[:-3])
        static = tf.broadcast_static_shape(value.shape[:-3], self.raw.shape[:-3])
        pixels, raw = (_flat(part, lead) for part in (value, self.raw))
        per_number = self._given(pixels, raw).log_prob(pixels)
        return tf.ensure_shape(tf.reshape(tf.reduce_sum(per_number, axis=[1, 2, 3]), lead), static)

    def _given(self, pixels: tf.Tensor, raw: tf.Tensor) -> tfd.Distribution:
        """The distribution of each number given the pixels before it."""
        raw_loc, raw_scale = tf.split(self.corrected(pixels, raw), 2, axis=-1)
        return of_raw(raw_loc, raw_scale, self.num_levels)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Pixel by pixel; the others keep their values while the next one is drawn."""
        height, width, channels = self._event_shape()
        lead = tf.concat([[n], tf.shape(self.raw)[:-3]], axis=0)
        raw = _flat(self.raw, lead)
        seed = tfp.random.sanitize_seed(seed)
        place = tf.reshape(tf.range(height * width), [1, height, width, 1])

        def draw(index: tf.Tensor, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            own_seed = tf.random.experimental.stateless_fold_in(seed, index)
            drawn = self._given(pixels, raw).sample(seed=own_seed)
            return index + 1, tf.where(place == index, drawn, pixels)

        start = 0, tf.zeros_like(raw[..., :channels])
        _, pixels = tf.while_loop(lambda index, _: index < height * width, draw, start)
        made = tf.reshape(pixels, tf.concat([lead, [height, width, channels]], axis=0))
        return tf.stop_gradient(made)


def _flat(images: tf.Tensor, lead: tf.Tensor) -> tf.Tensor:
    """Images [..., H, W, C], broadcast to the leading axes, as [N, H, W, C]."""
    event = images.shape[-3:]
    return tf.reshape(tf.broadcast_to(images, tf.concat([lead, event], axis=0)), [-1, *event])
