"""What a run learns of its trained model: how far to believe its probabilities, and which examples are of no known kind."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ssdgm_tf import data, models
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import zoo
from ssdgm_tf.models.examples import examples, training_examples
from ssdgm_tf.models.novelty import MOST, describe, learn
from ssdgm_tf.runs import building, checkpoints, training
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.trust.novelty import FEWEST

# A validation set of so many examples says better than the training set what is usual: training did not see it.
_ENOUGH = 1000


def learn_known_examples(model: models.GraphicalModel, dataset: data.SemiSupervisedData, folder: Workdir) -> None:
    """Learns what known examples are like, from the validation set where it is large, else from the training set.

    Nothing is learned from fewer than 40 examples.

    Args:
        model: the trained model.
        dataset: its data set.
        folder: the folder of the run, which keeps the model.
    """
    if model.known_examples is not None:
        return
    if len(dataset.x_validation) >= _ENOUGH:
        x, _ = examples(model, dataset.x_validation, dataset.y_validation)
    else:
        x, _ = training_examples(model, dataset)
    if len(x["x"] if isinstance(x, dict) else x) >= FEWEST:
        model.fit_novelty(x)
        checkpoints.save(model, folder.model)


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
    """Calibrates a model, and learns what is known, by models that did not see the examples: cross-fitting.

    The training examples are cut into parts, each with its share of every class. For each part a model like that of the run
    is trained on the others, in folds/ of the run's folder; a part that is trained already is not trained again.

    Args:
        model: the trained model.
        settings: the settings of the run.
        dataset: its data set.
        folder: the folder of the run.
        number: of parts.
        method: as in `calibrate`.

    Raises:
        UserError: a run that builds on one elsewhere, or fewer labels than parts.
    """
    labelled, seed = dataset.is_labelled, settings["config"]["seed"]
    if not 2 <= number <= labelled.sum():
        raise UserError(
            "--folds must be at least 2 and at most the number of labels. "
            f"Received: --folds={number}, {labelled.sum()} labels"
        )
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
        found.append((_of_classes(other, x), y, describe(other, some, MOST // number, seed)))
    predictions, y, known = keras.tree.map_structure(lambda *values: np.concatenate(values), *found)
    model.calibrate(y=y, method=method, predictions=predictions)
    learn(model, *known)


def _part(settings: Mapping[str, Any], folder: Workdir) -> models.GraphicalModel | None:
    """The model that a run builds on, from its folder inside the run's; None for none.

    Raises:
        UserError: it is elsewhere.
    """
    part = zoo.find(settings["config"]["model"]).builds_on
    if part is None or not settings["config"].get(part.field):
        return None
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
    folder.claim(settings)
    training.fit(model, settings["config"], dataset, folder, training.Execution())
    return model


def _of_classes(model: models.GraphicalModel, x: Any) -> Any:
    """The predictions of supervised classes, as `calibrate` takes them."""
    predicted = model.predict(x, verbose=0)
    if len(model.graph.supervised) == 1:
        return predicted
    return {name: predicted[name] for name in model.data_format.classes}
