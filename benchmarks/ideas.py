"""The effect of each idea: a step without it against the step with all: `python -m benchmarks.ideas`, about 3 minutes.

Writes results/ideas.json. The predictions come from timings of single operations.
"""

import argparse
import contextlib
import time
from collections.abc import Callable
from unittest import mock

import keras
import tensorflow as tf
from tqdm import tqdm

from benchmarks import engine, interleave
from benchmarks import problem as p
from ssdgm_tf.layers import kernels, precision
from ssdgm_tf.models import compilation
from ssdgm_tf.runs.environment import environment

ALL = "everything"


def _plain_update(optimizer: keras.optimizers.Optimizer, gradients: list, variables: list, compiled: bool) -> tf.Tensor:
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return tf.constant(1.0)


def _unguarded_update(optimizer: keras.optimizers.Optimizer, gradients: list, variables: list, compiled: bool) -> tf.Tensor:
    def update(gradients: list) -> tf.Tensor:
        return _plain_update(optimizer, gradients, variables, compiled)

    return (tf.function(update, jit_compile=True, autograph=False) if compiled else update)(gradients)


def _sum_then_activation(activation: Callable[[tf.Tensor], tf.Tensor], *terms: tf.Tensor) -> tf.Tensor:
    return activation(sum(terms[1:], terms[0]))


#: {idea: (predicted share of the step that it saves in float32 and in bfloat16, a context without the idea)}.
IDEAS: dict[str, tuple[tuple[float, float], Callable[[], contextlib.AbstractContextManager]]] = {
    "hidden layers: sum, bias and activation in one kernel": (
        (0.08, 0.2),
        lambda: mock.patch.object(kernels, "activated_sum", _sum_then_activation),
    ),
    "softplus by a polynomial": ((0.03, 0.05), lambda: mock.patch.object(kernels, "_polynomial_softplus", tf.nn.softplus)),
    "the optimizer's update in one kernel": (
        (0.03, 0.05),
        lambda: mock.patch.object(compilation, "apply_gradients", _plain_update),
    ),
    "weights cast once for both streams": (
        (0.0, 0.04),
        lambda: mock.patch.object(precision, "casting_once", contextlib.nullcontext),
    ),
    "a look at the gradients: a safeguard, which costs": (
        (-0.01, -0.01),
        lambda: mock.patch.object(compilation, "apply_gradients", _unguarded_update),
    ),
    "small work left alone": ((0.01, 0.01), lambda: mock.patch.object(kernels, "_SMALLEST_FUSED", 1)),
}


def measure(precision: str, rounds: int) -> dict:
    """{name: median ms, and the ratio to the step with all ideas}."""
    problem, steps = p.make(200, 100), {}
    for name in tqdm([ALL, *IDEAS], desc=f"compiling, {precision}"):
        without = contextlib.nullcontext() if name == ALL else IDEAS[name][1]()
        with without:
            steps[name] = engine.Step(problem, precision)
            for _ in range(3):
                steps[name]()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in tqdm(range(rounds), desc=precision):
        for name, step in steps.items():
            step()
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    rows = interleave.summary(seconds, ALL)
    for name, (predicted, _) in IDEAS.items():
        rows[name]["predicted_ratio"] = round(1 / (1 - predicted[precision == "bfloat16"]), 3)
    return rows


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "ideas.json")
    args = parser.parse_args()
    rows = {precision: measure(precision, args.rounds) for precision in ("float32", "bfloat16")}
    interleave.write(args.output, {"without": rows, "environment": environment()})
    print(f"Written to {args.output}")


if __name__ == "__main__":
    main()
