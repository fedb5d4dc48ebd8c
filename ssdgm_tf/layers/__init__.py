"""Keras layers: stochastic nodes that wrap TensorFlow Probability distributions, and the networks between them."""

from ssdgm_tf.layers.bernoulli import BernoulliNode
from ssdgm_tf.layers.categorical import OneHotCategoricalNode, RelaxedOneHotCategoricalNode
from ssdgm_tf.layers.mlp import MLP
from ssdgm_tf.layers.normal import NormalNode
from ssdgm_tf.layers.stochastic import StochasticNode

__all__ = [
    "MLP",
    "BernoulliNode",
    "NormalNode",
    "OneHotCategoricalNode",
    "RelaxedOneHotCategoricalNode",
    "StochasticNode",
]
