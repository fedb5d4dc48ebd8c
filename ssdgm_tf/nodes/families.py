"""A function for every stochastic layer, so that a graph reads as its equations.

Each takes the arguments of its layer, then those of `Node`: `parents`, `network`, `estimator`, `prior`, and `dtype` for the
layer and the node alike.
"""

from collections.abc import Callable, Sequence

from ssdgm_tf import layers
from ssdgm_tf.nodes.node import Node


def _node(layer_class: type[layers.StochasticNode], *args, dtype=None, **node) -> Node:
    return Node(layer_class(*args, dtype=dtype), dtype=dtype, **node)


def Normal(event_shape: int | Sequence[int] | None, scale: float | None = None, **node) -> Node:
    """Diagonal Gaussian, of a learned or a fixed scale (TFP's MultivariateNormalDiag).

    See `layers.NormalNode` for `event_shape` and `scale`.
    """
    return _node(layers.NormalNode, event_shape, scale, **node)


def Bernoulli(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Binary variables; pixels in [0, 1] as a cross-entropy.

    See `layers.BernoulliNode` for `event_shape`.
    """
    return _node(layers.BernoulliNode, event_shape, **node)


def ContinuousBernoulli(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Pixels in [0, 1], with a density.

    See `layers.ContinuousBernoulliNode` for `event_shape`.
    """
    return _node(layers.ContinuousBernoulliNode, event_shape, **node)


def DiscretizedLogistic(event_shape: int | Sequence[int] | None, num_levels: int = 256, **node) -> Node:
    """Pixels of `num_levels` levels.

    See `layers.DiscretizedLogisticNode` for `event_shape` and `num_levels`.
    """
    return _node(layers.DiscretizedLogisticNode, event_shape, num_levels, **node)


def OneHotCategorical(num_classes: int, **node) -> Node:
    """A class; its data are labels 0..num_classes - 1, its values one-hot vectors.

    See `layers.OneHotCategoricalNode` for `num_classes`.
    """
    return _node(layers.OneHotCategoricalNode, num_classes, **node)


def RelaxedOneHotCategorical(num_classes: int, temperature: float = 2 / 3, **node) -> Node:
    """A point of the simplex near its corners (Gumbel-softmax).

    See `layers.RelaxedOneHotCategoricalNode` for `num_classes` and `temperature`.
    """
    return _node(layers.RelaxedOneHotCategoricalNode, num_classes, temperature, **node)


def Categorical(event_shape: int | Sequence[int], num_classes: int, **node) -> Node:
    """Whole numbers 0..num_classes - 1.

    See `layers.CategoricalNode` for `event_shape` and `num_classes`.
    """
    return _node(layers.CategoricalNode, event_shape, num_classes, **node)


def Poisson(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Counts.

    See `layers.PoissonNode` for `event_shape`.
    """
    return _node(layers.PoissonNode, event_shape, **node)


def OneMore(num_classes: int, **node) -> Node:
    """A count of 0..num_classes - 1, by answers to "is there one more?"; its data are counts, its values one-hot vectors.

    See `layers.OneMoreNode` for `num_classes`.
    """
    return _node(layers.OneMoreNode, num_classes, **node)


def Gamma(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Positive variables.

    See `layers.GammaNode` for `event_shape`.
    """
    return _node(layers.GammaNode, event_shape, **node)


def LogNormal(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Positive variables, normal in their logarithm.

    See `layers.LogNormalNode` for `event_shape`.
    """
    return _node(layers.LogNormalNode, event_shape, **node)


def Beta(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Variables in (0, 1).

    See `layers.BetaNode` for `event_shape`.
    """
    return _node(layers.BetaNode, event_shape, **node)


def Dirichlet(num_classes: int, **node) -> Node:
    """Probability vectors.

    See `layers.DirichletNode` for `num_classes`.
    """
    return _node(layers.DirichletNode, num_classes, **node)


def Laplace(event_shape: int | Sequence[int] | None, **node) -> Node:
    """Real variables, double-exponential.

    See `layers.LaplaceNode` for `event_shape`.
    """
    return _node(layers.LaplaceNode, event_shape, **node)


def StudentT(event_shape: int | Sequence[int] | None, df: float = 5.0, **node) -> Node:
    """Real variables with heavy tails.

    See `layers.StudentTNode` for `event_shape` and `df`.
    """
    return _node(layers.StudentTNode, event_shape, df, **node)


def VonMises(event_shape: int | Sequence[int], **node) -> Node:
    """Angles, in radians.

    See `layers.VonMisesNode` for `event_shape`.
    """
    return _node(layers.VonMisesNode, event_shape, **node)


def VonMisesFisher(dim: int, **node) -> Node:
    """Directions: unit vectors of length `dim`, 2 to 5.

    See `layers.VonMisesFisherNode` for `dim`.
    """
    return _node(layers.VonMisesFisherNode, dim, **node)


def VonMisesFisherMixture(dim: int, num_components: int, **node) -> Node:
    """Directions near one of several: unit vectors of length `dim`, 2 to 5.

    See `layers.VonMisesFisherMixtureNode` for `dim` and `num_components`, and for what makes a `prior`.
    """
    return _node(layers.VonMisesFisherMixtureNode, dim, num_components, **node)


def Distribution(event_shape: int | Sequence[int], num_parameters: int, distribution_fn: Callable, **node) -> Node:
    """Any other TFP distribution, given how its parameters make it.

    See `layers.DistributionNode` for `event_shape`, `num_parameters` and `distribution_fn`.
    """
    return _node(layers.DistributionNode, event_shape, num_parameters, distribution_fn, **node)
