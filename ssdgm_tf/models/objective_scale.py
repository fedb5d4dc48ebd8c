"""What the objective weighs with, once the data set is known."""

from typing import NamedTuple

import tensorflow as tf

from ssdgm_tf import objectives


class ObjectiveScale(NamedTuple):
    """The objective's weights once the data set is known.

    Attributes:
        num_unlabelled: N.
        num_labelled: M.
        gamma: weight of the labelled examples.
        classification_weight: a, nats per labelled example.
    """

    num_unlabelled: float
    num_labelled: float
    gamma: float
    classification_weight: float

    def objective(self, labelled: dict, unlabelled: dict | None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """What a step maximises, a scalar.

        Args:
            labelled: terms of the labelled stream; see `SemiSupervisedModel.labelled_terms`.
            unlabelled: terms of the other; None where there is none.
            mask: [B], 0 where a labelled term is left out.
        """
        supervised = objectives.labelled_objective(
            labelled["objective"], -labelled["classification_loss"], self.classification_weight
        )
        mask = tf.ones_like(supervised) if mask is None else mask
        supervised = tf.math.divide_no_nan(tf.reduce_sum(mask * supervised), tf.reduce_sum(mask))
        if unlabelled is None or not self.num_unlabelled:
            return supervised
        return objectives.total_objective(
            unlabelled["objective"], supervised, self.gamma, self.num_unlabelled, self.num_labelled
        )

    def __str__(self):
        if not self.num_labelled:
            return f"{self.num_unlabelled:g} unlabelled examples, none labelled; maximises mean U"
        if not self.num_unlabelled:
            return (
                f"{self.num_labelled:g} labelled examples, none unlabelled; "
                f"maximises mean (L + {self.classification_weight:g} log q(y|x))"
            )
        rate = self.gamma * self.num_labelled / self.num_unlabelled
        rho = objectives.supervision_rate(self.gamma, self.num_unlabelled, self.num_labelled)
        return (
            f"N = {self.num_unlabelled:g} unlabelled, M = {self.num_labelled:g} labelled, gamma = {self.gamma:g}, "
            f"classification_weight = {self.classification_weight:g} nats per labelled example; "
            f"maximises mean U + {rate:.3g} mean (L + {self.classification_weight:g} log q(y|x)), "
            f"supervision rate rho = {rho:.3g}"
        )
