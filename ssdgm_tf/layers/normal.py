"""Gaussian stochastic node."""

from collections.abc import Sequence

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf.layers.stochastic import StochasticNode, positive

tfd = tfp.distributions


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
    def parameters_per_element(self) -> int:
        return 2 if self.scale is None else 1

    def make_distribution(self, parameters):
        if self.scale is None:
            loc, raw_scale = self._split(parameters, 2)
            return self._independent(tfd.Normal(loc, positive(raw_scale)))
        scale = tf.constant(self.scale, parameters.dtype)
        return self._independent(tfd.Normal(self._reshape_to_event(parameters), scale))

    def make_prior(self):
        zeros = tf.zeros(self.event_shape, self.density_dtype)
        return self._independent(tfd.Normal(zeros, tf.ones_like(zeros)))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
