"""The semi-supervised objective: bounds of both kinds, the classification term, and their weights.

The one quantity that the literature calls alpha under three different scalings has one name and one unit here:
``classification_weight``, nats per labelled example inside Lsup. Three functions convert the published conventions.
"""

from typing import NamedTuple

import tensorflow as tf


class ObjectiveWeights(NamedTuple):
    """The two weights of the objective.

    Attributes:
        gamma: weight of the labelled examples against the unlabelled ones (1: every example counts once).
        classification_weight: nats added per labelled example for each nat of log q(y|x).
    """

    gamma: float
    classification_weight: float


def labelled_objective(bound: tf.Tensor, log_qy: tf.Tensor, classification_weight: float) -> tf.Tensor:
    """A labelled example's part of the objective; not a bound, for the classification term is added.

        Lsup(x,y) = L(x,y) + a log q(y|x)

    Kingma et al. 2014, equation 9 (a is their alpha over the number of labelled examples); Siddharth et al. 2017, section 3.

    Args:
        bound: L(x,y), nats, [B].
        log_qy: log q(y|x) at the observed label, nats, [B].
        classification_weight: the a above, nats per labelled example.

    Returns:
        Lsup, [B].
    """
    return bound + classification_weight * log_qy


def total_objective(
    unlabelled: tf.Tensor, labelled: tf.Tensor, gamma: float, num_unlabelled: float, num_labelled: float
) -> tf.Tensor:
    """One step's estimate of the objective, per unlabelled example; maximised.

        mean_n U(x_n) + gamma (M / N) mean_m Lsup(x_m, y_m)

    An unbiased estimate of (1/N) ( sum_n U(x_n) + gamma sum_m Lsup(x_m, y_m) ), whatever the two batch sizes.

    Args:
        unlabelled: U(x) of the unlabelled batch, nats, [B_u].
        labelled: Lsup(x,y) of the labelled batch, [B_l].
        gamma: weight of the labelled examples.
        num_unlabelled: N, unlabelled examples in the data set.
        num_labelled: M, labelled examples in the data set.

    Returns:
        A scalar.
    """
    return tf.reduce_mean(unlabelled) + gamma * num_labelled / num_unlabelled * tf.reduce_mean(labelled)


def supervision_rate(gamma: float, num_unlabelled: float, num_labelled: float) -> float:
    """Share of the objective's weight that lies on labelled examples.

        rho = gamma M / (N + gamma M)

    Siddharth et al. 2017, section 4.1.

    Args:
        gamma: weight of the labelled examples.
        num_unlabelled: N.
        num_labelled: M.

    Returns:
        rho, 0..1.
    """
    return gamma * num_labelled / (num_unlabelled + gamma * num_labelled)


def gamma_of_rate(rate: float, num_unlabelled: float, num_labelled: float) -> float:
    """The gamma that gives a supervision rate: the inverse of `supervision_rate`.

        gamma = rho N / ((1 - rho) M)

    Args:
        rate: rho, between 0 and 1.
        num_unlabelled: N.
        num_labelled: M.

    Returns:
        The weight of the labelled examples.
    """
    return rate * num_unlabelled / ((1 - rate) * num_labelled)


def kingma_weights(alpha: float, num_examples: int, num_labelled: int) -> ObjectiveWeights:
    """Weights of Kingma et al. 2014 as their code has them: alpha = 0.1 means a = 0.1 N_total / N_labelled, gamma = 1.

    Args:
        alpha: their alpha.
        num_examples: all training examples, labelled and not.
        num_labelled: the labelled ones.
    """
    return ObjectiveWeights(gamma=1.0, classification_weight=alpha * num_examples / num_labelled)


def adgm_weights(beta: float, num_examples: int, num_unlabelled: int, num_labelled: int) -> ObjectiveWeights:
    """Weights of Maaloe et al. 2016 as their code has them: the two batch means count alike.

    Their step maximises mean U + mean (L + beta n / n_l log q(y|x)): gamma = N / M and a = beta n / n_l.

    Args:
        beta: their beta (0.1).
        num_examples: their n, all training examples.
        num_unlabelled: N, the size of the unlabelled stream (in their code it holds the labelled examples too).
        num_labelled: M (their n_l).
    """
    return ObjectiveWeights(gamma=num_unlabelled / num_labelled, classification_weight=beta * num_examples / num_labelled)


def siddharth_weights(alpha: float) -> ObjectiveWeights:
    """Weights of Siddharth et al. 2017 as their code has them: alpha nats per labelled example, gamma = 1."""
    return ObjectiveWeights(gamma=1.0, classification_weight=alpha)
