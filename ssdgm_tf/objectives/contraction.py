"""How fast the hidden units of a sigmoid layer change with its inputs, as pure functions."""

import tensorflow as tf


def contraction(hidden: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The squared Frobenius norm of the Jacobian of h = sigmoid(x W + b) (Rifai et al. 2011a, section 3).

        |dh/dx|^2 = sum_j (h_j (1 - h_j))^2 sum_i W_ij^2

    Args:
        hidden: h, [B, H].
        kernel: W, [D, H].

    Returns:
        [B].
    """
    return tf.linalg.matvec((hidden * (1 - hidden)) ** 2, tf.reduce_sum(kernel**2, axis=0))


def curvature(hidden: tf.Tensor, moved: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The squared distance of two Jacobians of h = sigmoid(x W + b) (Rifai et al. 2011, ECML, CAE+H).

        |dh/dx (x) - dh/dx (x + e)|^2 = sum_j (h_j (1 - h_j) - h'_j (1 - h'_j))^2 sum_i W_ij^2

    Its mean over small random e is proportional to the squared norm of the Hessian.

    Args:
        hidden: h at x, [B, H].
        moved: h at x + e, [B, H].
        kernel: W, [D, H].

    Returns:
        [B].
    """
    slopes = hidden * (1 - hidden) - moved * (1 - moved)
    return tf.linalg.matvec(slopes**2, tf.reduce_sum(kernel**2, axis=0))
