"""Where the time of a step goes, by TensorFlow's profiler: `python -m benchmarks.profile`, about 2 minutes.

Every moment of a step counts for the first kind of work in `KINDS` that runs on any core at that moment, so the shares add
up to the step. Writes results/profile.json. (Run it as a module: as a script its name would hide Python's own `profile`.)
"""

import argparse
import glob
import re
import tempfile
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks import engine, interleave
from benchmarks import problem as p
from ssdgm_tf.models import streams
from ssdgm_tf.models.order import Order
from ssdgm_tf.runs.environment import environment

Interval = tuple[int, int]

#: {kind of work: pattern of the names of its events}, in order of precedence.
KINDS = {
    "matrix products": r":_?\w*MatMul$|^MatMul(_\d+)?(\.\d+)?$",
    "the optimizer's operations": r"^adam\w*/",
    "compiled kernels, the optimizer's among them": r"ExecuteAsyncOnStream$",
    "random numbers": r":Stateless(Random|Truncated)\w*$",
    "elementwise and all other operations": r"[^:]:\w+$",
    "Python and the call": r"^train_step",
}
#: {name: jit_compile}.
VARIANTS: dict[str, bool | str] = {
    "every operation apart (jit_compile=False)": False,
    "kernels between products (auto)": "auto",
    "the whole step by XLA (jit_compile=True)": True,
}


def profile(step: engine.Step, steps: int = 10) -> dict:
    """Shares of the wall time of `step`, in ms, and the number of operations and kernels that start in it."""
    for _ in range(3):
        step()
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for number in range(steps):
            with tf.profiler.experimental.Trace("train_step", step_num=number):
                step()
        tf.profiler.experimental.stop()
        events = list(_events(folder))
    window = [(start, end) for start, end, name in events if name.startswith("train_step")]
    shares: dict[str, float] = {}
    covered: list[Interval] = []
    for kind, pattern in KINDS.items():
        own = [(start, end) for start, end, name in events if re.search(pattern, name)]
        before = _length(covered)
        covered = _union([*covered, *own])
        shares[kind] = round((_length(covered) - before) / steps / 1e9, 2)
    return {
        "step_ms": round(_length(_union(window)) / steps / 1e9, 2),
        "ms": shares,
        "operations": sum(bool(re.search(r"[^:]:\w+$", name)) for *_, name in events) // steps,
        "kernels": sum(name.endswith("ExecuteAsyncOnStream") for *_, name in events) // steps,
    }


def input_share(epochs: int = 3) -> dict:
    """Milliseconds per step of the input only, where it streams: the streams of `fit`, read as fast as possible."""
    problem = p.make(200, 100)
    x = {"x": np.concatenate([problem.x_labelled, np.tile(problem.x_unlabelled, (100, 1))])}
    is_labelled = np.arange(len(x["x"])) < 100
    arrays = streams.Arrays(x, {"y": np.where(is_labelled, 0, -1)}, Order(is_labelled, 200, 100), fills=False)
    epochs_of_arrays = streams.two_streams(arrays)
    for _ in epochs_of_arrays.dataset:  # warm
        pass
    start = time.perf_counter()
    for epoch in range(epochs):
        epochs_of_arrays.epoch.assign(epoch)
        for _ in epochs_of_arrays.dataset:
            pass
    return {"input_ms": round(1e3 * (time.perf_counter() - start) / (epochs * epochs_of_arrays.num_steps), 3)}


def main() -> None:
    """Profiles every variant and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "profile.json")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    problem = p.make(200, 100)
    profiles: dict[str, dict[str, dict]] = {}
    cases = [(precision, name) for precision in ("float32", "bfloat16") for name in VARIANTS]
    for precision, name in tqdm(cases, desc="profiles"):
        if precision == "bfloat16" and name.startswith("the whole"):
            continue
        profiles.setdefault(precision, {})[name] = profile(engine.Step(problem, precision, VARIANTS[name]))
    interleave.write(args.output, {"profiles": profiles, **input_share(), "environment": environment()})
    print(f"Written to {args.output}")


def _events(folder: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, name) of every event in the profile, in ps."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    with open(glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)[0], "rb") as file:
        space.ParseFromString(file.read())
    for plane in space.planes:
        names = {number: metadata.name for number, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                start = line.timestamp_ns * 1000 + event.offset_ps
                yield start, start + event.duration_ps, names[event.metadata_id]


def _union(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _length(intervals: list[Interval]) -> int:
    return sum(end - start for start, end in intervals)


if __name__ == "__main__":
    main()
