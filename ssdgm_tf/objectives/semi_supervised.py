"""The semi-supervised objective: the two bounds, the classification term, and their weights.

The literature calls the weight of the classification term alpha, under three scalings. Here it has one name and one unit:
``classification_weight``, nats per labelled example inside Lsup. Three functions convert the published conventions.
"""

from typing import NamedTuple

import tensorflow as tf


class ObjectiveWeights(NamedTuple):
    """The two weights of the objective.

    Attributes:
        gamma: weight of a labelled example relative to an unlabelled one; 1 counts every example once.
        classification_weight: nats added to a labelled example's objective for each nat of log q(y|x).
    """

    gamma: float
    classification_weight: float


def labelled_objective(bound: tf.Tensor, log_qy: tf.Tensor, classification_weight: float) -> tf.Tensor:
    """The objective of a labelled example. It is not a bound, because the classification term is added.

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
    """One step's estimate of the objective per unlabelled example, which training maximises.

        mean_n U(x_n) + gamma (M / N) mean_m Lsup(x_m, y_m)

    An unbiased estimate of (1/N) ( sum_n U(x_n) + gamma sum_m Lsup(x_m, y_m) ) for any two batch sizes.

    Args:
        unlabelled: U(x) of the unlabelled batch, nats, [B_u].
        labelled: Lsup(x,y) of the labelled batch, [B_l].
        gamma: weight of the labelled examples.
        num_unlabelled: N, the number of unlabelled examples in the data set.
        num_labelled: M, the number of labelled examples in the data set.

    Returns:
        A scalar.
    """
    return tf.reduce_mean(unlabelled) + gamma * num_labelled / num_unlabelled * tf.reduce_mean(labelled)


def supervision_rate(gamma: float, num_unlabelled: float, num_labelled: float) -> float:
    """The labelled examples' share of the objective's weight.

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
    """The gamma of a given supervision rate, the inverse of `supervision_rate`.

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
    """The weights in the code of Kingma et al. 2014: a = alpha N_total / N_labelled (alpha = 0.1), gamma = 1.

    Args:
        alpha: their alpha.
        num_examples: number of all training examples, labelled and unlabelled.
        num_labelled: number of labelled training examples.
    """
    return ObjectiveWeights(gamma=1.0, classification_weight=alpha * num_examples / num_labelled)


def adgm_weights(beta: float, num_examples: int, num_unlabelled: int, num_labelled: int) -> ObjectiveWeights:
    """The weights in the code of Maaloe et al. 2016: the two batch means have equal weight.

    Their step maximises mean U + mean (L + beta n / n_l log q(y|x)): gamma = N / M and a = beta n / n_l.

    Args:
        beta: their beta (0.1).
        num_examples: their n, the number of all training examples.
        num_unlabelled: N, the size of the unlabelled stream, which in their code includes the labelled examples.
        num_labelled: M (their n_l).
    """
    return ObjectiveWeights(gamma=num_unlabelled / num_labelled, classification_weight=beta * num_examples / num_labelled)


def siddharth_weights(alpha: float) -> ObjectiveWeights:
    """The weights in the code of Siddharth et al. 2017: alpha nats per labelled example, gamma = 1."""
    return ObjectiveWeights(gamma=1.0, classification_weight=alpha)
