"""Semi-supervised deep generative models for Keras 3 on TensorFlow."""

import sys
from itertools import pairwise
from pathlib import Path

__version__ = "0.2.0.dev0"

_COMMANDS = (
    "calibrate",
    "evaluate",
    "explore",
    "export",
    "figures",
    "generate",
    "impute",
    "label",
    "predict",
    "table",
    "train",
)


def _runs_a_command() -> bool:
    """Whether this process is one of the commands, `ssdgm-train` or `python -m ssdgm_tf.trainers.train`."""
    modules = {f"ssdgm_tf.trainers.{name}" for name in _COMMANDS}
    if any(flag == "-m" and name in modules for flag, name in pairwise(sys.orig_argv)):
        return True
    # Installers of Windows add .exe; a script of the user's has another name.
    return Path(sys.argv[0] if sys.argv else "").name.removesuffix(".exe") in {f"ssdgm-{name}" for name in _COMMANDS}


# Importing the package registers its classes with Keras, so that `keras.models.load_model` finds them. The commands parse
# their flags before they pay for TensorFlow, and import what they need after that.
if not _runs_a_command():
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(f"ssdgm_tf needs Keras on the tensorflow backend. Received: backend={keras.backend.backend()!r}")

    from ssdgm_tf import baselines, consistency, data, generation, layers, models, nodes, objectives, schema, sklearn, trust

    __all__ = [
        "baselines",
        "consistency",
        "data",
        "generation",
        "layers",
        "models",
        "nodes",
        "objectives",
        "schema",
        "sklearn",
        "trust",
    ]
