"""Tracing and compilation beyond Keras' own."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import keras_internals, layers, nodes
from ssdgm_tf.models import devices

if TYPE_CHECKING:
    from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel

#: Arguments of keras.Model.compile about losses given from outside.
OF_KERAS_LOSSES = {"loss", "loss_weights", "weighted_metrics"}
# Examples times evaluations times weights of a step. From here on kernels repay the time of their compilation.
_SMALLEST_STEP = 1e9
# Such work takes about half a second, forward and backward.
_WORK_AT_ONCE = {"CPU": 1e10, "GPU": 1e12}


def work(model: "SemiSupervisedModel", num_examples: int) -> float:
    """Multiplications of a forward pass, roughly and at most: examples times evaluations times weights.

    Args:
        model: the model, built.
        num_examples: examples of the larger stream.
    """
    pixels = max(math.prod((head.event_shape or ())[:2]) for head in model.data_format.observed.values())
    # Those of a convolution, which have four axes, serve every pixel.
    uses = [math.prod(weight.shape) * (pixels if len(weight.shape) == 4 else 1) for weight in model.trainable_variables]
    return float(max(1, num_examples * model.evaluations_per_example * sum(uses)))


def work_at_once() -> float:
    """Work of about half a second on this machine."""
    return _WORK_AT_ONCE["GPU" if tf.config.list_logical_devices("GPU") else "CPU"]


def mixes_examples(model: "SemiSupervisedModel") -> bool:
    """Whether what a step computes of an example may depend on the others of its batch, so that none may be added to it.

    Normalisation over a batch does, and losses that layers add. Layers and functions of the user may do anything.

    Args:
        model: the model.
    """

    def mixes(layer: keras.layers.Layer) -> bool:
        if type(layer).__module__.split(".")[0] not in ("keras", "ssdgm_tf"):
            return True
        operations = getattr(layer, "operations", ())  # of a functional network; those that are no layers have no type here
        axes = np.ravel(getattr(layer, "axis", ()))
        is_over_batch = isinstance(layer, keras.layers.BatchNormalization | keras.layers.Lambda) or 0 in axes
        adds_loss = getattr(layer, "activity_regularizer", None) is not None
        if not isinstance(layer, nodes.Node | layers.StochasticNode):  # a stochastic layer in a network adds its KL
            adds_loss |= any(isinstance(part, layers.StochasticNode) for part in keras_internals.sublayers(layer))
        return is_over_batch or adds_loss or not all(isinstance(part, keras.layers.Layer) for part in operations)

    return any(mixes(layer) for layer in keras_internals.sublayers(model) if layer is not model)


def repays_kernels(model: "SemiSupervisedModel", num_examples: int) -> bool:
    """Whether to compile elementwise work: `jit_compile="auto"` leaves the step to TensorFlow, and the step is large.

    Args:
        model: the model, built and compiled.
        num_examples: examples of the larger stream.
    """
    num_weights = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    is_large = num_examples * model.evaluations_per_example * num_weights >= _SMALLEST_STEP
    left_to_tensorflow = model.jit_is_auto and not model.jit_compile and not model.run_eagerly
    return is_large and left_to_tensorflow and not model.is_distributed


def trace_predict(model: "SemiSupervisedModel", x: Mapping[str, tf.TensorSpec]) -> None:
    """Traces prediction for batches of any size. Keras would trace it for the first size, and again for a smaller last one.

    Args:
        model: the model, built.
        x: {name: that of a batch} of the observed variables.
    """
    if model.predict_function is None and not model.run_eagerly and not model.is_distributed:
        model.make_predict_function()
        batch = {name: tf.TensorSpec((None, *spec.shape[1:]), spec.dtype) for name, spec in x.items()}
        function: Any = model.predict_function
        function.get_concrete_function([batch] * model.steps_per_execution)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
    compiled: bool,
) -> tf.Tensor:
    """Gives the optimizer its gradients, or zeros if any is not finite, so that no weight becomes NaN.

    A `LossScaleOptimizer` gets them unchanged, because it checks them itself.

    Args:
        optimizer: any Keras optimizer, built.
        gradients: one for each variable; None where the loss does not depend on it.
        variables: the trained variables.
        compiled: whether to compile the whole update as one kernel.

    Returns:
        Whether all gradients on all replicas were finite; a scalar of 0 or 1.
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


def compile_config(model: "SemiSupervisedModel", of_keras: dict[str, Any]) -> dict[str, Any]:
    """The arguments that `model.compile` was given, saved with the model to compile it again.

    Args:
        model: the model, compiled.
        of_keras: the arguments that Keras keeps.
    """
    sizes = model.objective_scale[:2] if model.objective_scale else model.data_sizes
    own = {
        "gamma": model.gamma,
        "classification_weight": model.classification_weight,
        "num_samples": model.num_samples,
        "jit_compile": "auto" if model.jit_is_auto else model.jit_compile,
        "steps_per_execution": "auto" if model.steps_are_auto else model.steps_per_execution,
        "labelled_bound": model.labelled_bound,
        "unlabelled_bound": model.unlabelled_bound,
        "kl_weight": keras.saving.serialize_keras_object(model.kl_weight),
        "bound_weight": keras.saving.serialize_keras_object(model.bound_weight),
        "free_bits": model.free_bits,
        "consistency": keras.saving.serialize_keras_object(list(model.consistency)) or None,
        "metrics": keras.saving.serialize_keras_object(model.monitor.given) or None,
    }
    if sizes is not None:
        own |= dict(zip(("num_unlabelled", "num_labelled"), sizes, strict=True))
    return {name: value for name, value in of_keras.items() if name not in OF_KERAS_LOSSES} | own
