"""The data set of a run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ssdgm_tf import data, rows
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.models import zoo
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.schema import to_document

# The likelihoods of values in [0, 1].
_OF_UNIT_INTERVAL = ("bernoulli", "discretized_logistic", "pixel_cnn")


def load_data(
    config: Mapping[str, Any],
    data_dir: str | None,
    download: bool,
    folder: Workdir | None = None,
    labels: LabelFile | None = None,
) -> data.SemiSupervisedData:
    """The data set that the config names.

    With `preprocessing="auto"` vectors are standardised, unless the likelihood needs values in [0, 1]: then they must lie
    there, and are left as they are.

    Args:
        config: the fields.
        data_dir: folder of prepared TensorFlow Datasets, and of files that the config names relative to it.
        download: download the data set where it is not prepared.
        folder: of a run that has begun: the columns of a table are then as it found them, and the labels that people gave
            as it learned from them.
        labels: those that people gave; None for those of the folder, if it has any.

    Raises:
        UserError: the data set is missing, the labels cannot be drawn from it or are of other examples, or the likelihood
            does not take its vectors.
    """
    is_table = config["model"] in zoo.names() and zoo.find(config["model"]).takes_tables
    keeps_vectors = config["preprocessing"] == "auto" and config["likelihood"] in _OF_UNIT_INTERVAL and not is_table
    kept = str(folder.schema.absolute()) if is_table and folder is not None and folder.schema.exists() else ""
    try:
        if kept and config["schema"]:
            _check_same(Path(data_dir or "").expanduser() / Path(config["schema"]).expanduser(), Path(kept))
        dataset = data.load(
            config["data"],
            config["labels"],
            config["seed"],
            config["num_validation"],
            data_dir,
            download,
            "none" if keeps_vectors else config["preprocessing"],
            config["bad_examples"],
            config["resize"],
            target=config["target"],
            image_shape=config["image_shape"],
            is_table=is_table,
            schema=kept or config["schema"],
        )
        if keeps_vectors:
            _check_vectors(dataset, config["likelihood"])
        given = LabelFile(folder.training_labels) if labels is None and folder is not None else labels
        dataset = dataset if given is None or not given.content else _with_given_labels(dataset, given)
        dataset = dataset.only(tuple(config["supervised"].split(","))) if config["supervised"] else dataset
        dataset = dataset.with_labelled_only() if config["labelled_only"] else dataset
        return dataset.with_labelled_twice() if config["labelled_twice"] else dataset
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def class_names(dataset: data.SemiSupervisedData) -> dict[str, list[str]]:
    """{variable: names of its classes} of a data set, "y" where one class is all that it has labels of.

    Args:
        dataset: the data set. Of several variables those that are classes; where they have no names, their numbers.
    """
    if not isinstance(dataset.y_train, dict):
        return {"y": list(dataset.class_names or map(str, range(dataset.num_classes)))}
    if dataset.targets is not None:
        variables = dataset.targets.variables
        return {name: list(map(str, column.categories)) for name, column in variables.items() if column.kind != "numeric"}
    known = {name: [shown, dataset.y_test[name]] for name, shown in dataset.y_train.items() if shown.dtype.kind == "i"}
    return {name: [str(k) for k in range(max(int(y.max()) for y in of_both) + 1)] for name, of_both in known.items()}


def _with_given_labels(dataset: data.SemiSupervisedData, file: LabelFile) -> data.SemiSupervisedData:
    """The data set with the labels of a file, and without the examples that are of none of the classes."""
    file.check(dataset.x_train, class_names(dataset))
    given = file.read()
    left_out = set().union(*given.none.values())
    new = [name for names in given.new_classes.values() for name in names]
    print(
        f"Labels of people: {given.number} from {file.path}"
        + (f", new classes {', '.join(new)}" if new else "")
        + (f"; left out are {len(left_out)} of none of the classes" if left_out else "")
        + "."
    )
    return dataset.with_labels({name: of for name, of in given.values.items() if of}, sorted(left_out), new)


def check_schema(dataset: data.SemiSupervisedData, model: Any, folder: Workdir) -> None:
    """Refuses a table whose columns are not those of a trained model.

    Args:
        dataset: the data set of the run.
        model: its model.
        folder: its folder.

    Raises:
        UserError: schema.json was changed.
    """
    if dataset.schema is None or dataset.targets is None:
        return
    if to_document(dataset.schema, dataset.targets) != to_document(model.options.columns(), model.targets):
        raise UserError(
            "The schema of a run stays as it is: edit a copy, and train with --config.schema=COPY in another --workdir. "
            f"Received: {folder.schema}, which its model was not trained with"
        )


def _check_same(given: Path, kept: Path) -> None:
    """Refuses a schema that says something else than that of a run that has begun.

    Raises:
        ValueError: it does.
    """
    try:
        wanted, found = (json.loads(path.read_text(encoding="utf-8")) for path in (given, kept))
        for key in ("columns", "targets"):
            fields = {column["name"]: column for column in found[key]}
            for column in wanted[key]:
                if not column.items() <= fields.pop(column["name"]).items():
                    raise KeyError(column["name"])
            if fields:
                raise KeyError(next(iter(fields)))
    except (KeyError, TypeError, ValueError, OSError, AttributeError) as error:
        raise ValueError(
            f"A workdir holds one schema: use another --workdir. Received: {given}, which differs from {kept} ({error})"
        ) from error


def _check_vectors(dataset: data.SemiSupervisedData, likelihood: str) -> None:
    """Says that vectors and series in [0, 1] are kept for a likelihood that needs them there, and refuses others.

    It passes images.

    Raises:
        ValueError: a vector or series outside [0, 1].
    """
    if dataset.x_train.ndim == 4:
        return
    what = "vectors" if dataset.x_train.ndim == 2 else "series"
    extents = [rows.extent(x) for x in (dataset.x_train, dataset.x_test, dataset.x_validation) if x.size]
    low, high = (
        min(np.nanmin(low) for low, _ in extents) + 0.0,
        max(np.nanmax(high) for _, high in extents) + 0.0,
    )  # no "-0" in words
    if low < 0 or high > 1:
        raise ValueError(
            f"config.likelihood={likelihood} takes values in [0, 1]; config.likelihood=normal takes standardised {what}. "
            f"Received: {what} with values from {low:.4g} to {high:.4g}"
        )
    print(f"{what.capitalize()} kept as they are, in [0, 1]: config.likelihood={likelihood} takes no others.")
