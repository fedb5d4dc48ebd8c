"""What is learned of a trained model and saved with it, calibrations and known examples; more training ends it."""

import warnings
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING

import numpy as np

from ssdgm_tf.models.calibration import Calibration
from ssdgm_tf.trust import Scaling
from ssdgm_tf.trust.novelty import Novelty

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

# How the names of its arrays in the file of a model begin.
_CALIBRATION, _NOVELTY = "calibration_", "novelty_"


def forget(model: "GraphicalModel") -> None:
    """Ends all that was learned of a model that is about to be trained.

    Args:
        model: the model.

    Warns:
        UserWarning: there was any.
    """
    if model.calibration:
        warnings.warn("Training ends the calibration of a model: call calibrate() again after it.", stacklevel=4)
    if model.known_examples is not None:
        warnings.warn("Training changes what is novel to a model: call fit_novelty() again after it.", stacklevel=4)
    _set(model, {}, None)


def save(model: "GraphicalModel", store: MutableMapping[str, np.ndarray]) -> None:
    """Writes it beside the weights.

    Args:
        model: the model.
        store: {name: array} of its file.
    """
    for place, name in enumerate(model.data_format.classes):
        if (own := model.calibration.get(name)) is not None:
            for key, values in (*own.scaling._asdict().items(), ("scores", own.scores)):
                store[f"{_CALIBRATION}{place}_{key}"] = values
    if model.known_examples is not None:
        for key, values in model.known_examples.arrays().items():
            store[_NOVELTY + key] = values


def load(model: "GraphicalModel", store: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Reads what `save` wrote, and returns the rest of the file.

    Args:
        model: the model.
        store: {name: array} of its file.
    """
    calibration = {}
    for place, name in enumerate(model.data_format.classes):
        if f"{_CALIBRATION}{place}_scores" in store.keys():
            found = [np.array(store[f"{_CALIBRATION}{place}_{key}"]) for key in (*Scaling._fields, "scores")]
            calibration[name] = Calibration(Scaling(*found[:-1]), found[-1])
    of_novelty = {name.removeprefix(_NOVELTY): store[name] for name in store.keys() if name.startswith(_NOVELTY)}
    known = Novelty.from_arrays(of_novelty) if of_novelty else None
    _set(model, calibration, known)
    return {name: store[name] for name in store.keys() if not name.startswith((_CALIBRATION, _NOVELTY))}


def _set(model: "GraphicalModel", calibration: dict[str, Calibration], known: Novelty | None) -> None:
    """Gives a model what was learned; what was compiled with another calibration is made anew."""
    if calibration or model.calibration:
        model.set_calibration(calibration)
    model.known_examples = known
