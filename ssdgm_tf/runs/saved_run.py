"""A run as a SavedModel that takes raw images. `ssdgm-export` writes it, and `ssdgm-predict` uses it."""

import json
import math
import os
import tempfile
from pathlib import Path

import tensorflow as tf

from ssdgm_tf import data, models
from ssdgm_tf.data.names import shown as shown_name
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import saved_model
from ssdgm_tf.rows import LEVELS
from ssdgm_tf.runs import checkpoints, wording
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.schema import to_document

#: Files in the assets.extra of a SavedModel, where there is something to say: the names of classes, `config.resize`, and the
#: names of the columns of a table.
CLASS_NAMES, RESIZE, COLUMNS = "class_names.json", "resize.txt", "columns.json"
#: Where a model takes gaps, or numbers in [0, 1] only: {observed variable: its `ssdgm_tf.data.Limits`}.
LIMITS = "limits.json"
#: Of a model of tables: its columns and targets, as in the schema.json of the run.
SCHEMA = "schema.json"


class Pixels:
    """Turns raw images into the values of training, and back: division of bytes by 255, then the preprocessing of the run.

        x = raw / 255 or raw          z = the map of x, see `ssdgm_tf.data.AffineMap`

    Args:
        shape: shape of one example before the preprocessing, an image (H, W, C), a series (T, C) or a vector (D,).
        raw_dtype: what raw examples are: "uint8", images of bytes; or "float32", images in [0, 1], series or vectors.
        preprocessing: the fitted preprocessing, or None.
    """

    def __init__(self, shape: tuple[int, ...], raw_dtype: str, preprocessing: data.AffineMap | None = None) -> None:
        self.shape, self.preprocessing = tuple(shape), preprocessing
        self.spec = tf.TensorSpec((None, *shape), tf.as_dtype(raw_dtype))
        self.is_bytes = self.spec.dtype == tf.uint8

    @property
    def words(self) -> str:
        """What `transform` takes and does, in words."""
        steps = ["pixels / 255"] if self.is_bytes else []
        steps += [self.preprocessing.values] if self.preprocessing is not None else []
        made = ", then ".join(steps) or "none"
        return f"{made}; pixels are numbers in [0, 1]" if len(self.shape) == 3 and not self.is_bytes else made

    def transform(self, raw: tf.Tensor) -> tf.Tensor:
        """Raw examples as the values that the model was trained on, float32."""
        x = tf.gather(LEVELS, tf.cast(raw, tf.int32)) if self.is_bytes else raw
        if self.preprocessing is None:
            return x
        rows = tf.reshape(x, [-1, self.preprocessing.mean.size])
        return tf.reshape(self.preprocessing.map_rows(rows), [-1, *self.preprocessing.output_shape])

    def inverse(self, x: tf.Tensor) -> tf.Tensor:
        """Generated examples as images in [0, 1] or vectors, float32. Values that a map gives back are not clipped."""
        if self.preprocessing is None:
            return x
        size = math.prod(self.preprocessing.output_shape)
        return tf.reshape(self.preprocessing.unmap_rows(tf.reshape(x, [-1, size])), [-1, *self.shape])


def export(folder: Workdir, output: Path, verbose: bool = True) -> list[str]:
    """Writes a finished run as a SavedModel that takes raw images, with a model card that says how it was trained.

    Args:
        folder: the run.
        output: the SavedModel's folder. An existing SavedModel is replaced.
        verbose: whether to print what was written.

    Returns:
        Names of the signatures.

    Raises:
        UserError: the run is not finished, or the output exists and is not a SavedModel.
    """
    results, settings = folder.load_results(), folder.load_config()
    if results is None:
        raise UserError(f"A run can be served when it is finished. Received: {folder.path}, without results.json")
    try:
        saved_model.check_target(output)
    except ValueError as error:
        raise UserError(str(error)) from error
    model, served = checkpoints.load(folder.model), folder.load_data()
    names = {name: served.class_names for name in model.data_format.classes if len(served.class_names)}
    pixels, resize = Pixels(served.shape, served.raw_dtype, served.preprocessing), settings["config"]["resize"]
    extra = ({CLASS_NAMES: json.dumps(names)} if names else {}) | ({RESIZE: resize} if resize else {})
    extra |= {COLUMNS: json.dumps(served.columns)} if served.columns else {}
    limits = {name: model.data_format.limits(name) for name in model.data_format.observed}
    if pixels.preprocessing is not None:
        limits = {name: of_one._replace(unit_interval=False) for name, of_one in limits.items()}
    if any(map(any, limits.values())):
        extra[LIMITS] = json.dumps({name: of_one._asdict() for name, of_one in limits.items()})
    if isinstance(model, models.Table):
        extra |= {SCHEMA: to_document(model.options.columns(), model.targets)}
    output.parent.mkdir(parents=True, exist_ok=True)
    model.export(
        output,
        preprocessing={"x": pixels},
        about=_about(settings, results, pixels, served.columns),
        metadata=_metadata(settings, results, served.shape),
        extra=extra,
        verbose=verbose,
    )
    return list(model.signatures({"x": pixels}))


