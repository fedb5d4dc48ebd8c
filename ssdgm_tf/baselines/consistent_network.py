"""A network trained on the labels and by terms of consistency, without a generative model: FixMatch and its kin."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import consistency, keras_internals
from ssdgm_tf.baselines.network_classifier import on_top
from ssdgm_tf.baselines.stream_network import Player, StreamClassifier, StreamNetwork, cross_entropy
from ssdgm_tf.layers.random_state import Noise, seeds_of
from ssdgm_tf.objectives.consistency import log_of

_VARIABLE, _INPUT = "y", "x"


class ConsistentNetwork(StreamNetwork):
    """A network with a softmax layer on top, trained by cross-entropy on the labels and by terms without labels.

        mean_m - log q(y_m|x_m) + sum_t w_t mean_n loss_t(x_n)

    With `views` it is FixMatch (Sohn et al. 2020), with `virtual_adversarial,entropy` VAT with entropy minimisation (Miyato
    et al. 2018), with `mean_teacher` a mean teacher (Tarvainen and Valpola 2017). The learning rate of Adam falls along a
    cosine. Predictions are those of the running average of the weights.

    VAT was published for MNIST with epsilon 0.3, a network that normalises over the batch, its logits too, and 50,000 steps
    of 100 labelled and 250 unlabelled images. Here such a network loses classes to others from the 700th step on
    (results/tries.md, K85). With `class_balance`, which compares with equal shares of the classes that have labels, none is
    lost.

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
    description = "network on labels and terms"

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

    def make(self, x: np.ndarray) -> "ConsistentClassifier":
        terms = consistency.get(self.terms)
        made = ConsistentClassifier(on_top(self.network, self.num_classes), self.num_classes, terms, x.shape[1:])
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.num_steps, alpha=0.01)
        made.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=self.ema_momentum), jit_compile=False)
        return made


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ConsistentClassifier(StreamClassifier):
    """The Keras model of `ConsistentNetwork`.

    Args:
        network: from examples to logits [B, K].
        num_classes: see `StreamClassifier`.
        terms: see `ssdgm_tf.consistency.get`.
        example_shape: see `StreamClassifier`.
    """

    def __init__(
        self, network: keras.layers.Layer, num_classes: int, terms: Any, example_shape: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(num_classes, example_shape, **kwargs)
        self.network = network
        self.terms = consistency.get(terms)
        self.direction_seed = keras.random.SeedGenerator(0)
        self.seen = self.add_weight(shape=(num_classes,), initializer="zeros", trainable=False, name="seen_classes")
        for term in self.terms:
            term.build({_VARIABLE: num_classes}, {_INPUT: self.example_shape}, keras_internals.sublayers(network))
        if not network.built:
            network.build((None, *self.example_shape))
        self.built = True

    def make_train_function(self, force: bool = False) -> Any:
        for term in self.terms:
            term.check_optimizer(self.optimizer)
        return super().make_train_function(force)

    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.network(x, training=training)

    def players(self, x: tf.Tensor, y: tf.Tensor, unlabelled: tf.Tensor) -> list[Player]:
        loss = cross_entropy(self.logits(x, training=True), y)
        self.seen.assign(tf.maximum(self.seen, tf.reduce_max(tf.one_hot(y, self.num_classes), axis=0)))
        passes = _NetworkPasses(self, unlabelled)
        for term in self.terms:
            loss += term.weight * tf.reduce_mean(term.loss(passes, (_VARIABLE,)))
        return [Player(loss, self.trainable_variables)]

    def get_config(self) -> dict[str, Any]:
        parts = {"network": self.network, "terms": list(self.terms)}
        return {**super().get_config(), **{name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}}

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
        self._own = log_of(tf.nn.softmax(model.logits(x, training=True)))

    def log_q(self, variable: str) -> tf.Tensor:
        return self._own

    def log_q_of(
        self, x: Mapping[str, tf.Tensor], variables: tuple[str, ...], same_noise: bool = False, averaged: bool = False
    ) -> dict[str, tf.Tensor]:
        model = self.model
        weights = keras_internals.averaged_weights(model.optimizer, model.trainable_variables) if averaged else ()
        with self._noise.scope(same_noise, weights):
            return {_VARIABLE: log_of(tf.nn.softmax(model.logits(x[_INPUT], training=True)))}

    def log_prior(self, variable: str) -> tf.Tensor:
        seen = self.model.seen.value  # a class without any label has no share
        return log_of(seen / tf.reduce_sum(seen))
