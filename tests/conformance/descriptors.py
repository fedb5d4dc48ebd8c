"""One descriptor for everything public that Keras saves: the conformance suite runs over all of them."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf import layers, models, nodes

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


def graphical_model(dtype=None, **kwargs):
    """Two networks that share nothing, an estimator of states, and a convolutional decoder."""

    def mlp():
        return layers.MLP((8,), dtype=dtype)

    decoder = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(12, dtype=dtype),
            keras.layers.Reshape((4, 3, 1), dtype=dtype),
            keras.layers.Conv2D(2, 3, padding="same", dtype=dtype),
            keras.layers.Reshape((4, 6), dtype=dtype),
        ]
    )
    p = {
        "y": nodes.OneHotCategorical(3, dtype=dtype),
        "z": nodes.Normal(2, dtype=dtype),
        "x": nodes.Normal((4, 3), parents=("y", "z"), network=decoder, dtype=dtype),
    }
    q = {
        "y": nodes.OneHotCategorical(3, parents="x", network=mlp(), estimator="top_k", dtype=dtype),
        "z": nodes.Normal(2, parents=("x", "y"), network=mlp(), dtype=dtype),
    }
    model = models.GraphicalModel(p, q, observed="x", supervised="y", seed=1, dtype=dtype, **kwargs)
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
    "CategoricalNode": Descriptor(
        lambda **kwargs: layers.CategoricalNode((8, 8), num_classes=4, seed=1, **kwargs),
        (5,),
        (8, 8),
        True,
        has_gradient=False,
    ),
    "DiscretizedLogisticNode": Descriptor(
        lambda **kwargs: layers.DiscretizedLogisticNode((8, 8), seed=1, **kwargs), (5,), (8, 8), True, has_gradient=False
    ),
    "DistributionNode": Descriptor(
        lambda **kwargs: layers.DistributionNode(1, 3, triangular, seed=1, **kwargs), (5,), (1,), True
    ),
    "M2": Descriptor(m2, (4, 3), (3,), False),
    "GraphicalModel": Descriptor(graphical_model, (4, 3), (3,), False),
}
# Bases: nobody makes one.
ABSTRACT = {"StochasticNode", "SemiSupervisedModel"}
