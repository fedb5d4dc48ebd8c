"""The base of networks that learn from labelled and unlabelled examples together: Keras models, and estimators of them."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import checks
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.baselines.network_classifier import Progress, order
from ssdgm_tf.checks import UNLABELLED


class Player(NamedTuple):
    """Weights, and the loss that they make small.

    Attributes:
        loss: a scalar.
        variables: the weights.
    """

    loss: tf.Tensor
    variables: Sequence[keras.Variable]


class PlayingModel(keras.Model, abc.ABC):
    """A model whose step makes one loss small, or several of different weights, by one optimizer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss_mean = keras.metrics.Mean(name="loss")

    @abc.abstractmethod
    def players_of(self, batch: Any) -> list[Player]:
        """The losses of a step. The first is logged.

        Args:
            batch: a batch.
        """

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.loss_mean]

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            players = self.players_of(data)
        gradients = {
            id(variable): gradient
            for player in players
            for variable, gradient in zip(player.variables, tape.gradient(*player), strict=True)
        }
        self.optimizer.apply_gradients([(gradients[id(variable)], variable) for variable in self.trainable_variables])
        self.loss_mean.update_state(players[0].loss)
        return {"loss": self.loss_mean.result()}


class StreamClassifier(PlayingModel):
    """A classifier that steps on batches {"labelled": (x, y), "unlabelled": x}. It predicts probabilities [B, K].

    Args:
        num_classes: number of classes K.
        example_shape: the shape of one example.
    """

    def __init__(self, num_classes: int, example_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.example_shape = num_classes, tuple(example_shape)

    def players_of(self, batch: Mapping[str, Any]) -> list[Player]:
        x, y = batch["labelled"]
        return self.players(x, y, batch["unlabelled"])

    @abc.abstractmethod
    def players(self, x: tf.Tensor, y: tf.Tensor, unlabelled: tf.Tensor) -> list[Player]:
        """The losses of a step; see `PlayingModel.players_of`.

        Args:
            x: labelled examples [M, *example_shape].
            y: their classes, integers [M].
            unlabelled: examples [B, *example_shape].
        """

    @abc.abstractmethod
    def logits(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the classes [B, K].

        Args:
            x: examples [B, *example_shape].
            training: whether noise and dropout are drawn and the statistics of the batch are used.
        """

    def build(self, input_shape: Any) -> None:
        """Nothing: the constructor of a subclass builds its networks.

        Args:
            input_shape: not looked at.
        """
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        return tf.nn.softmax(self.logits(x, training))

    def make_train_function(self, force: bool = False) -> Any:
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)  # a teacher needs its averages in the first step
        return super().make_train_function(force)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes, "example_shape": self.example_shape}


def cross_entropy(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The mean of - log q(y|x) over labelled examples, nats.

    Args:
        logits: [M, K].
        y: integers [M].
    """
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), logits))


class StreamNetwork(Baseline, abc.ABC):
    """Trains a `StreamClassifier`. A subclass makes it from its own arguments, which include those of `_fit` below.

    Unlabelled examples are all examples; the labelled ones are among them, without their labels.
    """

    num_classes: int
    num_steps: int
    batch_size: int
    labelled_batch_size: int
    seed: int
    #: What the progress bar is of.
    description: ClassVar[str]

    @abc.abstractmethod
    def make(self, x: np.ndarray) -> StreamClassifier:
        """The classifier, compiled.

        Args:
            x: all examples, float32.
        """

    def batches(self, x: np.ndarray, y: np.ndarray) -> tf.data.Dataset:
        """The batches of its steps, without end.

        Args:
            x: all examples, float32 [N, ...].
            y: integer labels [N]; -1 where there is none.
        """
        is_labelled = y != UNLABELLED
        labelled, every = (tf.constant(x[is_labelled]), tf.constant(y[is_labelled])), tf.constant(x)
        streams = {
            "labelled": order(len(labelled[1]), self.labelled_batch_size, self.seed),
            "unlabelled": order(len(every), self.batch_size, self.seed + 1),
        }
        return tf.data.Dataset.zip(streams).map(
            lambda index: {
                "labelled": tuple(tf.gather(part, index["labelled"]) for part in labelled),
                "unlabelled": tf.gather(every, index["unlabelled"]),
            }
        )

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        checks.labels("y", y, len(y), self.num_classes)
        self.classes_ = np.arange(self.num_classes)
        keras.utils.set_random_seed(self.seed)
        self._model = self.make(x)
        options = {"verbose": 0, "callbacks": [Progress(self.description, self.num_steps)], "shuffle": False}
        self._model.fit(self.batches(x, y), steps_per_epoch=self.num_steps, **options)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._model.predict(x, verbose=0).argmax(axis=1)
