"""Stochastic node of counts."""

import keras
import tensorflow_probability as tfp

from ssdgm_tf.layers.stochastic import StochasticNode

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class PoissonNode(StochasticNode):
    """Poisson(log_rate = W inputs + b), independent over the event; draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
    """

    support = "whole"

    def make_distribution(self, parameters):
        return self._independent(tfd.Poisson(log_rate=self._reshape_to_event(parameters)))
