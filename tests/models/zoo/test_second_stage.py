"""M2's second stage: q(y|x) of a trained model, frozen, under a decoder and a style of its own."""

import keras
import numpy as np
import pytest

from ssdgm_tf import data, layers, models

DIGITS = data.load_digits(100, 0)
CLASSIFIERS = {
    "dense": {"hidden_units": (12,)},
    "noisy, normalised": {
        "classifier": keras.Sequential(
            [keras.layers.Flatten(), keras.layers.GaussianNoise(0.1, seed=1), layers.MLP((12,), normalization="batch")]
        ),
        "estimator": "top_k",
    },
    "linear": {"classifier": keras.layers.Flatten(), "prior": "learned"},
}


def first_stage(**options):
    model = models.M2(10, 3, likelihood="normal", seed=0, **options)
    model.compile("adam")
    model.fit(DIGITS.x_train, DIGITS.y_train, epochs=1, verbose=0, seed=0)
    return model


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_predictions_are_those_of_the_first_stage_before_training_after_it_and_loaded(name, tmp_path):
    first = first_stage(**CLASSIFIERS[name])
    expected = first.predict(DIGITS.x_test, verbose=0)
    second = models.M2.from_classifier(first, 7, hidden_units=(20,), likelihood="bernoulli", seed=1)
    np.testing.assert_array_equal(second.predict(DIGITS.x_test, verbose=0), expected)
    second.compile("adam")
    before = [weight.numpy() for weight in second.generative["x"].trainable_weights]
    second.fit(DIGITS.x_train, DIGITS.y_train, epochs=1, verbose=0, seed=0)
    np.testing.assert_array_equal(second.predict(DIGITS.x_test, verbose=0), expected)
    assert all(
        np.abs(old - new).max() > 0 for old, new in zip(before, second.generative["x"].trainable_weights, strict=True)
    )
    assert second.encode(DIGITS.x_test[:2])["z"].shape == (2, 7)
    second.save(tmp_path / "second.keras")
    loaded = keras.models.load_model(tmp_path / "second.keras")
    np.testing.assert_array_equal(loaded.predict(DIGITS.x_test, verbose=0), expected)
    assert len(loaded.trainable_variables) == len(second.trainable_variables)
    assert not loaded.recognition["y"].trainable_variables


def test_the_first_stage_is_copied_and_stays_trainable():
    first = first_stage(**CLASSIFIERS["dense"])
    second = models.M2.from_classifier(first, 2, hidden_units=(5,))
    assert first.recognition["y"].trainable_variables and second.options.prior == "uniform"
    for one, other in zip(first.recognition["y"].weights, second.recognition["y"].weights, strict=True):
        assert one is not other


@pytest.mark.parametrize(
    ("model", "received"),
    [
        (lambda: models.M2(10, 2), "M2, without weights"),
        (lambda: models.SDGM(10, 2, hidden_units=(4,)), "SDGM"),
        (lambda: models.VAE(2, hidden_units=(4,)), "VAE"),
    ],
    ids=["unbuilt", "q(y|a,x)", "no class"],
)
def test_other_models_are_refused(model, received):
    made = model()
    if "without" not in received:
        made.build((None, 8, 8, 1))
    with pytest.raises(ValueError, match=rf"infers one class, y, from x alone\. Received: {received}$"):
        models.M2.from_classifier(made)
