"""What many steps in one program change: the weights not at all, the compiled programs, and the host's calls.

    python -m benchmarks.loops

Each model is trained for three epochs of eleven steps, the last of fewer examples: step by step, with batches from a
pipeline of the host, and in loops over arrays in memory. A third training, step by step too, starts from weights that are
one rounding away: how far it ends from the first says what rounding alone does. Each training has its own process. XLA
writes down the programs that it compiles, and they are counted.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import interleave

MODELS = ("M2", "ADGM", "two supervised variables", "fast_mnist")
_EPOCHS, _UNLABELLED, _LABELLED = 3, 1030, 50
# Steps of an execution, by the way of training.
_AT_ONCE = {"step by step": 1, "loops": 4, "a rounding away": 1}
_PARTS = {"fusions": r" fusion\(", "products": r" (dot|convolution)\(|__onednn|_matmul"}
_PARTS |= {"loops": r" while\(", "host calls": r" (infeed|outfeed|send|recv)\(|host_callback|python_callback"}


def make_data() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bytes of images, a class and a number for some of them."""
    generator = np.random.default_rng(0)
    size = _UNLABELLED + _LABELLED
    x = generator.integers(256, size=(size, 28, 28, 1), dtype=np.uint8)
    is_known = np.arange(size) < _LABELLED
    number = np.where(is_known, generator.normal(size=size), np.nan).astype(np.float32)[:, None]
    return x, {"y": np.where(is_known, np.arange(size) % 10, -1), "w": number}


def make_model(name: str) -> Any:
    """The model of a name of `MODELS`, not yet compiled."""
    from ssdgm_tf import layers, models, nodes

    if name == "M2":
        return models.M2(10, 10, hidden_units=(100,), seed=1)
    if name == "ADGM":
        return models.ADGM(10, 10, auxiliary_dim=10, hidden_units=(100,), seed=1)
    if name == "fast_mnist":
        return _of_preset()
    generative = {"y": nodes.OneHotCategorical(10), "w": nodes.Normal(1)}
    generative["x"] = nodes.Bernoulli((28, 28, 1), parents=("y", "w"), network=layers.MLP((100,)))
    recognition = {"y": nodes.OneHotCategorical(10, parents="x", network=layers.MLP((100,)))}
    recognition["w"] = nodes.Normal(1, parents=("x", "y"), network=layers.MLP((100,)))
    return models.GraphicalModel(generative, recognition, observed="x", supervised=("y", "w"), seed=1)


def _of_preset() -> Any:
    """The model of `fast_mnist`, for the shape of its data."""
    from ssdgm_tf import data
    from ssdgm_tf.configs import fast_mnist
    from ssdgm_tf.models import zoo
    from ssdgm_tf.models.recipe import Recipe

    x, y = make_data()
    images = (x / np.float32(255)).astype(np.float32)
    dataset = data.SemiSupervisedData(images, y["y"], images, y["y"], images, y["y"], num_classes=10)
    config = fast_mnist.get_config("labels=100,seed=0").to_dict()
    return zoo.find("m2").build(Recipe(config, dataset, "float32", None))


def train(name: str, way: str, jit_compile: bool, weights: str) -> None:
    """Trains a model and saves its weights; `way` is one of `_AT_ONCE`."""
    import keras

    from ssdgm_tf import rows
    from ssdgm_tf.models import loops

    keras.utils.set_random_seed(0)
    model, (x, y) = make_model(name), make_data()
    model.build((None, 28, 28, 1))
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=jit_compile or "auto", steps_per_execution=_AT_ONCE[way])
    if way != "loops":
        loops.fit_into_memory = lambda arrays, held: False
    if way == "a rounding away":
        model.set_weights([_next(weight) for weight in model.get_weights()])
    labels = {variable: y[variable] for variable in model.graph.supervised}
    model.fit(rows.Rows(x), labels, batch_size=100, labelled_batch_size=25, epochs=_EPOCHS, seed=0, verbose=0)
    np.savez(weights, *[variable.numpy() for variable in model.trainable_variables])


def _next(weight: np.ndarray) -> np.ndarray:
    """The next larger numbers that float32 has; other numbers as they are."""
    return np.nextafter(weight, np.float32(np.inf)) if weight.dtype == np.float32 else weight


def measured(name: str, way: str, jit_compile: bool, folder: Path) -> tuple[list[np.ndarray], dict[str, int]]:
    """The weights after a training in a process of its own, and what XLA compiled for it."""
    dump, weights = folder / "programs", folder / "weights.npz"
    environment = os.environ | {"XLA_FLAGS": f"--xla_dump_to={dump} --xla_dump_hlo_as_text"}
    call = f"from benchmarks import loops; loops.train({name!r}, {way!r}, {jit_compile}, {str(weights)!r})"
    subprocess.run([sys.executable, "-c", call], check=True, capture_output=True, env=environment, cwd=interleave.ROOT)
    found = np.load(weights)
    return [found[key] for key in found.files], count(dump)


def count(dump: Path) -> dict[str, int]:
    """How many programs XLA compiled, and how many fusions, products, loops and calls of the host are in them."""
    programs = sorted(dump.glob("*after_optimizations.txt"))
    counts = Counter({"programs": len(programs)})
    for program in programs:
        text = program.read_text()
        counts.update({part: len(re.findall(pattern, text)) for part, pattern in _PARTS.items()})
    return dict(counts)


def compare(name: str, jit_compile: bool) -> dict[str, Any]:
    """The largest difference of a weight between the ways, and the programs of the first two."""
    found = {}
    for way in _AT_ONCE:
        with tempfile.TemporaryDirectory() as folder:
            found[way] = measured(name, way, jit_compile, Path(folder))
    one = found["step by step"][0]
    largest = max(float(np.max(np.abs(a))) for a in one)
    programs = {way: found[way][1] for way in ("step by step", "loops")} if jit_compile else {}
    return {
        "largest_difference": _difference(one, found["loops"][0]),
        "of_a_rounding": _difference(one, found["a rounding away"][0]),
        "largest_weight": largest,
        **programs,
    }


def _difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """The largest difference of a weight."""
    return max(float(np.max(np.abs(a - b))) for a, b in zip(one, other, strict=True))


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "loops.json", type=Path)
    args = parser.parse_args()
    results: dict[str, Any] = {}
    for name in tqdm(MODELS, desc="models"):
        results[name] = {"XLA": compare(name, True), "auto": compare(name, False)}
        args.output.write_text(json.dumps(results, indent=1) + "\n")
    print(f"Results in {args.output}")


if __name__ == "__main__":
    main()
