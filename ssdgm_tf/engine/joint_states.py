"""The joint states of the variables that list theirs, on one axis however many variables there are.

A tensor [K, ...] that depends on some of these variables has the joint states of those along its first axis, the last
variable the fastest. Its scope is their names. One axis instead of one each keeps tensors within the ranks that TensorFlow's
kernels take.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

from ssdgm_tf.layers.static_shape import with_static_shape

#: Names of variables that list their states, in the order of the recognition model.
Scope = tuple[str, ...]


class JointStates:
    """The variables that list their states, and tensors along their joint states.

    Args:
        sizes: {name: number of states}, parents first.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)

    @property
    def all(self) -> Scope:
        """The scope of all of them."""
        return tuple(self.sizes)

    def size(self, scope: Scope) -> int:
        """Number of joint states of a scope."""
        return math.prod(self.sizes[name] for name in scope)

    def union(self, *scopes: Scope) -> Scope:
        """The scope of a tensor made from tensors of these."""
        names = {name for scope in scopes for name in scope}
        return tuple(name for name in self.sizes if name in names)

    def expand(self, tensor: tf.Tensor, scope: Scope, target: Scope) -> tf.Tensor:
        """Repeats a tensor along the states of the variables that it does not depend on.

        Args:
            tensor: [K of `scope`, ...].
            scope: what it depends on.
            target: `scope` and more.

        Returns:
            [K of `target`, ...].
        """
        if scope == target:
            return tensor
        rest = tf.shape(tensor)[1:]
        result, before, after = tensor, 1, self.size(scope)
        for is_new, names in itertools.groupby(target, lambda name: name not in scope):
            size = self.size(tuple(names))
            if is_new:
                block = after * tf.reduce_prod(rest)
                result = tf.broadcast_to(tf.reshape(result, [before, 1, block]), [before, size, block])
            else:
                after //= size
            before *= size
        shape = [self.size(target), *tensor.shape[1:]]
        return with_static_shape(tf.reshape(result, tf.concat([shape[:1], rest], axis=0)), shape)

    def broadcastable(self, tensor: tf.Tensor, scope: Scope, target: Scope) -> tf.Tensor:
        """The tensor, in a form that broadcasts with tensors of a wider scope: unchanged where it depends on no variable.

        Args:
            tensor: see `expand`.
            scope: see `expand`.
            target: see `expand`.
        """
        return self.expand(tensor, scope, target) if scope else tensor

    def align(self, tensors: Sequence[tf.Tensor], scopes: Sequence[Scope]) -> list[tf.Tensor]:
        """The tensors, expanded where their first axes would not broadcast with each other.

        Args:
            tensors: [K of its scope, ...] each.
            scopes: the scope of each.
        """
        target = self.union(*scopes)
        return [self.broadcastable(t, scope, target) for t, scope in zip(tensors, scopes, strict=True)]
