"""The folder of a run: its files, and whether it belongs to a config.

    config.json      everything needed to run it again, and `earlier_epochs` where the run went on for more of them
    labels.jsonl     the labels that people gave to its examples, see `ssdgm_tf.labelling.label_file`
    training_labels.jsonl  those that it learned from, the file of --labels
    schema.json      of a table: its columns and targets, in a form that people can edit for another run
    data.npz         the data that serving needs: see `Served`
    model.keras      the last checkpoint: weights, optimizer, random state; previous-model.keras is the one before
    best.keras       with config.keep="best": the best epoch so far; at the end model.keras is a copy of it, and
    best.json        its epoch and score
    last.keras       the last checkpoint
    metrics.jsonl    one line per epoch
    tensorboard/     the metrics as TensorBoard events
    PART/            the run that this one builds on, such as m1/ or digit_model/, unless --part names another folder
    PART_results.json  the results of that run
    folds/           the models that `ssdgm-calibrate` trained on parts of the examples
    results.json     the results; the run is finished once it exists
    report.html      the results and the figures in one page; figures/*.png holds the figures too

Imports no TensorFlow.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssdgm_tf import files
from ssdgm_tf.configs.common import EARLIER_EPOCHS, model_config
from ssdgm_tf.data.npz import read_arrays
from ssdgm_tf.data.preprocessing import AffineMap, restore
from ssdgm_tf.data.raw import BYTES, NUMBERS
from ssdgm_tf.errors import UserError

# What every config.json has; models have fields of their own besides.
_SETTINGS = ("config", "precision", "jit_compile")


class Served(NamedTuple):
    """What a run remembers of its data, to serve its model.

    Attributes:
        shape: shape of one example before the preprocessing.
        class_names: names of the classes, or ().
        raw_dtype: what raw images are, "uint8" or "float32"; see `ssdgm_tf.data.SemiSupervisedData`.
        preprocessing: the preprocessing fitted on the training images, or None.
        columns: names of the columns of a text table, or ().
        decimals: digits after the point of its columns and targets, see `ssdgm_tf.data.SemiSupervisedData`; or ().
    """

    shape: tuple[int, ...]
    class_names: tuple[str, ...]
    raw_dtype: str
    preprocessing: AffineMap | None
    columns: tuple[str, ...] = ()
    decimals: tuple[int, ...] = ()


class Workdir:
    """The files of a run: their paths, reading and writing.

    Args:
        path: the folder. It is made when the first file is written.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.schema = self.path / "schema.json"
        self.labels = self.path / "labels.jsonl"
        self.training_labels = self.path / "training_labels.jsonl"
        self.data = self.path / "data.npz"
        self.model = self.path / "model.keras"
        self.best = self.path / "best.keras"
        self.best_score = self.path / "best.json"
        self.last = self.path / "last.keras"
        self.metrics = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"
        self.figures = self.path / "figures"

    def part_results(self, kind: str) -> Path:
        """The file of results of the run that this one builds on, "m1" or "digit_model"."""
        return self.path / f"{kind}_results.json"

    def claim(self, settings: dict, budget: float | None = None) -> None:
        """Makes the folder and writes config.json, after `check`.

        Of a run that gets more epochs, or a larger budget, the results and the report are removed first: whatever stops the
        process, the folder then holds a run that is not finished, and the same settings go on with it.

        Args:
            settings: see `check`.
            budget: seconds of training, or None.
        """
        self.check(settings)
        if not self.config.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.config, settings)
            return
        if self.lacks_epochs(settings) or self.was_cut(budget):
            self.results.unlink(missing_ok=True)
            self.report.unlink(missing_ok=True)
        if self.lacks_epochs(settings):
            found = self.load_config()
            earlier = [*found.get(EARLIER_EPOCHS, []), found["config"]["epochs"]] if self.has_begun else []
            write_json(self.config, settings | ({EARLIER_EPOCHS: earlier} if earlier else {}))

    def lacks_epochs(self, settings: dict) -> bool:
        """Whether the folder holds a run of fewer epochs than these settings have.

        Args:
            settings: see `check`, which they passed.
        """
        return self.config.exists() and self.load_config()["config"]["epochs"] < settings["config"]["epochs"]

    def was_cut(self, budget: float | None) -> bool:
        """Whether the folder holds a run that a smaller budget ended.

        Args:
            budget: seconds of training; None for no limit.
        """
        before = (self.load_results() or {}).get("budget_seconds")
        return before is not None and (budget is None or budget > before)

    def check(self, settings: dict) -> None:
        """Checks that the folder is new, or holds a run of these settings or of fewer epochs. Writes nothing.

        A finished baseline has no epochs to go on for: another number of them is another config.

        Args:
            settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}.

        Raises:
            UserError: the folder holds a run of another config, or an unreadable config.json.
        """
        if not self.config.exists():
            return
        found, wanted = _flat(self.load_config()), _flat(json.loads(json.dumps(settings)))
        if wanted.get("config.epochs") == 0:  # left open: they are those of the folder
            wanted["config.epochs"] = found["config.epochs"]
        differing = [name for name in sorted(found | wanted) if found.get(name) != wanted.get(name)]
        epochs = found["config.epochs"], wanted.get("config.epochs")
        if differing == ["config.epochs"] and all(isinstance(number, int) for number in epochs) and not self.is_of_baseline:
            if epochs[0] < epochs[1]:
                return
            raise UserError(
                "The epochs of a run may grow, and are never taken back. "
                f"Received: config.epochs = {epochs[1]}, where {self.config} has {epochs[0]}"
            )
        if differing:
            name = differing[0]
            more = f" (and {', '.join(differing[1:])})" if differing[1:] else ""
            raise UserError(
                f"A workdir holds one config: use another --workdir, or remove {self.path}. "
                f"Received: {name} = {wanted.get(name)!r}{more}, where {self.config} has {found.get(name)!r}"
            )

    def check_labels(self, file: Path, settings: dict) -> None:
        """Refuses other labels than those that the run in the folder began with, unless it goes on for more epochs.

        Args:
            file: a file of labels.
            settings: see `check`, which they passed.

        Raises:
            UserError: no such file, or other labels.
        """
        if not file.is_file():
            raise UserError(f"--labels must be a file that ssdgm-label wrote. Received: {file}, which is not there")
        if not self.config.exists() or self.lacks_epochs(settings):
            return
        if not self.training_labels.exists() or self.training_labels.read_bytes() != file.read_bytes():
            raise UserError(
                "A run keeps the labels that it began with, also without --labels, unless it goes on for more "
                f"--config.epochs. Received: --labels={file}, with others than {self.path}"
            )

    def keep_labels(self, content: bytes) -> None:
        """Writes the labels that training learns from, whole or not at all.

        Args:
            content: of a file of labels.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with files.whole(self.training_labels) as partial:
            partial.write_bytes(content)

    @property
    def is_of_baseline(self) -> bool:
        """Whether it holds a finished run of a baseline, which keeps no model."""
        return self.results.exists() and not self.has_begun

    @property
    def has_begun(self) -> bool:
        """Whether it holds a checkpoint."""
        return any(self.path.glob("*model.keras"))

    def load_config(self) -> dict:
        """The settings that `claim` wrote, and `earlier_epochs` where the run went on for more of them.

        Raises:
            UserError: there is no config.json, it is unreadable, or it lacks a field that runs have today.
        """
        if not self.config.exists():
            raise UserError(f"--workdir must be the folder of a run. Received: {self.path}, without a config.json")
        try:
            settings = json.loads(self.config.read_text())
            settings["config"]["model"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"config.json must be one that ssdgm-train wrote. Received: {self.config} ({error})") from error
        fields = {*_SETTINGS, *(f"config.{name}" for name in model_config())}
        if lacking := sorted(fields - {"config", *_flat(settings)}):
            raise UserError(
                "config.json must have every field of a run; one that an older version wrote is trained anew. "
                f"Received: {self.config}, without {', '.join(lacking)}"
            )
        return settings

    def save_data(self, served: Served) -> None:
        """Writes data.npz, whole or not at all.

        Args:
            served: what the run remembers.
        """
        arrays: dict[str, Any] = {"shape": np.array(served.shape), "class_names": np.array(served.class_names, np.str_)}
        arrays |= {"raw_dtype": np.array(served.raw_dtype), "columns": np.array(served.columns, np.str_)}
        arrays |= {"decimals": np.array(served.decimals, np.int64)}
        if served.preprocessing is not None:
            arrays |= served.preprocessing.arrays
        with files.whole(self.data) as partial:
            np.savez(partial, **arrays)

    def load_data(self) -> Served:
        """What `save_data` wrote.

        Raises:
            UserError: there is no data.npz, or it is unreadable.
        """
        try:
            held = ("shape", "class_names", "raw_dtype", "columns")
            sizes, class_names, raw_dtype, columns = read_arrays(self.data, held)
            shape = tuple(int(size) for size in sizes)
            if str(raw_dtype) not in (BYTES, NUMBERS):
                raise ValueError(f"images of {raw_dtype}")
            with np.load(self.data, allow_pickle=False) as arrays:
                preprocessing = restore(arrays, shape)
                decimals = tuple(arrays["decimals"].tolist()) if "decimals" in arrays else ()
        except (OSError, KeyError, ValueError) as error:
            raise UserError(f"data.npz must be one that ssdgm-train wrote. Received: {self.data} ({error})") from error
        of_classes, of_columns = (tuple(map(str, names)) for names in (class_names, columns))
        return Served(shape, of_classes, str(raw_dtype), preprocessing, of_columns, decimals)

    def load_results(self) -> dict | None:
        """The results, or None where the run is not finished."""
        return json.loads(self.results.read_text()) if self.results.exists() else None

    def load_metrics(self) -> list[dict]:
        """The lines of metrics.jsonl, without an incomplete last line."""
        rows = []
        for line in self.metrics.read_text().splitlines() if self.metrics.exists() else []:
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows


def write_json(path: Path, value: Any) -> None:
    """Writes `value` whole or not at all; see `files.json_text`."""
    write_text(path, files.json_text(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes `text` whole or not at all."""
    with files.whole(path) as partial:
        partial.write_text(text)


def _flat(settings: dict) -> dict:
    """One level: {"config": {"epochs": 3}, "precision": ...} becomes {"config.epochs": 3, "precision": ...}."""
    fields = {f"config.{name}": value for name, value in settings["config"].items()}
    return fields | {name: value for name, value in settings.items() if name not in ("config", EARLIER_EPOCHS)}
