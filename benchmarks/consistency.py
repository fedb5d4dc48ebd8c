"""What a term of `compile(consistency=...)` costs: the step of the preset `fast_mnist` with each, beside the step without.

    python -m benchmarks.consistency                 # about three minutes

Each model steps on the same batch, all in turn, in an order that rotates. A ratio compares two steps of the same round.
Writes results/consistency.json, and `python -m benchmarks.render` the table.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from benchmarks import interleave
from benchmarks.loops import make_model

NUM_UNLABELLED, NUM_LABELLED = 200, 100
WITHOUT = "none"
TERMS = (WITHOUT, "entropy", "class_balance", "views", "free_match", "virtual_adversarial")


def make_step(terms: str) -> Callable[[], None]:
    """A training step of the preset's model with some terms, on a batch of its own; it has been compiled.

    Args:
        terms: the argument of `compile`, or `WITHOUT`.
    """
    keras.utils.set_random_seed(0)
    model, generator = make_model("fast_mnist"), np.random.default_rng(0)
    model.build((None, 28, 28, 1))
    model.compile(keras.optimizers.Adam(1e-3), consistency="" if terms == WITHOUT else terms)
    sizes = {"labelled": NUM_LABELLED, "unlabelled": NUM_UNLABELLED}
    images = {name: generator.uniform(size=(size, 28, 28, 1)).astype(np.float32) for name, size in sizes.items()}
    batch = {"labelled": (images["labelled"], np.arange(NUM_LABELLED) % 10), "unlabelled": images["unlabelled"]}

    def step() -> None:
        model.train_on_batch(batch)

    step()
    return step


def measure(rounds: int, steps: int) -> dict[str, list[float]]:
    """{terms: seconds per step, one figure per round}.

    Args:
        rounds: rounds, in each of which every model steps.
        steps: steps of a model in a round.
    """
    made = {terms: make_step(terms) for terms in tqdm(TERMS, desc="compiling")}
    seconds: dict[str, list[float]] = {terms: [] for terms in TERMS}
    for number in tqdm(range(rounds), desc="rounds"):
        turn = number % len(TERMS)
        for terms in TERMS[turn:] + TERMS[:turn]:
            start = time.perf_counter()
            for _ in range(steps):
                made[terms]()
            seconds[terms].append((time.perf_counter() - start) / steps)
    return seconds


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", default=20, type=int)
    parser.add_argument("--steps", default=5, type=int)
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "consistency.json", type=Path)
    args = parser.parse_args()
    rows = interleave.summary(measure(args.rounds, args.steps), WITHOUT)
    interleave.write(args.output, {"rounds": args.rounds, "steps": args.steps, "rows": rows})
    print(f"Written: {args.output}")


if __name__ == "__main__":
    main()
