"""Stochastic nodes of real, positive and unit-interval variables; all draws are reparameterised.

`positive(r)` stands for softplus(r + 0.5413) + 1e-4 throughout: about 1 where a new node starts.
"""

import abc

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf.layers.stochastic import StochasticNode, positive

tfd = tfp.distributions


class _TwoParameterNode(StochasticNode):
    """Two parameters an element, independent over the event."""

    @property
    def num_parameters(self) -> int:
        return 2 * self._event_size

    @abc.abstractmethod
    def of_scalars(self, first: tf.Tensor, second: tf.Tensor) -> tfd.Distribution:
        """The distribution of the elements, of two raw parameters each."""

    def make_distribution(self, parameters):
        return self._independent(self.of_scalars(*self._split(parameters, 2)))

    def _constant(self, value):
        return tf.fill(self.event_shape, tf.constant(value, self.density_dtype))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LaplaceNode(_TwoParameterNode):
    """Laplace(loc, positive(r)), with loc, r = W inputs + b; independent over the event.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "standard" for Laplace(0, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("standard",)

    def of_scalars(self, first, second):
        return tfd.Laplace(first, positive(second))

    def make_prior(self):
        return self._independent(tfd.Laplace(self._constant(0.0), self._constant(1.0)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LogNormalNode(_TwoParameterNode):
    """LogNormal(loc, positive(r)), with loc, r = W inputs + b; independent over the event; draws are positive.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "standard" for LogNormal(0, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("standard",)

    def of_scalars(self, first, second):
        return tfd.LogNormal(first, positive(second))

    def make_prior(self):
        return self._independent(tfd.LogNormal(self._constant(0.0), self._constant(1.0)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class GammaNode(_TwoParameterNode):
    """Gamma(concentration = positive(c), rate = positive(r)), with c, r = W inputs + b; independent over the event.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "standard" for Gamma(1, 1), the unit exponential: adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("standard",)

    def of_scalars(self, first, second):
        return tfd.Gamma(positive(first), positive(second))

    def make_prior(self):
        return self._independent(tfd.Gamma(self._constant(1.0), self._constant(1.0)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class BetaNode(_TwoParameterNode):
    """Beta(positive(a), positive(b)), with a, b = W inputs + c; independent over the event; draws lie in (0, 1).

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "uniform" for Beta(1, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("uniform",)

    def of_scalars(self, first, second):
        return tfd.Beta(positive(first), positive(second))

    def make_prior(self):
        return self._independent(tfd.Beta(self._constant(1.0), self._constant(1.0)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class StudentTNode(_TwoParameterNode):
    """StudentT(df, loc, positive(r)), with loc, r = W inputs + b and df fixed; independent over the event.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        df: degrees of freedom, positive; the smaller, the heavier the tails.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
    """

    def __init__(self, event_shape, df: float = 5.0, prior: None = None, seed: int | None = None, **kwargs):
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        if not df > 0:
            raise ValueError(f"df must be positive. Received: df={df!r}")
        self.df = df

    def of_scalars(self, first, second):
        return tfd.StudentT(tf.constant(self.df, first.dtype), first, positive(second))

    def get_config(self):
        return {**super().get_config(), "df": self.df}
