"""Lower bounds on log p(x) and log p(x, y), for any graph."""

import tensorflow as tf


def evidence_lower_bound(log_ratio: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """The evidence lower bound: U(x) where only x is given; L(x,y), conditional on y, where y is held.

        U(x)   = E_{q(y,u|x)} [ log p(x,y,u) - log q(y,u|x) ]         estimated by  (1/S) sum_s sum_k weight_ks log_ratio_ks
        L(x,y) = E_{q(u|x,y)} [ log p(x,y,u) - log q(u|x,y) ]

    Kingma et al. 2014, equations 7 and 6 (with the opposite sign); Siddharth et al. 2017, equations 1 and 4. Unbiased
    for every S, and exact in the variables that K enumerates. The expectation is at most log p(x), or log p(x, y).

    Args:
        log_ratio: log p of all variables minus log q of those not given, nats, [K, S, B]; any part of it may be replaced
            by its expectation, such as minus an analytic KL.
        log_weight: log weight of the K states, nats, [K, S, B]; the weights sum to 1 over K.

    Returns:
        The bound, nats, [B].
    """
    return _mean(tf.exp(log_weight) * log_ratio)


def log_normaliser(log_w: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """Log of the mean importance weight: log q(y|x), averaged over the latent parents of y.

        log Z = log (1/S) sum_s sum_k weight_ks w_ks,    w = prod over given supervised variables of q(y | its parents)

    Siddharth et al. 2017, equation 7. Z is unbiased for q(y|x); log Z is exact where the weights are constant.

    Args:
        log_w: log importance weights, nats, [K, S, B].
        log_weight: log weight of the K states, nats, [K, S, B].

    Returns:
        log Z, nats, [B].
    """
    return _log_mean_exp(log_w + log_weight)


def importance_bound(log_ratio: tf.Tensor, log_w: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """The labelled bound by self-normalised importance weights, for a latent variable before y in the recognition model.

        L(x,y) ~ (1/S) sum_s (w_s / Z) [ log p(x,y,u_s) - log q(y,u_s|x) ] + log Z        u_s drawn with y held

    Siddharth et al. 2017, equation 8 without the classification term. Consistent: as S grows, value and gradient tend to
    those of E_{q(u|x,y)} [ log p(x,y,u) - log q(u|x,y) ], a bound on log p(x, y). With equal weights it is that bound.

    Args:
        log_ratio: log p of all variables minus log q of those not given (y is given), nats, [K, S, B].
        log_w: log importance weights, nats, [K, S, B].
        log_weight: log weight of the K states, nats, [K, S, B].

    Returns:
        The bound, nats, [B].
    """
    log_z = log_normaliser(log_w, log_weight)
    normalised = tf.exp(log_w + log_weight - log_z)
    # log_ratio leaves out log q(y) = log w, which enters here, beside log Z. Where a weight is 0, its log may be -inf.
    integrand = log_ratio - tf.where(normalised > 0, log_w, tf.zeros_like(log_w))
    return _mean(normalised * integrand) + log_z


def importance_weighted_bound(log_ratio: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """Importance-weighted bound on log p(x), or on log p(x, y) where y is held.

        log (1/S) sum_s sum_k weight_ks p(x,y,u_ks) / q(y,u_ks|x)

    Burda et al. 2016, equation 8; with y held, Siddharth et al. 2017, equation 9 without the classification term. The mean
    is unbiased, so the expected bound is at most the log-likelihood, is at least the evidence lower bound, and rises with S.

    Args:
        log_ratio: log p of all variables minus log q of those not given, at the draws themselves, nats, [K, S, B].
        log_weight: log weight of the K states, nats, [K, S, B].

    Returns:
        The bound, nats, [B].
    """
    return _log_mean_exp(log_ratio + log_weight)


def _mean(term: tf.Tensor) -> tf.Tensor:
    """Sum over K and mean over S, [B]."""
    return tf.reduce_sum(tf.reduce_mean(term, axis=1), axis=0)


def _log_mean_exp(term: tf.Tensor) -> tf.Tensor:
    """Log of the sum over K and mean over S of exp, [B]."""
    return tf.reduce_logsumexp(term, axis=(0, 1)) - tf.math.log(tf.cast(tf.shape(term)[1], term.dtype))
