"""What a pass knows of one variable: its value, its distributions in both models, and the terms of its draw."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.engine.joint_states import JointStates, Scope
from ssdgm_tf.layers import StochasticNode


class Held(NamedTuple):
    """A variable that is given.

    Attributes:
        value: [B, *event]; any finite value where it is not given. An element of an observed variable that is not known is
            NaN where the networks of its children see what is known, else some value within the support.
        mask: bool [B], the examples for which it is given; None for all of them.
        is_known: bool [B, *event], the elements of an observed variable that are known; None for all of them.
    """

    value: tf.Tensor
    mask: tf.Tensor | None = None
    is_known: tf.Tensor | None = None


class Extent(NamedTuple):
    """What a tensor [K, S, B, ...] depends on beside the example.

    Attributes:
        scope: the variables whose joint states are along its first axis.
        num_samples: the size of its second axis, S or 1.
    """

    scope: Scope
    num_samples: int


class Conditional:
    """The distribution of a variable given its parents' values.

    Args:
        head: the stochastic layer.
        distribution: the distribution, of batch shape [K, S, B] or [].
        extent: what that depends on.
        parameters: its parameters [K, S, B, num_parameters]; None where it has no parents.
    """

    def __init__(
        self, head: StochasticNode, distribution: tfd.Distribution, extent: Extent, parameters: tf.Tensor | None = None
    ) -> None:
        self.head, self.distribution, self.extent, self.parameters = head, distribution, extent, parameters

    @property
    def scope(self) -> Scope:
        """The joint states along K."""
        return self.extent.scope

    def over(self, states: JointStates, scope: Scope) -> tfd.Distribution:
        """The distribution in a form that broadcasts with tensors of a wider scope.

        Args:
            states: the joint states.
            scope: that scope.
        """
        if not self.scope or self.scope == scope:
            return self.distribution
        return self.head.make_distribution(states.expand(self.parameters, self.scope, scope))


class Site(NamedTuple):
    """The values, distributions and terms of one random variable in a pass.

    Attributes:
        value: [K, S, B, *event].
        extent: the extent of the value.
        mask: whether the value was given: bool [B], or True or False for all examples.
        q: the recognition distribution given its parents' values; None for an observed variable.
        scope: of the terms below: that of the parents in q, and the variable itself where it lists its states.
        log_q: log q of the value, nats, [K, S, B]; None for an observed variable.
        log_weight: log weight of its states, [K, S, B]; None for weight 1.
        score: log probability of what was drawn without a reparameterised gradient, [K, S, B]; or None.
        listed: the states that are summed and not drawn, bool [K, 1, 1]; None where none is.
        baseline: the learned baseline of that score, [K, S, B]; or None.
        p: the generative distribution given its parents' values.
        is_known: which elements of an observed variable are known, bool [1, 1, B, *event]; None for all.
    """

    value: tf.Tensor
    extent: Extent
    mask: tf.Tensor | bool
    q: Conditional | None = None
    scope: Scope = ()
    log_q: tf.Tensor | None = None
    log_weight: tf.Tensor | None = None
    score: tf.Tensor | None = None
    listed: tf.Tensor | None = None
    baseline: tf.Tensor | None = None
    p: Conditional | None = None
    is_known: tf.Tensor | None = None


def log_density(
    states: JointStates,
    of: Conditional,
    value: tf.Tensor,
    extent: Extent,
    is_known: tf.Tensor | None = None,
    weights: np.ndarray | None = None,
) -> tuple[tf.Tensor, Scope]:
    """Log density of a value, nats [K, S, B], and its scope.

    Args:
        states: the joint states.
        of: the distribution.
        value: [K, S, B, *event].
        extent: the extent of the value.
        is_known: which elements of the value are known, bool [1, 1, B, *event]; None for all.
        weights: factors of the log densities of the elements, [*event]; None for 1.
    """
    scope = states.union(of.scope, extent.scope)
    distribution, value = of.over(states, scope), states.broadcastable(value, extent.scope, scope)
    if is_known is None and weights is None:
        term = of.head.log_density(distribution, value)
    else:
        is_known = tf.ones_like(value, tf.bool) if is_known is None else is_known
        term = of.head.log_density_of_known(distribution, value, is_known, weights)
    return sized(term, states.size(scope), max(of.extent.num_samples, extent.num_samples)), scope


def sized(tensor: tf.Tensor, *sizes: int) -> tf.Tensor:
    """The tensor with its leading static sizes set. Some functions of TFP lose them, and later steps rely on them.

    Args:
        tensor: a tensor.
        *sizes: its first sizes.
    """
    tensor.set_shape([*sizes, *tensor.shape[len(sizes) :]])
    return tensor
