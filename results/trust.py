"""Measures how far finished runs can be believed, and writes trust.json.

    SSDGM_DATA=FOLDER python results/trust.py mnist RUN [RUN ...]
    SSDGM_DATA=FOLDER python results/trust.py letters RUN [RUN ...]

The runs are of one data set, such as those of `ssdgm-table`; FOLDER holds `tfds/`, `emnist_letters/` and `omniglot_small/`.
Nothing is trained, and the runs stay as they are. Of each run:

- calibration and sets: 20 draws of 100 labels of the validation set calibrate the model; errors of calibration, and the
  coverage and the size of sets of 90 %, are of the test set;
- novelty: known, and held out, are the examples that a run takes (`ssdgm_tf.runs.trusting.known_examples`); the area under
  the ROC curve tells 4,000 test examples from up to 4,000 others, and false alarms are the shares of the test set above the
  stated rates.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from ssdgm_tf import data
from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.loading import load_data
from ssdgm_tf.runs.trusting import known_examples
from ssdgm_tf.runs.workdir import Workdir

RESULTS = Path(__file__).parent
DRAWS, LABELS, COVERAGE = 20, 100, 0.9
RATES = (0.01, 0.05, 0.1)
NUM_KNOWN = NUM_OTHERS = 4000


def expected_calibration_error(probabilities, labels, bins=15):
    """The mean distance of confidence from accuracy over bins of equal width."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return sum(abs(np.sum(sure[place == b]) - np.sum(right[place == b])) for b in range(bins)) / len(labels)


def others(name, known):
    """{name: images of other kinds}, for a set of digits or of letters; `known` are test examples."""
    folder = Path(os.environ["SSDGM_DATA"])
    generator = np.random.default_rng(0)

    def some(images):
        images = np.asarray(images, np.float32).reshape(-1, 28, 28, 1)
        images = images / 255 if images.max() > 1 else images
        return images[np.sort(generator.permutation(len(images))[:NUM_OTHERS])]

    with np.load(folder / "omniglot_small" / "omniglot_small_28x28.npz") as arrays:
        characters = np.concatenate([arrays["x_small1"], arrays["x_small2"]])
    digits = data.load("mnist", 0, 0, 0, str(folder / "tfds"), False).x_test
    with np.load(folder / "emnist_letters" / "emnist_letters_subset.npz") as arrays:
        letters = arrays["x_test"]
    sets = {"Omniglot": some(characters)}
    sets |= {"EMNIST letters": some(letters)} if name == "mnist" else {"MNIST": some(np.asarray(digits))}
    return sets | {
        "noise": generator.uniform(size=(NUM_OTHERS, 28, 28, 1)).astype(np.float32),
        "inverted": 1 - some(known),
    }


def statistics_of(model, x):
    """{name: score} of single statistics that are tried beside `novelty`; the larger, the less alike."""
    predicted = model.predict(x, verbose=0)
    return {
        "minus the bound": -model.bound(x, num_samples=5, seed=0),
        "entropy of q(y\\|x)": -np.sum(predicted * np.log(np.maximum(predicted, 1e-30)), axis=1),
    }


def areas(of_known, of_others):
    """{set: area under the ROC curve}."""
    found = {}
    for name, scores in of_others.items():
        is_other = np.repeat([0, 1], [len(of_known), len(scores)])
        found[name] = round(float(roc_auc_score(is_other, np.concatenate([of_known, scores]))), 4)
    return found


def measure_calibration(model, dataset):
    """Errors of calibration before and after, and sets, over draws of labels."""
    before = model.predict(dataset.x_test, verbose=0)
    of_validation = model.predict(dataset.x_validation, verbose=0)
    found = {"ece_before": expected_calibration_error(before, dataset.y_test)}
    after, coverages, sizes = [], [], []
    for draw in range(DRAWS):
        taken = np.random.default_rng(draw).permutation(len(of_validation))[:LABELS]
        model.calibrate(y=dataset.y_validation[taken], predictions=of_validation[taken])
        own = model.calibration["y"]
        sets = model.predict_sets(dataset.x_test, COVERAGE)
        after.append(expected_calibration_error(own.scaling(before), dataset.y_test))
        coverages.append(np.mean(sets[np.arange(len(sets)), dataset.y_test]))
        sizes.append(np.mean(sets.sum(axis=1)))
    for name, values in (("ece", after), ("coverage", coverages), ("size", sizes)):
        found[name], found[f"{name}_spread"] = np.mean(values), np.std(values, ddof=1)
    return {name: round(float(value), 4) for name, value in found.items()}


def measure_novelty(model, name, dataset):
    """Areas under the ROC curve and false alarms."""
    model.fit_novelty(*known_examples(model, dataset))
    test = np.asarray(dataset.x_test)
    unlike = others(name, test)
    of_test = model.novelty(test)
    found = {"novelty": areas(of_test[:NUM_KNOWN], {other: model.novelty(x) for other, x in unlike.items()})}
    single = {other: statistics_of(model, x) for other, x in unlike.items()}
    for statistic, scores in statistics_of(model, test[:NUM_KNOWN]).items():
        found[statistic] = areas(scores, {other: of_one[statistic] for other, of_one in single.items()})
    p_values = model.known_examples.p_value(of_test).numpy()
    alarms = {str(rate): round(float(np.mean(p_values <= rate)), 4) for rate in RATES}
    return {"areas": found, "false_alarms": alarms}


def measure(name, path):
    """The figures of a run."""
    folder = Workdir(path)
    config = folder.load_config()["config"]
    model = checkpoints.load(folder.model)
    model.set_calibration({})
    root = Path(os.environ["SSDGM_DATA"])
    dataset = load_data(config, str(root / "tfds" if config["data"] == "mnist" else root), False, folder)
    found = {"labels": config["labels"], "seed": config["seed"], "model": config["model"]}
    return found | measure_novelty(model, name, dataset) | measure_calibration(model, dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["mnist", "letters"])
    parser.add_argument("runs", nargs="+", type=Path)
    arguments = parser.parse_args()
    path = RESULTS / "trust.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for run in arguments.runs:
        found = measure(arguments.data, run)
        results[f"{arguments.data}, {found['model']}, seed {found['seed']}"] = found
        print(json.dumps(found, indent=1), flush=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
