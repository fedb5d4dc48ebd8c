"""M2 by hand in plain TensorFlow, to measure the cost of the engine's generality. No layers, no graph, no Keras model.

Like the engine it uses the package's kernels and Keras' Adam, so that only the engine differs.
"""

import keras
import numpy as np
import tensorflow as tf

from benchmarks import problem as p
from ssdgm_tf.layers import kernels

_softplus = keras.activations.softplus


class Step:
    """One training step of a problem.

    Args:
        problem: the data and weights.
        precision: "float32" or "bfloat16", of matrix products and hidden layers.
    """

    analytic_kl = True

    def __init__(self, problem: p.Problem, precision: str = "float32"):
        self.dtype = precision
        self.x_labelled, self.x_unlabelled = tf.constant(problem.x_labelled), tf.constant(problem.x_unlabelled)
        self.one_hot = tf.one_hot(problem.y, p.CLASSES)
        self.weights = {name: keras.Variable(value, name=name) for name, value in problem.weights.items()}
        self.optimizer = keras.optimizers.Adam(p.LEARNING_RATE)
        self.optimizer.build(list(self.weights.values()))
        self.step = tf.function(self._step, autograph=False)

    def loss(self, problem: p.Problem) -> float:
        """The loss at the problem's noise."""
        return float(self._loss(tf.constant(problem.noise_labelled), tf.constant(problem.noise_unlabelled)))

    def __call__(self) -> None:
        """Takes one step."""
        self.step().numpy()

    def _step(self) -> tf.Tensor:
        noise = [
            tf.random.normal([len(self.x_labelled), p.LATENT]),
            tf.random.normal([p.CLASSES, len(self.x_unlabelled), p.LATENT]),
        ]
        with kernels.fusing(), tf.GradientTape() as tape:
            loss = self._loss(*noise)
        variables = list(self.weights.values())
        update = tf.function(lambda gradients: self.optimizer.apply(gradients, variables), jit_compile=True)
        update(tape.gradient(loss, [variable.value for variable in variables]))
        return loss

    def _loss(self, noise_labelled: tf.Tensor, noise_unlabelled: tf.Tensor) -> tf.Tensor:
        w = {name: tf.cast(variable.value, self.dtype) for name, variable in self.weights.items()}
        eye = tf.eye(p.CLASSES)[:, None]  # all classes, on an axis in front of the images
        log_q = self._log_qy(w, self.x_unlabelled)
        bounds = tf.transpose(self._bound(w, self.x_unlabelled[None], eye, noise_unlabelled))
        unlabelled = tf.reduce_sum(tf.exp(log_q) * (bounds - log_q), axis=-1)
        log_qy = tf.reduce_sum(self.one_hot * self._log_qy(w, self.x_labelled), axis=-1)
        labelled = self._bound(w, self.x_labelled, self.one_hot, noise_labelled) + p.CLASSIFICATION_WEIGHT * log_qy
        return -tf.reduce_mean(unlabelled) - tf.reduce_mean(labelled)

    def _log_qy(self, w: dict[str, tf.Tensor], x: tf.Tensor) -> tf.Tensor:
        h = _layer(_product(x, w["W_y0"]), w["b_y0"])
        h = _layer(_product(h, w["W_y1"]), w["b_y1"])
        return tf.nn.log_softmax(_affine(h, w["W_y2"], w["b_y2"]))

    def _bound(self, w: dict[str, tf.Tensor], x: tf.Tensor, y: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        h = _layer(_product(x, w["W_zx"]), _product(y, w["W_zy"]), w["b_zx"])
        h = _layer(_product(h, w["W_z1"]), w["b_z1"])
        loc, raw = tf.split(_affine(h, w["W_z2"], w["b_z2"]), 2, axis=-1)
        scale = _scale(raw)
        h = _layer(_product(_shifted(loc, scale, noise), w["W_xz"]), _product(y, w["W_xy"]), w["b_xy"])
        h = _layer(_product(h, w["W_x1"]), w["b_x1"])
        log_px = _log_px(_affine(h, w["W_x2"], w["b_x2"]), x)
        return log_px - np.log(p.CLASSES).astype("float32") - _kl(loc, scale)


def _product(x: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.tensordot(tf.cast(x, weights.dtype), weights, 1)


def _affine(x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    rows = tf.nn.bias_add(tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), weights), bias)
    return tf.cast(tf.reshape(rows, [*x.shape[:-1], bias.shape[0]]), tf.float32)


def _layer(*terms: tf.Tensor) -> tf.Tensor:
    return kernels.activated_sum(_softplus, *terms)


@kernels.kernel()
def _scale(raw: tf.Tensor) -> tf.Tensor:
    return kernels.softplus(raw + p.SCALE_OFFSET) + p.SCALE_MINIMUM


@kernels.kernel()
def _shifted(loc: tf.Tensor, scale: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    return loc + scale * noise


@kernels.kernel()
def _kl(loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(0.5 * (scale**2 + loc**2 - 1.0) - tf.math.log(scale), axis=-1)


@kernels.kernel(num_parameters=1)
def _log_px(logits: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(x * logits - kernels.softplus(logits), axis=-1)
