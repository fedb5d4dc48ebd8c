"""A run as a SavedModel that takes raw images. `ssdgm-export` writes it, and `ssdgm-predict` uses it."""

import json
import math
import re
from pathlib import Path

import tensorflow as tf

from ssdgm_tf import data, files
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import saved_model
from ssdgm_tf.runs import checkpoints, wording
from ssdgm_tf.runs.workdir import Workdir

#: The file of class names in the assets.extra of a SavedModel.
CLASS_NAMES = "class_names.json"


class Pixels:
    """Turns raw images into the values of training, and back: division by 255, then the whitening of the run.

        x = raw / 255          z = whiten(x), see `ssdgm_tf.data.Whitening`

    Args:
        shape: shape of one example before whitening: uint8 images (H, W, C), or float32 vectors (D,).
        whitening: the fitted preprocessing, or None.
    """

    def __init__(self, shape: tuple[int, ...], whitening: data.Whitening | None = None) -> None:
        self.shape, self.whitening = tuple(shape), whitening
        self.is_image = len(shape) > 1
        self.spec = tf.TensorSpec((None, *shape), tf.uint8 if self.is_image else tf.float32)

    @property
    def words(self) -> str:
        """What `transform` does, in words."""
        steps = ["pixels / 255"] if self.is_image else []
        steps += ["whitening"] if self.whitening is not None else []
        return ", then ".join(steps) or "none"

    def transform(self, raw: tf.Tensor) -> tf.Tensor:
        """Raw examples as the values that the model was trained on, float32."""
        x = tf.cast(raw, tf.float32) / 255.0 if self.is_image else raw
        if self.whitening is None:
            return x
        rows = tf.reshape(x, [-1, self.whitening.mean.size])
        return tf.reshape(self.whitening.whiten(rows), [-1, *self.whitening.output_shape])

    def inverse(self, x: tf.Tensor) -> tf.Tensor:
        """Generated examples as images in [0, 1] or vectors, float32. Unwhitened values are not clipped."""
        if self.whitening is None:
            return x
        size = math.prod(self.whitening.output_shape)
        return tf.reshape(self.whitening.unwhiten(tf.reshape(x, [-1, size])), [-1, *self.shape])


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
    model, (shape, class_names, whitening) = checkpoints.load(folder.model), folder.load_data()
    names = {name: class_names for name in model.data_format.classes if len(class_names)}
    pixels = Pixels(shape, whitening)
    output.parent.mkdir(parents=True, exist_ok=True)
    model.export(
        output,
        preprocessing={"x": pixels},
        about=_about(settings, results, pixels),
        extra={CLASS_NAMES: json.dumps(names)} if names else None,
        verbose=verbose,
    )
    return list(model.signatures({"x": pixels}))


def write_litert(folder: Path, signatures: list[str]) -> list[Path]:
    """Writes NAME.tflite into the SavedModel's folder for each signature that classifies.

    Args:
        folder: that of the SavedModel.
        signatures: names of all its signatures.

    Returns:
        The files.

    Raises:
        UserError: LiteRT lacks an operation, such as the random draws that some predictions are averaged over.
    """
    written = []
    for name in (name for name in signatures if name.startswith("classify")):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[name])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            content = converter.convert()
        except Exception as error:  # the converter raises many kinds of errors
            reason = re.search(r"tf\.\w+", str(error))
            raise UserError(
                f"A .tflite file holds only operations of LiteRT, and no random draws. Received: {name}, with "
                f"{reason[0] if reason else str(error).splitlines()[0]}"
            ) from error
        written.append(folder / f"{name}.tflite")
        with files.whole(written[-1]) as partial:
            partial.write_bytes(content)
    return written


def _about(settings: dict, results: dict, preprocessing: "Pixels") -> str:
    """How the model was trained and how good it is, for the model card."""
    config = settings["config"]
    rows = [
        ("data", f"`{config['data']}`, {wording.labels(config)} shown, drawn with seed {config['seed']}"),
        ("preprocessing", f"part of the SavedModel: {preprocessing.words}"),
        ("training", f"{config['epochs']} epochs, {results['training_seconds'] / 60:.1f} minutes"),
        ("measured on", f"{results['test_images']} test images"),
        *wording.error_rows(results),
    ]
    if "ece" in results:
        rows.append(("calibration error of the probabilities", f"{results['ece']:.3f}"))
    rows.append(("log p(x), at least", f"{results['log_likelihood']:.1f} nats an image"))
    packages = ("ssdgm_tf", "tensorflow", "keras")
    rows.append(("made with", ", ".join(f"{name} {results['environment'][name]}" for name in packages)))
    lines = ["## How it was trained", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    fields = json.dumps(config, indent=2)
    return "\n".join([*lines, "<details><summary>config</summary>", "", "```json", fields, "```", "", "</details>"])
