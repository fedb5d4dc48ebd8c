"""Keras layers: stochastic nodes that wrap TensorFlow Probability distributions, and the networks between them."""

from ssdgm_tf.layers.affine import RandomAffine, affine_transform
from ssdgm_tf.layers.any_distribution import DistributionNode
from ssdgm_tf.layers.bernoulli import BernoulliNode, ContinuousBernoulliNode
from ssdgm_tf.layers.canvas import Glimpse, Overlay, PlaceImage, Unexplained
from ssdgm_tf.layers.categorical import CategoricalNode, OneHotCategoricalNode, RelaxedOneHotCategoricalNode
from ssdgm_tf.layers.column_features import ColumnFeatures
from ssdgm_tf.layers.columns import ColumnsNode
from ssdgm_tf.layers.continuous import BetaNode, GammaNode, LaplaceNode, LogNormalNode, StudentTNode
from ssdgm_tf.layers.convolutional import ConvDecoder, ConvEncoder, LocalContrast
from ssdgm_tf.layers.counts import (
    CountNode,
    NegativeBinomialNode,
    OneMoreNode,
    PoissonNode,
    ZeroInflatedNegativeBinomialNode,
    ZeroInflatedPoissonNode,
)
from ssdgm_tf.layers.directions import VonMisesFisherMixtureNode, VonMisesFisherNode, VonMisesNode
from ssdgm_tf.layers.discretized_logistic import DiscretizedLogisticNode
from ssdgm_tf.layers.mlp import MLP
from ssdgm_tf.layers.normal import NormalNode
from ssdgm_tf.layers.pixel_cnn import PixelCNNNode
from ssdgm_tf.layers.rand_augment import RandAugment
from ssdgm_tf.layers.shifted_categorical import ShiftedCategoricalNode
from ssdgm_tf.layers.simplex import DirichletNode
from ssdgm_tf.layers.stochastic import StochasticNode
from ssdgm_tf.layers.views import Cutout, RandomColours, RandomFlip, RandomSwap

__all__ = [
    "MLP",
    "BernoulliNode",
    "BetaNode",
    "CategoricalNode",
    "ColumnFeatures",
    "ColumnsNode",
    "ContinuousBernoulliNode",
    "ConvDecoder",
    "ConvEncoder",
    "CountNode",
    "Cutout",
    "DirichletNode",
    "DiscretizedLogisticNode",
    "DistributionNode",
    "GammaNode",
    "Glimpse",
    "LaplaceNode",
    "LocalContrast",
    "LogNormalNode",
    "NegativeBinomialNode",
    "NormalNode",
    "OneHotCategoricalNode",
    "OneMoreNode",
    "Overlay",
    "PixelCNNNode",
    "PlaceImage",
    "PoissonNode",
    "RandAugment",
    "RandomAffine",
    "RandomColours",
    "RandomFlip",
    "RandomSwap",
    "RelaxedOneHotCategoricalNode",
    "ShiftedCategoricalNode",
    "StochasticNode",
    "StudentTNode",
    "Unexplained",
    "VonMisesFisherMixtureNode",
    "VonMisesFisherNode",
    "VonMisesNode",
    "ZeroInflatedNegativeBinomialNode",
    "ZeroInflatedPoissonNode",
    "affine_transform",
]
