"""Gaussian stochastic node."""

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf.layers.stochastic import StochasticNode

tfd = tfp.distributions

_MIN_SCALE = 1e-4
# softplus(_SCALE_OFFSET) = 1: a new node starts near the standard normal.
_SCALE_OFFSET = 0.5413248546129181


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
        event_shape: int | Sequence[int],
        scale: float | None = None,
        prior: str | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        if scale is not None and not scale > 0:
            raise ValueError(f"scale must be None (learned) or positive. Received: scale={scale!r}")
        self.scale = scale

    @property
    def num_parameters(self) -> int:
        return self._event_size * (2 if self.scale is None else 1)

    def make_distribution(self, parameters):
        if self.scale is None:
            loc, raw_scale = tf.split(parameters, 2, axis=-1)
            scale = self._reshape_to_event(tf.math.softplus(raw_scale + _SCALE_OFFSET) + _MIN_SCALE)
        else:
            loc, scale = parameters, tf.constant(self.scale, parameters.dtype)
        return tfd.Independent(tfd.Normal(self._reshape_to_event(loc), scale), len(self.event_shape))

    def make_prior(self):
        zeros = tf.zeros(self.event_shape, self.density_dtype)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), len(self.event_shape))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
