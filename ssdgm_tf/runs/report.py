"""The report of a run: figures as PNG files, and one HTML page that holds them all."""

import base64
import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ssdgm_tf import files, plots
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models import GraphicalModel, zoo
from ssdgm_tf.models.examples import examples, of_each_class, prefix_of
from ssdgm_tf.models.figures import Captioned
from ssdgm_tf.models.prediction_figures import of_predictions
from ssdgm_tf.runs import table_results, wording
from ssdgm_tf.runs.workdir import Workdir, write_text

# Classes whose recall is in the report; results.json has all.
_MOST_CLASSES = 40
_PAGE = Template(Path(__file__).with_name("report_template.html").read_text())


# Seconds of a run that are not those of a part.
_OF_TRAINING = ("training_seconds", "budget_seconds")


def figures(
    model: GraphicalModel,
    dataset: SemiSupervisedData,
    rows: list[dict[str, Any]],
    results: Mapping[str, Any],
    config: Mapping[str, Any],
) -> dict[str, Captioned]:
    """Every figure of a finished run, {name: figure}: learning curves, confusions, and the figures of the experiment.

    Args:
        model: the trained model.
        dataset: its data set.
        rows: the metrics of each epoch.
        results: the results of the run.
        config: the fields.
    """
    shown = np.random.default_rng(config["seed"]).permutation(len(dataset.x_test))
    is_number = dataset.targets is not None and not all(column.is_discrete for column in dataset.targets.schema)
    numbers = " Of numbers (mae) it is the mean absolute error, in standard deviations of the labels." if is_number else ""
    curves = Captioned(
        plots.learning_curves(rows, dataset.monitored[-1]),
        "Learning curves. Left: the bound U(x) per example. Middle: the share of wrong labels; on the few labelled examples "
        f"it soon reaches 0.{numbers} Right: the KL terms of the latent variables, on unlabelled examples.",
    )
    confused = {
        name: Captioned(
            plots.confusion(np.array(matrix), class_names(dataset, len(matrix), name.removesuffix("confusion"))),
            f"Test examples by their true {_words(name, 'confusion')}class (rows) and the predicted one (columns). Shades "
            "are shares of the true class; on the diagonal they are its recall.",
        )
        for name, matrix in results.items()
        if name.endswith("confusion")
    }
    return (
        {"learning_curves": curves}
        | confused
        | _of_predictions(model, dataset)
        | zoo.find(config["model"]).figures(model, dataset, shown, config["seed"])
    )


def _of_predictions(model: GraphicalModel, dataset: SemiSupervisedData) -> dict[str, Captioned]:
    """The figures of the predicted classes of test examples; tables have figures of their own."""
    classes = model.data_format.classes
    if not classes or dataset.schema is not None:
        return {}
    x, y = examples(model, dataset.x_test, dataset.y_test)
    labels = model.data_format.y(y, len(dataset.x_test))

    def images_of(indices: np.ndarray) -> np.ndarray:
        return dataset.to_images(np.asarray(dataset.x_test[indices]))

    made: dict[str, Captioned] = {}
    for name, values in of_each_class(model, model.predict(x, verbose=0)).items():
        prefix = prefix_of(model, name)
        names = class_names(dataset, classes[name], prefix)
        made |= of_predictions(prefix, values, labels[name], names, dataset.noun, images_of)
    return made


def class_names(dataset: SemiSupervisedData, size: int, prefix: str = "") -> list[str]:
    """The names of so many classes: those of the data set, if they are its classes; else their numbers.

    Args:
        dataset: the data set.
        size: number of classes.
        prefix: the name of the variable and "_"; "" where there is only one.
    """
    if dataset.targets is not None and (column := dataset.targets.variables.get(prefix.removesuffix("_"))) is not None:
        return list(column.categories)
    return list(dataset.class_names) if len(dataset.class_names) == size else [str(k) for k in range(size)]


