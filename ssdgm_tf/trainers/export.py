"""Writes a finished run as a TensorFlow SavedModel, with a model card.

    ssdgm-export --workdir=runs/m2_digits --output=served/m2_digits

Raw examples go in, as the run's files hold them: images of bytes (uint8, 0 to 255) or of numbers in [0, 1] (float32), or
vectors. Probabilities and images come out. The model card, README.md, says which. Serving needs TensorFlow only, not this
package.
"""

from pathlib import Path
from typing import Any

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.trainers import flags as command

flags.DEFINE_string("workdir", None, "Folder of the run.", module_name=command.FILES)
flags.DEFINE_string(
    "output", None, "Folder of the SavedModel; an existing SavedModel is replaced.", module_name=command.FILES
)
flags.DEFINE_bool("litert", False, "Also write classify.tflite, for LiteRT.", module_name=command.WHAT)
flags.DEFINE_bool(
    "onnx", False, "Also write classify.onnx. Needs the extra: pip install 'ssdgm_tf[onnx]'.", module_name=command.WHAT
)
flags.DEFINE_bool(
    "keras",
    False,
    "Also write Keras' own files, with which keras.saving.load_model opens the folder, also as a repository of a hub.",
    module_name=command.WHAT,
)


def main() -> dict[str, Any]:
    """`ssdgm-export`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    if values.output is None:
        raise UserError("--output must name a folder. Received: none")
    output = Path(values.output)
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import other_formats, saved_run

    signatures = saved_run.export(folder, output)
    writers = {
        "litert": lambda: other_formats.write_litert(output, signatures),
        "onnx": lambda: other_formats.write_onnx(output, signatures),
        "keras": lambda: saved_run.write_keras_files(folder, output),
    }
    written = {name: write() if values[name].value else [] for name, write in writers.items()}
    for file in (file for group in written.values() for file in group):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    result: dict[str, Any] = {"output": str(output), "signatures": sorted(signatures)}
    return result | {name: [str(file) for file in group] for name, group in written.items()}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