def write_keras_files(folder: Workdir, output: Path) -> list[Path]:
    """Writes the model of a run beside its SavedModel, as Keras saves a model in a folder.

    `keras.saving.load_model` opens the folder then, and `hf://USER/NAME` once it is a repository of the Hugging Face Hub.
    This model takes preprocessed values, as in `fit`, and has its optimizer with it, to be trained on.

    Args:
        folder: the run.
        output: the SavedModel's folder.

    Returns:
        The files.
    """
    model = checkpoints.load(folder.model)
    with tempfile.TemporaryDirectory(prefix=f"partial-{output.name}-", dir=output.parent) as partial:
        model.save(partial, zipped=False)
        for name in saved_model.KERAS_FILES:
            os.replace(Path(partial) / name, output / name)
    return [output / name for name in saved_model.KERAS_FILES]


def _metadata(settings: dict, results: dict, shape: tuple[int, ...]) -> dict:
    """The header of the model card: the task and the test errors, as model hubs have them; {} without test errors."""
    config, errors = settings["config"], wording.errors(results)
    if not errors:
        return {}
    metrics = [
        {"type": name, "name": f"Test {name.replace('_', ' ')}", "value": of_each[""]} for name, of_each in errors.items()
    ]
    task = wording.task(list(errors), shape)
    result = {"task": {"type": task}, "dataset": {"type": config["data"], "name": config["data"]}, "metrics": metrics}
    tag = {} if task == "other" else {"pipeline_tag": task}
    return tag | {"model-index": [{"name": wording.title(config), "results": [result]}]}


def _about(settings: dict, results: dict, preprocessing: "Pixels", columns: tuple[str, ...]) -> str:
    """How the model was trained and how good it is, for the model card."""
    config = settings["config"]
    rows = [
        ("data", f"`{config['data']}`, {wording.labels(config)} shown, drawn with seed {config['seed']}"),
        ("preprocessing", f"part of the SavedModel: {preprocessing.words}"),
        ("training", f"{config['epochs']} epochs, {results['training_seconds'] / 60:.1f} minutes"),
        ("measured on", f"{results['test_images']} test {wording.examples(results)}"),
        *wording.error_rows(results),
    ]
    if config["resize"]:
        rows.append(("size of images", f"resized to {config['resize']} before they come in; `ssdgm-predict` does it"))
    if columns:
        shown = ", ".join(shown_name(name).replace("|", "\\|") for name in columns[:20])
        shown += f", ... ({len(columns)} in all)" if len(columns) > 20 else ""
        rows.append(("columns, in this order", f"{shown}; `ssdgm-predict` takes them from a table by their names"))
    if results.get("examples") == "rows":
        what = "numbers in their units, the index of a category, NaN for a gap"
        rows.append(("cells", f"{what}; assets.extra/{SCHEMA} describes them"))
    if "ece" in results:
        rows.append(("calibration error of the probabilities", f"{results['ece']:.3f}"))
    one = {"rows": "a row", "series": "a series"}.get(wording.examples(results), "an image")
    rows.append((f"log p(x) of {one}, at least", f"{results['log_likelihood']:.1f} {wording.nats(results)}"))
    packages = ("ssdgm_tf", "tensorflow", "keras")
    rows.append(("made with", ", ".join(f"{name} {results['environment'][name]}" for name in packages)))
    lines = ["## How it was trained", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    fields = json.dumps(config, indent=2)
    return "\n".join([*lines, "<details><summary>config</summary>", "", "```json", fields, "```", "", "</details>"])
