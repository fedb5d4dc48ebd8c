"""Surrogates for draws that carry no gradient: their value is 0, their gradient is the score-function term.

Added to a bound, they complete its gradient and leave its value unchanged. They are never logged.
"""

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
    """Completes the gradient of `importance_weighted_bound` where draws, of log probability `log_q`, carry none.

        grad E[bound] = E[ grad bound + sum_s (bound - bound without sample s) grad log q_s ]     Mnih and Rezende 2016

    Args:
        log_ratio: see `importance_weighted_bound`, nats, [K, S, B].
        log_weight: see `importance_weighted_bound`, nats, [K, S, B].
        log_q: log probability of the draws, nats, [K, S, B] or [1, S, B].

    Returns:
        Zeros with a gradient, [B].
    """
    per_sample = tf.stop_gradient(tf.reduce_logsumexp(log_ratio + log_weight, axis=0))
    num_samples = per_sample.shape[0]
    bound = tf.reduce_logsumexp(per_sample, axis=0) - tf.math.log(tf.cast(num_samples, per_sample.dtype))
    without = tf.zeros_like(per_sample)
    if num_samples > 1:
        own = tf.eye(num_samples, dtype=tf.bool)[..., None]
        others = tf.where(own, tf.constant(-float("inf"), per_sample.dtype), per_sample[None])
        without = tf.reduce_logsumexp(others, axis=1) - tf.math.log(tf.cast(num_samples - 1, per_sample.dtype))
    per_draw = tf.reduce_sum(log_q, axis=0)
    return tf.reduce_sum((per_draw - tf.stop_gradient(per_draw)) * (bound - without), axis=0)


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
