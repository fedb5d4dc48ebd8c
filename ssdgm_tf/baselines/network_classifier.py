"""A network trained on the labelled examples only: the baseline that a semi-supervised model of its size must beat."""

import sys

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf import checks, layers
from ssdgm_tf.baselines.baseline import Baseline
from ssdgm_tf.checks import UNLABELLED


class NetworkClassifier(Baseline):
    """A network with a softmax layer on top, trained by cross-entropy on the labelled examples.

    Args:
        network: an untrained Keras layer or model. It is copied by its config and is not changed. As in a node, a
            `layers.MLP` gets the examples flattened; any other network gets them in their own shape.
        num_classes: number of classes K.
        learning_rate: learning rate of Adam.
        num_steps: steps of Adam.
        batch_size: labelled examples per step; all of them where there are fewer.
        seed: seed of the weights, the order of the examples and the network's draws. `fit` seeds Keras, NumPy and Python.
    """

    keeps_shape = True

    def __init__(
        self,
        network: keras.layers.Layer,
        num_classes: int,
        learning_rate: float = 1e-3,
        num_steps: int = 2000,
        batch_size: int = 100,
        seed: int = 0,
    ) -> None:
        self.network = network
        self.num_classes = num_classes
        self.learning_rate = learning_rate
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.seed = seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        checks.labels("y", y, len(y), self.num_classes)
        self.classes_ = np.arange(self.num_classes)
        x, y = x[y != UNLABELLED], y[y != UNLABELLED]
        keras.utils.set_random_seed(self.seed)
        self._model = on_top(self.network, self.num_classes)
        self._model.compile(
            keras.optimizers.Adam(self.learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        options = {"num_steps": self.num_steps, "batch_size": self.batch_size, "seed": self.seed}
        train(self._model, "network on the labels only", x, y, **options)

    def _predict(self, x: np.ndarray) -> np.ndarray:
        return self._model.predict(x, verbose=0).argmax(axis=1)


def train(model: keras.Model, description: str, *arrays: np.ndarray, num_steps: int, batch_size: int, seed: int) -> None:
    """Takes steps of a compiled model on batches of arrays, with a progress bar.

    Args:
        model: the model.
        description: what is shown before the bar.
        *arrays: the parts of a batch, one row an example.
        num_steps: how many steps.
        batch_size: examples per step; all of them where there are fewer.
        seed: seed of the order of the examples.
    """
    parts = [tf.constant(array) for array in arrays]
    batches = order(len(arrays[0]), batch_size, seed).map(lambda index: tuple(tf.gather(part, index) for part in parts))
    progress = Progress(description, num_steps)
    model.fit(batches, steps_per_epoch=num_steps, verbose=0, callbacks=[progress], shuffle=False)


def order(size: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Batches of the numbers 0..size-1 without end, in whole permutations.

    Args:
        size: how many numbers there are.
        batch_size: numbers in a batch; all of them where there are fewer.
        seed: seed of the permutations.
    """
    return tf.data.Dataset.range(size).shuffle(size, seed=seed).repeat().batch(min(batch_size, size))


def on_top(network: keras.layers.Layer, num_classes: int) -> keras.Sequential:
    """A copy of a network with a linear layer on top.

    Args:
        network: an untrained Keras layer or model; a `layers.MLP` gets the examples flattened.
        num_classes: the number of logits.
    """
    network = type(network).from_config(network.get_config())
    before = [keras.layers.Flatten()] if isinstance(network, layers.MLP) else []
    return keras.Sequential([*before, network, keras.layers.Flatten(), keras.layers.Dense(num_classes)])


class Progress(keras.callbacks.Callback):
    """A progress bar over the steps, shown where training takes longer than two seconds.

    Args:
        description: what is shown before the bar.
        num_steps: how many steps there are.
    """

    def __init__(self, description: str, num_steps: int) -> None:
        super().__init__()
        self.description, self.num_steps = description, num_steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        interval = 0.5 if sys.stderr.isatty() else 10.0  # a log file keeps every update
        self.bar = tqdm(total=self.num_steps, desc=self.description, unit="step", delay=2, mininterval=interval)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()
