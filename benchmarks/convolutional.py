"""The training step of the preset `fast_mnist` beside PyTorch's on a CPU: `python -m benchmarks.convolutional`, 10 minutes.

Needs `pip install -e '.[bench]'`. Two cases: the preset, whose q(y|x) is convolutional; and the same with the sum over all
ten classes and a decoder of transposed convolutions. Both sides move the images at random and use dropout. Before anything
is timed, both must have the same loss and gradients at the same weights and noise, without moves and dropout. The engine
also updates its metrics and its schedule of the learning rate, PyTorch does not. Writes results/convolutional.json, where it
keeps the tables of the other clock.

    python -m benchmarks.convolutional                 # all cores, wall time
    python -m benchmarks.convolutional --one_thread    # one thread each, processor time: for a machine that others use too

PyTorch's threads wait for each other after every operation. On a busy machine its wall time therefore grows more than the
engine's; the processor time of one thread does not.
"""

import argparse
import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from tqdm import tqdm

from benchmarks import interleave

PIXELS, CLASSES, LATENT, HIDDEN = (28, 28, 1), 10, 10, 500
NUM_UNLABELLED, NUM_LABELLED = 200, 100
#: Channels of the convolutions of q(y|x), and the width of its dense layer.
FILTERS, UNITS, DROPOUT = (32, 64, 64), 128, 0.5
#: Side of the smallest feature maps: of q(y|x), and of the decoder.
SMALLEST, SMALLEST_DECODED = 4, 7
#: Channels of the decoder's feature maps, smallest map first.
DECODER_FILTERS = (64, 32)
#: The standard deviation of the pixels; the weights of log q(y|x) and of the labelled mean; the largest learning rate.
SCALE, CLASSIFICATION_WEIGHT, LABELLED_WEIGHT, LEARNING_RATE = 0.5, 50.0, 0.1, 1e-3
#: Largest shift in pixels, angle in degrees, |log| of the scale, and shear of a moved image.
MOVES = (2.0, 15.0, 0.15, 0.15)
#: {case: its fields that differ from the preset's}.
CASES: dict[str, dict[str, Any]] = {
    "fast_mnist": {},
    "fast_mnist, ten classes, transposed convolutions": {"estimator": "enumerate", "decoder": "convolutional"},
}
AGAINST = "PyTorch by hand, compiled"
#: {implementation: (module:class, arguments)}.
IMPLEMENTATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ssdgm_tf": ("convolutional:Step", {"jit_compile": "auto"}),
    "ssdgm_tf, jit on": ("convolutional:Step", {"jit_compile": "on"}),
    AGAINST: ("conv_torch:Step", {"compiled": True}),
    "PyTorch by hand, eager": ("conv_torch:Step", {"compiled": False}),
}
#: The largest relative difference of losses, and of norms of gradients.
TOLERANCE = 1e-4, 2e-3


class Problem(NamedTuple):
    """The data, the initial weights and the noise of one step.

    Attributes:
        x_unlabelled: pixels, [U, 28, 28, 1].
        x_labelled: pixels, [L, 28, 28, 1].
        y: labels, int32 [L].
        weights: {"W_..." or "b_...": array}, in Keras' layouts; see `weight_shapes`.
        sums_classes: whether all classes are summed. Else the likeliest is, and one is drawn from the others.
        convolutional: whether the decoder has transposed convolutions.
        noise_unlabelled: standard normal, [10 or 2, U, 10].
        noise_labelled: standard normal, [L, 10].
        uniform: uniform in (0, 1), [U, 10], for the class that is drawn.
    """

    x_unlabelled: np.ndarray
    x_labelled: np.ndarray
    y: np.ndarray
    weights: dict[str, np.ndarray]
    sums_classes: bool
    convolutional: bool
    noise_unlabelled: np.ndarray
    noise_labelled: np.ndarray
    uniform: np.ndarray


def weight_shapes(convolutional: bool) -> dict[str, tuple[int, ...]]:
    """{name: shape} of all weights, in the engine's order.

    q(y|x): convolutions c0, c1, c2, dense layers c3, y. q(z|x,y): zx and zy into the hidden layer, z (loc and raw scale).
    p(x|y,z): xy and xz into the hidden layer, x; or a dense layer d0 of y and z, and transposed convolutions d1, d2.

    Args:
        convolutional: whether the decoder has transposed convolutions.
    """
    first, second, third = FILTERS
    size = PIXELS[0] * PIXELS[1]
    kernels = {"c0": (5, 5, 1, first), "c1": (3, 3, first, second), "c2": (3, 3, second, third)}
    kernels |= {"c3": (SMALLEST**2 * third, UNITS), "y": (UNITS, CLASSES)}
    kernels |= {"zx": (size, HIDDEN), "zy": (CLASSES, HIDDEN), "z": (HIDDEN, 2 * LATENT)}
    if convolutional:
        small, large = DECODER_FILTERS
        kernels["d0"] = (CLASSES + LATENT, SMALLEST_DECODED**2 * small)
        kernels |= {"d1": (4, 4, large, small), "d2": (4, 4, 1, large)}
    else:
        kernels |= {"xy": (CLASSES, HIDDEN), "xz": (LATENT, HIDDEN), "x": (HIDDEN, size)}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in kernels.items():
        shapes[f"W_{name}"] = shape
        if name not in ("zy", "xz"):  # only one of two maps that are added has a bias
            shapes[f"b_{name}"] = (shape[2] if name in ("d1", "d2") else shape[-1],)
    return shapes


