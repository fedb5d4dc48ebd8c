"""The ladder network of Rasmus et al. 2015: every layer of a classifier is also denoised, on all examples."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.baselines.stream_network import Player, StreamClassifier, StreamNetwork, cross_entropy
from ssdgm_tf.layers.types import Shape

_EPSILON = 1e-5
# Of the running statistics that predictions use.
_MOMENTUM = 0.99
# The share of the steps after which the learning rate falls.
_HELD = 2 / 3


class Ladder(StreamNetwork):
    """The ladder network with a full decoder (Rasmus et al. 2015, arXiv 1507.02672, table 1).

    The published recipe for MNIST, which the defaults are: layers of 1000, 500, 250, 250 and 250 units, noise of 0.3
    in every layer, denoising costs of 1000, 10 and 0.1 in every further layer, Adam with a rate of 2e-3 that falls to 0 over
    the last third, 150 epochs of 600 steps with 100 labelled and 100 unlabelled examples. Published: 1.06 +- 0.37 % with 100
    labels, 0.84 +- 0.08 % with 1,000.

    Args:
        num_classes: number of classes K.
        units: widths of the hidden layers.
        noise: standard deviation of the noise in every layer.
        costs: weights of the denoising, of the examples and of every layer.
        learning_rate: the first learning rate of Adam.
        num_steps: steps of Adam.
        batch_size: unlabelled examples per step; the labelled ones are among them, without their labels.
        labelled_batch_size: labelled examples per step; all of them where there are fewer.
        seed: seed of the weights, the order of the examples and the noise. `fit` seeds Keras, NumPy and Python.
    """

    description = "ladder network"

    def __init__(
        self,
        num_classes: int,
        units: Sequence[int] = (1000, 500, 250, 250, 250),
        noise: float = 0.3,
        costs: Sequence[float] = (1000.0, 10.0, 0.1, 0.1, 0.1, 0.1, 0.1),
        learning_rate: float = 2e-3,
        num_steps: int = 90_000,
        batch_size: int = 100,
        labelled_batch_size: int = 100,
        seed: int = 0,
    ) -> None:
        self.num_classes = num_classes
        self.units = units
        self.noise = noise
        self.costs = costs
        self.learning_rate = learning_rate
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.labelled_batch_size = labelled_batch_size
        self.seed = seed

    def make(self, x: np.ndarray) -> "LadderClassifier":
        made = LadderClassifier(self.num_classes, x.shape[1:], self.units, self.noise, self.costs, self.seed)
        made.compile(keras.optimizers.Adam(LinearEnd(self.learning_rate, self.num_steps)), jit_compile=False)
        return made


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LinearEnd(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is held, and falls to 0 along a line over the last third of the steps.

    Args:
        rate: the rate.
        num_steps: all steps.
    """

    def __init__(self, rate: float, num_steps: int) -> None:
        self.rate, self.num_steps = rate, num_steps

    def __call__(self, step: Any) -> tf.Tensor:
        left = (self.num_steps - tf.cast(step, tf.float32)) / ((1 - _HELD) * self.num_steps)
        return self.rate * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "num_steps": self.num_steps}


