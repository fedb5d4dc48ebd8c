"""One descriptor for everything public that Keras saves: the conformance suite runs over all of them."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf import layers, models, nodes
from ssdgm_tf.schema import Column, Schema, Targets, class_target
from tests.schema.examples import every_kind

tfd = tfp.distributions


class Descriptor(NamedTuple):
    """How to make a layer or model, and what it takes.

    Attributes:
        make: a function of keyword arguments (such as dtype) that makes it.
        input_shape: of one example; a list of those of several inputs.
        looked_at: name of the output that the suite looks at, of a model that predicts several variables.
        num_classes: of a label "y" that is observed beside the image "x"; 0 for none.
        output_shape: of one example.
        is_random: does a call draw?
        has_gradient: does the output carry a gradient?
    """

    make: Callable
    input_shape: tuple | list
    output_shape: tuple
    is_random: bool
    has_gradient: bool = True
    num_classes: int = 0
    looked_at: str = ""

    def output(self, outputs):
        """The output that the suite looks at, of what a call returned."""
        return outputs[self.looked_at] if self.looked_at else outputs


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


def named(model_class, *args, shape=(None, 4, 3), optimizer=True, **options):
    """A maker of a named model of images [4, 3] and of classes, where it has any."""

    def make(**kwargs):
        model = model_class(*args, latent_dim=2, hidden_units=(8,), seed=1, **options, **kwargs)
        model.build(shape)
        model.compile(keras.optimizers.Adam(1e-2))
        return model

    return make


def sdgm(dtype=None, **kwargs):
    """Every network that may be given, convolutional."""
    classifier = [layers.RandomAffine(seed=1, dtype=dtype), layers.ConvEncoder((4, 4), 8, 0.5, dtype=dtype)]
    model = models.SDGM(
        3,
        2,
        auxiliary_dim=2,
        hidden_units=(8,),
        normalization="batch",
        likelihood="discretized_logistic",
        classifier=keras.Sequential(classifier),
        encoder=layers.ConvEncoder((4,), 8, dtype=dtype),
        decoder=layers.ConvDecoder((4, 3, 2), (4,), dtype=dtype),
        prior="learned",
        estimator=nodes.TopK(k=1),
        seed=1,
        dtype=dtype,
        **kwargs,
    )
    model.build((None, 4, 3, 1))
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


def unexplained(dtype=None, **kwargs):
    return layers.Unexplained(layers.ConvEncoder((4,), 7, dtype=dtype), dtype=dtype, **kwargs)


def multi_digit(dtype=None, nested=True, **kwargs):
    """Digits of a nested model, kept as they are."""
    digit_model = models.M2(3, 2, hidden_units=(8,), likelihood="normal", seed=2, dtype=dtype) if nested else None
    model = models.MultiDigit(
        2,
        canvas_size=9,
        image_shape=(4, 4, 1),
        digit_model=digit_model,
        hidden_units=(8,),
        encoder=layers.ConvEncoder((4,), 8, dtype=dtype),
        seed=1,
        dtype=dtype,
        **kwargs,
    )
    model.build((None, 9, 9, 1))
    model.compile(keras.optimizers.Adam(1e-2))
    return model


def table(**kwargs):
    columns = Schema(Column(name, "numeric", loc=0.5, scale=0.3, gaps=0.1) for name in "abcd")
    targets = Targets(Schema([class_target("kind", ["cat", "dog", "fox"])]))
    model = models.Table(targets, 2, (8,), schema=columns, seed=1, **kwargs)
    model.compile(keras.optimizers.Adam(1e-2))
    return model


DESCRIPTORS = {
    "MLP": Descriptor(lambda **kwargs: layers.MLP((6, 4), "tanh", **kwargs), (5,), (4,), False),
    "RandomAffine": Descriptor(
        lambda **kwargs: layers.RandomAffine(seed=1, **kwargs), (6, 5, 2), (6, 5, 2), False, has_gradient=False
    ),
    "Cutout": Descriptor(lambda **kwargs: layers.Cutout(seed=1, **kwargs), (6, 5, 2), (6, 5, 2), False, has_gradient=False),
    "RandomColours": Descriptor(
        lambda **kwargs: layers.RandomColours(inversion=0.5, seed=1, **kwargs),
        (6, 5, 3),
        (6, 5, 3),
        False,
        has_gradient=False,
    ),
    "RandomFlip": Descriptor(
        lambda **kwargs: layers.RandomFlip(seed=1, **kwargs), (6, 5, 3), (6, 5, 3), False, has_gradient=False
    ),
    "RandAugment": Descriptor(
        lambda **kwargs: layers.RandAugment(seed=1, **kwargs), (6, 5, 3), (6, 5, 3), False, has_gradient=False
    ),
    "RandomSwap": Descriptor(lambda **kwargs: layers.RandomSwap(seed=1, **kwargs), (4,), (4,), False, has_gradient=False),
    "ConvEncoder": Descriptor(lambda **kwargs: layers.ConvEncoder((4, 6), 7, **kwargs), (6, 5, 2), (7,), False),
    "ConvDecoder": Descriptor(lambda **kwargs: layers.ConvDecoder((6, 5, 2), (4, 3), **kwargs), (7,), (6, 5, 2), False),
    "LocalContrast": Descriptor(
        lambda **kwargs: layers.LocalContrast(3, **kwargs), (6, 5, 2), (6, 5, 2), False, has_gradient=False
    ),
    "PlaceImage": Descriptor(
        lambda **kwargs: layers.PlaceImage(9, **kwargs), [(6, 5, 2), (3,)], (9, 9, 2), False, has_gradient=False
    ),
    "Glimpse": Descriptor(
        lambda **kwargs: layers.Glimpse((6, 5), **kwargs), [(9, 9, 2), (3,)], (6, 5, 2), False, has_gradient=False
    ),
    "Overlay": Descriptor(layers.Overlay, [(3,), (9, 9, 2), (9, 9, 2)], (9, 9, 2), False, has_gradient=False),
    "Unexplained": Descriptor(unexplained, [(9, 9, 2), (9, 9, 2)], (7,), False),
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
    "OneMoreNode": Descriptor(lambda **kwargs: layers.OneMoreNode(9, prior="uniform", seed=1, **kwargs), (5,), (9,), True),
    "BetaNode": Descriptor(lambda **kwargs: layers.BetaNode((2, 3), prior="uniform", seed=1, **kwargs), (5,), (2, 3), True),
    "StudentTNode": Descriptor(lambda **kwargs: layers.StudentTNode((2, 3), df=4.0, seed=1, **kwargs), (5,), (2, 3), True),
    "DirichletNode": Descriptor(
        lambda **kwargs: layers.DirichletNode(4, prior="uniform", seed=1, **kwargs), (5,), (4,), True
    ),
    "VonMisesNode": Descriptor(
        lambda **kwargs: layers.VonMisesNode((2, 3), prior="uniform", seed=1, **kwargs), (5,), (2, 3), True
    ),
    "VonMisesFisherNode": Descriptor(lambda **kwargs: layers.VonMisesFisherNode(3, seed=1, **kwargs), (5,), (3,), True),
    "VonMisesFisherMixtureNode": Descriptor(
        lambda **kwargs: layers.VonMisesFisherMixtureNode(3, 2, seed=1, **kwargs), (5,), (3,), True, has_gradient=False
    ),
    "PoissonNode": Descriptor(
        lambda **kwargs: layers.PoissonNode((8, 8), seed=1, **kwargs), (5,), (8, 8), True, has_gradient=False
    ),
    "NegativeBinomialNode": Descriptor(
        lambda **kwargs: layers.NegativeBinomialNode((8, 8), seed=1, target_sum=10.0, shared_concentration=True, **kwargs),
        (5,),
        (8, 8),
        True,
        has_gradient=False,
    ),
    "ZeroInflatedPoissonNode": Descriptor(
        lambda **kwargs: layers.ZeroInflatedPoissonNode((8, 8), seed=1, **kwargs), (5,), (8, 8), True, has_gradient=False
    ),
    "ZeroInflatedNegativeBinomialNode": Descriptor(
        lambda **kwargs: layers.ZeroInflatedNegativeBinomialNode((8, 8), seed=1, **kwargs),
        (5,),
        (8, 8),
        True,
        has_gradient=False,
    ),
    "ContinuousBernoulliNode": Descriptor(
        lambda **kwargs: layers.ContinuousBernoulliNode((2, 3), seed=1, **kwargs), (5,), (2, 3), True
    ),
    "ColumnsNode": Descriptor(
        lambda **kwargs: layers.ColumnsNode(every_kind(), seed=1, **kwargs), (5,), (11,), True, has_gradient=False
    ),
    "ColumnFeatures": Descriptor(lambda **kwargs: layers.ColumnFeatures(every_kind(), "l2", **kwargs), (29,), (85,), False),
    "ShiftedCategoricalNode": Descriptor(
        lambda **kwargs: layers.ShiftedCategoricalNode(9, prior="uniform", seed=1, **kwargs), (5,), (9,), True
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
    "PixelCNNNode": Descriptor(
        lambda **kwargs: layers.PixelCNNNode((3, 4, 1), filters=4, seed=1, **kwargs),
        (5,),
        (3, 4, 1),
        True,
        has_gradient=False,
    ),
    "DistributionNode": Descriptor(
        lambda **kwargs: layers.DistributionNode(1, 3, triangular, seed=1, **kwargs), (5,), (1,), True
    ),
    "M2": Descriptor(m2, (4, 3), (3,), False),
    "DisentangledVAE": Descriptor(named(models.DisentangledVAE, 3), (4, 3), (3,), False),
    "VAE": Descriptor(named(models.VAE), (4, 3), (2,), False),
    "HierarchicalVAE": Descriptor(named(models.HierarchicalVAE, top_dim=3), (4, 3), (2,), False, looked_at="z1"),
    "AdversarialAutoencoder": Descriptor(named(models.AdversarialAutoencoder, 3), (4, 3), (3,), False),
    "ConditionalVAE": Descriptor(
        named(models.ConditionalVAE, 3, shape={"x": (None, 4, 3), "y": (None,)}), (4, 3), (2,), False, num_classes=3
    ),
    "Table": Descriptor(table, (4,), (3,), False),
    "M1M2": Descriptor(named(models.M1M2, 3, features_dim=4, top_units=(5,)), (4, 3), (3,), False),
    "ADGM": Descriptor(named(models.ADGM, 3, auxiliary_dim=2, normalization="layer"), (4, 3), (3,), False),
    "SDGM": Descriptor(sdgm, (4, 3, 1), (3,), False),
    "Faces": Descriptor(
        named(models.Faces, 3, shape=(None, 4, 3, 1), lamps=[[0, 0, 1], [1, 0, 0]], lamp_concentration=20.0),
        (4, 3, 1),
        (3,),
        False,
        looked_at="identity",
    ),
    "MultiDigit": Descriptor(multi_digit, (9, 9, 1), (3,), False, looked_at="count"),
    "GraphicalModel": Descriptor(graphical_model, (4, 3), (3,), False),
}
# Bases: nobody makes one.
ABSTRACT = {"StochasticNode", "CountNode", "SemiSupervisedModel", "NamedModel"}
# Neither layers nor models.
HELPERS = {"affine_transform", "Options", "empirical_prior"}
