"""Stochastic nodes of real, positive and unit-interval variables; all draws are reparameterised.

Throughout, `positive(r)` is softplus(r + 0.5413) + 1e-4, about 1 in a new node.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.stochastic import StochasticNode, positive


class _TwoParameterNode(StochasticNode):
    """A family with two parameters per element, independent over the event.

    A subclass names the family, the link from a raw number to each parameter, and the parameters of its only prior.
    """

    parameters_per_element = 2
    family: type[tfd.Distribution]
    links: tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]
    prior_parameters: tuple[float, float]

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        raw = self._split(parameters, 2)
        return self._independent(self.family(*(link(value) for link, value in zip(self.links, raw, strict=True))))

    def make_prior(self) -> tfd.Distribution:
        values = (tf.fill(self.known_event_shape, tf.constant(value, self.density_dtype)) for value in self.prior_parameters)
        return self._independent(self.family(*values))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LaplaceNode(_TwoParameterNode):
    """Laplace(loc, positive(r)), with loc, r = W inputs + b; independent over the event.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "standard" for Laplace(0, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    priors = ("standard",)
    family = tfd.Laplace
    links = (tf.identity, positive)
    prior_parameters = (0.0, 1.0)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LogNormalNode(_TwoParameterNode):
    """LogNormal(loc, positive(r)), with loc, r = W inputs + b; independent over the event; draws are positive.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "standard" for LogNormal(0, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.Positive()
    priors = ("standard",)
    family = tfd.LogNormal
    links = (tf.identity, positive)
    prior_parameters = (0.0, 1.0)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class GammaNode(_TwoParameterNode):
    """Gamma(concentration = positive(c), rate = positive(r)), with c, r = W inputs + b; independent over the event.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "standard" for Gamma(1, 1), the unit exponential: adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.Positive()
    priors = ("standard",)
    family = tfd.Gamma
    links = (positive, positive)
    prior_parameters = (1.0, 1.0)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class BetaNode(_TwoParameterNode):
    """Beta(positive(a), positive(b)), with a, b = W inputs + c; independent over the event; draws lie in (0, 1).

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "uniform" for Beta(1, 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.OpenUnitInterval()
    priors = ("uniform",)
    family = tfd.Beta
    links = (positive, positive)
    prior_parameters = (1.0, 1.0)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class StudentTNode(StochasticNode):
    """StudentT(df, loc, positive(r)), with loc, r = W inputs + b and df fixed; independent over the event.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        df: degrees of freedom, positive; the smaller, the heavier the tails.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
    """

    parameters_per_element = 2

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        df: float = 5.0,
        prior: None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        if not df > 0:
            raise ValueError(f"df must be positive. Received: df={df!r}")
        self.df = df

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        loc, raw_scale = self._split(parameters, 2)
        return self._independent(tfd.StudentT(tf.constant(self.df, loc.dtype), loc, positive(raw_scale)))

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        # Its centre, which is the mean where df > 1; for the others there is none.
        return distribution.distribution.loc

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "df": self.df}
