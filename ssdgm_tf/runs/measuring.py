"""The test figures of a trained model, and of a baseline."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ssdgm_tf import baselines, data, rows
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.models.examples import examples, of_each_class, prefix_of
from ssdgm_tf.runs import table_results

# Test images whose log-likelihood is estimated: enough for a mean, and few enough to be quick.
_LIKELIHOOD_IMAGES = 500
# Test images among which false alarms are counted.
_NOVELTY_IMAGES = 5000


def measure(model: GraphicalModel, config: Mapping[str, Any], dataset: data.SemiSupervisedData) -> dict[str, Any]:
    """The test figures of a model: every metric of `evaluate`, those of each class, and the log-likelihood.

    Args:
        model: the trained model.
        config: the fields.
        dataset: the data set.

    Returns:
        {name: figure}; `log_likelihood` is importance-weighted, and `values` says what the examples are after their
        preprocessing, where they have any. `confusions` says what there is of classes, `table_results.of_numbers` of the
        numbers of a table, whose errors are in the units of its columns, and `of_trust` of what was learned after training.
    """
    test = examples(model, dataset.x_test, dataset.y_test)
    size = rows.batch_size(dataset.x_test.shape, 500)
    metrics = model.evaluate(*test, batch_size=size, verbose=0, return_dict=True)
    x, y = dataset.x_test, dataset.y_test
    # Only a label that is always given counts here, and of several variables none is.
    some, _ = examples(model, x[:_LIKELIHOOD_IMAGES], None if isinstance(y, dict) else y[:_LIKELIHOOD_IMAGES])
    log_px = model.log_likelihood(some, num_samples=config["num_importance_samples"], seed=config["seed"])
    results: dict[str, Any] = {name: float(value) for name, value in metrics.items()}
    if dataset.preprocessing is not None:
        results["values"] = dataset.preprocessing.values
    if dataset.noun != "images":
        results["examples"] = dataset.noun
    if dataset.schema is not None:
        # In place of errors of standardised numbers, those in the units of the columns.
        results |= table_results.of_numbers(model, dataset)
    return (
        results
        | confusions(model, *test, batch_size=size)
        | of_trust(model, *test)
        | {
            "log_likelihood": float(np.mean(log_px)),
            "log_likelihood_images": len(log_px),
            "log_likelihood_samples": config["num_importance_samples"],
            "test_images": len(dataset.x_test),
        }
    )


def of_predictions(model: GraphicalModel, x: Any, y: Any) -> dict[str, Any]:
    """The test figures that a calibration changes: errors, calibration errors, confusions and `of_trust`.

    Args:
        model: the model.
        x: examples, as `predict` takes them.
        y: labels, as `fit` takes them.

    Returns:
        {name: figure}.
    """
    size = rows.batch_size(x.shape, 500)
    metrics = model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)
    changed = {name: float(value) for name, value in metrics.items() if name.endswith(("error", "ece"))}
    return changed | confusions(model, x, y, batch_size=size) | of_trust(model, x, y)


def of_trust(model: GraphicalModel, x: Any, y: Any) -> dict[str, float]:
    """Whether what was learned of a trained model holds on test examples.

    Args:
        model: the model.
        x: examples, as `predict` takes them.
        y: labels, as `fit` takes them.

    Returns:
        {name: figure}: after `fit_novelty` `false_alarms`, the share of the first 5,000 that is called novel at a rate of
        0.05; after `calibrate`, of every calibrated class, `set_coverage`, the share of sets of coverage 0.9 that hold the
        label, and `set_size`, their mean number of classes. Of several supervised variables these names begin with the
        variable's.
    """
    found: dict[str, float] = {}
    if model.known_examples is not None:
        some = {name: values[:_NOVELTY_IMAGES] for name, values in model.data_format.as_dict(x).items()}
        found["false_alarms"] = float(np.mean(model.is_novel(some, false_alarms=0.05)))
    if not model.calibration:
        return found
    for name, chosen in of_each_class(model, model.predict_sets(x, coverage=0.9)).items():
        labels, prefix = model.data_format.y(y, len(chosen))[name], prefix_of(model, name)
        found[f"{prefix}set_coverage"] = float(np.mean(chosen[labels >= 0, labels[labels >= 0]]))
        found[f"{prefix}set_size"] = float(np.mean(chosen.sum(axis=1)))
    return found


def confusions(model: GraphicalModel, x: Any, y: Any, batch_size: int = 500) -> dict[str, Any]:
    """`of_classes` of every supervised class, over the examples whose label is known; nothing of a class without any.

    Args:
        model: the model.
        x: examples, as `predict` takes them.
        y: labels, as `fit` takes them.
        batch_size: examples that are predicted at once.

    Returns:
        {name: figure}. Of several supervised variables the names begin with the variable's.
    """
    classes = model.data_format.classes
    if not classes:
        return {}
    found: dict[str, Any] = {}
    for name, predicted in of_each_class(model, model.predict(x, batch_size=batch_size, verbose=0)).items():
        labels = model.data_format.y(y, len(predicted))[name]
        if not np.any(known := labels >= 0):
            continue
        chosen = np.argmax(predicted, axis=-1)
        figures = of_classes(labels[known], chosen[known], classes[name])
        found |= {prefix_of(model, name) + key: figure for key, figure in figures.items()}
    return found


def of_classes(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> dict[str, Any]:
    """How well each class is found, and which classes are taken for which.

    Args:
        labels: true labels, [N].
        predicted: predicted labels, [N].
        num_classes: number of classes K.

    Returns:
        `balanced_error`, the mean of 1 - recall over the classes with examples; `recall`, [K], the share of each class that
        is predicted right, None of a class without examples; `confusion`, [K][K] numbers of examples, a row for each true
        class, a column for each predicted one.
    """
    matrix = np.zeros((num_classes, num_classes), int)
    np.add.at(matrix, (labels, predicted), 1)
    recall = [float(matrix[k, k] / n) if n else None for k, n in enumerate(matrix.sum(axis=1))]
    balanced_error = 1 - float(np.mean([share for share in recall if share is not None]))
    return {"balanced_error": balanced_error, "recall": recall, "confusion": matrix.tolist()}


def measure_baseline(
    config: Mapping[str, Any], dataset: data.SemiSupervisedData, part: GraphicalModel | None
) -> dict[str, Any]:
    """Fits the baseline that the config names, and returns its test error, those of each class and its training time.

    A table is given to it as `baselines.FilledTable` makes vectors of it.

    Args:
        config: the fields.
        dataset: the data set.
        part: the trained model whose features it takes; None for the images themselves.

    Raises:
        UserError: the baseline refuses the data.
    """
    x_train, x_test = dataset.x_train, dataset.x_test
    y_train: Any = dataset.y_train
    y_test: Any = dataset.y_test
    if part is not None:
        (latent,) = part.graph.latent
        x_train, x_test = part.encode(x_train)[latent], part.encode(x_test)[latent]
    elif dataset.schema is not None:
        filled = baselines.FilledTable(dataset.schema).fit(np.asarray(x_train))
        x_train, x_test = filled.transform(np.asarray(x_train)), filled.transform(np.asarray(x_test))
    estimator = baselines.make(config["model"], dataset.num_classes, config["seed"])
    print(f"Fitting {config['model']} on {len(x_train)} examples, {int(np.sum(y_train >= 0))} of them labelled.")
    start = time.monotonic()
    try:
        estimator.fit(x_train, y_train)
    except ValueError as error:
        raise UserError(f"{config['model']} does not take these data: {error}") from error
    seconds = time.monotonic() - start
    predicted = estimator.predict(x_test)
    results = {"error": float(np.mean(predicted != y_test)), "test_images": len(y_test)}
    return results | of_classes(y_test, predicted, dataset.num_classes) | {"training_seconds": round(seconds, 2)}
