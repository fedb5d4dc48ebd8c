"""Terms that look at predictions only: how sure they are, and how often each class is predicted."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf.consistency.passes import Passes
from ssdgm_tf.consistency.term import Term
from ssdgm_tf.engine import counted
from ssdgm_tf.objectives import consistency


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Entropy(Term):
    """The entropy of q(y|x) of each example (Grandvalet and Bengio 2004): predictions become sure.

    Args:
        weight: see `Term`.
        variables: see `Term`.
    """

    name = "entropy"

    def loss(self, passes: Passes, variables: tuple[str, ...]) -> tf.Tensor:
        return tf.add_n([consistency.entropy(passes.log_q(name)) for name in variables])


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ClassBalance(Term):
    """KL(p(y) || mean q(y|x)) over the examples of a step: no class is forgotten.

    Args:
        weight: see `Term`.
        variables: see `Term`.
    """

    name = "class_balance"

    @property
    def mixes_examples(self) -> bool:
        return True

    def check(self, classes: Mapping[str, int], observed: Mapping[str, Any], priors: Mapping[str, bool]) -> None:
        super().check(classes, observed, priors)
        if with_parents := [name for name in self.of(classes) if not priors[name]]:
            raise ValueError(
                f"consistency='class_balance' compares with p(y), which must have no parents. Received: {with_parents[0]!r}"
            )

    def loss(self, passes: Passes, variables: tuple[str, ...]) -> tf.Tensor:
        total = 0.0
        for name in variables:
            mean = counted.mean(tf.exp(passes.log_q(name)))
            total += consistency.divergence(passes.log_prior(name), consistency.log_of(mean))
        size = tf.shape(next(iter(passes.x.values())))[:1]
        return tf.fill(size, total)
