"""Writes a finished run as a TensorFlow SavedModel, with a model card.

    ssdgm-export --workdir=runs/m2_digits --output=served/m2_digits

Raw examples go in, as the run's files hold them: images of bytes (uint8, 0 to 255) or of numbers in [0, 1] (float32), or
vectors. Probabilities and images come out. MODEL_CARD.md says which. Serving needs TensorFlow only, not this package.
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


def main() -> dict[str, Any]:
    """`ssdgm-export`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    if values.output is None:
        raise UserError("--output must name a folder. Received: none")
    output = Path(values.output)
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import saved_run

    signatures = saved_run.export(folder, output)
    written = saved_run.write_litert(output, signatures) if values.litert else []
    for file in written:
        print(f"LiteRT in {file}: {file.stat().st_size / 1e6:.1f} MB")
    return {"output": str(output), "signatures": sorted(signatures), "litert": [str(file) for file in written]}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
