"""Steps, `fit`, memory and starts on one GPU, beside PyTorch: `python -m benchmarks.gpu`, at most 8 minutes.

    python -m benchmarks.gpu                     # on a GPU; with PyTorch too after pip install -e '.[bench]'
    python -m benchmarks.gpu --whole --tests     # also a whole training and the tests that compare numbers
    python -m benchmarks.gpu --small             # tiny sizes of what needs no GPU

Every row has its own process. Those of a part get ready, several at once, because compilation takes most of the time; then
they are measured one after the other, while nothing else runs. XLA chooses kernels by their time while it compiles, so with
--at_once=1, which takes longer than the 8 minutes, its choices may be better. A row that fails, or is not ready when the
time of its part is over, is left out, with the reason. Programs are kept in the usual folder
(`ssdgm_tf/runs/compilation_cache.py`), so the same command again gets ready sooner.

A bare step is a call of the compiled training step and the read of its loss. `fit` is an epoch over arrays in memory, per
step, without the first epoch. Peak memory is what TensorFlow had allocated on the device at most while a row was measured;
on a CPU it is that of the whole process. Writes results/gpu.json after every row.
"""

import argparse
import concurrent.futures
import contextlib
import importlib
import importlib.util
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from unittest import mock

import numpy as np

from benchmarks import interleave
from benchmarks import problem as p

Values = dict[str, Any]
#: What a row's process does once it is asked to measure: {name: values}.
Measure = Callable[[], dict[str, Values]]

SIZES = ((200, 100), (1000, 100), (10_000, 1000))
PRECISIONS = ("tf32", "bfloat16", "float32")
#: Models other than M2, each in one precision.
OTHERS = ("ADGM", "four-node graph", "fast_mnist")
_FIT = ((200, 100, "tf32"), (200, 100, "bfloat16"), (1000, 100, "bfloat16"), (200, 100, "float32"))
_COLD, _SECOND = "cold: nothing is kept", "second start, with kept programs"
_TESTS = ("tests/conformance", "tests/oracles", "tests/layers")
#: Seconds that a whole training and the tests may take.
_LIMITS = {"whole": 600, "tests": 1500}
_CUDA_GRAPH = "PyTorch, whole step in one CUDA graph"
#: What the variables of every process add to those of this one.
_VARIABLES = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


class Row(NamedTuple):
    """What one process measures.

    Attributes:
        name: its name in the results if it fails.
        kind: one of `KINDS`.
        settings: arguments of the function of that kind.
        variables: environment variables of the process.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    variables: dict[str, str]


class Part(NamedTuple):
    """Rows that share a time.

    Attributes:
        name: its name in the results.
        rows: what is measured, the most important first.
        seconds: the time of the part.
        measuring: the part of these seconds that is kept for measuring.
        at_once: how many processes get ready at the same time.
    """

    name: str
    rows: list[Row]
    seconds: float
    measuring: float
    at_once: int


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        sizes: unlabelled and labelled examples of M2's steps.
        precisions: those of M2's steps.
        others: models other than M2, at the first size.
        fit: (unlabelled, labelled, precision) of `fit`.
        steps: steps of an epoch of `fit`.
        jit_compile: see `compile`.
        rounds: how often each row is measured.
        seconds: about the length of a round.
        product: rows and columns of the large matrix product.
    """

    sizes: tuple[tuple[int, int], ...]
    precisions: tuple[str, ...]
    others: tuple[str, ...]
    fit: tuple[tuple[int, int, str], ...]
    steps: int
    jit_compile: bool | str
    rounds: int
    seconds: float
    product: int


FULL = Plan(SIZES, PRECISIONS, OTHERS, _FIT, steps=200, jit_compile=True, rounds=7, seconds=0.2, product=8192)
SMALL = Plan(((4, 2),), ("bfloat16",), ("fast_mnist",), ((4, 2, "tf32"),), 4, "auto", rounds=2, seconds=0.02, product=64)


# -- what a row's process does --


