"""Measures what the models of runs generate, as a classifier sees it that was trained on all labels: `generation.json`.

    python results/generation.py --data_dir=FOLDER judge           # trains the classifier: results/judge.keras
    python results/generation.py --data_dir=FOLDER RUN [RUN ...]   # measures runs on MNIST, folders of ssdgm-train
    python results/generation.py --render                          # writes generation.md

Each measure is of 10,000 images. Samples have each class equally often, and a style from the prior. Analogies are of the
first 1,000 test images, in all ten classes, with the style that is inferred for the image.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np

from ssdgm_tf import data, generation
from ssdgm_tf.models.examples import examples
from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.environment import environment
from ssdgm_tf.runs.workdir import Workdir, write_json, write_text

RESULTS = Path(__file__).parent
JUDGE, FIGURES, PAGE = RESULTS / "judge.keras", RESULTS / "generation.json", RESULTS / "generation.md"
CLASSES, EACH, SOURCES = 10, 1000, 1000
COLUMNS = {
    "samples": "samples read as asked, %",
    "analogies": "analogies read as asked, %",
    "slant": "slant kept",
    "stroke width": "stroke width kept",
    "size": "size kept",
    "frechet": "Fréchet distance",
}


def train_judge(dataset: data.SemiSupervisedData) -> None:
    """A small convolutional classifier of moved images, trained on all labels; 64 features before its last layer."""
    keras.utils.set_random_seed(0)
    relu = {"activation": "relu", "padding": "same"}
    judge = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.RandomTranslation(0.08, 0.08, fill_mode="constant", seed=0),
            keras.layers.Conv2D(16, 5, **relu),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, **relu),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(48, 3, **relu),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(CLASSES),
        ]
    )
    epochs, size = 8, 200
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(dataset.x_train) // size)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    judge.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    judge.fit(dataset.x_train, dataset.y_train, batch_size=size, epochs=epochs, verbose=2)
    error = 1 - judge.evaluate(dataset.x_test, dataset.y_test, verbose=0, return_dict=True)["accuracy"]
    bare = keras.Sequential.from_config(judge.get_config())  # without its optimizer, which a clone would keep
    bare.set_weights(judge.get_weights())
    bare.save(JUDGE)
    held = _held()
    write_json(FIGURES, held | {"judge": {"error": error, "environment": environment()}})
    print(f"The judge has an error of {100 * error:.2f} % on the test set: {JUDGE}")


class Judge:
    """What the classifier says of images: its features, and its logits."""

    def __init__(self) -> None:
        model = keras.models.load_model(JUDGE)
        self.model = keras.Model(model.inputs, [model.layers[-2].output, model.layers[-1].output])

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, logits = self.model.predict(images.reshape(-1, 28, 28, 1), batch_size=1000, verbose=0)
        return features, logits


def measure(folder: Workdir, dataset: data.SemiSupervisedData, judge: Judge) -> dict:
    """The measures of the model of a run; see `COLUMNS`."""
    model = checkpoints.load(folder.model)
    labels = np.repeat(np.arange(CLASSES), EACH)
    samples = _images(model.generate({"y": labels}, seed=0))
    features, logits = judge(samples)
    found = {"samples": generation.share_read_as(logits, labels)}
    found["frechet"] = generation.frechet_distance(features, judge(dataset.x_test)[0])
    sources = dataset.x_test[:SOURCES]
    x, _ = examples(model, sources, dataset.y_test[:SOURCES])
    varied = _images(model.analogies(x, vary={"y": np.arange(CLASSES)}))
    of_classes = varied.reshape(SOURCES, CLASSES, 28, 28)
    asked = np.tile(np.arange(CLASSES), SOURCES)
    found["analogies"] = generation.share_read_as(judge(varied)[1], asked)
    for name, style in generation.STYLES.items():
        source = style(sources.reshape(-1, 28, 28))
        kept = [generation.rank_correlation(source, style(of_classes[:, y])) for y in range(CLASSES)]
        found[name] = float(np.mean(kept))
    config, results = json.loads(folder.config.read_text())["config"], folder.load_results() or {}
    about = {name: config[name] for name in ("model", "labels", "seed")}
    return about | {name: results[name] for name in ("error",) if name in results} | found | {"environment": environment()}


def _images(values) -> np.ndarray:
    return np.asarray(values["x"] if isinstance(values, dict) else values).reshape(-1, 28, 28)


def _held() -> dict:
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else {}


def page(held: dict) -> str:
    """generation.md."""
    runs = {name: figures for name, figures in held.items() if name != "judge"}
    lines = [
        "# Generated digits, measured",
        "",
        "MNIST. A convolutional classifier, trained on all labels, reads 10,000 images of each kind; it reads "
        f"{100 * held['judge']['error']:.2f} % of the true test images wrongly. Samples have a style from the prior, and "
        "each class equally often. Analogies are of 1,000 test images in all classes, in the style that is inferred for the "
        "image. Kept: the rank correlation of a measure of the source with that of its analogies, the mean over classes. "
        "Fréchet distance: of the samples to the 10,000 test images, in the 64 features of the classifier; less is better. "
        "Samples and analogies are means of p(x), not draws.",
        "",
        "`python results/generation.py` measures a run, and writes this page with `--render`.",
        "",
        "| run | labels | error, % | " + " | ".join(COLUMNS.values()) + " |",
        "|---" * (3 + len(COLUMNS)) + "|",
    ]
    for name, figures in runs.items():
        error = f"{100 * figures['error']:.2f}" if "error" in figures else "–"
        cells = [_cell(column, figures[column]) for column in COLUMNS]
        lines.append(f"| `{name}` | {figures['labels'] or 'all'} | {error} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(column: str, value: float) -> str:
    if "%" in COLUMNS[column]:
        return f"{100 * value:.1f}"
    return f"{value:.1f}" if column == "frechet" else f"{value:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="'judge', or folders of runs")
    parser.add_argument("--data_dir", help="folder of prepared data sets")
    parser.add_argument("--render", action="store_true", help="only write the page")
    arguments = parser.parse_args()
    if arguments.runs:
        mnist = data.load("mnist", 0, 0, num_validation=10_000, data_dir=arguments.data_dir)
        mnist = mnist._replace(x_train=np.asarray(mnist.x_train), x_test=np.asarray(mnist.x_test))
        if "judge" in arguments.runs:
            train_judge(mnist)
        judge = Judge()
        for path in [path for path in arguments.runs if path != "judge"]:
            run = Workdir(path)
            write_json(FIGURES, _held() | {run.path.name: measure(run, mnist, judge)})
            print(f"{run.path.name}: measured, in {FIGURES}")
    write_text(PAGE, page(_held()))
