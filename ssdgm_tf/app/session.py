"""What the page shows of a run: its data, its model, and the labels that people give."""

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssdgm_tf import models, rows
from ssdgm_tf.app import places
from ssdgm_tf.app.annotations import Annotations
from ssdgm_tf.app.maker import Maker
from ssdgm_tf.app.views import view
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile, Predicted, next_examples
from ssdgm_tf.labelling.rules import entropy
from ssdgm_tf.models.examples import of_each_class
from ssdgm_tf.models.prediction_draws import prediction_draws
from ssdgm_tf.runs import checkpoints, precision
from ssdgm_tf.runs.loading import load_data
from ssdgm_tf.runs.workdir import Workdir

#: The most examples on the map, and among which the next to label are looked for.
MOST = 20_000
# Draws that are compared by "disagreement"; the most examples that a search gives.
_DRAWS, _FOUND = 5, 40
# Neighbours are near in class first, and then in style.
_NEIGHBOURS, _WEIGHT_OF_CLASSES = 6, 10.0


@dataclasses.dataclass
class Learned:
    """What the model says of the examples on the map.

    Attributes:
        model: the model.
        probabilities: {supervised class: [N, K]}.
        means: {variable: [N, ...]} that `encode` infers.
        latent: places in the latent space, [N, D].
        maps: {what a map is of: places on it, [N, 2]}; the first is shown first.
        maker: makes examples.
    """

    model: models.GraphicalModel
    probabilities: dict[str, np.ndarray]
    means: dict[str, np.ndarray]
    latent: np.ndarray
    maps: dict[str, np.ndarray]
    maker: Maker


