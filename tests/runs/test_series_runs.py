"""A run of time series with gaps: from an .npz file to results, figures, a SavedModel and predictions."""

import csv

import keras
import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.configs import m2_series
from ssdgm_tf.models.recipe import Recipe
from ssdgm_tf.models.zoo import find
from ssdgm_tf.runs import prediction_table, run, saved_run
from ssdgm_tf.runs.prediction_files import PredictionFiles
from ssdgm_tf.runs.workdir import Workdir


def write_set(folder, gaps=True):
    """Two classes of waves in other units, of 12 times and 2 channels; a tenth of the elements missing."""
    generator, times = np.random.default_rng(0), np.arange(12)
    y = np.arange(60) % 2
    waves = np.stack([np.sin(times), np.cos(2 * times)])[y]
    x = 20 + 5 * (waves[..., None] * [1, -1] + generator.normal(0, 0.2, (60, 12, 2)))
    if gaps:
        x[generator.random(x.shape) < 0.1] = np.nan
    np.savez(folder / "waves.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return x


def config(folder, **fields):
    made = m2_series.get_config("labels=4,seed=0").to_dict()
    small = {"data": f"series:{folder}/waves.npz", "epochs": 3, "hidden_units": (8,), "num_importance_samples": 5}
    return made | small | fields


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waves")
    x = write_set(folder)
    settings = {"config": config(folder), "precision": "float32", "jit_compile": "auto"}
    return folder, x, run.train(settings, folder / "run")


def test_results_speak_of_series(finished):
    folder, _, results = finished
    assert results["examples"] == "series" and results["values"] == "standardised" and np.isfinite(results["log_likelihood"])
    assert {"error", "labels_only_error", "nearest_neighbour_error"} <= set(results)
    names = {path.stem for path in (folder / "run" / "figures").glob("*.png")}
    assert names == {"learning_curves", "confusion", "reliability", "latent_space", "reconstructions", "samples"}
    report = (folder / "run" / "report.html").read_text()
    assert "Test series" in report and "Test images" not in report


def test_the_networks_see_the_gaps(finished):
    model = keras.models.load_model(finished[0] / "run" / "model.keras")
    assert model.data_format.observed["x"].gaps
    x = np.zeros((1, 12, 2), np.float32)
    gap = x.copy()
    gap[0, 3:6] = np.nan
    assert not np.array_equal(model.predict(x, verbose=0), model.predict(gap, verbose=0))


def test_predictions_take_gaps_and_nothing_infinite(finished, tmp_path):
    folder, x, _ = finished
    saved_run.export(Workdir(folder / "run"), tmp_path / "served", verbose=False)
    predictor = prediction_table.Predictor(tmp_path / "served")
    assert predictor.limits == (True, False) and predictor.shape == (12, 2)
    new = x[40:44].copy()
    new[1, 0] = np.inf
    np.save(tmp_path / "new.npy", new)
    examples = data.Examples(str(tmp_path / "new.npy"), predictor.shape, predictor.dtype, limits=predictor.limits)
    tables = PredictionFiles.of(str(tmp_path / "predictions.csv"))
    assert prediction_table.write(predictor, examples, tables) == (3, 1)
    with open(tmp_path / "predictions.csv", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [row["name"] for row in found] == ["0", "2", "3"]
    model = keras.models.load_model(folder / "run" / "model.keras")
    mean, scale = (np.load(folder / "run" / "data.npz")[name] for name in ("mean", "scale"))
    values = ((new.reshape(4, -1) - mean) / scale).reshape(new.shape)[[0, 2, 3]]
    expected = model.predict(values.astype(np.float32), verbose=0)[:, 1]
    np.testing.assert_allclose([float(row["p_1"]) for row in found], expected, rtol=1e-4, atol=1e-6)
    errors = (tmp_path / "predictions_errors.csv").read_text()
    assert "must be finite in float32, or NaN for a gap. Received: an infinite value" in errors


def test_a_model_of_complete_series_predicts_no_gaps(tmp_path):
    x = write_set(tmp_path)[:2].astype(np.float32)
    x[0] = 1.0
    x[1, 0, 0] = np.nan
    np.save(tmp_path / "new.npy", x)
    found = [
        (names, [bad.reason for bad in bads])
        for names, _, bads in data.Examples(str(tmp_path / "new.npy"), (12, 2)).batches(9)
    ]
    assert found == [(["0"], ["An example must be finite in float32. Received: NaN or an infinite value"])]


def test_networks_of_images_and_of_series_are_told_apart(tmp_path):
    write_set(tmp_path, gaps=False)
    dataset = data.load(f"series:{tmp_path}/waves.npz", 4, 0)
    for fields, message in (
        ({"classifier": "local_contrast"}, r"config.classifier=local_contrast is for images \[H, W, C\]"),
        ({"encoder": "pooled"}, r"config.encoder=pooled is for images \[H, W, C\]. Received: examples of shape \(12, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            find("m2").build(Recipe(config(tmp_path, **fields), dataset, "float32"))
    with pytest.raises(ValueError, match=r"config.encoder=recurrent is for series \[T, C\]"):
        find("m2").build(Recipe(config(tmp_path, encoder="recurrent"), data.load("digits", 10, 0), "float32"))
    recurrent = {"classifier": "recurrent", "encoder": "recurrent"}
    model = find("m2").build(Recipe(config(tmp_path, **recurrent), dataset, "float32"))
    assert isinstance(model.options.classifier.layers[0], keras.layers.Bidirectional)
