"""Contractive autoencoders as features, and the manifold tangent classifier: Rifai et al. 2011a and 2011b."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.sparse.linalg import svds
from tqdm.auto import tqdm

from ssdgm_tf import checks
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.network_classifier import train
from ssdgm_tf.baselines.stream_network import Player, PlayingModel, cross_entropy
from ssdgm_tf.checks import UNLABELLED
from ssdgm_tf.layers.types import Shape
from ssdgm_tf.objectives.contraction import contraction, curvature


class ContractiveNetwork(Baseline):
    """Layers are pretrained as contractive autoencoders; then a softmax layer is added and all are trained on the labels.

        mean_n [ H(x_n, sigmoid(h W' + c)) + penalty |dh/dx|^2 + hessian |dh/dx(x) - dh/dx(x + e)|^2 ]
        h = sigmoid(x W + b)

    Rifai et al. 2011a (ICML) and, with `hessian`, 2011b (ECML; CAE+H). Examples lie in [0, 1]. The papers chose sizes and
    weights by validation errors and give no single recipe. Published for MNIST with 100, 600, 1,000 and 3,000 labels: 13.47,
    6.3, 4.77 and 3.22 %.

    Args:
        num_classes: number of classes K.
        units: widths of the layers. Each is trained on the layer below.
        penalty: weight of the contraction.
        hessian: weight of the curvature.
        deviation: standard deviation of e.
        learning_rate: the learning rate of Adam.
        num_pretraining_steps: steps without labels, for each layer.
        num_steps: steps on the labels.
        batch_size: examples per step; labelled ones: all of them where there are fewer.
        seed: seed of the weights and the order of the examples. `fit` seeds Keras, NumPy and Python.
    """

    takes_pixels = True

    def __init__(
        self,
        num_classes: int,
        units: Sequence[int] = (1000, 1000),
        penalty: float = 0.1,
        hessian: float = 0.1,
        deviation: float = 0.1,
        learning_rate: float = 1e-3,
        num_pretraining_steps: int = 5000,
        num_steps: int = 1000,
        batch_size: int = 100,
        seed: int = 0,
    ) -> None:
        self.num_classes = num_classes
        self.units = units
        self.penalty = penalty
        self.hessian = hessian
        self.deviation = deviation
        self.learning_rate = learning_rate
        self.num_pretraining_steps = num_pretraining_steps
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.seed = seed

    def _check(self, num_elements: int) -> None:
        """Refuses arguments that do not suit examples of so many elements."""

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        checks.labels("y", y, len(y), self.num_classes)
        self._check(x.shape[1])
        self.classes_ = np.arange(self.num_classes)
        keras.utils.set_random_seed(self.seed)
        codes, stack = x, []
        for units in self.units:
            stack.append(self._pretrained(codes, units))
            codes = stack[-1](codes).numpy()
        is_labelled = y != UNLABELLED
        x, y = x[is_labelled], y[is_labelled]
        self._model = keras.Sequential([keras.Input(x.shape[1:]), *stack, keras.layers.Dense(self.num_classes)])
        self._train_on_labels(x, y)

    def _pretrained(self, x: np.ndarray, units: int) -> "ContractiveLayer":
        """A layer, trained on the examples or on the layer below."""
        layer = ContractiveLayer(units)
        model = ContractiveAutoencoder(layer, self.penalty, self.hessian, self.deviation, self.seed)
        model.build((None, x.shape[-1]))
        model.compile(keras.optimizers.Adam(self.learning_rate), jit_compile=False)
        self._train(model, "contractive autoencoder", x, num_steps=self.num_pretraining_steps)
        return layer

    def _train_on_labels(self, x: np.ndarray, y: np.ndarray) -> None:
        """Trains `_model` on labelled examples."""
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._model.compile(keras.optimizers.Adam(self.learning_rate), loss, jit_compile=False)
        self._train(self._model, "network on the labels only", x, y, num_steps=self.num_steps)

    def _train(self, model: keras.Model, description: str, *arrays: np.ndarray, num_steps: int) -> None:
        """As `train`, with the batches of this network."""
        train(model, description, *arrays, num_steps=num_steps, batch_size=self.batch_size, seed=self.seed)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._model.predict(x, verbose=0).argmax(axis=1)


class ManifoldTangentNetwork(ContractiveNetwork):
    """The manifold tangent classifier (MTC): a contractive network whose outputs stay constant along tangents of the data.

        mean_m [ - log q(y_m|x_m) + tangent_weight sum_u |do/dx (x_m) u|^2 ],    o = q(.|x)

    The tangents u of an example are the first right singular vectors of the Jacobian of the trained layers (Rifai et al.
    2011c, NIPS), and the second term is that of TangentProp (Simard et al. 1992). The paper has two layers and 15
    tangents for MNIST. Published with 100, 600, 1,000 and 3,000 labels: 12.03, 5.13, 3.64 and 2.57 %.

    Args:
        num_classes: see `ContractiveNetwork`.
        num_tangents: tangents of an example.
        tangent_weight: weight of the second term.
        units: see `ContractiveNetwork`.
        penalty: see `ContractiveNetwork`.
        hessian: see `ContractiveNetwork`.
        deviation: see `ContractiveNetwork`.
        learning_rate: see `ContractiveNetwork`.
        num_pretraining_steps: see `ContractiveNetwork`.
        num_steps: see `ContractiveNetwork`.
        batch_size: see `ContractiveNetwork`.
        seed: see `ContractiveNetwork`.
    """

    def __init__(
        self,
        num_classes: int,
        num_tangents: int = 15,
        tangent_weight: float = 0.1,
        units: Sequence[int] = (1000, 1000),
        penalty: float = 0.1,
        hessian: float = 0.1,
        deviation: float = 0.1,
        learning_rate: float = 1e-3,
        num_pretraining_steps: int = 5000,
        num_steps: int = 1000,
        batch_size: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(
            num_classes,
            units,
            penalty,
            hessian,
            deviation,
            learning_rate,
            num_pretraining_steps,
            num_steps,
            batch_size,
            seed,
        )
        self.num_tangents = num_tangents
        self.tangent_weight = tangent_weight

    def _check(self, num_elements: int) -> None:
        _check_tangents(self.num_tangents, num_elements, self.units[-1])

    def _train_on_labels(self, x: np.ndarray, y: np.ndarray) -> None:
        directions = tangents(self._model.layers[:-1], x, self.num_tangents)
        self._model = TangentClassifier(self._model, self.tangent_weight)
        self._model.compile(keras.optimizers.Adam(self.learning_rate), jit_compile=False)
        self._train(self._model, "network on labels and tangents", x, y, directions, num_steps=self.num_steps)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ContractiveLayer(keras.layers.Layer):
    """h = sigmoid(x W + b), with a decoder of the same weights.

    Args:
        units: number of hidden units H.

    Call arguments:
        inputs: [B, D].

    Returns:
        [B, H].
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(tf.matmul(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ContractiveAutoencoder(PlayingModel):
    """Trains a `ContractiveLayer` on examples in [0, 1]; its batches are (x,). It predicts reconstructions.

    Args:
        layer: the layer.
        penalty: see `ContractiveNetwork`.
        hessian: see `ContractiveNetwork`.
        deviation: see `ContractiveNetwork`.
        seed: seed of the moves.
    """

    def __init__(
        self, layer: ContractiveLayer, penalty: float, hessian: float, deviation: float, seed: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self.penalty, self.hessian, self.deviation, self.seed = penalty, hessian, deviation, seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Shape) -> None:
        """Builds the layer and the shift of the decoder.

        Args:
            input_shape: (None, D).
        """
        if not self.layer.built:
            self.layer.build(input_shape)
        self.decoder_bias = self.add_weight(name="decoder_bias", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.sigmoid(self._decoded(self.layer(x)))

    def losses_of(self, x: tf.Tensor) -> tf.Tensor:
        """The loss of each example in nats, [B].

        Args:
            x: [B, D].
        """
        h = self.layer(x)
        moved = self.layer(x + keras.random.normal(tf.shape(x), stddev=self.deviation, seed=self.generator))
        missed = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(x, self._decoded(h)), axis=-1)
        kernel = self.layer.kernel.value
        return missed + self.penalty * contraction(h, kernel) + self.hessian * curvature(h, moved, kernel)

    def players_of(self, batch: tuple[tf.Tensor]) -> list[Player]:
        (x,) = batch
        return [Player(tf.reduce_mean(self.losses_of(x)), self.trainable_variables)]

    def _decoded(self, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, self.layer.kernel, transpose_b=True) + self.decoder_bias

    def get_config(self) -> dict[str, Any]:
        own = {"penalty": self.penalty, "hessian": self.hessian, "deviation": self.deviation, "seed": self.seed}
        return {**super().get_config(), **own, "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ContractiveAutoencoder":
        return cls(**config | {"layer": keras.saving.deserialize_keras_object(config["layer"])})


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class TangentClassifier(PlayingModel):
    """The Keras model of `ManifoldTangentNetwork`: its batches are (x, y, tangents).

    Args:
        network: from examples [B, D] to logits.
        tangent_weight: weight of the second term.
    """

    def __init__(self, network: keras.Model, tangent_weight: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network, self.tangent_weight = network, tangent_weight
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(x, training=training)

    def players_of(self, batch: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> list[Player]:
        x, y, directions = batch
        change = change_along(lambda at: tf.nn.softmax(self.network(at, training=True)), x, directions)
        loss = cross_entropy(self.network(x, training=True), y) + self.tangent_weight * tf.reduce_mean(change)
        return [Player(loss, self.trainable_variables)]

    def get_config(self) -> dict[str, Any]:
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network, "tangent_weight": self.tangent_weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TangentClassifier":
        return cls(**config | {"network": keras.saving.deserialize_keras_object(config["network"])})


def change_along(outputs: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, directions: tf.Tensor) -> tf.Tensor:
    """How much outputs change along directions, sum_u |do/dx u|^2 (Simard et al. 1992), [B].

    Args:
        outputs: o, from [N, D] to [N, K], each example by itself.
        x: examples [B, D].
        directions: u, [B, T, D].
    """
    num_directions = directions.shape[1]
    repeated = tf.repeat(x, num_directions, axis=0)
    with tf.autodiff.ForwardAccumulator(repeated, tf.reshape(directions, tf.shape(repeated))) as along:
        made = outputs(repeated)
    squares = tf.reduce_sum(along.jvp(made) ** 2, axis=-1)
    return tf.reduce_sum(tf.reshape(squares, [-1, num_directions]), axis=-1)


def tangents(stack: Sequence[ContractiveLayer], x: np.ndarray, number: int) -> np.ndarray:
    """The directions in which the top layer changes most: right singular vectors of its Jacobian, float32 [N, number, D].

    Args:
        stack: layers from the examples up.
        x: examples [N, D].
        number: how many of each example; fewer than its elements and than the units of the top layer.

    Raises:
        ValueError: as many or more.
    """
    most = _check_tangents(number, x.shape[1], stack[-1].units)
    kernels, slopes, h = [layer.kernel.numpy() for layer in stack], [], x
    for layer in stack:
        h = layer(h).numpy()
        slopes.append(h * (1 - h))
    found = []
    for i in tqdm(range(len(x)), desc="tangents", unit="example", delay=2):
        transposed = functools.reduce(np.matmul, (kernel * slope[i] for kernel, slope in zip(kernels, slopes, strict=True)))
        found.append(svds(transposed, k=number, v0=np.ones(most, np.float32))[0].T)
    return np.stack(found).astype(np.float32)


def _check_tangents(number: int, num_elements: int, units: int) -> int:
    """How many tangents there are at most, plus one; refuses another number.

    Raises:
        ValueError: none, or too many.
    """
    most = min(num_elements, units)
    if not 0 < number < most:
        raise ValueError(f"num_tangents must lie between 1 and {most - 1} here. Received: num_tangents={number}")
    return most
