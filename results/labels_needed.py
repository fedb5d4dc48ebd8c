"""How many labels a model needs for an error, where a rule chooses them and where chance does; with a simulated person.

    PYTHONPATH=. python results/labels_needed.py --data_dir=DATA --rules=spread,random --draws=0-2

Every draw starts from the same ten labels, one of each class. Then, again and again, the rule chooses the next examples by
what the model says of 20,000 of them, their true labels are given, and a model is trained anew with all labels, until its
test error is at most 2 %. results/labels_needed.json grows with every model; the same command goes on where it was stopped.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ssdgm_tf import models, rows
from ssdgm_tf.app import places
from ssdgm_tf.configs import fast_mnist
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.labelling import RULES, Predicted, next_examples
from ssdgm_tf.models.prediction_draws import prediction_draws
from ssdgm_tf.runs import building, training
from ssdgm_tf.runs.loading import load_data
from ssdgm_tf.runs.training import Execution
from ssdgm_tf.runs.workdir import Workdir, write_json

OUTPUT = Path(__file__).with_name("labels_needed.json")
#: The labels after each round, and the test error that ends a curve.
SIZES, WANTED = (10, 20, 30, 45, 65, 90, 120, 160, 220, 300), 0.02
_POOL, _DRAWS = 20_000, 5
# The first labels, and how the model differs from `fast_mnist`: pseudo-labels, and two thirds of its epochs.
_FIRST, _FIELDS = 10, {"epochs": 8, "consistency": "free_match=2"}


def main() -> None:
    """Measures the curves that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir")
    parser.add_argument("--rules", default="random,mixed,spread")
    parser.add_argument("--draws", default="0-2")
    parser.add_argument("--output", default=OUTPUT, type=Path)
    arguments = parser.parse_args()
    first, _, last = arguments.draws.partition("-")
    for draw in range(int(first), int(last or first) + 1):
        for rule in arguments.rules.split(","):
            if rule not in RULES:
                parser.error(f"--rules must be among {', '.join(RULES)}. Received: {rule}")
            curve(rule, draw, arguments.data_dir, arguments.output)


def curve(rule: str, draw: int, data_dir: str | None, output: Path) -> None:
    """Measures one curve, or goes on with it.

    Args:
        rule: the rule.
        draw: seed of the first labels, of the weights and of chance.
        data_dir: see `load_data`.
        output: the file of results.
    """
    config = fast_mnist.get_config(f"labels={_FIRST},seed={draw}")
    settings = {"config": config.to_dict() | _FIELDS, "precision": "float32", "jit_compile": "auto"}
    shown = load_data(settings["config"], data_dir, False)
    truth = load_data(settings["config"] | {"labels": 0}, data_dir, False).y_train
    pool = np.sort(np.random.default_rng(draw).permutation(len(truth))[:_POOL])
    found = _begun(rule, str(draw), read(output))
    model = None
    for size in SIZES[len(found["labels"]) :]:
        if found["error"] and found["error"][-1] <= WANTED:
            return
        if number := size - _FIRST - len(found["given"]):
            is_labelled = shown.is_labelled[pool] | np.isin(pool, found["given"])
            if rule == "random":
                model = None
            elif model is None:  # the curve goes on
                model = train(settings, shown, found["given"], truth)
            places_of = _next(rule, draw + len(found["given"]), number, model, rows.take(shown.x_train, pool), is_labelled)
            found["given"] += [int(pool[place]) for place in places_of]
        model = train(settings, shown, found["given"], truth)
        predicted = model.predict(shown.x_test, batch_size=500, verbose=0).argmax(axis=-1)
        found["labels"].append(size)
        found["error"].append(round(float(np.mean(predicted != shown.y_test)), 5))
        values = read(output)
        values.setdefault(rule, {})[str(draw)] = found
        write_json(output, values)
        print(f"{rule}, draw {draw}: {size} labels, test error {100 * found['error'][-1]:.2f} %", flush=True)


def _begun(rule: str, draw: str, values: dict[str, Any]) -> dict[str, Any]:
    """The curve so far. The first model is the same for every rule: its error is measured once."""
    if draw in values.get(rule, {}):
        return values[rule][draw]
    others = [curves[draw] for curves in values.values() if draw in curves]
    first = others[0] if others else {"labels": [], "error": []}
    return {"labels": first["labels"][:1], "error": first["error"][:1], "given": []}


def read(path: Path) -> dict[str, Any]:
    """The results so far: {rule: {draw: {"labels", "error", and "given", the examples chosen}}}."""
    return json.loads(path.read_text()) if path.exists() else {}


def train(settings: dict[str, Any], shown: SemiSupervisedData, given: list[int], truth: np.ndarray) -> models.GraphicalModel:
    """A model trained with the first labels and those given.

    Args:
        settings: of a run.
        shown: the data set with the first labels.
        given: the examples that a person labelled.
        truth: the labels of all examples.
    """
    dataset = shown.with_labels({"y": {index: int(truth[index]) for index in given}})
    config = settings["config"]
    # The weight of the labels follows their number, as in the preset.
    config = config | {"labels": _FIRST + len(given)}
    config["gamma"] = 0.1 * (len(truth) - config["labels"]) / config["labels"]
    with tempfile.TemporaryDirectory() as folder:
        model = building.model(settings | {"config": config}, dataset)
        training.fit(model, config, dataset, Workdir(folder), Execution())
    return model


def _next(
    rule: str, seed: int, number: int, model: models.GraphicalModel | None, x: Any, is_labelled: np.ndarray
) -> list[int]:
    """The places of the examples that the rule chooses by a model."""
    if model is None:
        return next_examples(rule, number, None, is_labelled, seed)
    q, places_of = model.predict(x, batch_size=500, verbose=0), places.beside(model.encode(x))
    known = Predicted(q, places_of, lambda some: prediction_draws(model, rows.take(x, some), _DRAWS)["y"])
    return next_examples(rule, number, known, is_labelled, seed)


if __name__ == "__main__":
    main()
