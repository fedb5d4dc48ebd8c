"""The costs around a step: `fit`, imports, help pages: `python -m benchmarks.overheads`, about 3 minutes on two cores.

Writes results/overheads.json.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import engine, interleave
from benchmarks import problem as p
from ssdgm_tf.runs.environment import environment

_TF = "import tensorflow, tensorflow_probability"
_HELP = Path(sys.executable).parent / "ssdgm-train"
COMMANDS = {
    "import tensorflow, tensorflow_probability": [sys.executable, "-c", _TF],
    "import ssdgm_tf": [sys.executable, "-c", "import ssdgm_tf"],
    "ssdgm-train --help": [str(_HELP), "--help"],
}


def fit_against_step(rounds: int, steps: int = 40) -> dict:
    """An epoch of `fit` on arrays (input, callbacks, metrics, progress bar) against as many bare compiled steps."""
    problem = p.make(200, 100)
    step = engine.Step(problem)
    rng = np.random.default_rng(1)
    x = (rng.uniform(size=(200 * steps + 100, p.PIXELS)) < 0.2).astype(np.float32)
    y = np.full(len(x), -1)
    y[:100] = problem.y
    model = engine.make_m2("float32")
    engine.start(model, 200 * steps, 100)
    seconds: dict[str, list[float]] = {"fit": [], "step": []}

    class Alternate(keras.callbacks.Callback):
        """Times each epoch, then the same number of bare steps."""

        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            seconds["fit"].append((time.perf_counter() - self.start) / steps)
            start = time.perf_counter()
            for _ in range(steps):
                step()
            seconds["step"].append((time.perf_counter() - start) / steps)

    for _ in range(3):
        step()
    model.fit(x, y, batch_size=200, labelled_batch_size=100, epochs=rounds + 1, seed=0, callbacks=[Alternate()])
    # The first epoch compiles.
    return interleave.summary({name: own[1:] for name, own in seconds.items()}, "step")


def commands(rounds: int) -> dict:
    """Seconds of whole processes, which run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in tqdm(range(rounds), desc="processes"):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=False)
            seconds[name].append(time.perf_counter() - start)
    rows = interleave.summary(seconds, "import tensorflow, tensorflow_probability")
    return {name: {"seconds": round(row["median_ms"] / 1e3, 2), "ratio": row["ratio"]} for name, row in rows.items()}


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "overheads.json")
    args = parser.parse_args()
    tf.get_logger().setLevel("ERROR")
    values = {"fit": fit_against_step(args.rounds), "commands": commands(args.rounds), "environment": environment()}
    interleave.write(args.output, values)
    print(f"Written to {args.output}")


if __name__ == "__main__":
    main()
