"""A function for every stochastic layer, so that a graph reads like its equations.

Each takes the arguments of its layer and the `NodeOptions`.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf import layers
from ssdgm_tf.nodes.divergences import Adversarial
from ssdgm_tf.nodes.estimators import Estimator
from ssdgm_tf.nodes.node import RandomVariable
from ssdgm_tf.schema import Schema


class NodeOptions(TypedDict, total=False):
    """The arguments of `RandomVariable` beside its head.

    Attributes:
        parents: see `RandomVariable`.
        network: see `RandomVariable`.
        estimator: see `RandomVariable`.
        prior: see `RandomVariable`.
        divergence: see `RandomVariable`.
        gaps: see `layers.StochasticNode`.
        dtype: the dtype or policy of both the layer and the node.
        name: the name of the node as a Keras layer.
        trainable: whether the weights of the node are trained.
    """

    parents: str | Sequence[str]
    network: keras.layers.Layer | None
    estimator: str | Estimator | None
    prior: str | Sequence[float] | np.ndarray | None
    divergence: str | Adversarial | None
    gaps: bool | None
    dtype: str | keras.DTypePolicy | None
    name: str | None
    trainable: bool


class CountOptions(NodeOptions, total=False):
    """The arguments of counts without a limit beside their shape.

    Attributes:
        exposure: see `RandomVariable`.
        target_sum: see `layers.CountNode`.
    """

    exposure: str | None
    target_sum: float | None


class OverdispersedOptions(CountOptions, total=False):
    """The arguments of negative binomial counts beside their shape.

    Attributes:
        shared_concentration: see `layers.NegativeBinomialNode`.
    """

    shared_concentration: bool


# The options that belong to the layer.
_OF_LAYER = ("gaps", "target_sum", "shared_concentration")


def _node(layer_class: Callable[..., layers.StochasticNode], *args: Any, **options: Any) -> RandomVariable:
    of_layer = {name: options.pop(name) for name in _OF_LAYER if name in options}
    return RandomVariable(layer_class(*args, dtype=options.get("dtype"), **of_layer), **options)


def Normal(
    event_shape: int | Sequence[int] | None, scale: float | None = None, **options: Unpack[NodeOptions]
) -> RandomVariable:
    """Diagonal Gaussian with a learned or a fixed scale (TFP's MultivariateNormalDiag).

    See `layers.NormalNode` for `event_shape` and `scale`.
    """
    return _node(layers.NormalNode, event_shape, scale, **options)


def Bernoulli(event_shape: int | Sequence[int] | None, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Binary variables, or pixels in [0, 1] under a cross-entropy.

    See `layers.BernoulliNode` for `event_shape`.
    """
    return _node(layers.BernoulliNode, event_shape, **options)


def ContinuousBernoulli(event_shape: int | Sequence[int] | None, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Pixels in [0, 1], with a density.

    See `layers.ContinuousBernoulliNode` for `event_shape`.
    """
    return _node(layers.ContinuousBernoulliNode, event_shape, **options)


def DiscretizedLogistic(
    event_shape: int | Sequence[int] | None, num_levels: int = 256, **options: Unpack[NodeOptions]
) -> RandomVariable:
    """Pixels of `num_levels` levels.

    See `layers.DiscretizedLogisticNode` for `event_shape` and `num_levels`.
    """
    return _node(layers.DiscretizedLogisticNode, event_shape, num_levels, **options)


def PixelCNN(
    event_shape: Sequence[int] | None, num_levels: int = 256, filters: int = 16, **options: Unpack[NodeOptions]
) -> RandomVariable:
    """Images of `num_levels` levels, each pixel given those before it.

    See `layers.PixelCNNNode` for `event_shape`, `num_levels` and `filters`.
    """
    return _node(layers.PixelCNNNode, event_shape, num_levels, filters, **options)


def OneHotCategorical(num_classes: int, **options: Unpack[NodeOptions]) -> RandomVariable:
    """A class: labels 0..num_classes - 1 in the data, one-hot vectors in the graph.

    See `layers.OneHotCategoricalNode` for `num_classes`.
    """
    return _node(layers.OneHotCategoricalNode, num_classes, **options)


def RelaxedOneHotCategorical(num_classes: int, temperature: float = 2 / 3, **options: Unpack[NodeOptions]) -> RandomVariable:
    """A point of the simplex near its corners (Gumbel-softmax).

    See `layers.RelaxedOneHotCategoricalNode` for `num_classes` and `temperature`.
    """
    return _node(layers.RelaxedOneHotCategoricalNode, num_classes, temperature, **options)


def Categorical(event_shape: int | Sequence[int], num_classes: int, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Whole numbers 0..num_classes - 1.

    See `layers.CategoricalNode` for `event_shape` and `num_classes`.
    """
    return _node(layers.CategoricalNode, event_shape, num_classes, **options)


def Columns(schema: Schema | str, **options: Unpack[NodeOptions]) -> RandomVariable:
    """The rows of a table, whose columns are of different kinds; cells may be missing.

    See `layers.ColumnsNode` for `schema`.
    """
    return _node(layers.ColumnsNode, schema, **options)


def Poisson(event_shape: int | Sequence[int] | None, **options: Unpack[CountOptions]) -> RandomVariable:
    """Counts. The networks of its children get log(1 + count), or see `target_sum`.

    See `layers.PoissonNode` for `event_shape`.
    """
    return _node(layers.PoissonNode, event_shape, **options)


def NegativeBinomial(event_shape: int | Sequence[int] | None, **options: Unpack[OverdispersedOptions]) -> RandomVariable:
    """Counts of a variance above their mean. The networks of its children get log(1 + count), or see `target_sum`.

    See `layers.NegativeBinomialNode` for `event_shape`.
    """
    return _node(layers.NegativeBinomialNode, event_shape, **options)


def ZeroInflatedPoisson(event_shape: int | Sequence[int] | None, **options: Unpack[CountOptions]) -> RandomVariable:
    """Counts with more zeros than `Poisson` has.

    See `layers.ZeroInflatedPoissonNode` for `event_shape`.
    """
    return _node(layers.ZeroInflatedPoissonNode, event_shape, **options)


def ZeroInflatedNegativeBinomial(
    event_shape: int | Sequence[int] | None, **options: Unpack[OverdispersedOptions]
) -> RandomVariable:
    """Counts with more zeros than `NegativeBinomial` has.

    See `layers.ZeroInflatedNegativeBinomialNode` for `event_shape`.
    """
    return _node(layers.ZeroInflatedNegativeBinomialNode, event_shape, **options)


def OneMore(num_classes: int, **options: Unpack[NodeOptions]) -> RandomVariable:
    """A count in 0..num_classes - 1 by answers to "is there one more?": counts in the data, one-hot vectors in the graph.

    See `layers.OneMoreNode` for `num_classes`.
    """
    return _node(layers.OneMoreNode, num_classes, **options)


def Gamma(event_shape: int | Sequence[int] | None, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Positive variables.

    See `layers.GammaNode` for `event_shape`.
    """
    return _node(layers.GammaNode, event_shape, **options)


def LogNormal(event_shape: int | Sequence[int] | None, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Positive variables whose logarithm is normal.

    See `layers.LogNormalNode` for `event_shape`.
    """
    return _node(layers.LogNormalNode, event_shape, **options)


def Beta(event_shape: int | Sequence[int] | None, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Variables in (0, 1).

    See `layers.BetaNode` for `event_shape`.
    """
    return _node(layers.BetaNode, event_shape, **options)


def Dirichlet(num_classes: int, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Probability vectors.

    See `layers.DirichletNode` for `num_classes`.
    """
    return _node(layers.DirichletNode, num_classes, **options)


def Laplace(event_shape: int | Sequence[int] | None, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Real variables, double-exponential.

    See `layers.LaplaceNode` for `event_shape`.
    """
    return _node(layers.LaplaceNode, event_shape, **options)


def StudentT(event_shape: int | Sequence[int] | None, df: float = 5.0, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Real variables with heavy tails.

    See `layers.StudentTNode` for `event_shape` and `df`.
    """
    return _node(layers.StudentTNode, event_shape, df, **options)


def VonMises(event_shape: int | Sequence[int], **options: Unpack[NodeOptions]) -> RandomVariable:
    """Angles, in radians.

    See `layers.VonMisesNode` for `event_shape`.
    """
    return _node(layers.VonMisesNode, event_shape, **options)


def VonMisesFisher(dim: int, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Directions: unit vectors of length `dim`, 2 to 5.

    See `layers.VonMisesFisherNode` for `dim`.
    """
    return _node(layers.VonMisesFisherNode, dim, **options)


def VonMisesFisherMixture(dim: int, num_components: int, **options: Unpack[NodeOptions]) -> RandomVariable:
    """Directions near one of several: unit vectors of length `dim`, 2 to 5.

    See `layers.VonMisesFisherMixtureNode` for `dim` and `num_components`, and for its `prior`.
    """
    return _node(layers.VonMisesFisherMixtureNode, dim, num_components, **options)


def Distribution(
    event_shape: int | Sequence[int],
    num_parameters: int,
    distribution_fn: Callable[[tf.Tensor], tfd.Distribution],
    **options: Unpack[NodeOptions],
) -> RandomVariable:
    """Any other TFP distribution, given a function from its parameters to it.

    See `layers.DistributionNode` for `event_shape`, `num_parameters` and `distribution_fn`.
    """
    return _node(layers.DistributionNode, event_shape, num_parameters, distribution_fn, **options)
