"""Test error against seconds of training, MNIST with 100 labels: `python -m benchmarks.time_to_error --data_dir=FOLDER`.

Our whole presets, and Pyro's M2, FixMatch, VAT and the ladder network for --minutes, on the same label draws. One run after
the other, each in its own process. The clock runs while a model trains, including its first compilation, and stops while the
error is measured. A run is written when it ends; the same command again does the missing runs.
Writes results/time_to_error.json and results/time_to_error.png.
"""

import argparse
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from tqdm import tqdm

from benchmarks import interleave
from benchmarks import problem as p
from ssdgm_tf import baselines, data
from ssdgm_tf.data.arrays import Labels
from ssdgm_tf.runs import building, optimisation
from ssdgm_tf.runs.environment import environment
from ssdgm_tf.runs.training import labels_first
from ssdgm_tf.runs.workdir import write_json

PATH = Path(__file__).parent / "results" / "time_to_error.json"
PYRO = "pyro_m2"
#: The baselines, whose published steps may take longer than --minutes.
BASELINES = ("fix_match", "virtual_adversarial", "ladder")
TITLES = {
    "fast_mnist": "fast_mnist: convolutional q(y|x) of moved images",
    "grey_images": "grey_images: convolutional q(y|a,x) of moved images, pseudo-labels",
    "vectors": "vectors: dense, spread labels, VAT",
    "m2_mnist": "m2_mnist: dense",
    PYRO: "Pyro, M2 in the manner of its example: dense",
    "fix_match": "FixMatch: the network of fast_mnist, moved images",
    "virtual_adversarial": "VAT: dense",
    "ladder": "ladder network: dense",
}
_COLOURS = ("tab:blue", "tab:cyan", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:grey")
LABELS, BATCH = 100, 200
MINUTES = (1, 2, 4, 8)


class Clock:
    """Counts the seconds of training, without those of `measure`, and keeps the errors.

    Args:
        error: measures the error.
    """

    def __init__(self, error: Callable[[], float]):
        self.error = error
        self.seconds: list[float] = []
        self.errors: list[float] = []
        self.start, self.paused = time.perf_counter(), 0.0

    def now(self) -> float:
        """Seconds of training so far."""
        return time.perf_counter() - self.start - self.paused

    def measure(self) -> None:
        """Stops the clock, measures the error and starts the clock again."""
        stopped = time.perf_counter()
        self.seconds.append(round(self.now(), 1))
        self.errors.append(round(float(self.error()), 5))
        self.paused += time.perf_counter() - stopped


def train_preset(name: str, seed: int, dataset: data.SemiSupervisedData) -> Clock:
    """Trains a preset to its end; measures the error after every epoch."""
    fields = _fields(name, seed)
    fields["epochs"] = fields["epochs"] or optimisation.epochs_for(fields, dataset)
    model = building.model({"config": fields, "precision": "float32", "jit_compile": "auto"}, dataset)
    clock = Clock(lambda: _error(model.predict(dataset.x_test, batch_size=1000, verbose=0), dataset.y_test))
    labels_first(model, fields, dataset)
    model.fit(
        dataset.x_train,
        dataset.y_train,
        batch_size=fields["batch_size"],
        labelled_batch_size=fields["labelled_batch_size"],
        epochs=fields["epochs"],
        seed=fields["seed"],
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: clock.measure())],
    )
    return clock


def train_baseline(name: str, seed: int, dataset: data.SemiSupervisedData, minutes: float) -> Clock:
    """Trains a baseline to its end or for some minutes; measures the error of the weights themselves every 20 seconds."""
    keras.utils.set_random_seed(seed)
    estimator = baselines.make(name, p.CLASSES, seed)
    shape = dataset.x_train.shape[1:] if estimator.keeps_shape else (p.PIXELS,)
    x, x_test = (images.reshape(-1, *shape) for images in (dataset.x_train, dataset.x_test))
    model = estimator.make(x)
    clock = Clock(lambda: _error(model.predict(x_test, batch_size=1000, verbose=0), dataset.y_test))

    def look(batch: int, logs: dict) -> None:
        if clock.now() >= 20 * (len(clock.errors) + 1):
            clock.measure()
        model.stop_training = clock.now() >= 60 * minutes

    batches = estimator.batches(x, dataset.y_train)
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=look)
    model.fit(batches, steps_per_epoch=estimator.num_steps, verbose=0, callbacks=[watch])
    clock.measure()  # of the averaged weights, where there are such
    return clock


def train_pyro(seed: int, dataset: data.SemiSupervisedData, minutes: float) -> Clock:
    """Trains M2 as in Pyro's example, with a step for each of its three losses; measures the error every 20 seconds."""
    import torch

    from benchmarks import m2_pyro

    torch.manual_seed(seed)
    step = m2_pyro.SviStep(p.make(BATCH, LABELS, seed))
    x, y = dataset.labelled
    step.x_labelled = torch.tensor(x.reshape(LABELS, -1))
    step.y = torch.nn.functional.one_hot(torch.tensor(y, dtype=torch.long), p.CLASSES).float()
    unlabelled = torch.tensor(dataset.x_train[~dataset.is_labelled].reshape(-1, p.PIXELS))
    x_test = torch.tensor(dataset.x_test.reshape(-1, p.PIXELS))

    def error() -> float:
        with torch.no_grad():
            return _error(step.q_y(x_test).numpy(), dataset.y_test)

    clock = Clock(error)
    order: Iterator[torch.Tensor] = iter(())
    progress = tqdm(total=int(60 * minutes), desc=PYRO, unit="s")
    while clock.now() < 60 * minutes:
        if (rows := next(order, None)) is None:
            order = iter(torch.randperm(len(unlabelled)).split(BATCH))
            rows = next(order)
        step.x_unlabelled = unlabelled[rows]
        step()
        if clock.now() >= 20 * (len(clock.errors) + 1):
            clock.measure()
            progress.update(int(clock.now()) - progress.n)
    clock.measure()
    return clock


