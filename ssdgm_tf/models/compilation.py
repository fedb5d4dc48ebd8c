"""What of a training step XLA compiles on a CPU, where `jit_compile="auto"` leaves the step as a whole to TensorFlow."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

# Examples times evaluations times weights of a step, beyond which kernels repay the time that they take to compile.
_SMALLEST_STEP = 1e9


def repays_kernels(num_examples: int, evaluations: int, variables: Sequence[keras.Variable]) -> bool:
    """Is a step so large, and on one device, that its elementwise work should be compiled?

    Args:
        num_examples: examples of the larger stream.
        evaluations: how many times the widest network is evaluated for an example.
        variables: what is trained.
    """
    num_weights = sum(math.prod(variable.shape) for variable in variables)
    return num_examples * evaluations * num_weights >= _SMALLEST_STEP and not tf.distribute.has_strategy()


def apply_gradients(optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable], compiled: bool) -> None:
    """Gives the optimizer its gradients.

    Args:
        optimizer: any Keras optimizer, built.
        gradients: one for each variable.
        variables: what is trained.
        compiled: all its arithmetic as one kernel.
    """

    def update(gradients):
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    if compiled:
        update = tf.function(update, jit_compile=True, autograph=False)
    update(gradients)
