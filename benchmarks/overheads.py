"""What surrounds a step: `fit`, imports, help pages: `python -m benchmarks.overheads`, about 3 minutes on two cores.

Writes results/overheads.json.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import engine, interleave
from benchmarks import problem as p
from ssdgm_tf.trainers.environment import environment

_TF = "import tensorflow, tensorflow_probability"
_HELP = Path(sys.executable).parent / "ssdgm-train"
COMMANDS = {
    "import tensorflow, tensorflow_probability": [sys.executable, "-c", _TF],
    "import ssdgm_tf": [sys.executable, "-c", "import ssdgm_tf"],
    "ssdgm-train --help": [str(_HELP), "--help"],
}


def fit_against_step(rounds: int, steps: int = 40) -> dict:
    """A whole epoch of `fit` on arrays (input, callbacks, metrics, progress bar) against as many bare compiled steps."""
    problem = p.make(200, 100)
    step = engine.Step(problem)
    rng = np.random.default_rng(1)
    x = (rng.uniform(size=(200 * steps + 100, p.PIXELS)) < 0.2).astype(np.float32)
    y = np.full(len(x), -1)
    y[:100] = problem.y
    model = engine.make_m2("float32")
    engine.start(model, 200 * steps, 100)
    history = {"fit": [], "fit, one epoch a call": [], "step": []}

    def fit(epochs):
        start = time.perf_counter()
        model.fit(x, y, batch_size=200, labelled_batch_size=100, epochs=epochs, seed=0, verbose=1)
        return time.perf_counter() - start

    def bare():
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - start

    fit(1), bare()  # compiles
    for _ in tqdm(range(rounds), desc="fit"):
        # Two epochs less one leave out what a call of fit does once, such as checking its arrays.
        one, two = fit(1), fit(2)
        history["fit"].append((two - one) / steps)
        history["fit, one epoch a call"].append(one / steps)
        history["step"].append(bare() / steps)
    return interleave.summary(history, "step")


def commands(rounds: int) -> dict:
    """Seconds of whole processes, in turn."""
    seconds = {name: [] for name in COMMANDS}
    for _ in tqdm(range(rounds), desc="processes"):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=False)
            seconds[name].append(time.perf_counter() - start)
    base = seconds["import tensorflow, tensorflow_probability"]
    ratios = {name: [a / b for a, b in zip(own, base, strict=True)] for name, own in seconds.items()}
    return {
        name: {"seconds": round(statistics.median(own), 2), "ratio": round(statistics.median(ratios[name]), 3)}
        for name, own in seconds.items()
    }


def main() -> None:
    """Measures, and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "overheads.json")
    args = parser.parse_args()
    tf.get_logger().setLevel("ERROR")
    values = {"commands": commands(args.rounds), "fit": fit_against_step(args.rounds), "environment": environment()}
    interleave.write(args.output, values)
    print(f"Written to {args.output}")


if __name__ == "__main__":
    main()
