"""`fit_novelty`, `novelty` and `is_novel` of models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf.models import VAE
from tests.models.test_predictions import make_model


def make_vae(**options):
    model = VAE(latent_dim=1, hidden_units=(8,), likelihood="normal", seed=1, **options)
    model.build((None, 3))
    model.compile("adam")
    return model


def examples(number, seed=0):
    """Points along a line, with a little noise."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(number, 1)) * [1.0, 2.0, -1.0] + 0.1 * generator.normal(size=(number, 3))


def test_known_examples_are_not_novel_and_others_are():
    model = make_vae()
    model.fit(examples(400), epochs=5, verbose=0)
    model.fit_novelty(examples(2000, seed=1))
    known, others = examples(1000, seed=2), examples(1000, seed=3)[:, ::-1] + [0, 6, 0]
    # 400 known examples to compare with: within 5 standard errors of 5 %.
    assert abs(np.mean(model.is_novel(known)) - 0.05) < 5 * np.sqrt(0.05 * 0.95 * (1 / 400 + 1 / 1000))
    assert np.mean(model.is_novel(others, false_alarms=0.05)) > 0.8
    p_values = model.known_examples.p_value(model.novelty(others))
    np.testing.assert_array_equal(model.is_novel(others, 0.1), p_values.numpy() <= 0.1)


def test_missing_elements_are_shown_as_networks_see_them():
    model = make_vae(gaps=True)
    x = examples(120)
    x[np.random.default_rng(0).uniform(size=x.shape) < 0.2] = np.nan
    model.fit_novelty(x)
    found = model.novelty(x[:5])
    center = model.known_examples.background.center
    assert np.all(np.isfinite(found)) and len(center) == 6
    assert np.all((0.5 < center[3:]) & (center[3:] < 1))  # which are known


def test_images_are_compared_in_texture_too():
    model = VAE(latent_dim=1, hidden_units=(8,), seed=1)
    x = np.random.default_rng(0).uniform(size=(120, 5, 4, 1))
    model.build((None, 5, 4, 1))
    model.fit_novelty(x)
    assert model.known_examples.texture.shape.tolist() == [5, 4, 1]
    assert np.all(model.is_novel(np.round(x), false_alarms=0.1))
    assert np.mean(model.is_novel(x, false_alarms=0.1)) < 0.3


def test_at_most_so_many_examples_are_taken():
    model = make_vae()
    model.fit_novelty(examples(12_000))
    known = model.known_examples
    assert [len(known.background.coordinates), len(known.content.known), len(known.scores)] == [4000, 4000, 2000]


def test_rates_are_those_of_examples_held_out():
    """New examples are shifted. The rate holds if those held out are shifted too; with none held out it is larger."""
    model = make_vae()
    x, shifted = examples(1000), [examples(1000, seed) + np.array([0.3, 0.0, 0.0]) for seed in (4, 5)]
    model.fit_novelty(x, held_out=shifted[0])
    known = model.known_examples
    assert [len(known.background.coordinates), len(known.content.known), len(known.scores)] == [500, 500, 1000]
    np.testing.assert_array_equal(known.scores, np.sort(model.novelty(shifted[0])))
    # Within 5 standard errors of 20 %.
    error = np.sqrt(0.2 * 0.8 * 2 / 1000)
    assert abs(np.mean(model.is_novel(shifted[1], false_alarms=0.2)) - 0.2) < 5 * error
    model.fit_novelty(x)
    assert np.mean(model.is_novel(shifted[1], false_alarms=0.2)) > 0.2 + 5 * error
    with pytest.raises(ValueError, match=r"take at least 100 held-out examples. Received: 99"):
        model.fit_novelty(x, held_out=shifted[0][:99])
    assert len(model.known_examples.scores) == 200  # what was there stays


@pytest.mark.parametrize("name", ["drawn_before", "label_before", "angle_after"])
def test_it_is_saved_and_training_ends_it(name, tmp_path):
    model = make_model(name)
    x = np.random.default_rng(0).normal(size=(100, 1))
    model.fit_novelty(x)
    expected = model.novelty(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.novelty(x), expected)
    np.testing.assert_array_equal(loaded.is_novel(x), model.is_novel(x))
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served").signatures["novelty"](x=tf.constant(x, tf.float32))
    np.testing.assert_allclose(served["novelty"], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(served["p_value"], model.known_examples.p_value(expected), atol=0.05)
    with pytest.warns(UserWarning, match="what is novel"):
        model.train_on_batch(x)
    with pytest.raises(ValueError, match="Call fit_novelty"):
        model.novelty(x)


def test_what_is_refused():
    model = make_vae()
    with pytest.raises(ValueError, match="Call fit_novelty"):
        model.is_novel(examples(3))
    with pytest.raises(ValueError, match="at least 100 examples"):
        model.fit_novelty(examples(99))
    model.fit_novelty(examples(100))
    with pytest.raises(ValueError, match=r"With 20 known examples .* at least 0\.0476. Received: false_alarms=0\.04"):
        model.is_novel(examples(3), false_alarms=0.04)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        model.novelty(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="above 0 and below 1"):
        model.is_novel(examples(3), false_alarms=1)
    with pytest.raises(ValueError, match="from fit"):
        VAE(latent_dim=1, likelihood="normal").fit_novelty(examples(100))
