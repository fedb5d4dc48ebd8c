"""What short fits of today's engine give: `python -m tests.golden` writes it into golden.json beside this file.

A change of the numbers is a new engine: `tests/test_engine_version.py` says what to do then.
"""

import importlib
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

from ssdgm_tf import data
from ssdgm_tf.configs.common import PLAIN, model_config
from ssdgm_tf.engine_version import ENGINE
from ssdgm_tf.runs import building, loading

PATH = Path(__file__).with_suffix(".json")
_SMALL = {"hidden_units": (16,), "latent_dim": 3}
_IMAGES = ("m1", "m2", "adgm", "sdgm", "siddharth", "conditional_vae", "hierarchical_vae")


def cases():
    """{name: fields of a config}: the named models with a class, most estimators and terms, and a table."""
    found = {name: _preset(f"{name}_digits", _SMALL) for name in _IMAGES}
    joint = model_config({"m1": None, "top_units": (16,)}, **_SMALL, data="digits", model="m1m2", likelihood="normal")
    found["m1m2_joint"] = joint.to_dict()
    found["m2_relaxed"] = _preset("m2_digits", _SMALL | {"estimator": "relaxed", "likelihood": "bernoulli"})
    found["m2_top_k"] = _preset(
        "m2_digits", _SMALL | {"estimator": "top_k", "classifier": "convolutional", "filters": (4, 4, 4)}
    )
    found["m2_terms"] = _preset("m2_digits", _SMALL | {"consistency": "views,entropy,virtual_adversarial,class_balance"})
    return found | {"table": model_config(None, **_SMALL, data="table", model="table").to_dict()}


def _preset(name, fields):
    preset = importlib.import_module(f"ssdgm_tf.configs.{name}").get_config("labels=100,seed=0").to_dict()
    return preset | PLAIN | fields  # so that a preset may change where the engine does not


def figures(fields):
    """The figures of a short fit: its loss, and of 20 test examples the means of log p(x) and of the largest log q(y|x)."""
    is_conditional = fields["model"] == "conditional_vae"
    dataset = _table() if fields["data"] == "table" else data.load("digits", 0 if is_conditional else 100, 0)
    keras.utils.set_random_seed(0)
    model = building.model({"config": fields, "precision": "float32", "jit_compile": "off"}, dataset)
    x = {"x": dataset.x_train, "y": dataset.y_train} if is_conditional else dataset.x_train
    y = dataset.y_train if model.graph.supervised else None
    history = model.fit(x, y, batch_size=100, epochs=1, seed=0, verbose=0).history
    some = {"x": dataset.x_test[:20], "y": dataset.y_test[:20]} if is_conditional else dataset.x_test[:20]
    found = {"loss": history["loss"][-1], "log_px": float(np.mean(model.log_likelihood(some, num_samples=3, seed=0)))}
    if model.data_format.classes:
        found["log_q"] = float(np.mean(np.log(np.max(model.predict(some, verbose=0), axis=-1))))
    return {name: float(f"{value:.5g}") for name, value in found.items()}


def _table():
    """Rows of numbers, counts and categories with gaps; the class of 50 is known."""
    rng = np.random.default_rng(0)
    status = rng.integers(3, size=300)
    columns = {
        "size": [f"{value:.3f}" for value in rng.normal(status, 0.5)],
        "visits": [str(value) for value in rng.poisson(2 + 2 * status)],
        "town": [("Ulm", "Bonn", "")[value] for value in (status + rng.integers(2, size=300)) % 3],
        "class": [f"c{value}" for value in status],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text("\n".join(map(",".join, [tuple(columns), *zip(*columns.values(), strict=True)])) + "\n")
        return loading.load_data(
            model_config(None, data=f"csv:{path}", model="table", target="class", labels=50).to_dict(), None, False
        )


if __name__ == "__main__":
    found = {name: figures(fields) for name, fields in cases().items()}
    PATH.write_text(json.dumps({"engine": ENGINE, "figures": found}, indent=1) + "\n")