def make(case: str, num_unlabelled: int = NUM_UNLABELLED, num_labelled: int = NUM_LABELLED, seed: int = 0) -> Problem:
    """A problem: images as sparse as digits, weights of Glorot's size.

    Args:
        case: one of `CASES`.
        num_unlabelled: U.
        num_labelled: L.
        seed: integer seed.
    """
    rng = np.random.default_rng(seed)
    fields = CASES[case]
    convolutional, sums_classes = "decoder" in fields, "estimator" in fields
    weights = {}
    for name, shape in weight_shapes(convolutional).items():
        limit = 0.1 if name[0] == "b" else np.sqrt(6 / (np.prod(shape[:-2]) * sum(shape[-2:])))
        weights[name] = rng.uniform(-limit, limit, shape).astype(np.float32)

    def images(num: int) -> np.ndarray:
        ink = rng.uniform(size=(num, *PIXELS)) < 0.2
        return (ink * rng.uniform(size=ink.shape)).astype(np.float32)

    return Problem(
        images(num_unlabelled),
        images(num_labelled),
        (np.arange(num_labelled) % CLASSES).astype(np.int32),
        weights,
        sums_classes,
        convolutional,
        rng.normal(size=(CLASSES if sums_classes else 2, num_unlabelled, LATENT)).astype(np.float32),
        rng.normal(size=(num_labelled, LATENT)).astype(np.float32),
        rng.uniform(1e-3, 1 - 1e-3, size=(num_unlabelled, CLASSES)).astype(np.float32),
    )


class Step:
    """One training step of the engine, with the model and the optimizer that the preset's run builds.

    Args:
        problem: the data and weights.
        case: one of `CASES`.
        jit_compile: "auto", "on" or "off", as on the command line.
    """

    def __init__(self, problem: Problem, case: str, jit_compile: str = "auto"):
        import tensorflow as tf

        self.model = _model(case, jit_compile)
        self.model.optimizer.build(self.model.trainable_variables)
        self.model._set_complete(("y", "x"))
        self.model._set_objective_scale(*_sizes_of_data())
        self.model._choose_kernels(len(problem.x_unlabelled))
        for variable, value in zip(self._weights(), problem.weights.values(), strict=True):
            variable.assign(value)
        x, y = tf.constant(problem.x_labelled), tf.constant(problem.y)
        self.data = {"labelled": ({"x": x}, {"y": y}), "unlabelled": {"x": tf.constant(problem.x_unlabelled)}}
        self.step = tf.function(self.model.train_step, jit_compile=self.model.jit_compile, autograph=False)

    def check(self, problem: Problem) -> dict[str, Any]:
        """The loss and the norm of each weight's gradient at the problem's noise, without moves and dropout."""
        import tensorflow as tf

        values = iter([problem.noise_labelled, problem.noise_unlabelled[:, None]])
        normal = mock.patch.object(
            tf.random, "stateless_normal", lambda shape, *_, **__: tf.broadcast_to(next(values), shape)
        )
        uniform = mock.patch.object(
            tf.random, "stateless_uniform", lambda shape, *_, **__: tf.reshape(problem.uniform, shape)
        )
        x, y = self.data["labelled"]
        with normal, uniform, tf.GradientTape() as tape:
            labelled = self.model.labelled_terms(x, y, ("y",))
            loss = self.model._loss(labelled, self.model.unlabelled_terms(self.data["unlabelled"]))
        gradients = tape.gradient(loss, [variable.value for variable in self._weights()])
        return {"loss": float(loss), "gradients": [float(tf.norm(gradient)) for gradient in gradients]}

    def __call__(self) -> None:
        """Takes one step."""
        self.step(self.data)["loss"].numpy()

    def _weights(self) -> list[Any]:
        q, g = self.model.recognition, self.model.generative
        return [v for node in (q["y"], q["z"], g["x"]) for part in (node.network, node.head) for v in part.trainable_weights]


