"""Gaussian stochastic node."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import kernels, supports
from ssdgm_tf.layers.random_state import constant_noise
from ssdgm_tf.layers.static_shape import with_static_shape
from ssdgm_tf.layers.stochastic import StochasticNode, positive

# Standard deviations of data that suit a fixed scale, in its multiples.
_SPREADS = (0.1, 10.0)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class NormalNode(StochasticNode):
    """Diagonal Gaussian: Normal(loc, scale), independent over the event; draws are reparameterised.

        loc, r = W inputs + b,    scale = softplus(r + 0.5413) + 1e-4      (learned)
        loc    = W inputs + b,    scale = `scale`                          (fixed)

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        scale: None to learn a scale per element, or a positive number that fixes it.
        prior: None, or "standard" for Normal(0, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("standard",)

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        scale: float | None = None,
        prior: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        if scale is not None and not scale > 0:
            raise ValueError(f"scale must be None (learned) or positive. Received: scale={scale!r}")
        self.scale = scale

    @property
    def parameters_per_element(self) -> int:
        return 2 if self.scale is None else 1

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        if self.scale is None:
            loc, raw_scale = self._split(parameters, 2)
            return self._independent(tfd.Normal(loc, positive(raw_scale)))
        scale = tf.constant(self.scale, parameters.dtype)
        return self._independent(tfd.Normal(self._reshape_to_event(parameters), scale))

    def advice(self, value: np.ndarray) -> str:
        advice, spread = super().advice(value), supports.spread_of(value)
        if advice or self.scale is None or spread == 0 or _SPREADS[0] <= spread / self.scale <= _SPREADS[1]:
            return advice
        return (
            f"a likelihood of the fixed scale {self.scale:g} suits values whose standard deviation is of its size: "
            f"standardise them, or choose another scale. Received: a standard deviation of {spread:.3g}"
        )

    def make_prior(self) -> tfd.Distribution:
        zeros = tf.zeros(self.known_event_shape, self.density_dtype)
        return self._independent(tfd.Normal(zeros, tf.ones_like(zeros)))

    def log_density(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        loc, scale = _loc_and_scale(distribution)
        return _log_density(loc, scale, tf.cast(value, loc.dtype), event_rank=len(self.known_event_shape))

    def kl_divergence(self, q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor:
        if not isinstance(p, tfd.Independent) or not isinstance(p.distribution, tfd.Normal):
            return super().kl_divergence(q, p)
        return _kl_divergence(*_loc_and_scale(q), *_loc_and_scale(p), event_rank=len(self.known_event_shape))

    def draws(
        self, distribution: tfd.Distribution, num_samples: int, seed: tf.Tensor, common_noise: bool = False
    ) -> tf.Tensor:
        loc, scale = _loc_and_scale(distribution)
        samples_axis = loc.shape.rank - len(self.known_event_shape) - 2
        if common_noise:
            shape = [*[1] * samples_axis, num_samples, 1, *self.known_event_shape]
            with constant_noise():
                noise = tf.random.stateless_normal(shape, seed, dtype=loc.dtype)
            return _shifted(loc, scale, noise)
        # Each state has its own noise: shared noise made q(y|x) overconfident too early (results/tries.md, N2).
        sizes = tf.shape(loc)
        shape = tf.concat([sizes[:samples_axis], [num_samples], sizes[samples_axis + 1 :]], axis=0)
        noise = tf.random.stateless_normal(shape, seed, dtype=loc.dtype)
        known = [*loc.shape[:samples_axis], num_samples, *loc.shape[samples_axis + 1 :]]
        return _shifted(loc, scale, with_static_shape(noise, known))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


def _loc_and_scale(distribution: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor]:
    return distribution.distribution.loc, distribution.distribution.scale


@kernels.kernel()
def _shifted(loc: tf.Tensor, scale: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    return loc + scale * noise


@kernels.kernel(num_parameters=2)
def _log_density(loc: tf.Tensor, scale: tf.Tensor, value: tf.Tensor, event_rank: int) -> tf.Tensor:
    terms = -0.5 * ((value - loc) / scale) ** 2 - tf.math.log(scale) - 0.5 * math.log(2 * math.pi)
    return tf.reduce_sum(terms, axis=list(range(-event_rank, 0)))


@kernels.kernel(num_parameters=2)
def _kl_divergence(loc_q: tf.Tensor, scale_q: tf.Tensor, loc_p: tf.Tensor, scale_p: tf.Tensor, event_rank: int) -> tf.Tensor:
    ratio = scale_q / scale_p
    terms = 0.5 * (ratio**2 + ((loc_q - loc_p) / scale_p) ** 2 - 1.0) - tf.math.log(ratio)
    return tf.reduce_sum(terms, axis=list(range(-event_rank, 0)))
