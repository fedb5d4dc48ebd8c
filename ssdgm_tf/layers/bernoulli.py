"""Stochastic nodes of pixels: binary pixels, and grey pixels with a density normalised on [0, 1]."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import kernels, supports
from ssdgm_tf.layers.stochastic import StochasticNode

# The size of the largest event whose states are listed; it has 2^10.
_MAX_ENUMERATED_BITS = 10


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class BernoulliNode(StochasticNode):
    """Bernoulli(logits = W inputs + b), independent over the event; draws are 0. or 1. with straight-through gradients.

    `log_prob` takes any value in [0, 1]: on grey pixels it is minus the cross-entropy, not a normalised density.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "uniform" for Bernoulli(1/2): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    priors = ("uniform",)
    support = supports.Whole(1)
    observed_support = supports.UnitInterval()

    @property
    def num_states(self) -> int | None:
        return 2**self._event_size if self._event_size <= _MAX_ENUMERATED_BITS else None

    def states(self) -> tf.Tensor:
        codes = tf.range(2**self._event_size)[:, None]
        bits = tf.bitwise.bitwise_and(tf.bitwise.right_shift(codes, tf.range(self._event_size)), 1)
        return self._reshape_to_event(tf.cast(bits, self.density_dtype))

    def relaxed(self, distribution: tfd.Distribution, temperature: tf.Tensor) -> tfd.Distribution:
        return self._independent(tfd.RelaxedBernoulli(temperature, logits=distribution.distribution.logits))

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        logits = self._reshape_to_event(parameters)
        return self._independent(tfd.Bernoulli(logits=logits, dtype=logits.dtype))

    def make_prior(self) -> tfd.Distribution:
        zeros = tf.zeros(self.known_event_shape, self.density_dtype)
        return self._independent(tfd.Bernoulli(logits=zeros, dtype=zeros.dtype))

    def draw(self, distribution: tfd.Distribution) -> tf.Tensor:
        mean = distribution.mean()
        return super().draw(distribution) + (mean - tf.stop_gradient(mean))

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        logits = distribution.distribution.logits
        return tf.sigmoid(logits) * tf.sigmoid(-logits)  # 1 - sigmoid(l) loses every digit where l is large

    def log_density_of_elements(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        logits = distribution.distribution.logits
        return value * logits - kernels.softplus(logits)

    def log_density(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        logits = distribution.distribution.logits
        value = tf.cast(value, logits.dtype)
        return _minus_cross_entropy(logits, value, event_rank=len(self.known_event_shape))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ContinuousBernoulliNode(StochasticNode):
    """ContinuousBernoulli(logits = W inputs + b) of Loaiza-Ganem and Cunningham 2019; independent over the event.

    A normalised density of grey pixels, unlike `BernoulliNode`. Draws lie in [0, 1] and are reparameterised.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.UnitInterval()

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return self._independent(tfd.ContinuousBernoulli(logits=self._reshape_to_event(parameters)))


@kernels.kernel(num_parameters=1)
def _minus_cross_entropy(logits: tf.Tensor, value: tf.Tensor, event_rank: int) -> tf.Tensor:
    # TFP evaluates two softplus per pixel; this is the same value with one.
    terms = value * logits - kernels.softplus(logits)
    return tf.reduce_sum(terms, axis=list(range(-event_rank, 0)))