def _fields(name: str, seed: int) -> dict:
    return importlib.import_module(f"ssdgm_tf.configs.{name}").get_config(f"labels={LABELS},seed={seed}").to_dict()


def _config(method: str, seed: int) -> dict:
    """The config of a run in the form of a results file; for Pyro's model its sizes, of a baseline its name."""
    if method in BASELINES:
        return {"baseline": method}
    if method == PYRO:
        return {
            "hidden_units": list(p.HIDDEN),
            "latent_dim": p.LATENT,
            "learning_rate": p.LEARNING_RATE,
            "manner": "three steps, as in its example",
            "batch_size": BATCH,
        }
    return json.loads(json.dumps(_fields(method, seed)))


def _error(scores: np.ndarray, labels: Labels) -> float:
    return float(np.mean(np.argmax(scores, axis=-1) != np.asarray(labels)))


def at_minute(run: dict, minute: float) -> float | None:
    """The last error measured up to a minute, in percent; None before the first.

    A preset that has ended keeps its last error. Pyro's model is cut off and has no error after that.
    """
    if run["method"] == PYRO and run["seconds"][-1] < 60 * minute - 1:
        return None
    before = [error for seconds, error in zip(run["seconds"], run["error"], strict=True) if seconds <= 60 * minute]
    return 100 * before[-1] if before else None


def figure(runs: list[dict]) -> plt.Figure:
    """One curve per run; the label draws of a method share a colour."""
    chart, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    for colour, method in zip(_COLOURS, TITLES, strict=True):
        for run in (run for run in runs if run["method"] == method):
            label = TITLES[method] if run["seed"] == min(r["seed"] for r in runs if r["method"] == method) else None
            minutes = np.array(run["seconds"]) / 60
            axes.plot(minutes, 100 * np.array(run["error"]), color=colour, alpha=0.8, label=label)
    ticks = (2, 3, 4, 5, 7, 10, 20, 30)
    axes.set(xlabel="minutes of training", ylabel="test error, %", yscale="log", xlim=(0, None))
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return chart


def _one(method: str, seed: int, minutes: float, data_dir: str | None) -> dict:
    dataset = data.load("mnist", LABELS, seed, num_validation=10_000, data_dir=data_dir)
    if method in BASELINES:
        clock = train_baseline(method, seed, dataset, minutes)
    else:
        clock = train_pyro(seed, dataset, minutes) if method == PYRO else train_preset(method, seed, dataset)
    run = {"method": method, "seed": seed, "config": _config(method, seed), "environment": environment()}
    return run | {"seconds": clock.seconds, "error": clock.errors}


def main() -> None:
    """Runs what is missing and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default=",".join(TITLES))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of training of Pyro's model and of baselines")
    parser.add_argument("--data_dir", help="folder of prepared TensorFlow Datasets")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    methods, seeds = options.methods.split(","), [int(seed) for seed in options.seeds.split(",")]
    if unknown := sorted(set(methods) - set(TITLES)):
        parser.error(f"--methods must be among {list(TITLES)}. Received: {unknown}")
    if options.one:
        print(json.dumps(_one(methods[0], seeds[0], options.minutes, options.data_dir)))
        return
    matplotlib.use("Agg")
    runs = json.loads(PATH.read_text())["runs"] if PATH.exists() else []
    # If a preset has changed since, its run is repeated.
    runs = [run for run in runs if run["config"] == _config(run["method"], run["seed"])]
    done = {(run["method"], run["seed"]) for run in runs}
    todo = [(method, seed) for seed in seeds for method in methods if (method, seed) not in done]
    for method, seed in tqdm(todo, desc="time to error"):
        words = [f"--methods={method}", f"--seeds={seed}", f"--minutes={options.minutes}", "--one"]
        words += [f"--data_dir={options.data_dir}"] if options.data_dir else []
        command = [sys.executable, "-m", "benchmarks.time_to_error", *words]
        result = subprocess.run(command, cwd=interleave.ROOT, stdout=subprocess.PIPE, text=True)
        if result.returncode:
            print(f"{method}, seed {seed}: exit status {result.returncode}; the others go on", file=sys.stderr)
            continue
        runs.append(json.loads(result.stdout.splitlines()[-1]))
        write_json(PATH, {"runs": runs})
        figure(runs).savefig(PATH.with_suffix(".png"), dpi=130)
    print(f"Results in {PATH.relative_to(interleave.ROOT)} and {PATH.stem}.png: now python -m benchmarks.render")


if __name__ == "__main__":
    main()
