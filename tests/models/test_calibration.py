"""`calibrate` and `predict_sets` of models: what they change, what they leave, and what they refuse."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import trust
from ssdgm_tf.models import VAE
from tests.models.test_predictions import make_data, make_model

#: A class alone; a class with something drawn before it; two classes of which one comes before the other.
GRAPHS = ("drawn_before", "relaxed_before", "label_before")


def classes_of(model, values):
    """{name: array} of what `predict` or `predict_sets` gave."""
    return values if isinstance(values, dict) else {model.graph.supervised[0]: values}


def calibrated(name, method="temperature"):
    model = make_model(name)
    x, y = make_data(model)
    before = classes_of(model, model.predict(x, verbose=0))
    model.calibrate(x, y, method)
    return model, x, y, before


@pytest.mark.parametrize("method", ["temperature", "vector"])
@pytest.mark.parametrize("name", GRAPHS)
def test_predictions_are_scaled_and_nothing_else_is(name, method):
    model = make_model(name)
    x, y = make_data(model)
    before, inferred = classes_of(model, model.predict(x, verbose=0)), model.encode(x)
    bound = model.bound(x, seed=0)
    model.calibrate(x, y, method)
    after = classes_of(model, model.predict(x, verbose=0))
    for variable, probabilities in before.items():
        scaling = trust.scaling.METHODS[method](probabilities, y[variable])
        np.testing.assert_allclose(after[variable], scaling(probabilities), atol=1e-4)
        assert np.abs(after[variable] - probabilities).max() > 0.01
    for variable, values in model.encode(x).items():
        np.testing.assert_array_equal(values, inferred[variable])
    np.testing.assert_array_equal(model.bound(x, seed=0), bound)


def test_evaluate_measures_the_calibrated_predictions():
    model = make_model("drawn_before")
    x, y = make_data(model)
    before = {"y": model.predict(x, verbose=0)}
    model.calibrate(x, np.full(len(x), 2), "vector")  # labels that change which class is likeliest
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    predicted = model.predict(x, verbose=0)
    assert found["error"] == pytest.approx(np.mean(predicted.argmax(axis=1) != y["y"]))
    assert np.mean(before["y"].argmax(axis=1) != y["y"]) != pytest.approx(found["error"])
    confidence, right = predicted.max(axis=1), predicted.argmax(axis=1) == y["y"]
    bins = np.minimum((confidence * 15).astype(int), 14)
    ece = sum(abs(np.sum(confidence[bins == b]) - np.sum(right[bins == b])) for b in range(15)) / len(right)
    assert found["ece"] == pytest.approx(ece, abs=1e-5)


@pytest.mark.parametrize("name", GRAPHS)
def test_sets_are_of_the_predictions_before_calibration(name):
    model, x, y, before = calibrated(name)
    found = classes_of(model, model.predict_sets(x, coverage=0.7))
    for variable, probabilities in before.items():
        scores = trust.class_scores(probabilities)[np.arange(len(x)), y[variable]]
        np.testing.assert_array_equal(found[variable], trust.sets(probabilities, scores, 0.7))
        # Of its own N labels a set holds ceil((N + 1) c).
        assert found[variable][np.arange(len(x)), y[variable]].sum() == np.ceil((len(x) + 1) * 0.7)


@pytest.mark.parametrize("name", ["drawn_before", "label_before"])
def test_a_calibration_is_saved_and_exported(name, tmp_path):
    model, x, _, _ = calibrated(name)
    expected, sets = model.predict(x, verbose=0), model.predict_sets(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    keras.tree.map_structure(np.testing.assert_array_equal, loaded.predict(x, verbose=0), expected)
    keras.tree.map_structure(np.testing.assert_array_equal, loaded.predict_sets(x), sets)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served").signatures
    for variable, probabilities in classes_of(model, expected).items():
        suffix = f"_{variable}" if len(model.graph.supervised) > 1 else ""
        found = served["classify" + suffix](x=tf.constant(x))["probabilities"]
        np.testing.assert_allclose(found, probabilities, atol=1e-6)


def test_weights_without_a_calibration_take_one_away(tmp_path):
    make_model("drawn_before").save_weights(tmp_path / "plain.weights.h5")
    model, x, _, before = calibrated("drawn_before")
    model.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_array_equal(model.predict(x, verbose=0), before["y"])
    with pytest.raises(ValueError, match="Call calibrate"):
        model.predict_sets(x)


@pytest.mark.parametrize("train", ["fit", "train_on_batch"])
def test_training_ends_it(train):
    model, x, y, before = calibrated("drawn_before")
    some = np.where(np.arange(len(x)) < 40, y["y"], -1)
    with pytest.warns(UserWarning, match="ends the calibration"):
        getattr(model, train)(x, some, **({"verbose": 0} if train == "fit" else {}))
    assert not model.calibration
    np.testing.assert_array_equal(model.predict(x, verbose=0), before["y"])  # its learning rate is 0


def test_predictions_of_other_models_take_the_place_of_its_own():
    model, x, y, _ = calibrated("drawn_before")
    others = np.random.default_rng(0).dirichlet(np.ones(3), len(x))
    model.calibrate(y=y["y"], predictions=others)
    np.testing.assert_array_equal(model.calibration["y"].scaling.slope, trust.temperature(others, y["y"]).slope)


def test_examples_without_a_label_do_not_count():
    model = make_model("label_before")
    x, y = make_data(model)
    some = {name: np.where(np.arange(len(x)) < 40, labels, -1) for name, labels in y.items()}
    model.calibrate(x, some)
    found = {name: own.scaling.slope for name, own in model.calibration.items()}
    model.calibrate(x[:40], {name: labels[:40] for name, labels in y.items()})
    for name, own in model.calibration.items():
        np.testing.assert_allclose(own.scaling.slope, found[name], rtol=1e-4)
    before = model.calibration["y"]
    model.calibrate(x, {"c": np.roll(y["c"], 1)})  # the other variable keeps what it had
    assert model.calibration["y"] is before and model.calibration["c"].scaling.slope[0] != found["c"][0]
    model.set_calibration({})
    model.calibrate(x, {"c": y["c"]})
    assert list(model.calibration) == ["c"] and list(model.predict_sets(x)) == ["c"]


def test_a_calibrated_model_says_so():
    lines = []
    calibrated("drawn_before")[0].describe(lines.append)
    assert "calibrated      y, by 60 labels" in "\n".join(lines)


def test_what_is_refused():
    model = make_model("drawn_before")
    x, y = make_data(model)
    some = np.full((60, 3), 1 / 3)
    for match, arguments in {
        "method must be one of temperature, vector": {"x": x, "y": y, "method": "isotonic"},
        "neither of x and predictions": {"y": y},
        "both of x and predictions": {"x": x, "y": y, "predictions": some},
        "needs labels of y": {"x": x, "y": None},
        "the shape": {"y": y, "predictions": some[:, :2]},
        "sum to 1": {"y": y, "predictions": some * 2},
        r"may hold \['y'\]": {"y": y, "predictions": {"z": some}},
    }.items():
        with pytest.raises(ValueError, match=match):
            model.calibrate(**arguments)
        assert not model.calibration
    with pytest.raises(ValueError, match="Call calibrate"):
        model.predict_sets(x)
    model.calibrate(x, y)
    with pytest.raises(ValueError, match="above 0 and below 1"):
        model.predict_sets(x, coverage=90)


def test_models_without_classes_are_refused():
    unsupervised = VAE(latent_dim=1, likelihood="normal")
    unsupervised.build((None, 2))
    for model, size in ((unsupervised, 2), (make_model("angle_after"), 1)):
        with pytest.raises(ValueError, match="for supervised classes"):
            model.calibrate(np.zeros((3, size)), None)
