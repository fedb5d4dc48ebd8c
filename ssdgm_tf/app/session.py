"""What the page shows of a run: its data, its model, and the labels that people give."""

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssdgm_tf import files, models, rows
from ssdgm_tf.app import places
from ssdgm_tf.app.maker import Maker
from ssdgm_tf.app.views import view
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile, Labels, next_examples
from ssdgm_tf.labelling.label_file import LONGEST_NAME
from ssdgm_tf.labelling.rules import entropy
from ssdgm_tf.models import zoo
from ssdgm_tf.models.examples import of_each_class
from ssdgm_tf.models.prediction_draws import prediction_draws
from ssdgm_tf.runs import checkpoints, precision
from ssdgm_tf.runs.loading import class_names, load_data
from ssdgm_tf.runs.workdir import Workdir

#: The most examples on the map, and among which the next to label are looked for.
MOST = 20_000
# Candidates whose draws are compared by "disagreement", and the draws.
_COMPARED, _DRAWS = 2000, 5
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
        self.folder, self.data_dir, self.download, self.annotator = folder, data_dir, download, annotator
        self.settings = folder.load_config()
        self.lock = threading.RLock()
        precision.choose_products(self.settings["precision"])
        # Labels are of the training examples in the order of the data set, before any are left out or repeated.
        plain = {**self.settings["config"], "supervised": "", "labelled_only": False, "labelled_twice": False}
        self.dataset: SemiSupervisedData = load_data(plain, data_dir, download, folder, LabelFile(folder.labels, b""))
        self._begin_with_training_labels()
        self.file = LabelFile(folder.labels)
        self.file.check(self.dataset.x_train, class_names(self.dataset))
        self.labels: Labels = self.file.read()
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
            "examples": len(dataset.x_train),
            "shown": len(self.shown),
            "maps": list(learned.maps),
            "variables": self.variables(),
            "controls": learned.maker.controls,
            "class_names": self.class_names(),
            "error": self.errors,
            "is_table": dataset.schema is not None,
            "takes_new_classes": self.takes_new_classes,
            "has_pictures": len(dataset.raw_shape) == 3,
            "progress": self.progress(),
        }

    @property
    def takes_new_classes(self) -> bool:
        """Whether people may name classes that training did not know."""
        of_one = not isinstance(self.dataset.y_train, dict) and self.dataset.schema is None
        return of_one and self.variables() == ["y"] and not zoo.find(self.settings["config"]["model"]).builds_on

    def class_names(self) -> dict[str, list[str]]:
        """{supervised class: names}, with those that people added."""
        known = class_names(self.dataset)
        found = {}
        for name, number in self.learned.model.data_format.classes.items():
            names = known.get(name) or [str(k) for k in range(number)]
            found[name] = [*names, *self.labels.new_classes.get(name, [])]
        return found

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
        unlabelled = ~self.is_labelled(self.shown)
        expected: dict[str, float] = {}
        for name, q in self.learned.probabilities.items():
            if unlabelled.any():
                expected[name] = round(float(np.mean(1 - q[unlabelled].max(axis=-1))), 5)
        return {
            "given": self.labels.number,
            "none": sum(map(len, self.labels.none.values())),
            "skipped": sum(map(len, self.labels.skipped.values())),
            "before": int(self.dataset.is_labelled.sum()),
            "expected_error": expected,
        }

    def is_labelled(self, index: np.ndarray) -> np.ndarray:
        """Whether examples have all labels: of the data set, or given by people; those put off count too.

        Args:
            index: of training examples, [N].
        """
        found, y = np.ones(len(index), bool), self.dataset.y_train
        for name in self.variables():
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
                "label": [self.label_of(name, int(index)) for index in self.shown],
                "prediction": q.argmax(axis=-1).tolist(),
                "entropy": np.round(entropy(q[None]), 4).tolist(),
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
        return {"index": index, "labels": self._labels_of(index), **self.read(x)}

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

    def _labels_of(self, index: int) -> dict[str, int]:
        return {name: self.label_of(name, index) for name in self.variables()}

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
                    name: {"probabilities": np.round(p[0], 4).tolist(), "entropy": round(float(entropy(p[None])[0]), 4)}
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
        taken = self.is_labelled(self.shown) | np.isin(self.shown, left_out)
        learned, name, seed = self.learned, self.variables()[0], self.labels.events
        candidates = np.arange(len(self.shown))
        known: dict[str, Any] = {"draws": learned.probabilities[name][None], "places": learned.latent}
        if rule == "disagreement":
            candidates = np.random.default_rng(seed).permutation(np.flatnonzero(~taken))[:_COMPARED]
            known["draws"] = self._draws(learned, candidates)
        chosen = next_examples(rule, number, known, taken[candidates], seed)
        found = []
        for place in candidates[chosen]:
            index = int(self.shown[place])
            of = {name: np.round(q[place], 4).tolist() for name, q in learned.probabilities.items()}
            seen = view(self.dataset, self.x_of(index)[0])
            found.append({"index": index, "view": seen, "of": of, "labels": self._labels_of(index)})
        return found

    def _draws(self, learned: Learned, places_of: np.ndarray) -> np.ndarray:
        """Predictions of the first class in several passes, [S, N, K]."""
        name = self.variables()[0]
        if not len(places_of):
            return np.zeros((1, 0, learned.probabilities[name].shape[1]))
        x = rows.take(self.dataset.x_train, self.shown[places_of])
        with self.lock:
            return prediction_draws(learned.model, x, _DRAWS)[name]

    def act(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Writes what a person did to the file of labels, and returns the progress.

        Args:
            event: see `ssdgm_tf.labelling.label_file`.

        Raises:
            ValueError: an unknown event, variable, class or example, or a bad name of a class.
        """
        with self.lock:
            before = self.labels.last
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
            kept = [self._checked(event) for event in events]
            try:
                self.file.append(kept, self.dataset.x_train, class_names(self.dataset), self.annotator)
            finally:
                self.labels = self.file.read()
            return {"progress": self.progress(), "class_names": self.class_names()}

    def _checked(self, event: Mapping[str, Any]) -> dict[str, Any]:
        kind = event.get("event")
        if kind == "undo":
            if self.labels.last is None:
                raise ValueError("There must be something to undo. Received: no label yet")
            if self.labels.last["event"] == "class" and self._knows_new_classes:
                raise ValueError(f"A class that the model has learned stays. Received: {self.labels.last['name']!r}")
            return {"event": "undo"}
        name = event.get("variable")
        if kind not in ("label", "none", "skip", "class") or name not in self.variables():
            raise ValueError(f"Labels are of {', '.join(self.variables())}. Received: {kind!r} of {name!r}")
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
                f"Received: a run of {type(self.learned.model).__name__} on {self.dataset.noun}"
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
        known = self.learned.model.data_format.classes["y"]
        return bool(self.labels.new_classes) and known >= len(self.class_names()["y"])

    def _neighbours(self, learned: Learned, means: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """The labelled examples on the map whose inferred variables are nearest, their classes first of all."""
        labelled = []
        name = self.variables()[0]
        for place, index in enumerate(self.shown):
            if (label := self.label_of(name, int(index))) >= 0:
                labelled.append((place, int(index), label))
        if not labelled:
            return []
        at = [place for place, _, _ in labelled]
        distance = np.zeros(len(at))
        for variable, values in learned.means.items():
            flat = values.reshape(len(values), -1)
            scale = max(float(np.sqrt(np.sum(flat.var(axis=0)))), 1e-6)
            weight = _WEIGHT_OF_CLASSES if variable in learned.probabilities else 1.0
            distance += weight * np.sum((flat[at] - means[variable].reshape(1, -1)) ** 2, axis=1) / scale**2
        found = []
        for k in np.argsort(distance, kind="stable")[:_NEIGHBOURS]:
            _, index, label = labelled[k]
            found.append({"index": index, "label": label, "view": view(self.dataset, self.x_of(index)[0])})
        return found

    def _observed(self, made: Any) -> np.ndarray:
        """The first observed variable of what a model gives."""
        return next(iter(made.values())) if isinstance(made, dict) else made

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
        return Learned(model, probabilities, means, places.beside(means), maps, Maker(model, means))


def errors_of(results: Mapping[str, Any]) -> dict[str, float]:
    """The test errors of a run: "error", or {variable}_error of several.

    Args:
        results: those of the run.
    """
    others = ("labels_only_error", "balanced_error", "nearest_neighbour_error")
    return {name: value for name, value in results.items() if name.endswith("error") and not name.endswith(others)}
