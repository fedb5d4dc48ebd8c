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
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import interleave
from benchmarks.gpu_rows import CUDA_GRAPH, Values
from benchmarks.processes import VARIABLES, Part, Row, measure, reason, variables

SIZES = ((200, 100), (1000, 100), (10_000, 1000))
PRECISIONS = ("tf32", "bfloat16", "float32")
#: Models other than M2, each in one precision.
OTHERS = ("ADGM", "four-node graph", "fast_mnist")
_FIT = ((200, 100, "tf32"), (200, 100, "bfloat16"), (1000, 100, "bfloat16"), (200, 100, "float32"))
_COLD, _SECOND = "cold: nothing is kept", "second start, with kept programs"
_TESTS = ("tests/conformance", "tests/oracles", "tests/layers")
#: Seconds that a whole training and the tests may take.
_LIMITS = {"whole": 600, "tests": 1500}


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
            command, capture_output=True, text=True, timeout=_LIMITS[name], cwd=interleave.ROOT, env=os.environ | VARIABLES
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
        graph = parts.get("torch", {}).get(f"{CUDA_GRAPH}, M2 {values.get('size')}, {values.get('precision')}", {})
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
        at_once: see `processes.Part`.
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
    os.environ.update(VARIABLES)
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