def _model(case: str, jit_compile: str) -> Any:
    """The model of the preset's run on data of MNIST's size, compiled."""
    from ssdgm_tf.configs import fast_mnist
    from ssdgm_tf.data import SemiSupervisedData
    from ssdgm_tf.runs import building

    num_unlabelled, num_labelled = _sizes_of_data()
    y = np.full(num_unlabelled + num_labelled, -1, np.int32)
    y[:num_labelled] = np.arange(num_labelled) % CLASSES
    x = np.broadcast_to(np.float32(0), (len(y), *PIXELS))
    data = SemiSupervisedData(x, y, x[:1], y[:1], x[:0], y[:0], CLASSES)
    config = {**fast_mnist.get_config().to_dict(), **CASES[case]}
    return building.model({"config": config, "precision": "float32", "jit_compile": jit_compile}, data)


def _sizes_of_data() -> tuple[int, int]:
    """Unlabelled and labelled training images of the preset."""
    return 50_000 - 100, 100


def work(settings: dict[str, Any]) -> None:
    """One implementation in its own process, which steps on request; see `benchmarks.worker`.

    Args:
        settings: {"implementation": ..., "case": ..., "one_thread": ...}.
    """
    sys.stdout, answers = sys.stderr, sys.stdout  # libraries print too
    place, arguments = IMPLEMENTATIONS[settings["implementation"]]
    module, name = place.split(":")
    clock = time.process_time if settings["one_thread"] else time.perf_counter
    if settings["one_thread"]:
        _use_one_thread(module)
    problem = make(settings["case"])
    step_class = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    step = step_class(problem, case=settings["case"], **arguments)
    print(json.dumps(step.check(problem)), file=answers, flush=True)
    for _ in range(3):
        step()
    for line in sys.stdin:
        step()  # warms the caches
        start = clock()
        for _ in range(int(line)):
            step()
        print(json.dumps({"seconds": (clock() - start) / int(line)}), file=answers, flush=True)


def _use_one_thread(module: str) -> None:
    """Limits the library that computes the step of a module."""
    if module == "conv_torch":
        import torch

        torch.set_num_threads(1)
        return
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def check_alike(answers: dict[str, dict[str, Any]]) -> None:
    """Refuses implementations that do not compute the same.

    Args:
        answers: {implementation: {"loss": ..., "gradients": norms}}.

    Raises:
        ValueError: a loss or a gradient differs.
    """
    expected = answers[AGAINST]
    for name, answer in answers.items():
        alike = np.allclose(answer["loss"], expected["loss"], rtol=TOLERANCE[0])
        if not (alike and np.allclose(answer["gradients"], expected["gradients"], rtol=TOLERANCE[1])):
            raise ValueError(
                f"Every implementation must compute the same. Received: {name}, {answer}; {AGAINST}, {expected}"
            )


def measure(case: str, rounds: int, steps: int, one_thread: bool) -> dict[str, Any]:
    """All implementations of one case, in turn.

    Args:
        case: one of `CASES`.
        rounds: how often each steps.
        steps: steps of each in a round.
        one_thread: whether each has one thread, and its processor time counts instead of the wall time.
    """
    settings = {name: {"implementation": name, "case": case, "one_thread": one_thread} for name in IMPLEMENTATIONS}
    with interleave.Workers(settings, "benchmarks.convolutional") as workers:
        check_alike(workers.first)
        for name in settings:  # compiles
            workers.ask(name, "1")
        with tqdm(total=rounds, desc=case) as bar:
            seconds = interleave.measure(workers, rounds, steps, progress=bar.update)
        losses = {name: answer["loss"] for name, answer in workers.first.items()}
    rows: dict[str, dict[str, Any]] = interleave.summary(seconds, AGAINST)
    for name, row in rows.items():
        row["loss"] = losses[name]
    return {"case": case, "one_thread": one_thread, "rounds": rounds, "steps": steps, "rows": rows}


def _tables_of_other_clock(path: str | Path, one_thread: bool) -> list[dict[str, Any]]:
    """The tables of an earlier call with or without --one_thread, unlike this one."""
    tables = json.loads(Path(path).read_text())["tables"] if Path(path).exists() else []
    return [table for table in tables if table["one_thread"] != one_thread]


def main() -> None:
    """Measures the cases and writes each as soon as it is done."""
    from ssdgm_tf.runs.environment import environment

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5, help="steps of each implementation in a round")
    parser.add_argument("--one_thread", action="store_true", help="one thread each, in processor time")
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "convolutional.json")
    args = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        parser.error("This compares with PyTorch: install '.[bench]'")
    tables = _tables_of_other_clock(args.output, args.one_thread)
    for case in CASES:
        tables.append(measure(case, args.rounds, args.steps, args.one_thread))
        for name, row in tables[-1]["rows"].items():
            print(f"{case}: {name}: {row['median_ms']} ms, {row['ratio']} {row['ratio_quartiles']} of {AGAINST}")
        interleave.write(args.output, {"tables": tables, "environment": environment()})
    print(f"Written to {args.output}")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        work(json.loads(sys.argv[1]))
    else:
        main()
