"""The epoch that a run keeps: the last one, or the one with the lowest validation error."""

import json
import math
import os
import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from ssdgm_tf import choices, data, files
from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.averages import averaged
from ssdgm_tf.runs.workdir import Workdir, write_json

KINDS = ("last", "best")


def check(config: Mapping[str, Any], dataset: data.SemiSupervisedData) -> None:
    """Refuses a config that keeps an epoch that cannot be told.

    Args:
        config: the fields.
        dataset: the data set.

    Raises:
        ValueError: an unknown `keep`, or the best epoch without validation examples: test errors must not choose it.
    """
    choices.check("config.keep", config["keep"], KINDS)
    if config["keep"] == "best" and not len(dataset.x_validation):
        raise ValueError(
            "config.keep='best' chooses by validation examples: it needs config.num_validation. "
            f"Received: {config['data']} without any"
        )


def score(logs: Mapping[str, float]) -> list[float]:
    """The mean of the validation errors of classes, and minus the validation bound. The best epoch has the lowest score.

    The bound decides where errors are equal, and where there are no classes. Numbers that are not finite are worst.

    Args:
        logs: those of an epoch.
    """
    errors = [value for name, value in logs.items() if name.startswith("val_") and name.endswith("error")]
    found = [statistics.mean(errors) if errors else 0.0, -logs["val_bound_unlabelled"]]
    return [value if math.isfinite(value) else math.inf for value in map(float, found)]


def kept(folder: Workdir) -> dict[str, Any] | None:
    """{"epoch", "score"} of the best epoch so far; None before any.

    Args:
        folder: the folder of the run.
    """
    return json.loads(folder.best_score.read_text()) if folder.best.exists() and folder.best_score.exists() else None


class BestEpoch(keras.callbacks.Callback):
    """Saves the model at the end of each epoch that is better than all before it, averaged weights where there are.

    Args:
        folder: the folder of the run. An epoch that it holds already counts, also one after the last checkpoint.
    """

    def __init__(self, folder: Workdir) -> None:
        super().__init__()
        self.folder = folder
        before = kept(folder)
        self.lowest = before["score"] if before else None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = score(logs or {})
        if self.lowest is None or found < self.lowest:
            with averaged(self.model):
                checkpoints.replace(self.model, self.folder.best)
            write_json(self.folder.best_score, {"epoch": epoch + 1, "score": found})
            self.lowest = found


def newest(folder: Workdir) -> Path:
    """The file of the last checkpoint, which is not the model of a run that kept its best epoch.

    Args:
        folder: the folder of the run.
    """
    return folder.last if folder.last.exists() else folder.model


def take(folder: Workdir) -> None:
    """Makes model.keras a copy of the best epoch. The last checkpoint moves to last.keras; more training starts from it.

    Args:
        folder: the folder of the run.
    """
    os.replace(folder.model, folder.last)
    with files.whole(folder.model) as partial:
        shutil.copyfile(folder.best, partial)
    checkpoints.previous(folder.model).unlink(missing_ok=True)


def reopen(folder: Workdir) -> None:
    """Undoes `take`.

    Args:
        folder: the folder of the run.
    """
    if folder.last.exists():
        os.replace(folder.last, folder.model)