class Encoded(NamedTuple):
    """A pass through the encoder.

    Attributes:
        z: the normalised values of the examples and of every layer, before the activation, with their noise.
        logits: logits of the classes.
        mean: means over the batch, of every layer before it is normalised; 0 of the examples.
        scale: standard deviations, likewise; 1 of the examples.
    """

    z: list[tf.Tensor]
    logits: tf.Tensor
    mean: list[tf.Tensor | float]
    scale: list[tf.Tensor | float]


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Denoiser(keras.layers.Layer):
    """The estimate of a layer from its noisy values and from the layer above (Rasmus et al. 2015, equation 2).

        g(z, u) = (z - mu(u)) v(u) + mu(u)
        mu(u) = a1 sigmoid(a2 u + a3) + a4 u + a5,    v(u) likewise, with a6 to a10

    Call arguments:
        inputs: z and u, [B, D] each.

    Returns:
        [B, D].
    """

    def build(self, input_shape: Sequence[Shape]) -> None:
        size = input_shape[0][-1]
        # a2 and a7 begin with 1, all others with 0.
        self.a = [
            self.add_weight(name=f"a{i}", shape=(size,), initializer="ones" if i in (2, 7) else "zeros")
            for i in range(1, 11)
        ]

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        z, u = inputs
        mean, factor = (a1 * tf.sigmoid(a2 * u + a3) + a4 * u + a5 for a1, a2, a3, a4, a5 in (self.a[:5], self.a[5:]))
        return (z - mean) * factor + mean

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        return input_shape[0]


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class LadderClassifier(StreamClassifier):
    """The Keras model of `Ladder`.

        - log q(y|noisy x)  +  sum_l costs_l mean (z_l - norm(g_l(noisy z_l, u_l)))^2 / D_l

    z_l are the values of the clean pass. Labelled and unlabelled examples are normalised apart. Denoised values are
    normalised by the mean and scale of the clean pass. Predictions use running statistics of the unlabelled examples.

    Args:
        num_classes: see `StreamClassifier`.
        example_shape: (D,).
        units: see `Ladder`.
        noise: see `Ladder`.
        costs: see `Ladder`.
        seed: seed of the noise.

    Raises:
        ValueError: another number of costs than layers.
    """

    def __init__(
        self,
        num_classes: int,
        example_shape: Sequence[int],
        units: Sequence[int],
        noise: float,
        costs: Sequence[float],
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, example_shape, **kwargs)
        self.units, self.noise, self.costs, self.seed = tuple(units), noise, tuple(costs), seed
        self.sizes = (*self.example_shape, *self.units, num_classes)
        if len(self.costs) != len(self.sizes):
            raise ValueError(
                f"costs are of examples, hidden layers and classes: {len(self.sizes)}. Received: {len(self.costs)}"
            )
        self.generator = keras.random.SeedGenerator(seed)
        below, above = self.sizes[:-1], self.sizes[1:]
        self.up = [_linear(size, wide) for size, wide in zip(below, above, strict=True)]
        self.down = [_linear(wide, size) for size, wide in zip(below, above, strict=True)]
        self.denoisers = [Denoiser() for _ in self.sizes]
        for denoiser, size in zip(self.denoisers, self.sizes, strict=True):
            denoiser.build([(None, size), (None, size)])
        named = [{"shape": (size,), "name": f"layer_{i}"} for i, size in enumerate(above)]
        self.shift = [self.add_weight(**of, initializer="zeros") for of in named]
        self.factor = self.add_weight(shape=(num_classes,), initializer="ones", name="factor")
        self.running_mean = [self.add_weight(**of, initializer="zeros", trainable=False) for of in named]
        self.running_variance = [self.add_weight(**of, initializer="ones", trainable=False) for of in named]
        self.built = True

    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        if training:
            return self.encode(x, self.noise).logits
        h = x
        for i, layer in enumerate(self.up):
            z = (layer(h) - self.running_mean[i]) / tf.sqrt(self.running_variance[i] + _EPSILON)
            h = self._activated(i, z)
        return h

    def encode(self, x: tf.Tensor, noise: float) -> Encoded:
        """A pass through the encoder, normalised by the statistics of the batch.

        Args:
            x: examples [B, D].
            noise: standard deviation of the noise in every layer.
        """
        h = self._noisy(x, noise)
        made = Encoded([h], h, [0.0], [1.0])
        for i, layer in enumerate(self.up):
            before = layer(h)
            mean, variance = tf.nn.moments(before, axes=[0])
            scale = tf.sqrt(variance + _EPSILON)
            z = self._noisy((before - mean) / scale, noise)
            h = self._activated(i, z)
            for values, value in zip((made.z, made.mean, made.scale), (z, mean, scale), strict=True):
                values.append(value)
        return made._replace(logits=h)

    def denoising_costs(self, clean: Encoded, noisy: Encoded) -> list[tf.Tensor]:
        """The squared distance of every layer from its estimate, a mean over examples and units, from the top down.

        Args:
            clean: a pass without noise.
            noisy: one with noise, of the same examples.
        """
        costs, above = [], tf.nn.softmax(noisy.logits)
        for i in reversed(range(len(self.sizes))):
            u = _normalised(above)
            estimate = self.denoisers[i]([noisy.z[i], u])
            distance = clean.z[i] - (estimate - clean.mean[i]) / clean.scale[i]
            costs.append(tf.reduce_mean(distance**2))
            above = self.down[i - 1](estimate) if i else estimate
        return costs

    def players(self, x: tf.Tensor, y: tf.Tensor, unlabelled: tf.Tensor) -> list[Player]:
        loss = cross_entropy(self.encode(x, self.noise).logits, y)
        clean, noisy = self.encode(unlabelled, 0.0), self.encode(unlabelled, self.noise)
        for weight, cost in zip(reversed(self.costs), self.denoising_costs(clean, noisy), strict=True):
            loss += weight * cost
        for i, (mean, scale) in enumerate(zip(clean.mean[1:], clean.scale[1:], strict=True)):
            for running, value in ((self.running_mean[i], mean), (self.running_variance[i], scale**2 - _EPSILON)):
                running.assign(_MOMENTUM * running + (1 - _MOMENTUM) * value)
        return [Player(loss, self.trainable_variables)]

    def _noisy(self, values: tf.Tensor, noise: float) -> tf.Tensor:
        if not noise:
            return values
        return values + keras.random.normal(tf.shape(values), stddev=noise, seed=self.generator)

    def _activated(self, i: int, z: tf.Tensor) -> tf.Tensor:
        """The activation of a layer: rectified, but the logits, which have a factor instead."""
        is_last = i == len(self.up) - 1
        return self.factor * (z + self.shift[i]) if is_last else tf.nn.relu(z + self.shift[i])

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "noise": self.noise, "costs": self.costs, "seed": self.seed}
        return {**super().get_config(), **own}


def _linear(size: int, units: int) -> keras.layers.Dense:
    """A linear layer without shift, built; its outputs are normalised."""
    initializer = keras.initializers.RandomNormal(stddev=size**-0.5)
    layer = keras.layers.Dense(units, use_bias=False, kernel_initializer=initializer)
    layer.build((None, size))
    return layer


def _normalised(values: tf.Tensor) -> tf.Tensor:
    """Values with mean 0 and variance 1 over the batch."""
    mean, variance = tf.nn.moments(values, axes=[0])
    return (values - mean) / tf.sqrt(variance + _EPSILON)