class Session:
    """A run, opened.

    Args:
        folder: the folder of a run with a checkpoint. Its labels begin with those that it learned from.
        data_dir: see `load_data`.
        download: see `load_data`.
        annotator: who labels.

    Raises:
        UserError: the run has no checkpoint, its data are missing, it is of a model without a label to infer, or its file of
            labels is of another run.
    """

    def __init__(self, folder: Workdir, data_dir: str | None, download: bool, annotator: str = "") -> None:
        if not checkpoints.exists(folder.model):
            raise UserError(f"A run can be opened once it has a checkpoint. Received: {folder.path}, without model.keras")
        self.folder, self.data_dir, self.download = folder, data_dir, download
        self.settings = folder.load_config()
        self.lock = threading.RLock()
        precision.choose_products(self.settings["precision"])
        # Labels are of the training examples in the order of the data set, before any are left out or repeated.
        plain = {**self.settings["config"], "supervised": "", "labelled_only": False, "labelled_twice": False}
        self.dataset: SemiSupervisedData = load_data(plain, data_dir, download, folder, LabelFile(folder.labels, b""))
        self.given = Annotations(folder, self.dataset, annotator)
        # Labelled examples first, and of each kind a random part.
        order = np.random.default_rng(0).permutation(len(self.dataset.x_train))
        order = order[np.argsort(~self.dataset.is_labelled[order], kind="stable")]
        self.shown = np.sort(order[:MOST])
        self.learned = self._learn()

    def reload(self) -> None:
        """Opens the model that training has written."""
        learned = self._learn()
        with self.lock:
            self.learned, self.settings = learned, self.folder.load_config()

    def summary(self) -> dict[str, Any]:
        """What the page needs to know before it shows anything."""
        learned, dataset = self.learned, self.dataset
        return {
            "title": type(learned.model).__name__,
            "data": self.settings["config"]["data"],
            "folder": str(self.folder.path),
            "noun": dataset.noun,
            "has_ids": bool(dataset.ids),
            "examples": len(dataset.x_train),
            "shown": len(self.shown),
            "maps": list(learned.maps),
            "variables": self.variables(),
            "controls": learned.maker.controls,
            "class_names": self.given.class_names(),
            "error": self.errors,
            "is_table": dataset.schema is not None,
            "takes_new_classes": self.given.takes_new_classes,
            "has_pictures": len(dataset.raw_shape) == 3,
            "progress": self.progress(),
        }

    @property
    def errors(self) -> dict[str, float]:
        """The test errors of the run; {} while it is trained."""
        try:
            return errors_of(self.folder.load_results() or {})
        except FileNotFoundError:  # training has begun since
            return {}

    def variables(self) -> list[str]:
        """The supervised classes."""
        return list(self.learned.model.data_format.classes)

    def progress(self) -> dict[str, Any]:
        """How far the labelling is."""
        unlabelled = ~self.given.is_labelled(self.shown)
        expected: dict[str, float] = {}
        for name, q in self.learned.probabilities.items():
            if unlabelled.any():
                expected[name] = round(float(np.mean(1 - q[unlabelled].max(axis=-1))), 5)
        return {
            "given": self.given.labels.number,
            "none": sum(map(len, self.given.labels.none.values())),
            "skipped": sum(map(len, self.given.labels.skipped.values())),
            "before": int(self.dataset.is_labelled.sum()),
            "expected_error": expected,
        }

    def map(self) -> dict[str, Any]:
        """The examples on the map: places, labels, predictions and entropies (nats)."""
        learned = self.learned
        found: dict[str, Any] = {
            "index": self.shown.tolist(),
            "maps": {of: np.round(flat.T, 4).tolist() for of, flat in learned.maps.items()},
            "of": {},
        }
        for name, q in learned.probabilities.items():
            found["of"][name] = {
                "label": [self.given.label_of(name, int(index)) for index in self.shown],
                "prediction": q.argmax(axis=-1).tolist(),
                "entropy": np.round(entropy(q), 4).tolist(),
            }
        return found

    def example(self, index: int) -> dict[str, Any]:
        """What there is to know of a training example.

        Args:
            index: its place among the training examples.

        Raises:
            ValueError: no such example.
        """
        x = self.x_of(index)
        return {"index": index, "id": self.id_of(index), "labels": self.given.labels_of(index), **self.read(x)}

    def id_of(self, index: int) -> str:
        """What the source calls a training example; "" where it has no names.

        Args:
            index: its place among the training examples.
        """
        return self.dataset.ids[index] if self.dataset.ids else ""

    def find(self, text: str) -> dict[str, Any]:
        """The training examples that a text names: by their number, or by a part of what the source calls them.

        Args:
            text: a number without zeros before it, if an example has it; else a part of a name, in any capitals.

        Returns:
            {"number": how many there are, "found": [{"index", "id"}] of the first 40}: first the example of just this name,
            then those whose names end with it.

        Raises:
            ValueError: there is none.
        """
        wanted, size = text.strip(), len(self.dataset.x_train)
        if wanted.isdecimal() and len(wanted) <= len(str(size)) and wanted == str(int(wanted)) and int(wanted) < size:
            found = [int(wanted)]
        else:
            part, names = wanted.casefold(), [name.casefold() for name in self.dataset.ids]
            found = [index for index, name in enumerate(names) if part and part in name]
            found.sort(key=lambda index: (names[index] != part, not names[index].endswith(part)))
        if not found:
            or_name = ", or a part of the name of one" if self.dataset.ids else ""
            raise ValueError(f"An example is found by its number 0..{size - 1}{or_name}. Received: {text!r:.100}")
        return {"number": len(found), "found": [{"index": index, "id": self.id_of(index)} for index in found[:_FOUND]]}

    def x_of(self, index: int) -> np.ndarray:
        """A training example, [1, *event].

        Args:
            index: its place among the training examples.

        Raises:
            ValueError: no such example.
        """
        if not 0 <= index < len(self.dataset.x_train):
            raise ValueError(f"An example must be one of 0..{len(self.dataset.x_train) - 1}. Received: {index}")
        return np.asarray(rows.take(self.dataset.x_train, np.array([index])))

    def read(self, x: np.ndarray) -> dict[str, Any]:
        """What the model says of an example.

        Args:
            x: [1, *event], in the form of training.
        """
        with self.lock:
            learned = self.learned
            model = learned.model
            q = of_each_class(model, model.predict(x, verbose=0))
            means = model.encode(x)
            found: dict[str, Any] = {
                "view": view(self.dataset, x[0]),
                "reconstruction": view(self.dataset, self._observed(model.reconstruct(x))[0]),
                "of": {
                    name: {"probabilities": np.round(p[0], 4).tolist(), "entropy": round(float(entropy(p[0])), 4)}
                    for name, p in q.items()
                },
                "positions": learned.maker.positions(means),
            }
            if model.known_examples is not None:
                found["p_value"] = round(float(model.known_examples.p_value(model.novelty(x))[0]), 4)
        found["neighbours"] = self._neighbours(learned, means)
        return found

    def analogies(self, x: np.ndarray) -> dict[str, Any]:
        """An example with each label in turn, and its style kept; of the first supervised class.

        Args:
            x: [1, *event], in the form of training.
        """
        with self.lock:
            name, number = next(iter(self.learned.model.data_format.classes.items()))
            made = self.learned.model.analogies(x, vary={name: np.arange(number)})
        return {"variable": name, "views": [view(self.dataset, one) for one in self._observed(made)[0]]}

    def next(self, rule: str, number: int, left_out: list[int]) -> list[dict[str, Any]]:
        """The next examples to label, the best first.

        Args:
            rule: one of `ssdgm_tf.labelling.RULES`.
            number: how many.
            left_out: indices that are on the page already.

        Raises:
            ValueError: an unknown rule.
        """
        taken = self.given.is_labelled(self.shown) | np.isin(self.shown, left_out)
        learned, name, seed = self.learned, self.variables()[0], self.given.labels.events

        def draws_of(some: np.ndarray) -> np.ndarray:
            x = rows.take(self.dataset.x_train, self.shown[some])
            with self.lock:
                return prediction_draws(learned.model, x, _DRAWS)[name]

        known = Predicted(learned.probabilities[name], learned.latent, draws_of)
        found = []
        for place in next_examples(rule, number, known, taken, seed):
            index = int(self.shown[place])
            of = {name: np.round(q[place], 4).tolist() for name, q in learned.probabilities.items()}
            seen = view(self.dataset, self.x_of(index)[0])
            names = {"index": index, "id": self.id_of(index)}
            found.append(names | {"view": seen, "of": of, "labels": self.given.labels_of(index)})
        return found

    def act(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Writes what a person did to the file of labels, and returns the progress.

        Args:
            event: see `ssdgm_tf.labelling.label_file`.

        Raises:
            ValueError: an unknown event, variable, class or example, or a bad name of a class.
        """
        with self.lock:
            before = self.given.labels.last
            found = self.act_all([event])
            return found | ({"undone": before} if event["event"] == "undo" else {})

    def act_all(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`act` of several events, all or none.

        Args:
            events: each as in `act`.

        Raises:
            ValueError: one of them is refused.
        """
        with self.lock:
            self.given.write(events)
            return {"progress": self.progress(), "class_names": self.given.class_names()}

    def _neighbours(self, learned: Learned, means: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """The labelled examples on the map whose inferred variables are nearest, their classes first of all."""
        labelled = []
        name = self.variables()[0]
        for place, index in enumerate(self.shown):
            if (label := self.given.label_of(name, int(index))) >= 0:
                labelled.append((place, int(index), label))
        if not labelled:
            return []
        weights = dict.fromkeys(learned.means, 1.0) | dict.fromkeys(learned.probabilities, _WEIGHT_OF_CLASSES)
        distance = places.distances(learned.means, [place for place, _, _ in labelled], means, weights)
        found = []
        for k in np.argsort(distance, kind="stable")[:_NEIGHBOURS]:
            _, index, label = labelled[k]
            found.append({"index": index, "label": label, "view": view(self.dataset, self.x_of(index)[0])})
        return found

    def _observed(self, made: Any) -> np.ndarray:
        """The first observed variable of what a model gives."""
        return next(iter(made.values())) if isinstance(made, dict) else made

    def _learn(self) -> Learned:
        """Opens the model, and asks it about the examples on the map."""
        model = checkpoints.load(self.folder.model)
        if not isinstance(model, models.GraphicalModel) or not model.data_format.classes or "y" in model.graph.observed:
            raise UserError(
                f"The page is for models that infer a class. Received: {self.folder.path}, of a {type(model).__name__}"
            )
        x = rows.take(self.dataset.x_train, self.shown)
        print(f"{type(model).__name__}: encoding {len(self.shown)} {self.dataset.noun}.")
        probabilities = of_each_class(model, model.predict(x, batch_size=500, verbose=0))
        means = model.encode(x)
        maps = places.maps(means, probabilities)
        self.given.learned_by(model)
        return Learned(model, probabilities, means, places.beside(means), maps, Maker(model, means))


def errors_of(results: Mapping[str, Any]) -> dict[str, float]:
    """The test errors of a run: "error", or {variable}_error of several.

    Args:
        results: those of the run.
    """
    others = ("labels_only_error", "balanced_error", "nearest_neighbour_error")
    return {name: value for name, value in results.items() if name.endswith("error") and not name.endswith(others)}
