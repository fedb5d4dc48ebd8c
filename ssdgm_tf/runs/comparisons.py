"""Test errors of other methods on the same labels. An experiment names those that suit it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf import baselines, rows
from ssdgm_tf.data import SemiSupervisedData, interpolated
from ssdgm_tf.models import GraphicalModel, zoo
from ssdgm_tf.models.data_format import event
from ssdgm_tf.models.examples import examples
from ssdgm_tf.models.experiment import LABELLER
from ssdgm_tf.models.recipe import classifier, dense_network
from ssdgm_tf.runs import building, checkpoints, table_results

# Steps of a network on the labels. A few thousand labels are learned long before.
_MAX_NETWORK_STEPS = 3000
# Steps of the recognition networks of several variables, which are larger.
_MAX_RECOGNITION_STEPS = 1000


class ComparedRun(NamedTuple):
    """The run that a comparison is made for.

    Attributes:
        model: the trained model.
        settings: its settings.
        dataset: its data set.
        part_file: the file of the trained model that it builds on, or None.
    """

    model: GraphicalModel
    settings: Mapping[str, Any]
    dataset: SemiSupervisedData
    part_file: Path | None


def compare(run: ComparedRun) -> dict[str, float]:
    """The test errors of every comparison of the run's experiment; {} without labels.

    Args:
        run: the run.

    Returns:
        {name: mean error}; a name begins with one of `wording.COMPARED`, and ends with the name of the metric.
    """
    if not np.any(run.dataset.is_labelled):
        return {}
    names = zoo.find(run.settings["config"]["model"]).comparisons
    return {name: error for comparison in names for name, error in _COMPARISONS[comparison](run).items()}


def need_part(names: Iterable[str]) -> bool:
    """Whether any of these comparisons trains a new model on the part that the run builds on.

    Args:
        names: the comparisons of an experiment.
    """
    return "recognition_networks" in names


def _network(run: ComparedRun) -> dict[str, float]:
    """The network of q(y|...), trained on the labelled examples only."""
    config = run.settings["config"]
    if config.get(LABELLER.field):  # a second stage, whose q(y|x) is that of its labeller
        network = run.model.recognition["y"].network
    else:
        network = classifier(config, run.dataset.x_train.shape[1:]) or dense_network(config)
    rate, num_steps = min(config["learning_rate"], 1e-3), min(run.model.num_steps, _MAX_NETWORK_STEPS)
    made = baselines.NetworkClassifier(network, run.dataset.num_classes, rate, num_steps, seed=config["seed"])
    return {"labels_only_error": _error(made, run.dataset)}


def _nearest_neighbour(run: ComparedRun) -> dict[str, float]:
    """The label of the nearest labelled example, in pixels or in the elements of a series."""
    return {"nearest_neighbour_error": _error(baselines.NearestNeighbours(num_neighbours=1), run.dataset)}


def _error(estimator: baselines.Baseline, dataset: SemiSupervisedData) -> float:
    y: Any
    x, y = dataset.labelled
    x_test = dataset.x_test
    if dataset.noun == "series":
        x, x_test = interpolated(np.asarray(x)), interpolated(np.asarray(x_test))
    return 1 - estimator.fit(x, y).score(x_test, dataset.y_test)


def _recognition_networks(run: ComparedRun) -> dict[str, float]:
    """The recognition model of several variables, trained on the labelled examples only."""
    # The part comes from its file: the trained model holds the layers of its part, and may have trained them further.
    part = None if run.part_file is None else checkpoints.load(run.part_file)
    made = building.model(run.settings, run.dataset, part)
    num_steps = min(run.model.num_steps, _MAX_RECOGNITION_STEPS)
    y: Any
    x, y = run.dataset.labelled
    fit_recognition(made, x, y, num_steps, run.settings["config"])
    test = examples(run.model, run.dataset.x_test, run.dataset.y_test)
    metrics = made.evaluate(*test, batch_size=500, verbose=0, return_dict=True)
    return {f"labels_only_{name}": float(metrics[name]) for name in _error_names(made).values()}


def fit_recognition(
    model: GraphicalModel, x: rows.ArrayOrRows, y: Mapping[str, np.ndarray], num_steps: int, config: Mapping[str, Any]
) -> None:
    """Maximises log q(labels | x) of the labelled examples, and nothing else.

    Args:
        model: a new model.
        x: labelled examples.
        y: {name: labels}.
        num_steps: steps of Adam. Its rate falls to 0 along a cosine, from the config's learning rate but at most 1e-3.
        config: the fields.
    """
    y = model.data_format.y(y, len(x))
    rate = keras.optimizers.schedules.CosineDecay(min(config["learning_rate"], 1e-3), num_steps)
    optimizer = keras.optimizers.Adam(rate)
    weights = [weight for node in model.recognition.values() for weight in node.trainable_variables]
    weights = list({id(weight): weight for weight in weights}.values())

    @tf.function(reduce_retracing=True, autograph=False)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model.labelled_terms({"x": x}, y, (), training=True)["label_objective"])
        pairs = zip(tape.gradient(loss, weights), weights, strict=True)
        optimizer.apply_gradients([(gradient, weight) for gradient, weight in pairs if gradient is not None])

    generator = np.random.default_rng(config["seed"])
    size = min(config["labelled_batch_size"], len(x))
    for _ in tqdm(range(num_steps), desc="recognition networks, labels only", delay=2):
        index = generator.choice(len(x), size, replace=False)
        step(tf.constant(x[index]), {name: tf.constant(values[index]) for name, values in y.items()})


def _nearest_neighbour_by_variable(run: ComparedRun) -> dict[str, float]:
    """For each variable, the label of the nearest example, in pixels, whose value of that variable is known."""
    test = examples(run.model, run.dataset.x_test, run.dataset.y_test)
    found = nearest_neighbour_errors(run.model, run.dataset.labelled, test)
    return {f"nearest_neighbour_{name}": error for name, error in found.items()}


def nearest_neighbour_errors(model: GraphicalModel, labelled: tuple, test: tuple) -> dict[str, float]:
    """The error of the label of the nearest labelled example, for each variable.

    Args:
        model: defines the errors.
        labelled: x and y of the labelled examples.
        test: x and y of the examples to predict.

    Returns:
        {name of the metric: mean error}.
    """
    result = {}
    (x, y), (x_test, y_test) = labelled, test
    x, flat = np.asarray(x), np.asarray(x_test).reshape(len(x_test), -1)
    y, y_test = model.data_format.y(y, len(x)), model.data_format.y(y_test, len(flat))
    known_test = model.data_format.is_known(y_test)
    for name, known in model.data_format.is_known(y).items():
        if not known.any():
            continue
        head, near = model.data_format.supervised[name], x[known].reshape(known.sum(), -1)
        index = np.argmin((near**2).sum(axis=1) - 2 * flat @ near.T, axis=1)
        predicted, true = event(head, y[name][known][index]), event(head, y_test[name])
        result[_error_names(model)[name]] = float(np.mean(head.error(predicted, true).numpy()[known_test[name]]))
    return result


def _error_names(model: GraphicalModel) -> dict[str, str]:
    """{supervised variable: name of the metric that is its error}."""
    return {name: metric.name for name, metric in model.monitor.errors.items()}


def _table(run: ComparedRun) -> dict[str, float]:
    """Boosted trees on the rows with labels, and a guess; numbers in their units."""
    of_each = {
        "gradient_boosting_": table_results.gradient_boosting(run.dataset, run.settings["config"]["seed"]),
        "guess_": table_results.guess(run.dataset),
    }
    return {prefix + name: error for prefix, found in of_each.items() for name, error in found.items()}


_COMPARISONS: dict[str, Callable[[ComparedRun], dict[str, float]]] = {
    "network": _network,
    "nearest_neighbour": _nearest_neighbour,
    "recognition_networks": _recognition_networks,
    "nearest_neighbour_by_variable": _nearest_neighbour_by_variable,
    "table": _table,
}
