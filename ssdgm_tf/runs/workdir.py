"""The folder of a run: its files, and whether it belongs to a config.

    config.json      everything needed to run it again
    data.npz         the data that serving needs: shape of an example, names of classes, whitening
    model.keras      the last checkpoint: weights, optimizer, random state; previous-model.keras is the one before
    metrics.jsonl    one line per epoch
    tensorboard/     the metrics as TensorBoard events
    PART/            the run that this one builds on, such as m1/ or digit_model/, unless --part names another folder
    PART_results.json  the results of that run
    results.json     the results; the run is finished once it exists
    report.html      the results and the figures in one page; figures/*.png holds the figures too

Imports no TensorFlow.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ssdgm_tf import files
from ssdgm_tf.data.npz import read_arrays
from ssdgm_tf.data.preprocessing import Whitening
from ssdgm_tf.errors import UserError

# The arrays of a whitening in data.npz.
_WHITENING = ("mean", "components", "scale", "rotate_back")


class Workdir:
    """The files of a run: their paths, reading and writing.

    Args:
        path: the folder. It is made when the first file is written.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.data = self.path / "data.npz"
        self.model = self.path / "model.keras"
        self.metrics = self.path / "metrics.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"
        self.figures = self.path / "figures"

    def part_results(self, kind: str) -> Path:
        """The file of results of the run that this one builds on, "m1" or "digit_model"."""
        return self.path / f"{kind}_results.json"

    def claim(self, settings: dict) -> None:
        """Makes the folder and writes config.json, after `check`."""
        self.check(settings)
        if not self.config.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.config, settings)

    def check(self, settings: dict) -> None:
        """Checks that the folder is new, or holds a run of these settings. Writes nothing.

        Args:
            settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}.

        Raises:
            UserError: the folder holds a run of another config, or an unreadable config.json.
        """
        if not self.config.exists():
            return
        found, wanted = _flat(self.load_config()), _flat(json.loads(json.dumps(settings)))
        differing = [name for name in sorted(found | wanted) if found.get(name) != wanted.get(name)]
        if differing:
            name = differing[0]
            more = f" (and {', '.join(differing[1:])})" if differing[1:] else ""
            raise UserError(
                f"A workdir holds one config: use another --workdir, or remove {self.path}. "
                f"Received: {name} = {wanted.get(name)!r}{more}, where {self.config} has {found.get(name)!r}"
            )

    def load_config(self) -> dict:
        """The settings that `claim` wrote.

        Raises:
            UserError: there is no config.json, or it is unreadable.
        """
        if not self.config.exists():
            raise UserError(f"--workdir must be the folder of a run. Received: {self.path}, without a config.json")
        try:
            settings = json.loads(self.config.read_text())
            settings["config"]["model"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"config.json must be one that ssdgm-train wrote. Received: {self.config} ({error})") from error
        return settings

    def save_data(self, shape: tuple[int, ...], class_names: tuple[str, ...], whitening: Whitening | None) -> None:
        """Writes data.npz, whole or not at all.

        Args:
            shape: shape of one example before whitening.
            class_names: names of the classes, or ().
            whitening: the whitening fitted on the training images, or None.
        """
        arrays: dict[str, Any] = {"shape": np.array(shape), "class_names": np.array(class_names, np.str_)}
        if whitening is not None:
            arrays |= {name: getattr(whitening, name) for name in _WHITENING}
        with files.whole(self.data) as partial:
            np.savez(partial, **arrays)

    def load_data(self) -> tuple[tuple[int, ...], tuple[str, ...], Whitening | None]:
        """The shape, class names and whitening that `save_data` wrote.

        Raises:
            UserError: there is no data.npz, or it is unreadable.
        """
        try:
            (sizes, class_names), whitening = read_arrays(self.data, ("shape", "class_names")), None
            shape = tuple(int(size) for size in sizes)
            with np.load(self.data, allow_pickle=False) as arrays:
                if "mean" in arrays.files:
                    mean, components, scale, rotate_back = (arrays[name] for name in _WHITENING)
                    whitening = Whitening(mean, components, scale, shape, bool(rotate_back))
        except (OSError, ValueError) as error:
            raise UserError(f"data.npz must be one that ssdgm-train wrote. Received: {self.data} ({error})") from error
        return shape, tuple(map(str, class_names)), whitening

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
    """Writes `value` whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes `text` whole or not at all."""
    with files.whole(path) as partial:
        partial.write_text(text)


def _flat(settings: dict) -> dict:
    """One level: {"config": {"epochs": 3}, "precision": ...} becomes {"config.epochs": 3, "precision": ...}."""
    fields = {f"config.{name}": value for name, value in settings["config"].items()}
    return fields | {name: value for name, value in settings.items() if name != "config"}
