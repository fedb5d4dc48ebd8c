"""Surrogates for draws that carry no gradient: their value is 0, their gradient is the score-function term.

Added to a bound, they complete its gradient and leave its value unchanged. They are never logged.
"""

from collections.abc import Callable

import tensorflow as tf


def score_surrogate(
    log_ratio: tf.Tensor,
    log_weight: tf.Tensor,
    log_q: tf.Tensor,
    listed: tf.Tensor | None = None,
    baseline: tf.Tensor | None = None,
) -> tf.Tensor:
    """Completes the gradient of `evidence_lower_bound` where draws, of log probability `log_q`, carry none.

        grad E[f] = E[ grad f + (f - b) grad log q ]                    Williams 1992

    b is the first of: `baseline`; the mean of f over the listed states, which does not depend on the draw; the mean of f
    over the other samples (Mnih and Rezende 2016), or 0 where S = 1. The gradient is unbiased if b does not depend on the
    draw.

    Args:
        log_ratio: see `evidence_lower_bound`, nats, [K, S, B].
        log_weight: see `evidence_lower_bound`, nats, [K, S, B].
        log_q: log probability of the draws, nats, [K, S, B], or [1, S, B] where all K states share a draw; 0 where listed.
        listed: bool [K, 1, 1], true for states that are summed and not drawn; None if every state is drawn.
        baseline: b, nats, broadcastable to `log_q`; None for one of the means above.

    Returns:
        Zeros with a gradient, [B].
    """
    signal = _signal(log_ratio, log_weight, log_q)
    if baseline is None and listed is not None:
        weight = tf.exp(log_weight)
        mass = tf.where(listed, weight, tf.zeros_like(weight))
        control = tf.reduce_sum(mass * log_ratio, axis=0) / tf.reduce_sum(mass, axis=0)
        baseline = weight * control
    elif baseline is None:
        baseline = _leave_one_out_mean(signal)
    centred = log_q - tf.stop_gradient(log_q)
    return tf.reduce_sum(tf.reduce_mean(centred * (signal - tf.stop_gradient(baseline)), axis=1), axis=0)


def baseline_surrogate(log_ratio: tf.Tensor, log_weight: tf.Tensor, log_q: tf.Tensor, baseline: tf.Tensor) -> tf.Tensor:
    """Fits a learned baseline: 0 with the gradient of minus its squared error. It predicts the score function's signal.

    Args:
        log_ratio: see `score_surrogate`.
        log_weight: see `score_surrogate`.
        log_q: see `score_surrogate`.
        baseline: the prediction, nats, broadcastable to `log_q`.

    Returns:
        Zeros with a gradient, [B].
    """
    error = _signal(log_ratio, log_weight, log_q) - baseline
    loss = tf.reduce_sum(tf.reduce_mean(error**2, axis=1), axis=0)
    return tf.stop_gradient(loss) - loss


def importance_weighted_surrogate(log_ratio: tf.Tensor, log_weight: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Completes the gradient of `importance_weighted_bound` where draws carry none; see `_of_samples`.

    With log w in place of `log_ratio` it completes that of `log_normaliser`, which has the same form.

    Args:
        log_ratio: see `importance_weighted_bound`, nats, [K, S, B].
        log_weight: see `importance_weighted_bound`, nats, [K, S, B].
        log_q: log probability of all draws of each sample, nats, [S, B].

    Returns:
        Zeros with a gradient, [B].
    """
    per_sample = tf.stop_gradient(tf.reduce_logsumexp(log_ratio + log_weight, axis=0))
    return _of_samples(_log_mean_exp, per_sample, log_q)


def importance_surrogate(log_ratio: tf.Tensor, log_w: tf.Tensor, log_weight: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Completes the gradient of `importance_bound` where draws carry none; see `_of_samples`.

    Args:
        log_ratio: see `importance_bound`, nats, [K, S, B].
        log_w: see `importance_bound`, nats, [K, S, B].
        log_weight: see `importance_bound`, nats, [K, S, B].
        log_q: log probability of all draws of each sample, nats, [S, B].

    Returns:
        Zeros with a gradient, [B].
    """
    log_mass = log_w + log_weight
    log_z = tf.stop_gradient(tf.reduce_logsumexp(log_mass, axis=0))
    share = tf.exp(log_mass - log_z)
    # The mean of the integrand over the states of each sample.
    mean = tf.stop_gradient(tf.reduce_sum(share * (log_ratio - tf.where(share > 0, log_w, tf.zeros_like(log_w))), axis=0))

    def bound(log_z: tf.Tensor, num_samples: int) -> tf.Tensor:
        return tf.reduce_sum(tf.nn.softmax(log_z, axis=-2) * mean, axis=-2) + _log_mean_exp(log_z, num_samples)

    return _of_samples(bound, log_z, log_q)


def _of_samples(bound: Callable[[tf.Tensor, int], tf.Tensor], per_sample: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """The score-function term of a bound that is any function of S samples; zeros with a gradient, [B].

        grad E[bound] = E[ grad bound + sum_s (bound - bound without sample s) grad log q_s ]     Mnih and Rezende 2016

    Unbiased for every S, because the bound without a sample does not depend on its draws. Where S = 1 it is 0.

    Args:
        bound: from samples, [..., S, B], and how many they are to the bound, nats, [..., B]; one left out is -inf.
        per_sample: the logarithms of the samples, nats, [S, B]; [1, B] where they do not depend on the draws.
        log_q: log probability of all draws of each sample, nats, [S, B].
    """
    num_samples = log_q.shape[0]
    value = tf.stop_gradient(bound(per_sample, num_samples))
    if per_sample.shape[0] != num_samples:
        return tf.zeros_like(value)
    signal = value if num_samples == 1 else value - tf.stop_gradient(bound(_others(per_sample), num_samples - 1))
    return tf.reduce_sum((log_q - tf.stop_gradient(log_q)) * signal, axis=0)


def _others(per_sample: tf.Tensor) -> tf.Tensor:
    """[S, B] -> [S, S, B], the logarithms of the other samples: -inf on the diagonal."""
    own = tf.eye(per_sample.shape[0], dtype=tf.bool)[..., None]
    return tf.where(own, tf.constant(-float("inf"), per_sample.dtype), per_sample[None])


def _log_mean_exp(terms: tf.Tensor, num_samples: int) -> tf.Tensor:
    """Log of the mean of exp over so many samples, the axis before the last."""
    return tf.reduce_logsumexp(terms, axis=-2) - tf.math.log(tf.cast(num_samples, terms.dtype))


def _signal(log_ratio: tf.Tensor, log_weight: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """The weighted integrand, summed over states that share a draw, in the shape of `log_q`; it carries no gradient."""
    integrand = tf.exp(log_weight) * log_ratio
    return tf.stop_gradient(tf.reduce_sum(integrand, axis=0, keepdims=True) if log_q.shape[0] == 1 else integrand)


def _leave_one_out_mean(signal: tf.Tensor) -> tf.Tensor:
    """The mean over the other samples, [K, S, B]; 0 where S = 1."""
    num_samples = signal.shape[1]
    if num_samples == 1:
        return tf.zeros_like(signal)
    return (tf.reduce_sum(signal, axis=1, keepdims=True) - signal) / (num_samples - 1)
