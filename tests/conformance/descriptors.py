"""One descriptor for everything public that Keras saves: the conformance suite runs over all of them."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf import layers, models

tfd = tfp.distributions


class Descriptor(NamedTuple):
    """How to make a layer or model, and what it takes.

    Attributes:
        make: a function of keyword arguments (such as dtype) that makes it.
        input_shape: of one example.
        output_shape: of one example.
        is_random: does a call draw?
        has_gradient: does the output carry a gradient?
    """

    make: Callable
    input_shape: tuple
    output_shape: tuple
    is_random: bool
    has_gradient: bool = True


@keras.saving.register_keras_serializable(package="tests")
def triangular(parameters):
    """A distribution that no node of ours wraps."""
    low, rise, fall = tf.unstack(parameters, axis=-1)
    peak = low + tf.nn.softplus(rise) + 0.1
    return tfd.Independent(
        tfd.Triangular(low[..., None], (peak + tf.nn.softplus(fall) + 0.1)[..., None], peak[..., None]), 1
    )


def m2(**kwargs):
    model = models.M2(3, latent_dim=2, hidden_units=(8,), seed=1, **kwargs)
    model.build((None, 4, 3))
    model.compile(keras.optimizers.Adam(1e-2))
    return model


DESCRIPTORS = {
    "MLP": Descriptor(lambda **kwargs: layers.MLP((6, 4), "tanh", **kwargs), (5,), (4,), False),
    "NormalNode": Descriptor(
        lambda **kwargs: layers.NormalNode((2, 3), prior="standard", seed=1, **kwargs), (5,), (2, 3), True
    ),
    "BernoulliNode": Descriptor(
        lambda **kwargs: layers.BernoulliNode(64, prior="uniform", seed=1, **kwargs), (5,), (64,), True
    ),
    "OneHotCategoricalNode": Descriptor(
        lambda **kwargs: layers.OneHotCategoricalNode(9, prior="uniform", seed=1, **kwargs), (5,), (9,), True
    ),
    "RelaxedOneHotCategoricalNode": Descriptor(
        lambda **kwargs: layers.RelaxedOneHotCategoricalNode(9, temperature=0.5, prior="uniform", seed=1, **kwargs),
        (5,),
        (9,),
        True,
    ),
    "LaplaceNode": Descriptor(
        lambda **kwargs: layers.LaplaceNode((2, 3), prior="standard", seed=1, **kwargs), (5,), (2, 3), True
    ),
    "LogNormalNode": Descriptor(
        lambda **kwargs: layers.LogNormalNode((2, 3), prior="standard", seed=1, **kwargs), (5,), (2, 3), True
    ),
    "GammaNode": Descriptor(
        lambda **kwargs: layers.GammaNode((2, 3), prior="standard", seed=1, **kwargs), (5,), (2, 3), True
    ),
    "BetaNode": Descriptor(lambda **kwargs: layers.BetaNode((2, 3), prior="uniform", seed=1, **kwargs), (5,), (2, 3), True),
    "StudentTNode": Descriptor(lambda **kwargs: layers.StudentTNode((2, 3), df=4.0, seed=1, **kwargs), (5,), (2, 3), True),
    "DirichletNode": Descriptor(
        lambda **kwargs: layers.DirichletNode(4, prior="uniform", seed=1, **kwargs), (5,), (4,), True
    ),
    "VonMisesNode": Descriptor(
        lambda **kwargs: layers.VonMisesNode((2, 3), prior="uniform", seed=1, **kwargs), (5,), (2, 3), True
    ),
    "VonMisesFisherNode": Descriptor(lambda **kwargs: layers.VonMisesFisherNode(3, seed=1, **kwargs), (5,), (3,), True),
    "PoissonNode": Descriptor(
        lambda **kwargs: layers.PoissonNode((8, 8), seed=1, **kwargs), (5,), (8, 8), True, has_gradient=False
    ),
    "ContinuousBernoulliNode": Descriptor(
        lambda **kwargs: layers.ContinuousBernoulliNode((2, 3), seed=1, **kwargs), (5,), (2, 3), True
    ),
    "DistributionNode": Descriptor(
        lambda **kwargs: layers.DistributionNode(1, 3, triangular, seed=1, **kwargs), (5,), (1,), True
    ),
    "M2": Descriptor(m2, (4, 3), (3,), False),
}
# Bases: nobody makes one.
ABSTRACT = {"StochasticNode", "SemiSupervisedModel"}
