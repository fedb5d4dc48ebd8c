"""What the labels of several variables give alone: the recognition networks by themselves, and the nearest example."""

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf import models
from ssdgm_tf.models.data_format import event


def fit(model: models.GraphicalModel, x: np.ndarray, y: dict, num_steps: int, config: dict) -> None:
    """Maximises log q(labels | x) of the labelled examples, and nothing else.

    Args:
        model: a new one.
        x: labelled examples.
        y: {name: labels}.
        num_steps: steps of Adam, at the config's learning rate but at most 1e-3, which falls to 0 along a cosine.
        config: the fields.
    """
    y = model.data_format.y(y, len(x))
    rate = keras.optimizers.schedules.CosineDecay(min(config["learning_rate"], 1e-3), num_steps)
    optimizer = keras.optimizers.Adam(rate)
    weights = [weight for node in model.recognition.values() for weight in node.trainable_variables]
    weights = list({id(weight): weight for weight in weights}.values())

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model.labelled_terms({"x": x}, y, (), training=True)["classification_loss"])
        pairs = zip(tape.gradient(loss, weights), weights, strict=True)
        optimizer.apply_gradients([(gradient, weight) for gradient, weight in pairs if gradient is not None])

    generator = np.random.default_rng(config["seed"])
    size = min(config["labelled_batch_size"], len(x))
    for _ in tqdm(range(num_steps), desc="labels alone", delay=2):
        index = generator.choice(len(x), size, replace=False)
        step(tf.constant(x[index]), {name: tf.constant(values[index]) for name, values in y.items()})


def errors(model: models.GraphicalModel, x: np.ndarray, y: dict) -> dict[str, float]:
    """The mean error of what a model predicts of each variable, {name of the metric: error}.

    Args:
        model: any.
        x: examples.
        y: {name: labels}.
    """
    metrics = model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)
    return {name: float(metrics[name]) for name in error_names(model).values()}


def error_names(model: models.GraphicalModel) -> dict[str, str]:
    """{supervised variable: name of the metric that is its error}."""
    return {name: metric.name for name, metric in model.monitor.errors.items()}


def nearest_neighbour_errors(model: models.GraphicalModel, labelled: tuple, test: tuple) -> dict[str, float]:
    """The same of the labels of the nearest example, in pixels, that has such a label.

    Args:
        model: says what an error is.
        labelled: x and y of the labelled examples.
        test: x and y of those to predict.
    """
    result = {}
    (x, y), (x_test, y_test) = labelled, test
    flat = x_test.reshape(len(x_test), -1)
    y, y_test = model.data_format.y(y, len(x)), model.data_format.y(y_test, len(flat))
    known_test = model.data_format.is_known(y_test)
    for name, known in model.data_format.is_known(y).items():
        if not known.any():
            continue
        head, near = model.data_format.supervised[name], x[known].reshape(known.sum(), -1)
        index = np.argmin((near**2).sum(axis=1) - 2 * flat @ near.T, axis=1)
        values = (event(head, values) for values in (y[name][known][index], y_test[name]))
        result[error_names(model)[name]] = float(np.mean(head.error(*values).numpy()[known_test[name]]))
    return result
