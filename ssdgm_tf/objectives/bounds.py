"""Lower bounds on log p(x, y) and log p(x)."""

import tensorflow as tf


def labelled_bound(log_px: tf.Tensor, log_py: tf.Tensor, kl_z: tf.Tensor) -> tf.Tensor:
    """Bound on log p(x, y) with the label held.

        L(x,y) = E_{q(z|x,y)} [ log p(x|y,z) ] + log p(y) - KL(q(z|x,y) || p(z))

    Kingma et al. 2014, equation 6 (there with the opposite sign). The expectation is the mean over the S samples; the KL
    is analytic, so the estimate is unbiased for every S and its expectation is at most log p(x, y).

    Args:
        log_px: log p(x|y,z) at draws of z from q(z|x,y), nats, [K, S, B].
        log_py: log p(y), nats, broadcastable to [K, S, B].
        kl_z: KL(q(z|x,y) || p(z)), nats, broadcastable to [K, S, B].

    Returns:
        L(x,y) for each of the K labels, nats, [K, B].
    """
    return tf.reduce_mean(log_px + log_py - kl_z, axis=1)


def unlabelled_bound(bound_given_y: tf.Tensor, log_qy: tf.Tensor) -> tf.Tensor:
    """Bound on log p(x), the label summed out exactly.

        U(x) = sum_y q(y|x) [ L(x,y) - log q(y|x) ]

    Kingma et al. 2014, equation 7 (there with the opposite sign). Exact in y: no sampling of the label, no relaxation.

    Args:
        bound_given_y: L(x,y) for every y, nats, [K, B].
        log_qy: log q(y|x), nats, [K, B]; normalised over K.

    Returns:
        U(x), nats, [B].
    """
    return tf.reduce_sum(tf.exp(log_qy) * (bound_given_y - log_qy), axis=0)


def log_importance_weight(log_px: tf.Tensor, log_py: tf.Tensor, log_pz: tf.Tensor, log_qz: tf.Tensor) -> tf.Tensor:
    """Log weight of a draw of z from q(z|x,y).

        log w = log p(x|y,z) + log p(y) + log p(z) - log q(z|x,y)

    Args:
        log_px: log p(x|y,z), nats, [K, S, B].
        log_py: log p(y), nats, broadcastable to [K, S, B].
        log_pz: log p(z), nats, [K, S, B].
        log_qz: log q(z|x,y), nats, [K, S, B].

    Returns:
        log w, nats, [K, S, B].
    """
    return log_px + log_py + log_pz - log_qz


def importance_weighted_bound(log_w: tf.Tensor) -> tf.Tensor:
    """Importance-weighted bound on log p(x), or on log p(x, y) where one label is held.

        log (1/S) sum_s sum_y p(x,y,z_ys) / q(z_ys|x,y)          z_ys ~ q(z|x,y)

    Burda et al. 2016, equation 8, with the label summed out exactly. The mean of the weights is unbiased for p(x), so the
    expected bound is at most log p(x), is at least U(x), and rises with S. With K = 1 it bounds log p(x, y).

    Args:
        log_w: log weights from :func:`log_importance_weight`, nats, [K, S, B].

    Returns:
        The bound, nats, [B].
    """
    num_samples = tf.cast(tf.shape(log_w)[1], log_w.dtype)
    return tf.reduce_logsumexp(log_w, axis=(0, 1)) - tf.math.log(num_samples)
