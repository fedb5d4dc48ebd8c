"""Sizes of exports and times of `classify` when served: `python -m benchmarks.serving`, about 3 minutes.

Writes results/serving.json. Each way runs in its own process; all answer in turn. The models have the sizes of the presets
and are untrained, because neither sizes nor times depend on the values of weights.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from benchmarks import interleave
from benchmarks.served_worker import WAYS
from ssdgm_tf import layers, models
from ssdgm_tf.runs import other_formats
from ssdgm_tf.runs.environment import environment

SIZES = (1, 1000)
#: The reference of the ratios.
AGAINST = "Keras predict"


def dense() -> models.M2:
    """M2 of images, with the sizes of the step benchmark."""
    return models.M2(10, latent_dim=50, hidden_units=(600, 600), seed=0)


def convolutional() -> models.M2:
    """M2 with the sizes of `fast_mnist`."""
    classifier = keras.Sequential([layers.RandomAffine(), layers.ConvEncoder(dropout=0.5)])
    return models.M2(10, latent_dim=10, hidden_units=(500,), activation="relu", classifier=classifier, seed=0)


def averaged() -> models.ADGM:
    """ADGM with the sizes of `adgm_mnist`: a prediction is a mean over draws."""
    return models.ADGM(10, latent_dim=50, auxiliary_dim=50, hidden_units=(500, 500), seed=0)


MODELS: dict[str, Callable[[], models.NamedModel]] = {
    "M2, dense": dense,
    "M2, convolutional": convolutional,
    "ADGM, dense": averaged,
}


def write_models(model: models.NamedModel, folder: Path) -> dict[str, Path]:
    """Writes the model in each form: {way: path}."""
    model.build((None, 28, 28, 1))
    paths = {"SavedModel": folder / "served", AGAINST: folder / "model.keras"}
    model.save(paths[AGAINST])
    model.export(paths["SavedModel"], verbose=False)
    (litert,) = other_formats.write_litert(paths["SavedModel"], ["classify"])
    return paths | {"LiteRT": litert.rename(folder / litert.name)}


def megabytes(path: Path) -> float:
    """The size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else list(path.rglob("*"))
    return round(sum(file.stat().st_size for file in files if file.is_file()) / 1e6, 2)


def measure(model: models.NamedModel, rounds: int) -> dict:
    """{way: size on disk, seconds to the first answer, times of answers}; checks that all ways agree."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_models(model, Path(folder))
        settings = {way: {"way": way, "path": str(paths[way])} for way in WAYS}
        with interleave.Workers(settings, "benchmarks.served_worker") as workers:
            ready = workers.first
            for way in WAYS:
                np.testing.assert_allclose(ready[way]["first"], ready[AGAINST]["first"], rtol=1e-5, atol=1e-6)
            rows = {
                way: {
                    "megabytes": megabytes(paths[way]),
                    "ready_seconds": round(ready[way]["ready_seconds"], 2),
                    "tensorflow_alone": ready[way]["tensorflow_alone"],
                }
                for way in WAYS
            }
            for number in SIZES:
                seconds = interleave.measure(workers, rounds, number)
                for way, row in interleave.summary(seconds, AGAINST).items():
                    rows[way][str(number)] = row
    return rows


def main() -> None:
    """Measures and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--output", default=interleave.ROOT / "benchmarks" / "results" / "serving.json")
    args = parser.parse_args()
    rows = {name: measure(make(), args.rounds) for name, make in tqdm(MODELS.items(), desc="models")}
    interleave.write(args.output, {"models": rows, "rounds": args.rounds, "environment": environment()})
    print(f"Written to {args.output}")


if __name__ == "__main__":
    main()
