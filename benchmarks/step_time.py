"""One training step of M2 by every implementation, in turn: `python -m benchmarks.step_time`, about 15 minutes on two cores.

Writes results/step_time.json; `python -m benchmarks.render` makes the tables of README.md from it.
"""

import argparse
import math

from tqdm import tqdm

from benchmarks import interleave
from benchmarks import problem as p
from benchmarks.worker import ESTIMATORS, FLOOR, OTHER_WORK, OTHERS
from ssdgm_tf.runs.environment import environment

SIZES = ((100, 100), (200, 100), (1000, 100))
AGAINST = "PyTorch by hand, compiled"
IN_BOTH = (AGAINST, "PyTorch by hand, eager", "ssdgm_tf", "ssdgm_tf, jit on", "ssdgm_tf, jit off", "TensorFlow by hand")
#: The size at which estimators and other models are measured too.
SIZE_OF_ALL = (200, 100)
PYRO = ("Pyro", "Pyro, SVI as in its example")
#: The largest relative difference between a loss and the explicit loss.
TOLERANCE = {"float32": 1e-5, "bfloat16": 1e-2}


def measure(size: tuple[int, int], precision: str, rounds: int) -> dict:
    """One table: all implementations at one size and precision."""
    names = [
        *IN_BOTH,
        FLOOR,
        *(PYRO if precision == "float32" else ()),
        *((*ESTIMATORS, *OTHERS) if size == SIZE_OF_ALL else ()),
    ]
    common = {"precision": precision, "num_unlabelled": size[0], "num_labelled": size[1]}
    with interleave.Workers({name: {"implementation": name, **common} for name in names}) as workers:
        losses = {name: workers.ask(name, "loss") for name in names if name not in OTHER_WORK}
        for name, answer in losses.items():
            if not math.isclose(answer["loss"], answer["longhand"], rel_tol=TOLERANCE[precision]):
                raise ValueError(f"Every implementation must compute the same loss. Received: {name}, {answer}")
        with tqdm(total=rounds, desc=f"{size[0]} + {size[1]}, {precision}") as bar:
            seconds = interleave.measure(workers, rounds, steps=1 if size[0] > 500 else 2, progress=bar.update)
        peaks = {name: workers.ask(name, "end")["peak_bytes"] for name in names}
    rows = interleave.summary(seconds, AGAINST)
    for name, row in rows.items():
        row["peak_mib"] = round(peaks[name] / 2**20)
        row["loss"] = losses.get(name, {}).get("loss")
    enumerated = interleave.summary(seconds, "ssdgm_tf")
    by_hand = interleave.summary(seconds, "TensorFlow by hand")
    result = {**common, "rounds": rounds, "gflop": round(p.matrix_product_flops(*size) / 1e9, 2), "rows": rows}
    result["to_enumerate"] = {name: enumerated[name] for name in ESTIMATORS if name in seconds}
    result["to_tensorflow_by_hand"] = {"ssdgm_tf": by_hand["ssdgm_tf"]}
    result["to_jit"] = {name: enumerated[name] for name in ("ssdgm_tf, jit on", "ssdgm_tf, jit off")}
    if precision == "float32":
        result["to_pyro"] = {name: interleave.summary(seconds, name)["ssdgm_tf"] for name in PYRO}
    return result


def main() -> None:
    """Measures all tables and writes each as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--sizes", default=",".join(f"{u}+{n}" for u, n in SIZES), help="unlabelled+labelled, ...")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "step_time.json")
    args = parser.parse_args()
    sizes = [size.split("+") for size in args.sizes.split(",")]
    tables: list[dict] = []
    for precision in args.precisions.split(","):
        for unlabelled, labelled in sizes:
            tables.append(measure((int(unlabelled), int(labelled)), precision, args.rounds))
            interleave.write(args.output, {"tables": tables, "environment": environment()})
    print(f"Written to {args.output}")


if __name__ == "__main__":
    main()
