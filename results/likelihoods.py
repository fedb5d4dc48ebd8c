"""Log-likelihoods of binarised MNIST: the importance-weighted bound with 5,000 samples of all test images.

    python results/likelihoods.py --data_dir=FOLDER --workdir=runs/likelihoods --budget=1h MODEL [MODEL ...]
    python results/likelihoods.py --render                          # only writes likelihoods.md

Every training image is drawn anew each time that it is seen: a pixel is 1 with the probability of its grey value, else 0
(Salakhutdinov and Murray 2008). The test images are drawn once, with seed 0. There are 50,000 training images, and 100
labels for the models that know labels. The learning rate falls from 1e-3 to 3e-5 with the share of the budget that is
used. What was interrupted goes on after its last whole epoch, or its last 500 test images.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

import ssdgm_tf as ssdgm
from ssdgm_tf import durations
from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.environment import environment
from ssdgm_tf.runs.workdir import write_json, write_text

RESULTS = Path(__file__).parent
FIGURES, PAGE = RESULTS / "likelihoods.json", RESULTS / "likelihoods.md"
SAMPLES, PART, BATCH, LABELS = 5000, 500, 200, 100
FIRST_RATE, LAST_RATE = 1e-3, 3e-5
_DENSE = {"hidden_units": (500, 500), "activation": "relu", "normalization": "batch"}
_HALF_DRAWN = {"estimator": "top_k"}  # the likeliest class is held, another is drawn: two passes in place of ten
MODELS: dict[str, tuple[str, Callable[[], keras.Model]]] = {
    "vae": ("M1 (VAE)", lambda: ssdgm.models.VAE(50, **_DENSE)),
    "m1m2": ("M1 + M2, jointly", lambda: ssdgm.models.M1M2(10, 50, **_DENSE, **_HALF_DRAWN)),
    "adgm": ("ADGM", lambda: ssdgm.models.ADGM(10, 100, 100, **_DENSE, **_HALF_DRAWN)),
    "sdgm": ("SDGM", lambda: ssdgm.models.SDGM(10, 100, 100, **_DENSE, **_HALF_DRAWN)),
}
# Published bounds with 5,000 samples, nats; images drawn anew as here, 60,000 of them.
PUBLISHED = {
    "VAE, one layer (Burda et al. 2016)": -86.76,
    "IWAE, two layers, 50 samples in training (Burda et al. 2016)": -82.90,
    "auxiliary deep generative model (Maaløe et al. 2016)": -82.97,
}


def drawn(images: np.ndarray, seed: int) -> np.ndarray:
    """0 or 1 for each pixel: 1 with the probability of its grey value."""
    return (np.random.default_rng(seed).random(images.shape, np.float32) < images).astype(np.float32)


def train(name: str, dataset: ssdgm.data.SemiSupervisedData, folder: Path, seconds: float) -> tuple[keras.Model, dict]:
    """Trains for a number of seconds, over all starts; the model, and {"epochs", "seconds"}."""
    path, state_path = folder / f"{name}.keras", folder / f"{name}.json"
    if path.exists():
        model, state = checkpoints.load(path), json.loads(state_path.read_text())
    else:
        keras.utils.set_random_seed(0)
        model, state = MODELS[name][1](), {"epochs": 0, "seconds": 0.0}
        model.compile(keras.optimizers.Adam(FIRST_RATE))
    with tqdm(total=round(seconds), initial=round(state["seconds"]), desc=name, unit="s") as progress:
        while state["seconds"] < seconds:
            start, used = time.monotonic(), state["seconds"] / seconds
            model.optimizer.learning_rate = FIRST_RATE * (LAST_RATE / FIRST_RATE) ** used
            images = drawn(dataset.x_train, state["epochs"] + 1)
            logs = model.fit(images, _labels(model, dataset.y_train), batch_size=BATCH, verbose=0).history
            spent = time.monotonic() - start
            state = {"epochs": state["epochs"] + 1, "seconds": state["seconds"] + spent}
            checkpoints.save(model, path)
            write_json(state_path, state)
            progress.set_postfix(epoch=state["epochs"], bound=f"{logs['bound_unlabelled'][0]:.2f}")
            progress.update(spent)
    return model, state


def _labels(model: keras.Model, y: np.ndarray) -> np.ndarray | None:
    """The labels for a model that knows them."""
    return y if model.data_format.classes else None


def log_likelihoods(name: str, model: keras.Model, images: np.ndarray, folder: Path) -> np.ndarray:
    """The bound on log p(x) of each image, nats [N]."""
    parts = []
    for start in tqdm(range(0, len(images), PART), desc=f"{name}, {SAMPLES} samples", unit="part"):
        path = folder / f"{name}_{model.num_steps}_{start}.npy"
        if not path.exists():
            np.save(path, model.log_likelihood(images[start : start + PART], num_samples=SAMPLES, seed=start))
        parts.append(np.load(path))
    return np.concatenate(parts)


def measure(name: str, dataset: ssdgm.data.SemiSupervisedData, folder: Path, seconds: float) -> dict:
    """What the page has of a model."""
    model, state = train(name, dataset, folder, seconds)
    images = drawn(dataset.x_test, 0)
    evaluated = model.evaluate(images, _labels(model, dataset.y_test), verbose=0, return_dict=True)
    found = {"lower_bound": evaluated["bound_unlabelled"]}
    found |= {"error": evaluated["error"]} if "error" in evaluated else {}
    values = log_likelihoods(name, model, images, folder)
    found |= {"log_likelihood": float(values.mean()), "standard_error": float(values.std() / np.sqrt(len(values)))}
    return found | state | {"samples": SAMPLES, "test_images": len(images), "environment": environment()}


def page(held: dict[str, dict]) -> str:
    """likelihoods.md."""
    lines = [
        "# Log-likelihoods of binarised MNIST",
        "",
        "The importance-weighted bound on log p(x), nats per image, of all 10,000 test images. Training images are drawn "
        "anew each time that they are seen, a pixel being 1 with the probability of its grey value; the test images are "
        "drawn once. Dense networks of 500 and 500 rectified units with batch normalisation; 50,000 training images, "
        f"{LABELS} of them with labels where the model knows labels. More is better. Published values are of models that "
        "were trained for thousands of epochs on 60,000 images.",
        "",
        "`python results/likelihoods.py` trains and measures a model, and writes this page with `--render`.",
        "",
        "| model | error, % | evidence lower bound | bound with 5,000 samples | standard error | epochs | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, figures in held.items():
        error = f"{100 * figures['error']:.2f}" if "error" in figures else "–"
        cells = [f"{figures[key]:.2f}" for key in ("lower_bound", "log_likelihood", "standard_error")]
        lines.append(
            f"| {MODELS[name][0]} | {error} | {' | '.join(cells)} | {figures['epochs']} | {figures['seconds'] / 60:.0f} |"
        )
    lines += [f"| published: {name} | | | {value:.2f} | | | |" for name, value in PUBLISHED.items()]
    return "\n".join(lines) + "\n"


def _held() -> dict:
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--data_dir", help="folder of prepared data sets")
    parser.add_argument("--workdir", type=Path, default=Path("runs/likelihoods"), help="folder of what goes on after a stop")
    parser.add_argument("--budget", default="1h", help="time of training of each model, such as 1h30m")
    parser.add_argument("--render", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    if unknown := set(arguments.models) - set(MODELS):
        parser.error(f"MODEL must be one of {', '.join(MODELS)}. Received: {', '.join(unknown)}")
    if arguments.models:
        mnist = ssdgm.data.load("mnist", LABELS, 0, num_validation=10_000, data_dir=arguments.data_dir)
        mnist = mnist._replace(x_train=np.asarray(mnist.x_train), x_test=np.asarray(mnist.x_test))
        arguments.workdir.mkdir(parents=True, exist_ok=True)
    for name in arguments.models:
        figures = measure(name, mnist, arguments.workdir, durations.parse(arguments.budget))
        write_json(FIGURES, {key: (_held() | {name: figures})[key] for key in MODELS if key in _held() | {name: figures}})
        print(f"{MODELS[name][0]}: {figures['log_likelihood']:.2f} nats, in {FIGURES}")
    write_text(PAGE, page(_held()))
