"""One descriptor for everything public that Keras saves: the conformance suite runs over all of them."""

from collections.abc import Callable
from typing import NamedTuple

import keras

from ssdgm_tf import layers, models


class Descriptor(NamedTuple):
    """How to make a layer or model, and what it takes.

    Attributes:
        make: a function of keyword arguments (such as dtype) that makes it.
        input_shape: of one example.
        output_shape: of one example.
        is_random: does a call draw?
    """

    make: Callable
    input_shape: tuple
    output_shape: tuple
    is_random: bool


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
    "M2": Descriptor(m2, (4, 3), (3,), False),
}
# Bases: nobody makes one.
ABSTRACT = {"StochasticNode", "SemiSupervisedModel"}
