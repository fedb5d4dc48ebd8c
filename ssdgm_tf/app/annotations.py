"""The labels that people give to a run: what holds, what may be said, and the file that keeps it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssdgm_tf import files, models
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile, Labels
from ssdgm_tf.labelling.label_file import LONGEST_NAME
from ssdgm_tf.models import zoo
from ssdgm_tf.runs.loading import class_names
from ssdgm_tf.runs.workdir import Workdir


class Annotations:
    """The labels of a data set and those that people gave beside them. They begin with those that the run learned from.

    Args:
        folder: the folder of the run.
        dataset: its training examples, before any are left out or repeated, with the labels that its config shows.
        annotator: who labels.

    Attributes:
        labels: what holds of the file.

    Raises:
        UserError: the file is of another run, or does not begin with what the run learned from.
    """

    def __init__(self, folder: Workdir, dataset: SemiSupervisedData, annotator: str) -> None:
        self.folder, self.dataset, self.annotator = folder, dataset, annotator
        self._begin_with_training_labels()
        self.file = LabelFile(folder.labels)
        self.file.check(dataset.x_train, class_names(dataset))
        self.labels: Labels = self.file.read()
        self._model: models.GraphicalModel | None = None

    def learned_by(self, model: models.GraphicalModel) -> None:
        """Takes note of the model that the run has now: of its classes.

        Args:
            model: the model.
        """
        self._model = model

    @property
    def classes(self) -> dict[str, int]:
        """{supervised class: how many the model knows}."""
        return {} if self._model is None else self._model.data_format.classes

    @property
    def takes_new_classes(self) -> bool:
        """Whether people may name classes that training did not know."""
        of_one = not isinstance(self.dataset.y_train, dict) and self.dataset.schema is None
        config = self.folder.load_config()["config"]
        return of_one and list(self.classes) == ["y"] and zoo.find(config["model"]).part_of(config) is None

    def class_names(self) -> dict[str, list[str]]:
        """{supervised class: names}, with those that people added."""
        known = class_names(self.dataset)
        found = {}
        for name, number in self.classes.items():
            names = known.get(name) or [str(k) for k in range(number)]
            found[name] = [*names, *self.labels.new_classes.get(name, [])]
        return found

    def is_labelled(self, index: np.ndarray) -> np.ndarray:
        """Whether examples have all labels: of the data set, or given by people; those put off count too.

        Args:
            index: of training examples, [N].
        """
        found, y = np.ones(len(index), bool), self.dataset.y_train
        for name in self.classes:
            of_all = y[name] if isinstance(y, dict) else y
            found &= (of_all[index] >= 0) | np.isin(index, list(self.labels.values.get(name, ())))
        put_off = set().union(*self.labels.none.values(), *self.labels.skipped.values())
        return found | np.isin(index, list(put_off))

    def label_of(self, name: str, index: int) -> int:
        """The label of a training example; -1 where none is known, -2 where it is of none of the classes."""
        if index in self.labels.none.get(name, set()):
            return -2
        if (given := self.labels.values.get(name, {}).get(index)) is not None:
            return int(given)
        y = self.dataset.y_train
        return int((y[name] if isinstance(y, dict) else y)[index])

    def labels_of(self, index: int) -> dict[str, int]:
        """{supervised class: `label_of`} of a training example.

        Args:
            index: its place among the training examples.
        """
        return {name: self.label_of(name, index) for name in self.classes}

    def write(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Writes what a person did, all or none.

        Args:
            events: see `ssdgm_tf.labelling.label_file`.

        Raises:
            ValueError: an unknown event, variable, class or example, or a bad name of a class.
            OSError: it cannot be written.
        """
        kept = [self._checked(event) for event in events]
        try:
            self.file.append(kept, self.dataset.x_train, class_names(self.dataset), self.annotator)
        finally:
            self.labels = self.file.read()

    def _checked(self, event: Mapping[str, Any]) -> dict[str, Any]:
        kind = event.get("event")
        if kind == "undo":
            if self.labels.last is None:
                raise ValueError("There must be something to undo. Received: no label yet")
            if self.labels.last["event"] == "class" and self._knows_new_classes:
                raise ValueError(f"A class that the model has learned stays. Received: {self.labels.last['name']!r}")
            return {"event": "undo"}
        name = event.get("variable")
        if kind not in ("label", "none", "skip", "class") or name not in self.classes:
            raise ValueError(f"Labels are of {', '.join(self.classes)}. Received: {kind!r} of {name!r}")
        if kind == "class":
            return {"event": "class", "variable": name, "name": self._new_name(name, event.get("name"))}
        index = event.get("index")
        if type(index) is not int or not 0 <= index < len(self.dataset.x_train):
            raise ValueError(f"A label is of one of {len(self.dataset.x_train)} examples. Received: {index!r:.100}")
        kept: dict[str, Any] = {"event": kind, "index": index, "variable": name}
        if kind == "label":
            value, names = event.get("value"), self.class_names()[name]
            if type(value) is not int or not 0 <= value < len(names):
                raise ValueError(f"A label is one of {len(names)} classes, 0..{len(names) - 1}. Received: {value!r}")
            kept["value"] = value
        return kept

    def _new_name(self, variable: str, name: Any) -> str:
        if not self.takes_new_classes:
            raise ValueError(
                "New classes are for models of images, series and vectors that infer one class and build on no other. "
                f"Received: a run of {type(self._model).__name__} on {self.dataset.noun}"
            )
        text = " ".join(name.split()) if isinstance(name, str) else ""
        if not text or len(text) > LONGEST_NAME or not text.isprintable():
            received = f"{len(name)} characters, {name!r:.40}" if isinstance(name, str) else repr(name)
            raise ValueError(f"The name of a class has 1 to {LONGEST_NAME} printable characters. Received: {received}")
        if text in self.class_names()[variable]:
            raise ValueError(f"A new class must have a new name. Received: {text!r}, which is there")
        return text

    @property
    def _knows_new_classes(self) -> bool:
        """Whether the model knows as many classes as there are names, with those that people added."""
        known = self.classes["y"]
        return bool(self.labels.new_classes) and known >= len(self.class_names()["y"])

    def _begin_with_training_labels(self) -> None:
        """The file of labels begins with those that the run learned from.

        Raises:
            UserError: it does not.
        """
        folder = self.folder
        learned = folder.training_labels.read_bytes() if folder.training_labels.exists() else b""
        if learned and not folder.labels.exists():
            with files.whole(folder.labels) as partial:
                partial.write_bytes(learned)
        if learned and not folder.labels.read_bytes().startswith(learned):
            raise UserError(
                "The labels of a run must begin with those that it learned from: move labels.jsonl elsewhere, and take its "
                f"labels from there. Received: {folder.labels}, which does not begin like {folder.training_labels}"
            )
