"""Losses of a classifier and a generator that play against each other, as pure functions.

The classifier has K logits. With Z = sum_k exp(logit_k) an example is real with probability D = Z / (Z + 1): the same as a
softmax over K + 1 classes, the last one "generated", whose logit is 0 (Salimans et al. 2016, section 5).
"""

import tensorflow as tf


def real_or_generated(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The classifier's loss on examples without labels (Salimans et al. 2016, section 5).

        - mean log D(x) - mean log (1 - D(g))

    Args:
        real: logits of real examples [B, K].
        generated: logits of generated ones [G, K].

    Returns:
        Nats, a scalar.
    """
    log_z, log_z_generated = tf.reduce_logsumexp(real, axis=-1), tf.reduce_logsumexp(generated, axis=-1)
    return tf.reduce_mean(tf.nn.softplus(-log_z)) + tf.reduce_mean(tf.nn.softplus(log_z_generated))


def taken_for_real(generated: tf.Tensor) -> tf.Tensor:
    """The generator's loss of Goodfellow et al. 2014, which does not saturate: - mean log D(g).

    Args:
        generated: logits of generated examples [G, K].

    Returns:
        Nats, a scalar.
    """
    return tf.reduce_mean(tf.nn.softplus(-tf.reduce_logsumexp(generated, axis=-1)))


def feature_matching(real: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """The generator's loss of Salimans et al. 2016, section 3.1: the squared distance of the mean features.

        mean_d (mean_n f_d(x_n) - mean_m f_d(g_m))^2

    Args:
        real: features of real examples [B, D]; they are held.
        generated: features of generated ones [G, D].

    Returns:
        A scalar.
    """
    target = tf.stop_gradient(tf.reduce_mean(real, axis=0))
    return tf.reduce_mean((target - tf.reduce_mean(generated, axis=0)) ** 2)


def pull_away(features: tf.Tensor) -> tf.Tensor:
    """The mean squared cosine of pairs of generated examples (Zhao et al. 2017, section 2.4): small where they differ.

        1 / (G (G - 1)) sum_{i != j} (f_i' f_j / (|f_i| |f_j|))^2

    Dai et al. 2017, section 4.2, take it for minus the entropy of the generator.

    Args:
        features: [G, D].

    Returns:
        A scalar in [0, 1]; 0 of one example.
    """
    unit = tf.math.l2_normalize(features, axis=-1)
    cosines = tf.linalg.set_diag(tf.matmul(unit, unit, transpose_b=True), tf.zeros_like(features[:, 0]))
    size = tf.cast(tf.shape(features)[0], features.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(cosines**2), size * (size - 1))
