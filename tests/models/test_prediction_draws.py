"""Draws of predictions: what varies in them, and what does not."""

import keras
import numpy as np

from ssdgm_tf import layers, models
from ssdgm_tf.models.prediction_draws import prediction_draws

X = np.random.default_rng(0).uniform(size=(7, 4, 4, 1)).astype(np.float32)


def test_draws_vary_where_a_latent_variable_comes_before_the_label():
    model = models.ADGM(3, 2, auxiliary_dim=2, hidden_units=(8,), seed=1)
    model.compile()
    model.build((None, 4, 4, 1))
    draws = prediction_draws(model, X, 6)["y"]
    assert draws.shape == (6, 7, 3)
    np.testing.assert_allclose(draws.sum(axis=-1), 1, atol=1e-5)
    assert (draws.std(axis=0) > 1e-5).all()
    np.testing.assert_array_equal(draws, prediction_draws(model, X, 6)["y"])


def test_dropout_and_moves_vary_and_leave_no_trace():
    network = keras.Sequential(
        [layers.RandomAffine(seed=1), keras.layers.Flatten(), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    )
    model = models.M2(3, 2, hidden_units=(8,), classifier=network, seed=1)
    model.compile()
    model.build((None, 4, 4, 1))
    before = [np.asarray(value) for value in model.variables]
    draws = prediction_draws(model, X, 4)["y"]
    assert (draws.std(axis=0).sum(axis=-1) > 1e-4).all()
    for old, new in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_without_anything_random_all_draws_are_the_prediction():
    model = models.M2(3, 2, hidden_units=(8,), seed=1)
    model.compile()
    model.build((None, 4, 4, 1))
    for draw in prediction_draws(model, X, 3)["y"]:
        np.testing.assert_allclose(draw, model.predict(X, verbose=0), atol=1e-6)
