"""What is traced and compiled, beyond what Keras does by itself."""

import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.models import devices

#: What keras.Model.compile takes for losses and metrics given from outside.
OF_KERAS_LOSSES = {"loss", "metrics", "loss_weights", "weighted_metrics"}
# Examples times evaluations times weights of a step, beyond which kernels repay the time that they take to compile.
_SMALLEST_STEP = 1e9


def repays_kernels(model, num_examples: int) -> bool:
    """Should elementwise work be compiled: does `jit_compile="auto"` leave the step to TensorFlow, and is it a large one?

    Args:
        model: the model, built and compiled.
        num_examples: examples of the larger stream.
    """
    num_weights = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    is_large = num_examples * model.evaluations_per_example * num_weights >= _SMALLEST_STEP
    left_to_tensorflow = model.jit_is_auto and not model.jit_compile and not model.run_eagerly
    return is_large and left_to_tensorflow and not model.is_distributed


def trace_predict(model, x: Mapping[str, np.ndarray]) -> None:
    """Traces prediction for batches of any size; Keras would for that of the first, and again for a smaller last one.

    Args:
        model: the model, built.
        x: {name: array} of what will be predicted from.
    """
    if model.predict_function is None and not model.run_eagerly and not model.is_distributed:
        model.make_predict_function()
        batch = {name: tf.TensorSpec((None, *array.shape[1:]), array.dtype) for name, array in x.items()}
        model.predict_function.get_concrete_function([batch] * model.steps_per_execution)


def apply_gradients(
    optimizer, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable], compiled: bool
) -> tf.Tensor:
    """Gives the optimizer its gradients; zeros in their place where any is not finite, so that no weight becomes NaN.

    A `LossScaleOptimizer` gets them as they are: it looks for what is not finite itself.

    Args:
        optimizer: any Keras optimizer, built.
        gradients: one for each variable; None where the loss does not depend on it.
        variables: what is trained.
        compiled: all its arithmetic as one kernel.

    Returns:
        Whether all were finite, on all replicas; a scalar of 0 or 1.
    """
    keeps_all = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)

    def update(gradients):
        sums = [tf.cast(tf.reduce_sum(gradient), tf.float32) for gradient in gradients if gradient is not None]
        is_finite = devices.on_all_replicas(tf.math.is_finite(tf.add_n(sums)))
        if not keeps_all:
            kept = is_finite > 0
            gradients = [None if g is None else tf.where(kept, g, tf.zeros_like(g)) for g in gradients]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return is_finite

    if compiled:
        update = tf.function(update, jit_compile=True, autograph=False)
    return update(gradients)


class SavedCompilation:
    """The arguments of `SemiSupervisedModel.compile`, saved with the model and given to it again."""

    def get_compile_config(self):
        config = super().get_compile_config()
        if not self.compiled:
            return config
        scale = self.objective_scale
        own = {
            "gamma": self.gamma,
            "classification_weight": self.classification_weight,
            "num_samples": self.num_samples,
            "jit_compile": "auto" if self.jit_is_auto else self.jit_compile,
            "labelled_bound": self.labelled_bound,
            "unlabelled_bound": self.unlabelled_bound,
            "kl_weight": keras.saving.serialize_keras_object(self.kl_weight),
            "free_bits": self.free_bits,
        }
        if scale is not None:
            own |= {"num_unlabelled": scale.num_unlabelled, "num_labelled": scale.num_labelled}
        return {name: value for name, value in config.items() if name not in OF_KERAS_LOSSES} | own

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
