"""Semi-supervised deep generative models for Keras 3 on TensorFlow."""

import sys
from itertools import pairwise
from pathlib import Path

__version__ = "0.1.0"


def _runs_a_command() -> bool:
    """Is this process `ssdgm-...` or `python -m ssdgm_tf.trainers...`?"""
    words = sys.orig_argv
    as_module = any(flag == "-m" and name.startswith("ssdgm_tf.trainers.") for flag, name in pairwise(words))
    return as_module or Path(sys.argv[0] if sys.argv else "").name.startswith("ssdgm-")


# Importing the package registers its classes with Keras, so that `keras.models.load_model` finds them. The commands parse
# their flags before they pay for TensorFlow, and import what they need after that.
if not _runs_a_command():
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(f"ssdgm_tf needs Keras on the tensorflow backend. Received: backend={keras.backend.backend()!r}")

    from ssdgm_tf import baselines, data, layers, models, nodes, objectives

    __all__ = ["baselines", "data", "layers", "models", "nodes", "objectives"]