def step(
    model: str, num_unlabelled: int, num_labelled: int, precision: str, jit_compile: bool | str, rounds: int, seconds: float
) -> Measure:
    """Bare steps of one model.

    Args:
        model: "M2" or one of `OTHERS`, which are compiled by "auto": with XLA on a GPU.
        num_unlabelled: unlabelled examples of a step.
        num_labelled: labelled ones.
        precision: as in `ssdgm-train`.
        jit_compile: see `compile`; of M2.
        rounds: see `Plan`.
        seconds: see `Plan`.
    """
    from benchmarks import engine

    policy = _choose(precision)
    problem = p.make(num_unlabelled, num_labelled)
    makers: dict[str, Callable[[], Any]] = {
        "M2": lambda: engine.Step(problem, policy, jit_compile),
        "ADGM": lambda: engine.GraphStep(problem, policy, "adgm"),
        "four-node graph": lambda: engine.GraphStep(problem, policy, "faces"),
        "fast_mnist": lambda: PresetStep(problem, precision),
    }
    take = makers[model]()
    _several(take)(5)
    _forget_peak()

    def measure() -> dict[str, Values]:
        values = _labels(num_unlabelled, num_labelled, precision) | {"jit_compile": bool(take.model.jit_compile)}
        values |= summary(time_rounds(_several(take), rounds, seconds)) | {"peak_mib": _peak_mib()}
        if model == "M2":
            values["tflops"] = tflops(num_unlabelled, num_labelled, values["ms"])
        return {f"{model} {values['size']}, {precision}": values}

    return measure


class PresetStep:
    """One training step of the model of `fast_mnist`, on the pixels of a problem as images of 28 by 28.

    Args:
        problem: the data; its weights are not used.
        precision: as in `ssdgm-train`.
    """

    def __init__(self, problem: p.Problem, precision: str) -> None:
        import tensorflow as tf

        from ssdgm_tf import data
        from ssdgm_tf.configs import fast_mnist
        from ssdgm_tf.runs import building

        num_unlabelled, num_labelled = len(problem.x_unlabelled), len(problem.x_labelled)
        labelled, unlabelled = (x.reshape(-1, 28, 28, 1) for x in (problem.x_labelled, problem.x_unlabelled))
        x, y = np.concatenate([labelled, unlabelled]), np.append(problem.y, np.full(num_unlabelled, -1)).astype(np.int32)
        dataset = data.SemiSupervisedData(x, y, x, y, x[:0], y[:0], num_classes=p.CLASSES)
        config = fast_mnist.get_config(f"labels={num_labelled},seed=0").to_dict()
        self.model = building.model({"config": config, "precision": precision, "jit_compile": "auto"}, dataset)
        self.model._set_objective_scale(num_unlabelled, num_labelled)
        self.model._set_complete(("y",))
        self.model._choose_kernels(num_unlabelled)
        self.step = tf.function(self.model.train_step, jit_compile=self.model.jit_compile, autograph=False)
        y_labelled = tf.constant(problem.y, tf.int32)
        self.data = {
            "labelled": ({"x": tf.constant(labelled)}, {"y": y_labelled}),
            "unlabelled": {"x": tf.constant(unlabelled)},
        }

    def __call__(self) -> None:
        """Takes one step."""
        self.step(self.data)["loss"].numpy()


def product(size: int, precisions: tuple[str, ...], rounds: int, seconds: float) -> Measure:
    """A large matrix product, what the card can do at most in practice.

    Args:
        size: rows and columns of both factors, of normal numbers.
        precisions: as in `ssdgm-train`.
        rounds: see `Plan`.
        seconds: see `Plan`.
    """
    import tensorflow as tf

    each = 10
    factor = tf.random.stateless_normal((size, size), (0, 0)) / size**0.5  # so that products of products stay finite

    def take_in(precision: str) -> Callable[[int], None]:
        w = tf.cast(factor, tf.bfloat16 if _choose(precision) == "bfloat16" else tf.float32)

        def products(x: tf.Tensor) -> tf.Tensor:
            for _ in range(each):
                x = tf.matmul(x, w)
            return x

        function = tf.function(products, jit_compile=True, autograph=False)
        take = _several(lambda: function(w)[0, 0].numpy())
        take(1)  # compiles, for the precision that is chosen now
        return take

    takes = {precision: take_in(precision) for precision in precisions}

    def measure() -> dict[str, Values]:
        rows = {}
        for precision, take in takes.items():
            values = summary([own / each for own in time_rounds(take, rounds, seconds)])
            values |= {"precision": precision, "tflops": 2 * size**3 / values["ms"] / 1e9}
            rows[f"product of {size} x {size}, {precision}"] = values
        return rows

    return measure


