"""Keras callbacks of a command-line run: one progress bar, a metrics file, checkpoints."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
from tqdm.auto import tqdm

from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.workdir import write_text


class ProgressBar(keras.callbacks.Callback):
    """One bar over the steps of the whole run, with a few metrics beside it.

    Args:
        description: the text before the bar.
        shown: metrics to show, {log name: short name}.
        initial_epoch: epochs that the run has already done.
    """

    #: Several steps may be taken at once.
    needs_every_batch = False

    def __init__(self, description: str, shown: dict[str, str] | None = None, initial_epoch: int = 0) -> None:
        super().__init__()
        self.description = description
        self.shown = shown or {}
        self.initial_epoch = initial_epoch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        epochs, steps = self.params["epochs"], self.params["steps"]
        self.bar = tqdm(
            total=epochs * steps,
            initial=self.initial_epoch * steps,
            desc=self.description,
            unit="step",
            mininterval=0.5 if sys.stderr.isatty() else 10.0,  # a log file keeps every line
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.before = epoch * self.params["steps"]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # The number of the last step of an execution, which may lie beyond the epoch.
        self.bar.update(self.before + min(batch + 1, self.params["steps"]) - self.bar.n)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        figures = {short: f"{logs[name]:.3f}" for name, short in self.shown.items() if name in logs}
        self.bar.set_postfix({"epoch": f"{epoch + 1}/{self.params['epochs']}"} | figures, refresh=False)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.bar.close()


class MetricsFile(keras.callbacks.Callback):
    """Appends {"epoch", "step", "seconds", metric: value, ...} to a JSON-lines file at each epoch's end.

    Args:
        path: the file.
        rows: the lines of the epochs already done. The file is rewritten with them.
        seconds: of training before the first epoch, where `rows` is empty.
    """

    def __init__(self, path: Path, rows: list[dict[str, Any]], seconds: float = 0.0) -> None:
        super().__init__()
        self.path = path
        self.rows = rows
        self.seconds = seconds

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in self.rows))
        self.start = time.monotonic() - (self.rows[-1]["seconds"] if self.rows else self.seconds)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {"epoch": epoch + 1, "step": self.model.num_steps, "seconds": round(time.monotonic() - self.start, 2)}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")


class Budget(keras.callbacks.Callback):
    """Ends training after the last epoch that its time allows: the next one is taken to last as long as the one before it.

    Args:
        seconds: of training, those of earlier starts of the run included; infinite for no limit.
        used: of earlier starts.
        last: how long the last epoch of an earlier start took.
    """

    def __init__(self, seconds: float, used: float = 0.0, last: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds
        self.used = used
        self.last = last

    @property
    def allows_another(self) -> bool:
        """Whether an epoch that lasts as long as the last one would end in time."""
        return self.used + self.last <= self.seconds

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.now = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        before, self.now = self.now, time.monotonic()
        self.last = self.now - before
        self.used += self.last
        if not self.allows_another:
            self.model.stop_training = True


class Checkpoint(keras.callbacks.Callback):
    """Saves the model (weights, optimizer, random state) at an epoch's end; see `ssdgm_tf.runs.checkpoints`.

    Args:
        path: the `.keras` file.
        every_seconds: shortest time between two checkpoints.
    """

    def __init__(self, path: Path, every_seconds: float) -> None:
        super().__init__()
        self.path = path
        self.every_seconds = every_seconds

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() - self.saved >= self.every_seconds:
            self.save()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.save()

    def save(self) -> None:
        checkpoints.save(self.model, self.path)
        self.saved = time.monotonic()
