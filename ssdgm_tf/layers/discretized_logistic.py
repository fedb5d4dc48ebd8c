"""Stochastic node of pixels with a finite number of levels."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.scalar_distribution import ScalarDistribution
from ssdgm_tf.layers.stochastic import StochasticNode, positive


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class DiscretizedLogisticNode(StochasticNode):
    """A logistic distribution rounded to `num_levels` equally spaced values in [0, 1]; independent over the event.

        P(v) = F((v + h - loc) / scale) - F((v - h - loc) / scale),    h = 0.5 / (num_levels - 1),   F the sigmoid

    The first and the last level take the tails (Kingma et al. 2016, Salimans et al. 2017). It is a true likelihood of 8-bit
    images, comparable in bits per pixel. loc = sigmoid(W inputs + b), and scale = 0.1 positive(r).

    `mean` is the clipped mean of the logistic before rounding.

    Args:
        event_shape: shape of one draw, an integer or a tuple; None inside a graphical model for the shape of the data.
        num_levels: number of levels, at least 2; 256 for 8-bit pixels divided by 255.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws, which carry no gradient.
    """

    parameters_per_element = 2
    observed_support = supports.UnitInterval()

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        num_levels: int = 256,
        prior: None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        if num_levels < 2:
            raise ValueError(f"num_levels must be at least 2. Received: num_levels={num_levels!r}")
        self.num_levels = num_levels

    @property
    def support(self) -> supports.Support:
        return supports.Levels(self.num_levels)

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        raw_loc, raw_scale = self._split(parameters, 2)
        return self._independent(of_raw(raw_loc, raw_scale, self.num_levels))

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        return distribution.distribution.loc

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        return (distribution.distribution.scale * 1.8137993642342178) ** 2  # pi / sqrt(3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_levels": self.num_levels}


def of_raw(raw_loc: tf.Tensor, raw_scale: tf.Tensor, num_levels: int) -> "DiscretizedLogistic":
    """The distribution of unconstrained parameters: loc = sigmoid(raw_loc), scale = 0.1 positive(raw_scale).

    Args:
        raw_loc: any numbers.
        raw_scale: any numbers.
        num_levels: number of levels.
    """
    return DiscretizedLogistic(tf.sigmoid(raw_loc), 0.1 * positive(raw_scale), num_levels)


class DiscretizedLogistic(ScalarDistribution):
    """The distribution of one pixel, a number; see the node.

    Args:
        loc: the location, in [0, 1].
        scale: the scale.
        num_levels: number of levels.
    """

    def __init__(self, loc: tf.Tensor, scale: tf.Tensor, num_levels: int, name: str = "DiscretizedLogistic") -> None:
        self.loc, self.scale, self.num_levels = loc, scale, num_levels
        super().__init__({"loc": loc, "scale": scale, "num_levels": num_levels}, loc.dtype, name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        properties = tfp.util.ParameterProperties
        return {"loc": properties(), "scale": properties(), "num_levels": properties(event_ndims=None)}

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        draws = tfd.Logistic(self.loc, self.scale).sample(n, seed=seed)
        steps = self.num_levels - 1
        return tf.stop_gradient(tf.round(tf.clip_by_value(draws, 0.0, 1.0) * steps) / steps)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        half = 0.5 / (self.num_levels - 1)
        upper, lower = (value + half - self.loc) / self.scale, (value - half - self.loc) / self.scale
        # log(F(a) - F(b)) = log(1 - exp(b - a)) + a - softplus(a) - softplus(b) subtracts no nearly equal numbers.
        inside = tf.math.log(-tf.math.expm1(-2 * half / self.scale)) + upper
        inside -= tf.math.softplus(upper) + tf.math.softplus(lower)
        first, last = -tf.math.softplus(-upper), -tf.math.softplus(lower)
        return tf.where(value < half, first, tf.where(value > 1 - half, last, inside))
