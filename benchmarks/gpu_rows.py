"""What the process of one row of `benchmarks.gpu` does: it gets ready, waits until it is asked, measures and answers."""

import importlib
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import interleave
from benchmarks import problem as p

Values = dict[str, Any]
#: What a row's process does once it is asked to measure: {name: values}.
Measure = Callable[[], dict[str, Values]]

CUDA_GRAPH = "PyTorch, whole step in one CUDA graph"


def step(
    model: str, num_unlabelled: int, num_labelled: int, precision: str, jit_compile: bool | str, rounds: int, seconds: float
) -> Measure:
    """Bare steps of one model.

    Args:
        model: "M2" or one of `gpu.OTHERS`, which are compiled by "auto": with XLA on a GPU.
        num_unlabelled: unlabelled examples of a step.
        num_labelled: labelled ones.
        precision: as in `ssdgm-train`.
        jit_compile: see `compile`; of M2.
        rounds: see `gpu.Plan`.
        seconds: see `gpu.Plan`.
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
        self.model._set_complete(("y", "x"))
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
        rounds: see `gpu.Plan`.
        seconds: see `gpu.Plan`.
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
        take(1)  # compiles with the precision that was just chosen
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
        rounds: see `gpu.Plan`.
        seconds: see `gpu.Plan`.
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
        CUDA_GRAPH: lambda: _captured(torch, m2_torch.Step(problem, precision, compiled=True)),
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
