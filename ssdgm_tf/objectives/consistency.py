"""Losses of q(y|.) of a class that need no label, as pure functions. None of them is part of a bound.

Each takes logarithms of probabilities, [B, K] of B examples and K classes, and gives a number per example, [B], in nats
where nothing else is said. All are at least 0, and are added to minus the objective with a weight of their own; the logged
bounds stay as they are.
"""

import tensorflow as tf

# Probabilities below it count as it.
_TINY = 1e-30


def log_of(probs: tf.Tensor) -> tf.Tensor:
    """The logarithms of probabilities, which are finite.

    Args:
        probs: probabilities of any shape.
    """
    return tf.math.log(tf.maximum(probs, tf.constant(_TINY, probs.dtype)))


def entropy(log_q: tf.Tensor) -> tf.Tensor:
    """The entropy of the predictions (Grandvalet and Bengio 2004, equation 3).

        H(q) = - sum_k q_k log q_k

    Args:
        log_q: log q(y|x), [B, K].

    Returns:
        Nats, [B].
    """
    return -tf.reduce_sum(tf.exp(log_q) * log_q, axis=-1)


def divergence(log_p: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """The Kullback-Leibler divergence of the predictions from a target.

        KL(p || q) = sum_k p_k (log p_k - log q_k)

    Args:
        log_p: the target, [B, K] or [K].
        log_q: the predictions, [B, K] or [K].

    Returns:
        Nats, [B] or a scalar.
    """
    return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)


def squared_distance(log_p: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """The squared distance of the predictions from a target (Tarvainen and Valpola 2017, section 2).

        sum_k (p_k - q_k)^2

    Args:
        log_p: the target, [B, K].
        log_q: the predictions, [B, K].

    Returns:
        At most 2, [B]; it is no number of nats.
    """
    return tf.reduce_sum((tf.exp(log_p) - tf.exp(log_q)) ** 2, axis=-1)


def pseudo_label(log_p: tf.Tensor, log_q: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """The cross-entropy of predictions with the likeliest class of a target (Sohn et al. 2020, FixMatch, equation 4).

        - weight log q_k,    k = argmax p

    Args:
        log_p: the target, [B, K].
        log_q: the predictions, [B, K].
        weight: of each example, [B]; of FixMatch 1 where max p is at least the threshold, else 0.

    Returns:
        Nats, [B].
    """
    return -weight * tf.gather(log_q, tf.argmax(log_p, axis=-1), batch_dims=1)


def free_match_thresholds(level: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """The thresholds of FreeMatch (Wang et al. 2023, equation 8): lower for classes that are predicted less.

        level shares_k / max shares

    Args:
        level: the running mean of the confidence max q, a scalar.
        shares: the running mean of the predictions, [K].

    Returns:
        [K], at most `level`.
    """
    return level * shares / tf.reduce_max(shares)


def soft_match_weight(confidence: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """The weights of SoftMatch (Chen et al. 2023, equation 5): less the further the confidence lies below its mean.

        exp(- min(confidence - mean, 0)^2 / (variance / 2))

    The variance is divided by 4, as in their code, so that it stands for two standard deviations.

    Args:
        confidence: max q, [B].
        mean: its running mean, a scalar.
        variance: its running variance, a scalar.

    Returns:
        Weights in [0, 1], [B].
    """
    below = tf.minimum(confidence - mean, 0)
    return tf.exp(-(below**2) / tf.maximum(variance / 2, 1e-12))