def write(
    model: GraphicalModel,
    dataset: SemiSupervisedData,
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
    folder: Workdir,
) -> None:
    """Writes figures/*.png and report.html into the run's folder.

    Args:
        model: the trained model.
        dataset: its data set.
        settings: the settings of the run.
        results: the results of the run.
        folder: the folder of the run.
    """
    folder.figures.mkdir(exist_ok=True)
    config, blocks, old = settings["config"], [], set(folder.figures.glob("*.png"))
    for name, (figure, caption) in figures(model, dataset, folder.load_metrics(), results, config).items():
        path = folder.figures / f"{name}.png"
        old.discard(path)
        with files.whole(path) as partial:
            figure.savefig(partial, dpi=130)
        encoded = base64.b64encode(path.read_bytes()).decode()
        blocks.append(
            f'<figure><img alt="{name}" src="data:image/png;base64,{encoded}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    for path in old:  # such as the surest errors of a model that has none any more
        path.unlink()
    page = _PAGE.substitute(
        title=html.escape(f"{wording.title(config)} on {config['data']}, {wording.labels(config)}"),
        results=_table(_result_rows(results)),
        columns=_columns(dataset),
        classes="\n".join(_class_table(name, results, dataset) for name in results if name.endswith("recall")),
        figures="\n".join(blocks),
        settings=_table((settings | config | results["environment"]).items(), leave_out=("config",)),
    )
    write_text(folder.report, page)


def _result_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        *wording.error_rows(results),
        ("Test bound U(x)", f"{results['bound_unlabelled']:.2f} {wording.nats(results)}"),
        (
            f"Importance-weighted bound on log p(x), {results['log_likelihood_samples']} samples, "
            f"{results['log_likelihood_images']} {wording.examples(results)}",
            f"{results['log_likelihood']:.2f} {wording.nats(results)}",
        ),
    ]
    rows += [
        (f"Test rows inside the central 90 % interval{_of(name)}", f"{100 * value:.1f} %")
        for name, value in results.items()
        if name.endswith("coverage_90")
    ]
    if "ece" in results:
        rows += [
            ("Expected calibration error of q(y|x)", f"{results['ece']:.3f}"),
            ("Negative log q(y|x) of the test labels", f"{results['classification_loss']:.3f} nats"),
        ]
    rows += _trust_rows(results)
    if "budget_seconds" in results:
        rows.append(("Epochs, ended by a budget", f"{results['epochs_trained']}"))
    if "epoch_kept" in results:
        rows.append(("Epoch whose weights were kept", f"{results['epoch_kept']}"))
    for name in (name for name in results if name.endswith("_seconds") and name not in _OF_TRAINING):
        part = name.removesuffix("_seconds").replace("_", " ")
        rows.append((f"Training time of its {part}, included in the next line", f"{results[name]:.0f} s"))
    return [
        *rows,
        (f"Test {wording.examples(results)}", str(results["test_images"])),
        ("Training time", f"{results['training_seconds']:.0f} s"),
    ]


def _trust_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What `measuring.of_trust` found."""
    rows = []
    if "false_alarms" in results:
        what = f"Test {wording.examples(results)} called novel, at a stated rate of 5 %"
        rows.append((what, f"{100 * results['false_alarms']:.1f} %"))
    for name in (name for name in results if name.endswith("set_coverage")):
        of, size = _words(name, "set_coverage"), results[name.replace("set_coverage", "set_size")]
        shown = f"{100 * results[name]:.1f} %, of {size:.2f} classes on average"
        rows.append((f"Sets of 90 % that hold the true {of}class", shown))
    return rows


def _columns(dataset: SemiSupervisedData) -> str:
    """A heading and a table of the columns of a table; nothing of other data."""
    if dataset.schema is None:
        return ""
    head = ("column", "kind", "distribution", "cells", "gaps")
    cells = (
        "".join(f"<td>{html.escape(text)}</td>" for text in row) for row in (head, *table_results.table_of_columns(dataset))
    )
    return f"<h2>Columns</h2>\n<table>{''.join(f'<tr>{of_row}</tr>' for of_row in cells)}</table>"


def _class_table(name: str, results: Mapping[str, Any], dataset: SemiSupervisedData) -> str:
    """A heading and a table of the recall of each class, the least first; of many classes, of the least ones."""
    recall, confusion = results[name], results[name.removesuffix("recall") + "confusion"]
    names = class_names(dataset, len(recall), name.removesuffix("recall"))
    found = zip(names, recall, map(sum, confusion), strict=True)
    classes = sorted(found, key=lambda of_class: 2.0 if of_class[1] is None else of_class[1])
    rows = [
        (label, "no examples" if share is None else f"{100 * share:.1f} % of {size}")
        for label, share, size in classes[:_MOST_CLASSES]
    ]
    if len(classes) > _MOST_CLASSES:
        rows.append((f"{len(classes) - _MOST_CLASSES} more classes", "in results.json"))
    return f"<h2>Test recall of each {html.escape(_words(name, 'recall'))}class</h2>\n{_table(rows)}"


def _of(name: str) -> str:
    """The variable of an interval, in words; "" where there is only one."""
    words = _words(name, "coverage_90")
    return f" of {words.strip()}" if words else ""


def _words(name: str, suffix: str) -> str:
    """The variable that a result is of, and a space; "" where there is only one."""
    return name.removesuffix(suffix).replace("_", " ")


def _table(rows: Iterable[tuple[str, Any]], leave_out: tuple[str, ...] = ()) -> str:
    cells = (
        f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows
        if name not in leave_out
    )
    return f"<table>{''.join(cells)}</table>"
