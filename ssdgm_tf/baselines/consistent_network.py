"""A network trained on the labels and by terms of consistency, without a generative model: FixMatch and its kin."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import checks, consistency, keras_internals
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.network_classifier import Progress, on_top, order
from ssdgm_tf.checks import UNLABELLED
from ssdgm_tf.layers.random_state import Noise, seeds_of
from ssdgm_tf.objectives.consistency import log_of

_VARIABLE, _INPUT = "y", "x"


class ConsistentNetwork(Baseline):
    """A network with a softmax layer on top, trained by cross-entropy on the labels and by terms without labels.

        mean_m - log q(y_m|x_m) + sum_t w_t mean_n loss_t(x_n)

    With `views` it is FixMatch (Sohn et al. 2020), with `virtual_adversarial,entropy` VAT with entropy minimisation (Miyato
    et al. 2018), with `mean_teacher` a mean teacher (Tarvainen and Valpola 2017). The learning rate of Adam falls along a
    cosine. Predictions are those of the running average of the weights.

    Args:
        network: an untrained Keras layer or model. It is copied by its config and is not changed. As in a node, a
            `layers.MLP` gets the examples flattened; any other network gets them in their own shape.
        num_classes: number of classes K.
        terms: names of terms with weights, or terms, see `ssdgm_tf.consistency.get`.
        learning_rate: the first learning rate of Adam.
        num_steps: steps of Adam.
        batch_size: unlabelled examples per step; the labelled ones are among them, without their labels.
        labelled_batch_size: labelled examples per step; all of them where there are fewer.
        ema_momentum: of the running average of the weights.
        seed: seed of the weights, the order of the examples and the network's draws. `fit` seeds Keras, NumPy and Python.
    """

    keeps_shape = True

    def __init__(
        self,
        network: keras.layers.Layer,
        num_classes: int,
        terms: Any = "views",
        learning_rate: float = 1e-3,
        num_steps: int = 3000,
        batch_size: int = 200,
        labelled_batch_size: int = 100,
        ema_momentum: float = 0.99,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.num_classes = num_classes
        self.terms = terms
        self.learning_rate = learning_rate
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.labelled_batch_size = labelled_batch_size
        self.ema_momentum = ema_momentum
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        checks.labels("y", y, len(y), self.num_classes)
        self.classes_ = np.arange(self.num_classes)
        keras.utils.set_random_seed(self.seed)
        terms = consistency.get(self.terms)
        self._model = ConsistentClassifier(on_top(self.network, self.num_classes), self.num_classes, terms, x.shape[1:])
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.num_steps, alpha=0.01)
        self._model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=self.ema_momentum), jit_compile=False)
        is_labelled = y != UNLABELLED
        labelled, every = (tf.constant(x[is_labelled]), tf.constant(y[is_labelled])), tf.constant(x)
        streams = {
            "labelled": order(len(labelled[1]), self.labelled_batch_size, self.seed),
            "unlabelled": order(len(every), self.batch_size, self.seed + 1),
        }
        batches = tf.data.Dataset.zip(streams).map(
            lambda index: {
                "labelled": tuple(tf.gather(part, index["labelled"]) for part in labelled),
                "unlabelled": tf.gather(every, index["unlabelled"]),
            }
        )
        progress = Progress("network on labels and terms", self.num_steps)
        self._model.fit(batches, steps_per_epoch=self.num_steps, verbose=0, callbacks=[progress], shuffle=False)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._model.predict(x, verbose=0).argmax(axis=1)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ConsistentClassifier(keras.Model):
    """The Keras model of `ConsistentNetwork`: its batches are {"labelled": (x, y), "unlabelled": x}.

    Args:
        network: from examples to logits [B, K].
        num_classes: K.
        terms: see `ssdgm_tf.consistency.get`.
        example_shape: the shape of one example.
    """

    def __init__(
        self, network: keras.layers.Layer, num_classes: int, terms: Any, example_shape: tuple[int, ...], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.network, self.num_classes, self.example_shape = network, num_classes, tuple(example_shape)
        self.terms = consistency.get(terms)
        self.loss_mean = keras.metrics.Mean(name="loss")
        self.direction_seed = keras.random.SeedGenerator(0)
        for term in self.terms:
            term.build({_VARIABLE: num_classes}, {_INPUT: self.example_shape})
        self.build((None, *example_shape))

    def build(self, input_shape: Any) -> None:
        """Builds the network.

        Args:
            input_shape: (None, *example_shape).
        """
        if not self.network.built:
            self.network.build(input_shape)
        self.built = True

    def make_train_function(self, force: bool = False) -> Any:
        for term in self.terms:
            term.check_optimizer(self.optimizer)
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)  # a teacher needs its averages in the first step
        return super().make_train_function(force)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.loss_mean]

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.nn.softmax(self.network(x, training=training))

    def train_step(self, data: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        (x, y), unlabelled = data["labelled"], data["unlabelled"]
        with tf.GradientTape() as tape:
            log_q = tf.nn.log_softmax(self.network(x, training=True))
            loss = -tf.reduce_mean(tf.gather(log_q, tf.cast(y, tf.int32), batch_dims=1))
            passes = _NetworkPasses(self, unlabelled)
            for term in self.terms:
                loss += term.weight * tf.reduce_mean(term.loss(passes, (_VARIABLE,)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_mean.update_state(loss)
        return {"loss": self.loss_mean.result()}

    def get_config(self) -> dict[str, Any]:
        parts = {"network": self.network, "terms": list(self.terms)}
        own = {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}
        return {**super().get_config(), **own, "num_classes": self.num_classes, "example_shape": self.example_shape}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ConsistentClassifier":
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("network", "terms")}
        return cls(**config | parts)


class _NetworkPasses:
    """What terms ask of a step of the network; see `ssdgm_tf.consistency.Passes`. The first pass is its own."""

    def __init__(self, model: ConsistentClassifier, x: tf.Tensor) -> None:
        self.model, self.x = model, {_INPUT: x}
        layers = keras_internals.sublayers(model.network)
        self._noise = Noise(state for layer in layers for state in seeds_of(layer))
        self.seed = tf.cast(model.direction_seed.next(), tf.int32)
        self._own = log_of(tf.nn.softmax(model.network(x, training=True)))

    def log_q(self, variable: str) -> tf.Tensor:
        return self._own

    def log_q_of(
        self, x: Mapping[str, tf.Tensor], variables: tuple[str, ...], same_noise: bool = False, averaged: bool = False
    ) -> dict[str, tf.Tensor]:
        model = self.model
        weights = keras_internals.averaged_weights(model.optimizer, model.trainable_variables) if averaged else ()
        with self._noise.scope(same_noise, weights):
            return {_VARIABLE: log_of(tf.nn.softmax(model.network(x[_INPUT], training=True)))}

    def log_prior(self, variable: str) -> tf.Tensor:
        return -tf.math.log(tf.fill([self.model.num_classes], float(self.model.num_classes)))