def fit(num_unlabelled: int, num_labelled: int, precision: str, jit_compile: bool | str, steps: int, rounds: int) -> Measure:
    """An epoch of `fit` on arrays, and after each as many bare steps, in one process.

    Args:
        num_unlabelled: unlabelled examples of a step.
        num_labelled: labelled ones.
        precision: as in `ssdgm-train`.
        jit_compile: see `compile`.
        steps: steps of an epoch.
        rounds: epochs that are measured.
    """
    from benchmarks import engine

    policy = _choose(precision)
    problem = p.make(num_unlabelled, num_labelled)
    bare = _several(engine.Step(problem, policy, jit_compile))
    bare(5)
    x = np.concatenate([problem.x_labelled, np.tile(problem.x_unlabelled, (steps, 1))])
    y = np.append(problem.y, np.full(num_unlabelled * steps, -1))
    model = engine.make_m2(engine.POLICIES[policy])
    engine.start(model, num_unlabelled * steps, num_labelled, jit_compile=jit_compile)
    arguments: dict[str, Any] = {"batch_size": num_unlabelled, "labelled_batch_size": num_labelled, "seed": 0, "verbose": 0}
    model.fit(x, y, **arguments)  # compiles
    _forget_peak()

    def measure() -> dict[str, Values]:
        times: dict[str, list[float]] = {"fit": [], "step": []}
        callback = _alternation(times, bare, steps)
        model.fit(x, y, epochs=rounds + 1, callbacks=[callback], **arguments)
        times = {name: own[1:] for name, own in times.items()}  # the first epoch moves the arrays to the device
        values = _labels(num_unlabelled, num_labelled, precision) | {"jit_compile": bool(model.jit_compile)}
        values |= summary(times["fit"]) | {"bare": summary(times["step"]), "peak_mib": _peak_mib()}
        of_rounds = interleave.summary(times, "step")["fit"]
        values |= {"to_bare_step": of_rounds["ratio"], "to_bare_step_quartiles": of_rounds["ratio_quartiles"]}
        return {f"fit, M2 {values['size']}, {precision}": values}

    return measure


def _alternation(times: dict[str, list[float]], bare: Callable[[int], None], steps: int) -> Any:
    """A callback that times each epoch, to the end of its work on the device, then the same number of bare steps."""
    import keras

    class Alternate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.model.trainable_variables[0].numpy()
            times["fit"].append((time.perf_counter() - self.start) / steps)
            start = time.perf_counter()
            bare(steps)
            times["step"].append((time.perf_counter() - start) / steps)

    return Alternate()


def pytorch(num_unlabelled: int, num_labelled: int, precision: str, rounds: int, seconds: float) -> Measure:
    """The step of M2 in PyTorch: eager, compiled, and the whole compiled step in one CUDA graph.

    Args:
        num_unlabelled: unlabelled examples of a step.
        num_labelled: labelled ones.
        precision: "tf32" or "bfloat16" (autocast).
        rounds: see `Plan`.
        seconds: see `Plan`.
    """
    torch, m2_torch = importlib.import_module("torch"), importlib.import_module("benchmarks.m2_torch")
    if not torch.cuda.is_available():
        raise RuntimeError("PyTorch finds no GPU")
    torch.set_default_device("cuda")
    torch.set_float32_matmul_precision("high")  # TF32
    m2_torch.Step._autocast = lambda of: torch.autocast("cuda", torch.bfloat16, enabled=of.precision == "bfloat16")
    problem = p.make(num_unlabelled, num_labelled)
    makers: dict[str, Callable[[], Callable[[], None]]] = {
        "PyTorch, eager": lambda: m2_torch.Step(problem, precision, compiled=False),
        "PyTorch, compiled": lambda: m2_torch.Step(problem, precision, compiled=True),
        _CUDA_GRAPH: lambda: _captured(torch, m2_torch.Step(problem, precision, compiled=True)),
    }
    takes, failures = {}, {}
    for name, make in makers.items():
        try:
            takes[name] = _several(make(), torch.cuda.synchronize)
            takes[name](5)
        except Exception as error:  # the other ways still count
            takes.pop(name, None)
            failures[name] = {"skipped": f"{type(error).__name__}: {error}".splitlines()[0][:300]}

    def measure() -> dict[str, Values]:
        labels = _labels(num_unlabelled, num_labelled, precision)
        rows = failures | {name: labels | summary(time_rounds(take, rounds, seconds)) for name, take in takes.items()}
        return {f"{name}, M2 {labels['size']}, {precision}": values for name, values in rows.items()}

    return measure


