"""Stochastic node of probability vectors."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.categorical import ClassVectorNode
from ssdgm_tf.layers.stochastic import positive


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class DirichletNode(ClassVectorNode):
    """Dirichlet(concentration = positive(W inputs + b)); draws are probability vectors, reparameterised.

    Args:
        num_classes: length of the vector, at least 2.
        prior: None, or "uniform" for Dirichlet(1, ..., 1): adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    support = supports.Simplex()

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.Dirichlet(positive(parameters))

    def make_prior(self) -> tfd.Distribution:
        return tfd.Dirichlet(tf.ones([self.num_classes], self.density_dtype))
