"""Faces: who it is and where the light comes from, each known for a tenth of the images.

    python examples/faces.py --data=yaleb_48x42.npz --output=runs/faces

The experiment of Siddharth et al. 2017, section 4.2, small. The file holds images `x` [N, 48, 42, 1] uint8, identities `y`
and lamp angles `azimuth_deg`, `elevation_deg` of the cropped Extended Yale Face Database B. A fifth is held out for the
test. Of the rest, a tenth has its identity and another tenth, drawn apart, its lighting: an image may have both labels, one
or none. The same recognition networks trained on those labels alone are the comparison. Five minutes on two CPU cores.
"""

import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from ssdgm_tf import layers, models, nodes, plots
from ssdgm_tf.trainers.environment import environment

_DATA = flags.DEFINE_string("data", None, "the .npz file", required=True)
_OUTPUT = flags.DEFINE_string("output", "runs/faces", "folder of the results and figures")
_LABELLED = flags.DEFINE_float("labelled", 0.1, "share of the training images that have each label", 0.0, 1.0)
_EPOCHS = flags.DEFINE_integer("epochs", 150, "passes over the images without labels", 1)
_SEED = flags.DEFINE_integer("seed", 0, "of the split, the labels, the weights and the draws")

NUM_PEOPLE = 38


def make_model(seed: int) -> models.GraphicalModel:
    """Independent identity, lighting and style make a face; lighting is inferred first, then who it is, then the rest."""

    def mlp():
        return layers.MLP((400, 400), "relu")

    generative = {
        "identity": nodes.OneHotCategorical(NUM_PEOPLE),
        "lighting": nodes.VonMisesFisher(3),
        "style": nodes.Normal(20),
        "image": nodes.Normal((48, 42, 1), scale=0.1, parents=("identity", "lighting", "style"), network=mlp()),
    }
    recognition = {
        "lighting": nodes.VonMisesFisher(3, parents="image", network=mlp()),
        "identity": nodes.OneHotCategorical(NUM_PEOPLE, parents=("image", "lighting"), network=mlp(), estimator="top_k"),
        "style": nodes.Normal(20, parents=("image", "lighting", "identity"), network=mlp()),
    }
    return models.GraphicalModel(
        generative, recognition, observed="image", supervised=("identity", "lighting"), seed=seed, num_prediction_samples=20
    )


def load(path: str, labelled: float, seed: int) -> tuple[dict, dict]:
    """Training and test set, {"image", "identity", "lighting"}; training labels -1 or NaN where they are not given."""
    with np.load(path) as file:
        images = file["x"].astype(np.float32) / 255
        identity = file["y"].astype(np.int32)
        azimuth, elevation = np.radians(file["azimuth_deg"]), np.radians(file["elevation_deg"])
    to_the_lamp = (np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth))
    lighting = np.stack(to_the_lamp, axis=1).astype(np.float32)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(images))
    test, train = order[: len(order) // 5], order[len(order) // 5 :]
    sets = [{"image": images[i], "identity": identity[i], "lighting": lighting[i]} for i in (train, test)]
    # The same number of labelled images of each person; lightings anywhere.
    per_person = max(1, round(labelled * len(train) / NUM_PEOPLE))
    has_identity = np.zeros(len(train), bool)
    for person in range(NUM_PEOPLE):
        has_identity[generator.permutation(np.flatnonzero(sets[0]["identity"] == person))[:per_person]] = True
    has_lighting = np.zeros(len(train), bool)
    has_lighting[generator.permutation(len(train))[: round(labelled * len(train))]] = True
    sets[0]["identity"] = np.where(has_identity, sets[0]["identity"], -1)
    sets[0]["lighting"] = np.where(has_lighting[:, None], sets[0]["lighting"], np.nan)
    return sets[0], sets[1]


def split(data: dict) -> tuple[dict, dict]:
    """(x, y) of a set."""
    return {"image": data["image"]}, {name: data[name] for name in ("identity", "lighting")}


def fit_labels_alone(model: models.GraphicalModel, train: dict, num_steps: int, batch_size: int, seed: int) -> None:
    """Maximises log q(labels | image) of the labelled images, and nothing else, with as many steps as the whole model."""
    x, y = split(train)
    labelled = np.flatnonzero(model.data_format.is_labelled(y))
    optimizer = keras.optimizers.Adam(1e-3)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model.labelled_terms(x, y, complete=(), training=True)["classification_loss"])
        weights = [weight for node in model.recognition.values() for weight in node.trainable_variables]
        pairs = zip(tape.gradient(loss, weights), weights, strict=True)
        optimizer.apply_gradients([(gradient, weight) for gradient, weight in pairs if gradient is not None])

    generator = np.random.default_rng(seed)
    for _ in tqdm(range(num_steps), desc="labels alone", delay=2):
        index = generator.choice(labelled, min(batch_size, len(labelled)), replace=False)
        step(*tf.nest.map_structure(lambda array, index=index: tf.constant(array[index]), (x, y)))


