"""The named models of the literature, one file each, with the class and its `Experiment`."""

import importlib
import pkgutil

from ssdgm_tf import choices
from ssdgm_tf.models.experiment import Experiment

# Importing a file registers its class with Keras.
_EXPERIMENTS: dict[str, Experiment] = {
    module.name: importlib.import_module(f"{__name__}.{module.name}").EXPERIMENT for module in pkgutil.iter_modules(__path__)
}


def names() -> list[str]:
    """The names of the models in configs: the names of the files here."""
    return list(_EXPERIMENTS)


def find(name: str) -> Experiment:
    """The experiment of a model.

    Args:
        name: `config.model`.

    Raises:
        ValueError: an unknown name.
    """
    choices.check("config.model", name, names())
    return _EXPERIMENTS[name]
