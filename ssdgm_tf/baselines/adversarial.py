"""Classifiers that play against a generator: Salimans et al. 2016, Odena 2016, and Dai et al. 2017 without its density."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import choices
from ssdgm_tf.baselines.stream_network import Player, StreamClassifier, StreamNetwork, cross_entropy
from ssdgm_tf.layers.types import Activation, Shape
from ssdgm_tf.objectives import adversarial
from ssdgm_tf.objectives.consistency import entropy

# Examples of the first pass, which scales the classifier's layers.
_FIRST = 500

GAMES = ("feature_matching", "taken_for_real", "complement")


class AdversarialNetwork(StreamNetwork):
    """A dense classifier that also tells real examples from those of a generator.

    | game | the generator makes small | source |
    |---|---|---|
    | "feature_matching" | the distance of mean features | Salimans et al. 2016 (arXiv 1606.03498), section 3.1 |
    | "taken_for_real" | - log D of its examples | Odena 2016 (arXiv 1606.01583) |
    | "complement" | that distance, and the likeness of its examples to each other | Dai et al. 2017 (arXiv 1705.09783) |

    In the game "complement" the classifier also makes the entropy of q(y|x) of real examples small. The density of Dai et
    al., which keeps generated examples away from real ones, is left out.

    The defaults follow the published recipe of feature matching on MNIST. The classifier has layers of 1000, 500, 250,
    250 and 250 units, weight normalisation, noise of 0.3 on the examples and of 0.5 in every layer. The generator has
    100 uniform numbers, and two layers of 500 units with batch normalisation and softplus. Adam has 3e-3 and beta_1 =
    0.5, weights are averaged, and 300 epochs have 600 steps with 100 labelled and 100 unlabelled examples. Published,
    with 100 labels: 0.93 +- 0.065 % (Salimans et al.), 0.795 +- 0.098 % (Dai et al., with the density), 7.2 % (Odena,
    with convolutional networks of his own).

    Two things differ from the published code. One step updates both players, by the same examples, where it updates them
    in turn. And every game has the networks of the first.

    Args:
        num_classes: number of classes K.
        game: one of the table above.
        units: widths of the classifier's hidden layers.
        noise_dim: numbers that an example is generated from.
        learning_rate: the learning rate of Adam.
        ema_momentum: of the running average of the weights, which predicts; of few steps at most 1 - 10 / num_steps, so that
            the first weights are forgotten.
        num_steps: steps of Adam.
        batch_size: unlabelled examples per step, and generated ones; the labelled ones are among them, without labels.
        labelled_batch_size: labelled examples per step; all of them where there are fewer.
        seed: seed of the weights, the order of the examples and the noise. `fit` seeds Keras, NumPy and Python.
    """

    takes_pixels = True
    description = "classifier against generator"

    def __init__(
        self,
        num_classes: int,
        game: str = "feature_matching",
        units: Sequence[int] = (1000, 500, 250, 250, 250),
        noise_dim: int = 100,
        learning_rate: float = 3e-3,
        ema_momentum: float = 0.9999,
        num_steps: int = 180_000,
        batch_size: int = 100,
        labelled_batch_size: int = 100,
        seed: int = 0,
    ) -> None:
        self.num_classes = num_classes
        self.game = game
        self.units = units
        self.noise_dim = noise_dim
        self.learning_rate = learning_rate
        self.ema_momentum = ema_momentum
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.labelled_batch_size = labelled_batch_size
        self.seed = seed

    def make(self, x: np.ndarray) -> "AdversarialClassifier":
        made = AdversarialClassifier(self.num_classes, x.shape[1:], self.game, self.units, self.noise_dim, self.seed)
        made.adapt(x[np.random.default_rng(self.seed).permutation(len(x))[:_FIRST]])
        momentum = min(self.ema_momentum, max(0.0, 1 - 10 / self.num_steps))
        averages = {"use_ema": True, "ema_momentum": momentum}
        made.compile(keras.optimizers.Adam(self.learning_rate, beta_1=0.5, **averages), jit_compile=False)
        return made


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class NormedDense(keras.layers.Layer):
    """A dense layer with weight normalisation (Salimans and Kingma 2016, equation 2).

        activation(g_k x' v_k / |v_k| + b_k)

    Args:
        units: number of outputs.
        activation: anything that `keras.activations.get` takes.
        learns_length: whether g learns; else it stays as `adapt` sets it.

    Call arguments:
        inputs: [B, D].

    Returns:
        [B, units].
    """

    def __init__(self, units: int, activation: Activation = None, learns_length: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.activation, self.learns_length = units, keras.activations.get(activation), learns_length

    def build(self, input_shape: Shape) -> None:
        normal = keras.initializers.RandomNormal(stddev=0.1)
        self.direction = self.add_weight(name="direction", shape=(input_shape[-1], self.units), initializer=normal)
        self.length = self.add_weight(name="length", shape=(self.units,), initializer="ones", trainable=self.learns_length)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.activation(self.length * self._projected(inputs) + self.bias)

    def adapt(self, inputs: tf.Tensor) -> None:
        """Makes every output have mean 0 and variance 1 over a first batch, before the activation (section 3).

        Args:
            inputs: [B, D].
        """
        mean, variance = tf.nn.moments(self._projected(inputs), axes=[0])
        scale = tf.sqrt(variance + 1e-6)
        self.length.assign(1 / scale)
        self.bias.assign(-mean / scale)

    def _projected(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.matmul(inputs, tf.math.l2_normalize(self.direction, axis=0))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "activation": keras.activations.serialize(self.activation)}
        return {**super().get_config(), **own, "learns_length": self.learns_length}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class AdversarialClassifier(StreamClassifier):
    """The Keras model of `AdversarialNetwork`.

        classifier   - mean log q(y_m|x_m) + 1/2 real_or_generated
        generator    see `AdversarialNetwork`

    Args:
        num_classes: see `StreamClassifier`.
        example_shape: (D,), values in [0, 1].
        game: see `AdversarialNetwork`.
        units: see `AdversarialNetwork`.
        noise_dim: see `AdversarialNetwork`.
        seed: seed of the noise.

    Raises:
        ValueError: an unknown game.
    """

    def __init__(
        self,
        num_classes: int,
        example_shape: Sequence[int],
        game: str,
        units: Sequence[int],
        noise_dim: int,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, example_shape, **kwargs)
        choices.check("game", game, GAMES)
        self.game, self.units, self.noise_dim, self.seed = game, tuple(units), noise_dim, seed
        self.generator_seed = keras.random.SeedGenerator(seed)
        (size,) = self.example_shape
        self.noises = [keras.layers.GaussianNoise(0.3, seed=seed)]
        self.noises += [
            keras.layers.GaussianNoise(0.5, seed=None if seed is None else seed + i) for i in range(1, len(units) + 1)
        ]
        self.hidden = [NormedDense(width, "relu") for width in self.units]
        self.top = NormedDense(num_classes, learns_length=True)
        for layer, below in zip([*self.hidden, self.top], (size, *self.units), strict=True):
            layer.build((None, below))
        self.generator = keras.Sequential([keras.Input((noise_dim,))])
        for _ in range(2):
            self.generator.add(keras.layers.Dense(500, use_bias=False))
            self.generator.add(keras.layers.BatchNormalization())
            self.generator.add(keras.layers.Activation("softplus"))
        self.generator.add(NormedDense(size, "sigmoid", learns_length=True))
        self.built = True

    def features(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The last hidden layer [B, D].

        Args:
            x: examples.
            training: whether noise is drawn.
        """
        for noise, layer in zip(self.noises, self.hidden, strict=False):
            x = layer(noise(x, training=training))
        return x

    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self._on_features(self.features(x, training), training)

    def adapt(self, x: np.ndarray) -> None:
        """Scales the classifier's layers by a first batch; see `NormedDense.adapt`.

        Args:
            x: examples [B, *example_shape].
        """
        h = tf.convert_to_tensor(x)
        for noise, layer in zip(self.noises, [*self.hidden, self.top], strict=True):
            h = noise(h, training=True)
            layer.adapt(h)
            h = layer(h)

    def generate(self, size: Any, training: bool = False) -> tf.Tensor:
        """Examples of the generator [size, *example_shape].

        Args:
            size: how many.
            training: whether batches are normalised by their own statistics.
        """
        noise = keras.random.uniform((size, self.noise_dim), seed=self.generator_seed)
        return self.generator(noise, training=training)

    def players(self, x: tf.Tensor, y: tf.Tensor, unlabelled: tf.Tensor) -> list[Player]:
        generated = self.features(self.generate(tf.shape(unlabelled)[0], training=True), training=True)
        real = self.features(unlabelled, training=True)
        real_logits, generated_logits = (self._on_features(features, True) for features in (real, generated))
        loss = cross_entropy(self.logits(x, training=True), y)
        loss += 0.5 * adversarial.real_or_generated(real_logits, generated_logits)
        if self.game == "taken_for_real":
            of_generator = adversarial.taken_for_real(generated_logits)
        else:
            of_generator = adversarial.feature_matching(real, generated)
        if self.game == "complement":
            loss += tf.reduce_mean(entropy(tf.nn.log_softmax(real_logits)))
            of_generator += adversarial.pull_away(generated)
        classifier = [variable for layer in [*self.hidden, self.top] for variable in layer.trainable_variables]
        return [Player(loss, classifier), Player(of_generator, self.generator.trainable_variables)]

    def _on_features(self, features: tf.Tensor, training: bool) -> tf.Tensor:
        return self.top(self.noises[-1](features, training=training))

    def get_config(self) -> dict[str, Any]:
        own = {"game": self.game, "units": self.units, "noise_dim": self.noise_dim, "seed": self.seed}
        return {**super().get_config(), **own}