def measure(model: models.GraphicalModel, test: dict) -> dict[str, float]:
    """Identity error in percent and mean angle between predicted and true lighting in degrees."""
    x, y = split(test)
    metrics = model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)
    return {"identity_error_percent": 100 * metrics["identity_error"], "lighting_degrees": metrics["lighting_degrees"]}


def nearest_neighbour(train: dict, test: dict) -> dict[str, float]:
    """The same figures of the nearest labelled image, in pixels."""
    results = {}
    for name, known in (("identity", train["identity"] >= 0), ("lighting", ~np.isnan(train["lighting"][:, 0]))):
        near = train["image"][known].reshape(known.sum(), -1)
        flat = test["image"].reshape(len(test["image"]), -1)
        index = np.argmin((near**2).sum(1) - 2 * flat @ near.T, axis=1)
        found = train[name][known][index]
        if name == "identity":
            results["identity_error_percent"] = 100 * float(np.mean(found != test[name]))
        else:
            cosine = np.clip(np.sum(found * test[name], axis=1), -1, 1)
            results["lighting_degrees"] = float(np.degrees(np.arccos(cosine)).mean())
    return results


class Progress(keras.callbacks.Callback):
    """One bar over all epochs.

    Args:
        epochs: how many there are.
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.bar = tqdm(total=epochs, desc="training", unit="epoch", mininterval=5)

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update()
        self.bar.set_postfix(bound=f"{logs['bound_unlabelled']:.0f}", refresh=False)

    def on_train_end(self, logs=None):
        self.bar.close()


def figures(model: models.GraphicalModel, test: dict, folder: Path) -> None:
    """One face under other lightings, one lighting on other faces, and the graph."""
    x, _ = split({name: values[:6] for name, values in test.items()})
    angles = np.radians([-80, -50, -25, 0, 25, 50, 80])
    lamps = np.stack([np.sin(angles), np.zeros(7), np.cos(angles)], axis=1).astype(np.float32)
    relit = model.analogies(x, vary={"lighting": lamps})
    people = model.analogies(x, vary={"identity": np.arange(0, NUM_PEOPLE, 4)})
    model.plot_graph().savefig(folder / "graph.png", dpi=130)
    columns = [f"{round(np.degrees(angle)):d}°" for angle in angles]
    plots.varied(x["image"], relit, columns).savefig(folder / "lighting.png", dpi=130)
    plots.varied(x["image"], people, [str(i) for i in range(0, NUM_PEOPLE, 4)]).savefig(folder / "identity.png", dpi=130)


def main(_):
    """Trains both models, measures them, and writes results and figures."""
    keras.utils.set_random_seed(_SEED.value)
    folder = Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    train, test = load(_DATA.value, _LABELLED.value, _SEED.value)
    x, y = split(train)
    model = make_model(_SEED.value)
    model.compile(keras.optimizers.Adam(1e-3), gamma=1.0, classification_weight=300.0)
    start = time.monotonic()
    model.fit(
        x,
        y,
        batch_size=100,
        epochs=_EPOCHS.value,
        seed=_SEED.value,
        verbose=2,
        validation_data=split(test),
        validation_freq=10,
    )
    seconds = time.monotonic() - start
    alone = make_model(_SEED.value)
    alone.compile(keras.optimizers.Adam(1e-3))
    fit_labels_alone(alone, train, int(model.step), 100, _SEED.value)
    results = {
        "labelled": _LABELLED.value,
        "seed": _SEED.value,
        "environment": environment(),
        "epochs": _EPOCHS.value,
        "training_seconds": round(seconds),
        "test_images": len(test["identity"]),
        "graphical_model": measure(model, test),
        "labels_alone": measure(alone, test),
        "nearest_neighbour": nearest_neighbour(train, test),
    }
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))
    model.save(folder / "model.keras")
    figures(model, test, folder)
    print(f"Results in {folder}: results.json, graph.png, lighting.png, identity.png")


if __name__ == "__main__":
    app.run(main)
