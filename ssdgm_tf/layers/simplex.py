"""Stochastic node of probability vectors."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf.layers.stochastic import StochasticNode, positive

tfd = tfp.distributions


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class DirichletNode(StochasticNode):
    """Dirichlet(concentration = positive(W inputs + b)); draws are probability vectors, reparameterised.

    Args:
        num_classes: length of the vector, at least 2.
        prior: None, or "uniform" for Dirichlet(1, ..., 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("uniform",)

    def __init__(self, num_classes: int, prior: str | None = None, seed: int | None = None, **kwargs):
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2. Received: num_classes={num_classes!r}")
        super().__init__(num_classes, prior=prior, seed=seed, **kwargs)
        self.num_classes = num_classes

    @property
    def num_parameters(self) -> int:
        return self.num_classes

    def make_distribution(self, parameters):
        return tfd.Dirichlet(positive(parameters))

    def make_prior(self):
        return tfd.Dirichlet(tf.ones([self.num_classes], self.density_dtype))

    def get_config(self):
        config = super().get_config()
        del config["event_shape"]
        return {**config, "num_classes": self.num_classes}
