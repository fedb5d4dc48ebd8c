"""What a run learns of its trained model: how far to believe its probabilities, and which examples are of no known kind."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ssdgm_tf import data, models
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import zoo
from ssdgm_tf.models.examples import examples, of_each_class, training_examples
from ssdgm_tf.models.experiment import LABELLER
from ssdgm_tf.models.novelty import MOST, describe, learn
from ssdgm_tf.runs import building, checkpoints, optimisation, training
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.trust.novelty import FEWEST


def learn_known_examples(model: models.GraphicalModel, dataset: data.SemiSupervisedData, folder: Workdir) -> None:
    """Learns what known examples are like, from `known_examples`.

    Nothing is learned from fewer than 100 examples, or where the bound of too many is not finite; a line says so.

    Args:
        model: the trained model.
        dataset: its data set.
        folder: the folder of the run, which keeps the model.
    """
    if model.known_examples is not None:
        return
    try:
        model.fit_novelty(*known_examples(model, dataset))
    except ValueError as error:  # the data have been checked: there are too few of them
        print(f"No novelty: {error}.")
        return
    checkpoints.save(model, folder.model)


def known_examples(model: models.GraphicalModel, dataset: data.SemiSupervisedData) -> tuple[Any, Any]:
    """What `fit_novelty` takes: the training examples, and as those held out the validation examples, if there are 100.

    Args:
        model: the model.
        dataset: its data set.
    """
    known, _ = training_examples(model, dataset)
    if not has_held_out(dataset):
        return known, None
    return known, examples(model, dataset.x_validation, dataset.y_validation)[0]


def has_held_out(dataset: data.SemiSupervisedData) -> bool:
    """Whether the validation set is large enough to say the rates of false alarms.

    Args:
        dataset: the data set.
    """
    return len(dataset.x_validation) >= FEWEST


def by_validation(model: models.GraphicalModel, dataset: data.SemiSupervisedData, method: str) -> None:
    """Calibrates a model by the labels of the validation set.

    Args:
        model: the trained model.
        dataset: its data set.
        method: as in `calibrate`.

    Raises:
        UserError: there is no validation set.
    """
    if not len(dataset.x_validation):
        raise UserError("--by=validation needs a run with a validation set, config.num_validation. Received: one without")
    model.calibrate(*examples(model, dataset.x_validation, dataset.y_validation), method)


def by_folds(
    model: models.GraphicalModel,
    settings: dict[str, Any],
    dataset: data.SemiSupervisedData,
    folder: Workdir,
    number: int,
    method: str,
) -> None:
    """Calibrates a model by models that did not see the examples: cross-fitting.

    The training examples are cut into parts, each with its share of every class. For each part a model like that of the run
    is trained on the others, in folds/ of the run's folder; a part that is trained already is not trained again. Where the
    run builds on another one, the models of the parts build on the same, which has seen all examples. What is novel is
    learned likewise, unless the run has held-out examples, whose rates are better ones.

    Args:
        model: the trained model.
        settings: the settings of the run.
        dataset: its data set.
        folder: the folder of the run.
        number: of parts.
        method: as in `calibrate`.

    Raises:
        UserError: a run that builds on one elsewhere, fewer labels than parts, or a class with a single label.
    """
    labelled, seed, learns = dataset.is_labelled, settings["config"]["seed"], not has_held_out(dataset)
    settings = _of_parts(settings, folder)
    _check_labels(dataset, model, int(labelled.sum()), number)
    parts, part = data.folds(dataset.y_train, labelled, number, seed), _part(settings, folder)
    found = []
    for k in range(number):
        rest, left_out = dataset.at(parts != k), dataset.at(parts == k)
        x, y = left_out.labelled
        own = Workdir(folder.path / "folds" / f"{k + 1}_of_{number}")
        print(f"Part {k + 1} of {number}: trained without {len(left_out.x_train)} examples, {len(x)} of them labelled.")
        other = _train(settings, rest._replace(x_test=x, y_test=y).without_validation(), own, part)
        x, y = examples(other, x, y)
        some, _ = examples(other, left_out.x_train, left_out.y_train)
        known = describe(other, some, MOST // number, seed) if learns else ()
        found.append((of_each_class(other, other.predict(x, verbose=0)), y, known))
    predictions, y, known = keras.tree.map_structure(lambda *values: np.concatenate(values), *found)
    model.calibrate(y=y, method=method, predictions=predictions)
    if not learns:
        return
    try:
        learn(model, *known)
    except ValueError as error:
        print(f"Novelty stays as it is: {error}.")


def _of_parts(settings: dict[str, Any], folder: Workdir) -> dict[str, Any]:
    """The settings of the models of the parts: the epochs that the run kept, because they have no validation examples."""
    results, config = folder.load_results() or {}, settings["config"]
    epochs = results.get("epoch_kept", results.get("epochs_trained", config["epochs"]))
    return settings | {"config": config | {"epochs": epochs, "keep": "last"}}


def _check_labels(dataset: data.SemiSupervisedData, model: models.GraphicalModel, num_labels: int, number: int) -> None:
    """Refuses labels that cannot be left out: the models of the parts must see every class.

    Raises:
        UserError: more parts than labels, no class with labels, or a class with a single one.
    """
    if not 2 <= number <= num_labels:
        raise UserError(
            f"--folds must be at least 2 and at most the number of labels. Received: --folds={number}, {num_labels} labels"
        )
    y = dataset.y_train if isinstance(dataset.y_train, dict) else dict.fromkeys(model.data_format.classes, dataset.y_train)
    counts = {name: np.bincount(y[name][y[name] >= 0]) for name in model.data_format.classes if name in y}
    if not any(of_class.sum() for of_class in counts.values()):
        raise UserError("--by=folds needs labels of a class. Received: none")
    for name, of_class in counts.items():
        if np.any(of_class == 1):
            raise UserError(
                "--by=folds leaves labels out, so every class with labels must have at least two. "
                f"Received: one of class {int(np.argmax(of_class == 1))} of {name}"
            )


def _part(settings: Mapping[str, Any], folder: Workdir) -> models.GraphicalModel | None:
    """The model that a run builds on, from its folder inside the run's; None for none.

    Raises:
        UserError: it is elsewhere.
    """
    part = zoo.find(settings["config"]["model"]).part_of(settings["config"])
    if part is None:
        return None
    if part is LABELLER:
        raise UserError(
            "--by=folds leaves labels out, and the q(y|x) of a second stage has learned from all: take --by=validation, or "
            f"calibrate its labeller. Received: {folder.path}"
        )
    path = folder.path / part.field / folder.model.name
    if not checkpoints.exists(path):
        raise UserError(
            "--by=folds needs the run that this one builds on inside its folder. "
            f"Received: {folder.path}, trained with --part"
        )
    return checkpoints.load(path)


def _train(
    settings: dict[str, Any], dataset: data.SemiSupervisedData, folder: Workdir, part: models.GraphicalModel | None
) -> models.GraphicalModel:
    """The model in a folder, trained to the end."""
    is_new = not checkpoints.exists(folder.model)
    model = building.model(settings, dataset, part) if is_new else checkpoints.load(folder.model)
    if not is_new:
        done = training.epochs_done(model, settings["config"], dataset, folder)
        optimisation.reschedule(model, settings["config"], dataset, done)
    folder.claim(settings)
    training.fit(model, settings["config"], dataset, folder, training.Execution())
    return model