def _captured(torch: Any, of_step: Any) -> Callable[[], None]:
    """A step (forward, backward and Adam) in one CUDA graph, which draws new noise each time."""
    of_step.optimizer = torch.optim.Adam(of_step.weights.values(), p.LEARNING_RATE, fused=True, capturable=True)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # as PyTorch asks for it before a capture
        for _ in range(4):
            of_step()
    torch.cuda.current_stream().wait_stream(side)
    of_step.optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        of_step()

    def replay(captured: Any = of_step) -> None:  # the graph reads and writes its tensors, which must live as long
        graph.replay()

    return replay


def start(name: str, num_unlabelled: int, num_labelled: int, steps: int) -> Measure:
    """Trains M2 for an epoch, as a command would; the process is ready at its end.

    Args:
        name: of the row.
        num_unlabelled: unlabelled examples of a step.
        num_labelled: labelled ones.
        steps: steps of the epoch, which take far less time than their compilation.
    """
    from benchmarks import engine

    _choose("float32")
    problem = p.make(num_unlabelled, num_labelled)
    x = np.concatenate([problem.x_labelled, np.tile(problem.x_unlabelled, (steps, 1))])
    y = np.append(problem.y, np.full(num_unlabelled * steps, -1))
    model = engine.make_m2("float32")
    model.compile("adam")
    model.fit(x, y, batch_size=num_unlabelled, labelled_batch_size=num_labelled, seed=0, verbose=0)
    return lambda: {name: _labels(num_unlabelled, num_labelled, "float32")}


KINDS: dict[str, Callable[..., Measure]] = {"step": step, "product": product, "fit": fit, "torch": pytorch, "start": start}


def work(kind: str, settings: dict[str, Any]) -> None:
    """The process of a row: gets ready, says so, waits for a line, measures and answers.

    Args:
        kind: one of `KINDS`.
        settings: arguments of that function.
    """
    sys.stdout, answers = sys.stderr, sys.stdout  # libraries print too
    measure = KINDS[kind](**settings)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    sys.stdin.readline()
    print(json.dumps(measure()), file=answers, flush=True)


# -- numbers --


def tflops(num_unlabelled: int, num_labelled: int, ms: float) -> float:
    """10^12 floating-point operations per second of the matrix products of a step of M2.

    A product of [rows, n] and [n, m] has 2 rows n m operations. Each counts once forward and twice backward, for the
    gradients of both factors; the first layers of q(y|x) and q(z|x,y), 784 x 600, count once backward, because images need
    no gradient. Rows are images in q(y|x), 600 x 600 and 600 x 10 beside its first layer, and in the first layer of
    q(z|x,y). In the rest, 600 x 600 and 600 x 100 of q(z|x,y), then 50 x 600, 600 x 600 and 600 x 784 of p(x|y,z), they are
    the labelled images, and the unlabelled ones once for each of the ten classes. Labels choose rows of a matrix, which is
    no product. `problem.matrix_product_flops` is this count.

    Args:
        num_unlabelled: unlabelled examples.
        num_labelled: labelled examples.
        ms: milliseconds of the step.
    """
    return p.matrix_product_flops(num_unlabelled, num_labelled) / ms / 1e9


