"""Every config makes a model that takes two steps, and its fields are those of the common config."""

import importlib
import json

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs import common, from_json, presets
from ssdgm_tf.models import zoo
from ssdgm_tf.models.examples import training_examples
from ssdgm_tf.runs import building, measuring, optimisation, plan
from tests.tiers import tiers

#: The shapes of the real sets, without their files: image shape, classes.
SHAPES = {
    "mnist": ((28, 28, 1), 10),
    "svhn_cropped": ((32, 32, 3), 10),
    "npz": ((32, 32, 2), 5),
    "folder": ((20, 24, 3), 3),
    "series": ((24, 1), 2),
}


def made_up(config, digits):
    """The digits themselves, or noise of the shape of the config's data set."""
    if config["data"] == "digits":
        return digits
    if config["model"] in ("faces", "multi_digit"):
        return several_variables(config)
    if config["model"] == "table" or config["data"].startswith("tables:"):
        generator = np.random.default_rng(0)
        cells = {"x": generator.normal(size=90).tolist(), "city": generator.choice(["Bern", "Kyiv", "Lima"], 90).tolist()}
        return data.load_table(cells | {"label": [None, "a", "b"] * 30})
    shape, num_classes = SHAPES[config["data"].split(":")[0]]
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(1600, *shape)).astype("float32")
    y = generator.integers(num_classes, size=len(x)).astype("int32")
    hidden = data.hide_labels(y, data.draw_labels(y, config["labels"] or 60, num_classes, config["seed"]))
    return data.SemiSupervisedData(x, hidden, x[:50], y[:50], x[:50], y[:50], num_classes)


def several_variables(config):
    """Faces, or canvases, of noise; every second one with labels."""
    size, generator = 240, np.random.default_rng(0)
    shown = np.arange(size) // 38 % 2 == 0
    if config["model"] == "faces":
        x = generator.uniform(size=(size, 48, 42, 1)).astype("float32")
        lighting = data.directions(generator.uniform(-90, 90, size), generator.uniform(-40, 80, size))
        y = {"identity": np.where(shown, np.arange(size) % 38, -1), "lighting": np.where(shown[:, None], lighting, np.nan)}
    else:
        images = generator.integers(256, size=(9, 28, 28, 1)).astype("uint8")
        canvases = data.make_canvases(images, np.arange(9), size, 0)
        x, y = canvases.x / np.float32(255), data.known_places(canvases, 3)
        y = {name: y[name] for name in ("count", "place_1", "place_2", "place_3")} | {
            "count": np.where(shown, y["count"], -1)
        }
    return data.SemiSupervisedData(x, y, x[:50], y, x[:0], y, 38, digit_shape=(28, 28, 1))


# The first tier builds every preset's model, and trains a baseline, a model on an M1, and one with importance weights.
TRAINED_FIRST = ["baseline_digits", "m1m2_digits", "m2_pictures_digits", "siddharth_digits"]


def built(name, digits):
    """The model of a preset, its data and its config; no model of a baseline."""
    config = importlib.import_module(f"ssdgm_tf.configs.{name}").get_config("seed=1").to_dict()
    dataset = made_up(config, digits)
    if plan.is_baseline(config):
        return None, dataset, config
    config |= {"epochs": config["epochs"] or optimisation.epochs_for(config, dataset)}
    settings = {"config": config, "precision": "float32", "jit_compile": "auto"}
    part = None
    if kind := zoo.find(config["model"]).part_of(config):
        part_config = importlib.import_module(f"ssdgm_tf.configs.{config[kind.field]}").get_config().to_dict()
        part_data = dataset if part_config["data"] == config["data"] else made_up(part_config, digits)
        part = building.model({**settings, "config": part_config}, part_data)
    return building.model(settings, dataset, part), dataset, config


@pytest.mark.parametrize("name", presets())
def test_a_preset_makes_its_model(name, digits):
    model, _, config = built(name, digits)
    assert plan.is_baseline(config) or model.built


@pytest.mark.parametrize("name", tiers(presets(), first=TRAINED_FIRST))
def test_two_steps(name, digits):
    model, dataset, config = built(name, digits)
    if model is None:
        assert measuring.measure_baseline(config | {"model": "nearest_neighbours"}, dataset, None)["error"] <= 1
        return
    history = model.fit(
        *training_examples(model, dataset),
        batch_size=config["batch_size"],
        labelled_batch_size=config["labelled_batch_size"],
        steps_per_epoch=2,
        verbose=0,
    )
    assert int(model.step) == 2 and np.isfinite(history.history["loss"][0])


@pytest.mark.parametrize("name", presets())
def test_the_docstring_gives_the_command(name):
    module = importlib.import_module(f"ssdgm_tf.configs.{name}")
    assert f"ssdgm-train --config={name}" in module.__doc__
    assert set(module.get_config()) >= set(common.model_config())


def test_an_unknown_field_is_refused():
    with pytest.raises(KeyError, match="nonsense"):
        common.model_config(nonsense=1)
    with pytest.raises(TypeError, match="latent_dim"):
        common.model_config(latent_dim="many")


def test_arguments_are_typed_integers_with_defaults():
    assert common.parse_arg("labels=3", labels=1, seed=0).to_dict() == {"labels": 3, "seed": 0}
    assert common.parse_arg(None, labels=1).to_dict() == {"labels": 1}
    for wrong in ("label=3", "labels", "labels=3.5", "labels=x"):
        with pytest.raises(ValueError, match=f"Received: '{wrong}'"):
            common.parse_arg(wrong, labels=1)


def test_the_config_of_a_run_is_a_config(tmp_path):
    original = common.model_config(labels=50).to_dict()
    (tmp_path / "config.json").write_text(json.dumps({"config": original}))
    assert json.dumps(from_json.get_config(str(tmp_path / "config.json")).to_dict()) == json.dumps(original)
