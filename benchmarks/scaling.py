"""Cost of a step against classes, samples and latent variables: `python -m benchmarks.scaling`, about 4 minutes.

Writes results/scaling.json and results/scaling.png. If the cost is at most linear, the last doubling is at most 2.
"""

import argparse
import time
from collections.abc import Callable

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import engine, interleave
from ssdgm_tf import models, nodes
from ssdgm_tf.runs.environment import environment

PIXELS, BATCH = 256, 64
SWEEPS = {
    "classes": (2, 5, 10, 25, 50, 100),
    "samples": (1, 2, 4, 8, 16, 32, 64),
    "latents": (1, 2, 4, 8, 16),
}


def make(classes: int = 2, samples: int = 1, latents: int = 1) -> Callable[[], object]:
    """A training step of a model with these numbers of enumerated classes, samples, and latent variables of size 20."""
    given = engine.parts_given((200, 200), "softplus")
    names = [f"z{i}" for i in range(latents)]
    generative = {"y": nodes.OneHotCategorical(classes)} | {name: nodes.Normal(20) for name in names}
    generative["x"] = nodes.Bernoulli(PIXELS, **given("y", *names))
    recognition = {"y": nodes.OneHotCategorical(classes, estimator="enumerate", **given("x"))}
    recognition |= {name: nodes.Normal(20, **given("x", "y")) for name in names}
    model = models.GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1)
    step = engine.start(model, BATCH, BATCH, num_samples=samples)
    x = tf.constant(np.random.default_rng(0).uniform(size=(BATCH, PIXELS)), tf.float32)
    data = {"labelled": ({"x": x}, {"y": tf.range(BATCH) % classes}), "unlabelled": {"x": x}}
    return lambda: step(data)


def measure(name: str, values: tuple[int, ...], rounds: int) -> dict:
    """Median ms of each value, measured in turn, and the straight line through them."""
    steps = {value: make(**{name: value}) for value in tqdm(values, desc=f"compiling {name}")}
    seconds: dict[int, list[float]] = {value: [] for value in values}
    for step in steps.values():
        step(), step()
    for _ in tqdm(range(rounds), desc=name):
        for value, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[value].append(time.perf_counter() - start)
    ms = np.array([1e3 * np.median(seconds[value]) for value in values])
    # Relative errors, so that every point has equal weight.
    design = np.stack([np.ones(len(values)), values], axis=1)
    (constant, slope), *_ = np.linalg.lstsq(design / ms[:, None], np.ones(len(values)), rcond=None)
    fitted = constant + slope * np.array(values)
    return {
        "values": list(values),
        "ms": [round(float(value), 2) for value in ms],
        "constant_ms": round(float(constant), 3),
        "ms_each": round(float(slope), 3),
        "largest_deviation": round(float(np.max(np.abs(ms / fitted - 1))), 3),
        "last_doubling": round(float((ms[-1] / ms[-2]) ** (np.log(2) / np.log(values[-1] / values[-2]))), 3),
    }


def draw(sweeps: dict, path: str) -> None:
    """One panel per sweep: the measured times and the line."""
    figure, axes = plt.subplots(1, len(sweeps), figsize=(4 * len(sweeps), 3.2), layout="constrained")
    for axis, (name, sweep) in zip(axes, sweeps.items(), strict=True):
        values = np.array(sweep["values"])
        axis.plot(values, sweep["ms"], "o", label="measured")
        axis.plot(values, sweep["constant_ms"] + sweep["ms_each"] * values, "-", lw=1, label="straight line")
        axis.set(xlabel=name, ylabel="ms per step", ylim=(0, None))
        axis.legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Measures all sweeps and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "scaling.json")
    args = parser.parse_args()
    matplotlib.use("agg")
    sweeps = {name: measure(name, values, args.rounds) for name, values in SWEEPS.items()}
    interleave.write(args.output, {"sweeps": sweeps, "environment": environment()})
    draw(sweeps, str(args.output).replace(".json", ".png"))
    print(f"Written to {args.output}")


if __name__ == "__main__":
    main()