def time_rounds(take: Callable[[int], None], rounds: int, seconds: float) -> list[float]:
    """Seconds of a step, one figure per round.

    Args:
        take: takes so many steps, and returns when they are done.
        rounds: how many rounds.
        seconds: about the length of a round.
    """

    def per_step(steps: int) -> float:
        begin = time.perf_counter()
        take(steps)
        return (time.perf_counter() - begin) / steps

    steps = max(2, int(seconds / per_step(3)))
    return [per_step(steps) for _ in range(rounds)]


def summary(seconds: list[float]) -> Values:
    """Median and quartiles of figures, in ms.

    Args:
        seconds: the figures, at least two.
    """
    low, middle, high = (round(1e3 * value, 4) for value in statistics.quantiles(seconds, n=4, method="inclusive"))
    return {"ms": middle, "quartiles": [low, high]}


def _several(of_one: Callable[[], Any], wait: Callable[[], object] = lambda: None) -> Callable[[int], None]:
    """A function that takes so many steps and waits for their end."""

    def take(steps: int) -> None:
        for _ in range(steps):
            of_one()
        wait()

    return take


def _labels(num_unlabelled: int, num_labelled: int, precision: str) -> Values:
    return {"size": f"{num_unlabelled} + {num_labelled}", "precision": precision}


def _choose(precision: str) -> str:
    """Chooses the products of float32 matrices; returns the precision in the words of `engine.POLICIES`."""
    from ssdgm_tf.runs.precision import choose_products

    choose_products(precision)
    return "bfloat16" if precision == "bfloat16" else "float32"


