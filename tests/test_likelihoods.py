"""The log-likelihoods in results/: draws of images, and a model that is trained, measured, and not trained again."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

from ssdgm_tf import data, models

ROOT = Path(__file__).parent.parent


@pytest.fixture
def likelihoods(monkeypatch):
    spec = importlib.util.spec_from_file_location("likelihoods", ROOT / "results" / "likelihoods.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tiny = {
        "vae": ("M1 (VAE)", lambda: models.VAE(2, hidden_units=(5,))),
        "m1m2": ("M1 + M2, jointly", lambda: models.M1M2(10, 2, 2, (5,), hidden_units=(5,), estimator="top_k")),
    }
    monkeypatch.setattr(module, "MODELS", tiny)
    monkeypatch.setattr(module, "SAMPLES", 10)
    return module


def test_a_pixel_is_one_as_often_as_it_is_bright(likelihoods):
    grey = np.tile(np.float32([0, 0.25, 1]), (10_000, 1))
    drawn = likelihoods.drawn(grey, 1)
    # The share of ones is off by 5 standard deviations, 0.022, with probability 6e-7.
    np.testing.assert_allclose(drawn.mean(axis=0), [0, 0.25, 1], atol=0.022)
    assert set(np.unique(drawn)) == {0, 1} and drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, likelihoods.drawn(grey, 1))
    assert np.any(drawn != likelihoods.drawn(grey, 2))


def test_a_model_is_trained_for_its_budget_and_measured_once(likelihoods, tmp_path):
    digits = data.load("digits", 100, 0)
    digits = digits._replace(x_test=np.asarray(digits.x_test)[:30], y_test=digits.y_test[:30])
    held = {}
    for name in likelihoods.MODELS:
        held[name] = likelihoods.measure(name, digits, tmp_path, seconds=1e-3)
        assert held[name]["epochs"] == 1 and held[name]["test_images"] == 30
        model = keras.models.load_model(tmp_path / f"{name}.keras")
        images = likelihoods.drawn(digits.x_test, 0)
        expected = model.log_likelihood(images, num_samples=10, seed=0)
        assert held[name]["log_likelihood"] == pytest.approx(expected.mean(), rel=1e-4)
        again = likelihoods.measure(name, digits, tmp_path, seconds=1e-3)
        assert again["epochs"] == 1 and again["log_likelihood"] == held[name]["log_likelihood"]
        more = likelihoods.measure(name, digits, tmp_path, seconds=again["seconds"] + 1e-3)
        assert more["epochs"] == 2 and more["log_likelihood"] != again["log_likelihood"]
    lines = likelihoods.page(held).splitlines()
    assert sum(line.startswith("| M1") for line in lines) == 2 and "error" not in held["vae"] and "error" in held["m1m2"]
