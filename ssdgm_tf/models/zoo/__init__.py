"""The named models of the literature, one file each, with the class and its `Experiment`."""

import importlib
import pkgutil

from ssdgm_tf.models.experiment import Experiment


def names() -> list[str]:
    """The names of the models in configs: the names of the files here."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def find(name: str) -> Experiment:
    """The experiment of a model.

    Args:
        name: `config.model`.

    Raises:
        ValueError: an unknown name.
    """
    if name not in names():
        raise ValueError(f"config.model must be one of {', '.join(names())}. Received: config.model={name!r}")
    return importlib.import_module(f"{__name__}.{name}").EXPERIMENT


# Importing a file registers its class with Keras.
for _name in names():
    importlib.import_module(f"{__name__}.{_name}")
