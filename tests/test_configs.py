"""Every config makes a model that takes two steps, and its fields are those of the common config."""

import importlib
import json

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs import common, from_json
from ssdgm_tf.trainers import run
from ssdgm_tf.trainers.flags import presets


@pytest.mark.parametrize("name", presets())
def test_two_steps(name, digits):
    config = importlib.import_module(f"ssdgm_tf.configs.{name}").get_config("seed=1").to_dict()
    if config["data"] == "digits":
        dataset = digits
    else:  # the shape of the real set, without its files
        generator = np.random.default_rng(0)
        x, y = generator.uniform(size=(600, 28, 28, 1)).astype("float32"), generator.integers(10, size=600).astype("int32")
        hidden = data.hide_labels(y, data.draw_labels(y, config["labels"], 10, config["seed"]))
        dataset = data.SemiSupervisedData(x, hidden, x[:50], y[:50], x[:50], y[:50], 10)
    model = run.make_model({"config": config, "precision": "float32", "jit_compile": "auto"}, dataset.num_classes)
    history = model.fit(
        dataset.x_train,
        dataset.y_train,
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
    assert set(module.get_config()) == set(common.m2_config())


def test_an_unknown_field_is_refused():
    with pytest.raises(KeyError, match="nonsense"):
        common.m2_config(nonsense=1)
    with pytest.raises(TypeError, match="latent_dim"):
        common.m2_config(latent_dim="many")


def test_arguments_are_typed_integers_with_defaults():
    assert common.parse_arg("labels=3", labels=1, seed=0).to_dict() == {"labels": 3, "seed": 0}
    assert common.parse_arg(None, labels=1).to_dict() == {"labels": 1}
    for wrong in ("label=3", "labels", "labels=3.5", "labels=x"):
        with pytest.raises(ValueError, match=f"Received: '{wrong}'"):
            common.parse_arg(wrong, labels=1)


def test_the_config_of_a_run_is_a_config(tmp_path):
    original = common.m2_config(labels=50).to_dict()
    (tmp_path / "config.json").write_text(json.dumps({"config": original}))
    assert json.dumps(from_json.get_config(str(tmp_path / "config.json")).to_dict()) == json.dumps(original)
