"""The epoch that a run keeps: the last one, or the one with the lowest validation error."""

import os
import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from ssdgm_tf import data, files
from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.averages import averaged
from ssdgm_tf.runs.workdir import Workdir

KINDS = ("last", "best")


def check(config: Mapping[str, Any], dataset: data.SemiSupervisedData) -> None:
    """Refuses a config that keeps an epoch that cannot be told.

    Args:
        config: the fields.
        dataset: the data set.

    Raises:
        ValueError: an unknown `keep`, or the best epoch without validation examples: test errors must not choose it.
    """
    if config["keep"] not in KINDS:
        raise ValueError(f"config.keep must be one of {', '.join(KINDS)}. Received: config.keep={config['keep']!r}")
    if config["keep"] == "best" and not len(dataset.x_validation):
        raise ValueError(
            "config.keep='best' chooses by validation examples: it needs config.num_validation. "
            f"Received: {config['data']} without any"
        )


def score(row: Mapping[str, float]) -> float:
    """What is least at the best epoch: the mean of the validation errors of classes; without any, the validation loss.

    Args:
        row: a line of metrics.jsonl.
    """
    errors = [value for name, value in row.items() if name.startswith("val_") and name.endswith("error")]
    return statistics.mean(errors) if errors else row["val_loss"]


def best_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The line of the best epoch, the first of several.

    Args:
        rows: lines of metrics.jsonl, at least one.
    """
    return min(rows, key=score)


class BestEpoch(keras.callbacks.Callback):
    """Saves the model at the end of each epoch that is better than all before it, averaged weights where there are.

    Args:
        folder: the folder of the run.
        rows: the lines of metrics.jsonl of the epochs already done.
    """

    def __init__(self, folder: Workdir, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.path = folder.best
        self.lowest = score(best_row(rows)) if rows else float("inf")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (found := score(logs or {})) < self.lowest or not self.path.exists():
            with averaged(self.model):
                checkpoints.replace(self.model, self.path)
            self.lowest = found


def newest(folder: Workdir) -> Path:
    """The file of the last checkpoint, which is not the model of a run that kept its best epoch.

    Args:
        folder: the folder of the run.
    """
    return folder.last if folder.last.exists() else folder.model


def take(folder: Workdir) -> None:
    """Makes the best epoch the model of the run. The last checkpoint stays beside it, for a run that goes on.

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