def _forget_peak() -> None:
    """Forgets the memory that compilation and the first steps took, where it is that of a device."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")


def _peak_mib() -> float:
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)  # Linux counts it in KiB


# -- the processes --


class Process:
    """The process of one row.

    Args:
        row: what it measures.

    Attributes:
        ready_seconds: from its start until it was ready.
    """

    def __init__(self, row: Row) -> None:
        self.row, self.ready_seconds = row, 0.0
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from benchmarks import gpu; gpu.work({row.kind!r}, {row.settings!r})"],
            cwd=interleave.ROOT,
            env=os.environ | row.variables | _VARIABLES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,  # so that what it starts ends with it
        )

    def get_ready(self, seconds: float) -> None:
        """Waits until it is ready.

        Args:
            seconds: how long at most.
        """
        self._answer(seconds, "was not ready")
        self.ready_seconds = time.perf_counter() - self.start

    def measure(self, seconds: float) -> dict[str, Values]:
        """Lets it measure; {name: values}.

        Args:
            seconds: how long at most.
        """
        requests = cast(IO[str], self.process.stdin)
        requests.write("\n")
        requests.flush()
        return self._answer(seconds, "did not end measuring")

    def end(self) -> None:
        """Ends it and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends it, and waits until it has given everything back."""
        self.end()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):
                cast(IO[str], stream).close()

    def _answer(self, seconds: float, failure: str) -> dict:
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            self.end()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        line = cast(IO[str], self.process.stdout).readline()
        timer.cancel()
        if line:
            return json.loads(line)
        if is_late.is_set():
            raise TimeoutError(f"{failure} after {seconds:.0f} s")
        self.errors.seek(0)
        raise RuntimeError(reason(self.errors.read()))


def reason(errors: str) -> str:
    """The line that says why a process ended, of what it wrote to its error stream.

    Args:
        errors: what it wrote.
    """
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return [*(named or lines or ["the process ended without a word"])][-1][:300]


def measure(part: Part) -> Iterator[tuple[str, Values]]:
    """Measures the rows of a part; gives each as soon as it is known, or the reason why it is not.

    Args:
        part: the part.
    """
    ends = time.monotonic() + part.seconds
    processes: dict[str, Process] = {}

    def ready(row: Row) -> Process:
        left = ends - part.measuring - time.monotonic()
        if left < 1:
            raise TimeoutError(f"not begun: the {part.seconds:.0f} s of its part were over")
        processes[row.name] = Process(row)
        processes[row.name].get_ready(left)
        return processes[row.name]

    pool = concurrent.futures.ThreadPoolExecutor(part.at_once)
    try:
        waiting = {row.name: pool.submit(ready, row) for row in part.rows}
        concurrent.futures.wait(waiting.values())
        for name, future in waiting.items():
            try:
                rows = future.result().measure(max(1, ends - time.monotonic()))
            except (OSError, RuntimeError, ValueError) as error:
                yield name, {"skipped": str(error)}
                continue
            for own, values in rows.items():
                yield own, values | {"ready_seconds": round(processes[name].ready_seconds, 1)}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(processes.values()):
            process.end()
        for process in list(processes.values()):
            process.close()


def variables(cache: Path | None, **more: str) -> dict[str, str]:
    """Environment variables of a process that keeps its programs in a cache, as the commands do.

    Args:
        cache: the cache folder of a user; None for the usual one.
        **more: other variables.
    """
    from ssdgm_tf.runs import compilation_cache

    own = {} if cache is None else {"XDG_CACHE_HOME": str(cache), "TF_XLA_FLAGS": ""}
    with mock.patch.dict(os.environ, own):
        compilation_cache.use()  # here, because a process must have it before it imports TensorFlow
        return own | {"TF_XLA_FLAGS": os.environ.get("TF_XLA_FLAGS", "")} | more


# -- the parts --


def starts(plan: Plan, folder: Path, has_gpu: bool) -> list[Row]:
    """The rows of starts, in an order in which the second finds what the first has kept.

    Args:
        plan: sizes.
        folder: an empty one.
        has_gpu: whether XLA may choose kernels by their time.
    """
    environments = {_COLD: variables(folder / "kept"), _SECOND: variables(folder / "kept")}
    if has_gpu:
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0".strip()
        environments["cold, without autotuning"] = variables(folder / "other", XLA_FLAGS=flags)
    unlabelled, labelled, _ = plan.fit[0]
    settings: dict[str, Any] = {"num_unlabelled": unlabelled, "num_labelled": labelled, "steps": min(plan.steps, 50)}
    return [Row(name, "start", {"name": name, **settings}, own) for name, own in environments.items()]


def steps(plan: Plan, environment: dict[str, str]) -> list[Row]:
    """The rows of bare steps, and of the large product.

    Args:
        plan: sizes.
        environment: variables of the processes.
    """
    lengths = {"rounds": plan.rounds, "seconds": plan.seconds}
    settings: dict[str, Any] = {"size": plan.product, "precisions": plan.precisions, **lengths}
    rows = [Row("large product", "product", settings, environment)]
    named = [("M2", size, precision) for precision in plan.precisions for size in plan.sizes]
    named += [(model, plan.sizes[0], plan.precisions[0]) for model in plan.others]
    for model, (unlabelled, labelled), precision in named:
        settings = {"model": model, "num_unlabelled": unlabelled, "num_labelled": labelled, "precision": precision}
        settings |= {"jit_compile": plan.jit_compile, **lengths}
        rows.append(Row(f"{model} {unlabelled} + {labelled}, {precision}", "step", settings, environment))
    return rows


def fits(plan: Plan, environment: dict[str, str]) -> list[Row]:
    """The rows of `fit`.

    Args:
        plan: sizes.
        environment: variables of the processes.
    """
    rows = []
    for unlabelled, labelled, precision in plan.fit:
        settings: dict[str, Any] = {"num_unlabelled": unlabelled, "num_labelled": labelled, "precision": precision}
        settings |= {"jit_compile": plan.jit_compile, "steps": plan.steps, "rounds": plan.rounds}
        rows.append(Row(f"fit, M2 {unlabelled} + {labelled}, {precision}", "fit", settings, environment))
    return rows


def of_pytorch(plan: Plan) -> list[Row]:
    """The rows of PyTorch.

    Args:
        plan: sizes.
    """
    rows = []
    for unlabelled, labelled in plan.sizes:
        for precision in ("tf32", "bfloat16"):
            settings: dict[str, Any] = {"num_unlabelled": unlabelled, "num_labelled": labelled, "precision": precision}
            settings |= {"rounds": plan.rounds, "seconds": plan.seconds}
            rows.append(Row(f"PyTorch, M2 {unlabelled} + {labelled}, {precision}", "torch", settings, {}))
    return rows


def why_no_pytorch(gpus: list[str], is_installed: bool) -> str | None:
    """Why PyTorch cannot be measured; None if it can.

    Args:
        gpus: names of the GPUs.
        is_installed: whether PyTorch is.
    """
    if not gpus:
        return "PyTorch is compared on a GPU. Received: none"
    return None if is_installed else "PyTorch is not installed: pip install -e '.[bench]'"


def whole(data_dir: str | None) -> Values:
    """Seconds of `ssdgm-train --config=fast_mnist`, from its start to its report.

    Args:
        data_dir: folder of prepared data sets; None for the default.
    """
    from ssdgm_tf import data

    try:
        data.require("mnist", data_dir, False, "")
    except (FileNotFoundError, ValueError):
        return {"skipped": "MNIST is not prepared: run ssdgm-train --config=fast_mnist --download, or give --data_dir"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ssdgm_tf.trainers.train", "--config=fast_mnist", f"--workdir={folder}/run"]
        return _run("whole", [*command, *([f"--data_dir={data_dir}"] if data_dir else [])], lambda output: {})


def _run(name: str, command: list[str], read: Callable[[str], Values]) -> Values:
    """Seconds of a command, and what is read from its output; the reason where it takes too long or says nothing."""
    begin = time.perf_counter()
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMITS[name], cwd=interleave.ROOT, env=os.environ | _VARIABLES
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"did not end after {_LIMITS[name]} s"}
    values = read(ended.stdout)
    if ended.returncode and not values:
        return {"skipped": reason(ended.stderr)}
    return {"seconds": round(time.perf_counter() - begin, 1), **values}


def outcome(output: str) -> Values:
    """Numbers of tests and the names of those that failed; {} if none ran.

    Args:
        output: that of pytest with `-q -ra`.
    """
    last = ([line for line in output.splitlines() if line.strip()] or [""])[-1]
    counts = {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|failed|skipped|xfailed|errors?)", last)}
    failures = re.findall(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", output, re.MULTILINE)
    return {**counts, "failures": failures} if counts else {}


# -- the results --


def relate(parts: dict[str, dict[str, Values]]) -> None:
    """Adds what needs several rows: shares of the large product, ratios of `fit` to PyTorch's CUDA graph.

    Args:
        parts: {part: {row: values}}, which is changed.
    """
    rows = parts.get("steps", {})
    peaks = {values["precision"]: values["tflops"] for name, values in rows.items() if name.startswith("product")}
    for name, values in rows.items():
        if "tflops" in values and not name.startswith("product") and values["precision"] in peaks:
            values["share"] = round(values["tflops"] / peaks[values["precision"]], 3)
    for values in parts.get("fit", {}).values():
        graph = parts.get("torch", {}).get(f"{_CUDA_GRAPH}, M2 {values.get('size')}, {values.get('precision')}", {})
        if "ms" in graph and "ms" in values:
            values["to_cuda_graph"] = round(values["ms"] / graph["ms"], 3)


def table(results: Values) -> str:
    """The rows of all parts, in markdown.

    Args:
        results: what is written.
    """
    lines = [
        f"| | ms (quartiles) | TFLOP/s | share of large product | peak {results['memory']} memory, MiB | s until ready | |",
        "|---" * 7 + "|",
    ]
    for rows in results["parts"].values():
        for name, values in rows.items():
            quartiles = "-".join(f"{value:.3g}" for value in values.get("quartiles", ()))
            cells = [
                name,
                f"{values['ms']:.3g} ({quartiles})" if "ms" in values else "",
                f"{values['tflops']:.3g}" if "tflops" in values else "",
                f"{values['share']:.0%}" if "share" in values else "",
                f"{values['peak_mib']:.0f}" if "peak_mib" in values else "",
                f"{values['ready_seconds']:.1f}" if "ready_seconds" in values else "",
                _note(values),
            ]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _note(values: Values) -> str:
    """What a row has beside numbers that every row may have."""
    notes = [f"left out: {values['skipped']}"] if "skipped" in values else []
    notes += [f"{values['to_bare_step']:.2f} of a bare step"] if "to_bare_step" in values else []
    notes += [f"{values['to_cuda_graph']:.2f} of PyTorch's CUDA graph"] if "to_cuda_graph" in values else []
    notes += [f"{values['seconds']:.0f} s"] if "seconds" in values else []
    return "; ".join([*notes, *(f"{values[kind]} {kind}" for kind in ("passed", "failed") if kind in values)])


class Results:
    """The results so far, in a file.

    Args:
        path: the file.
        environment: versions and hardware.

    Attributes:
        values: what is written.
    """

    def __init__(self, path: Path, environment: dict) -> None:
        self.path, self.start = path, time.perf_counter()
        memory = "device" if environment["accelerators"] else "host"
        self.values: Values = {"parts": {}, "seconds": 0.0, "memory": memory, "environment": environment}

    def add(self, part: str, name: str, values: Values) -> None:
        """Adds a row, writes the file and a line.

        Args:
            part: the name of its part.
            name: its own.
            values: its values.
        """
        self.values["parts"].setdefault(part, {})[name] = values
        relate(self.values["parts"])
        self.values["seconds"] = round(time.perf_counter() - self.start, 1)
        interleave.write(self.path, self.values)
        ms = f"{values['ms']:.3g} ms" if "ms" in values else f"ready after {values.get('ready_seconds')} s"
        said = [*([ms] if "skipped" not in values and "seconds" not in values else []), _note(values)]
        print(f"{self.values['seconds']:5.0f} s  {part}: {name}: {'; '.join(filter(None, said))}", flush=True)

    def add_all(self, part: Part) -> None:
        """Measures a part and adds its rows.

        Args:
            part: the part.
        """
        print(f"{part.name}: {len(part.rows)} processes, at most {part.seconds:.0f} s", flush=True)
        for name, values in measure(part):
            self.add(part.name, name, values)


def run(plan: Plan, results: Results, gpus: list[str], at_once: int) -> None:
    """Measures the parts that share the 8 minutes.

    Args:
        plan: sizes.
        results: where they are added.
        gpus: names of the GPUs.
        at_once: see `Part`.
    """
    with tempfile.TemporaryDirectory() as folder:
        results.add_all(Part("start", starts(plan, Path(folder), bool(gpus)), 105, measuring=2, at_once=1))
    second = results.values["parts"]["start"].get(_SECOND, {})
    # Where a start with kept programs fails, the other parts keep none.
    environment = {"TF_XLA_FLAGS": ""} if "skipped" in second else variables(None)
    results.add_all(Part("steps", steps(plan, environment), 185, measuring=45, at_once=at_once))
    results.add_all(Part("fit", fits(plan, environment), 95, measuring=25, at_once=at_once))
    why_not = why_no_pytorch(gpus, importlib.util.find_spec("torch") is not None)
    if why_not is None:
        results.add_all(Part("torch", of_pytorch(plan), 75, measuring=30, at_once=at_once))
    else:
        results.add("torch", "PyTorch", {"skipped": why_not})


def main() -> None:
    """Measures, writes the results and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny sizes of what needs no GPU")
    parser.add_argument("--whole", action="store_true", help="also the whole of ssdgm-train --config=fast_mnist")
    parser.add_argument("--tests", action="store_true", help=f"also {', '.join(_TESTS)}")
    parser.add_argument("--at_once", type=int, default=4, help="processes that compile at the same time")
    parser.add_argument("--data_dir", default=None, help="folder of prepared data sets, for --whole")
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "gpu.json", type=Path)
    args = parser.parse_args()
    os.environ.update(_VARIABLES)
    from ssdgm_tf.runs.environment import environment

    found = environment()
    gpus = found["accelerators"]
    if not gpus and not args.small:
        sys.exit(f"python -m benchmarks.gpu needs a GPU. Received: none, on {found['processor']}; --small needs none")
    results = Results(args.output, found)
    run(SMALL if args.small else FULL, results, gpus, args.at_once)
    if args.whole:
        results.add("whole", "ssdgm-train --config=fast_mnist", whole(args.data_dir))
    if args.tests:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TESTS]
        results.add("tests", "pytest", _run("tests", command, outcome))
    print(f"\n{table(results.values)}\nResults in {args.output}")


if __name__ == "__main__":
    main()
