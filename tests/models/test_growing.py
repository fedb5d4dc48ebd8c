"""A class more: what was learned of the others stays."""

import keras
import numpy as np
import pytest

from ssdgm_tf import layers, models
from ssdgm_tf.models.growing import grow

X = np.random.default_rng(0).uniform(size=(30, 4, 4, 1)).astype(np.float32)
Y = np.where(np.arange(30) < 12, np.arange(30) % 3, -1)


def convolutional():
    return keras.Sequential([layers.RandomAffine(seed=1), layers.ConvEncoder((4,), 8, 0.5)])


MAKERS = {
    "m2": lambda k: models.M2(k, 2, hidden_units=(8,), seed=k),
    "m2_top_k": lambda k: models.M2(k, 2, hidden_units=(8,), estimator="top_k", classifier=convolutional(), seed=k),
    "m2_learned_prior": lambda k: models.M2(k, 2, hidden_units=(8,), prior="learned", normalization="batch", seed=k),
    "adgm": lambda k: models.ADGM(k, 2, auxiliary_dim=2, hidden_units=(8,), seed=k),
    "sdgm": lambda k: models.SDGM(k, 2, auxiliary_dim=2, hidden_units=(8,), seed=k),
    "m2_convolutional_decoder": lambda k: models.M2(
        k, 2, hidden_units=(8,), decoder=layers.ConvDecoder((4, 4, 1), (4,)), encoder=layers.ConvEncoder((4,), 8), seed=k
    ),
    "aae": lambda k: models.AdversarialAutoencoder(k, 2, hidden_units=(8,), seed=k),
    "disentangled_vae": lambda k: models.DisentangledVAE(k, 2, hidden_units=(8,), seed=k),
}


def made(maker, classes):
    model = maker(classes)
    model.compile(keras.optimizers.Adam(1e-2))
    model.build((None, 4, 4, 1))
    return model


@pytest.mark.parametrize("name", MAKERS)
def test_what_was_learned_stays(name):
    trained = made(MAKERS[name], 3)
    trained.fit(X, Y, epochs=2, verbose=0)
    grown = made(MAKERS[name], 4)
    grow(grown, trained, 4, 3)
    before, after = trained.predict(X, verbose=0), grown.predict(X, verbose=0)
    # The odds of the old classes are what they were, and the new class is unlikely. Where a prediction is a mean over draws,
    # the new class takes a little more from some draws than from others.
    tolerance = 1e-4 if name.startswith("m2") else 1e-2
    np.testing.assert_allclose(np.log(after[:, 1:3] / after[:, :1]), np.log(before[:, 1:] / before[:, :1]), atol=tolerance)
    assert after[:, 3].max() < 0.25
    z = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    given = {"y": np.arange(6) % 3, "z": z}
    np.testing.assert_allclose(grown.generate(given, seed=0), trained.generate(given, seed=0), atol=1e-5)
    assert grown.num_steps == trained.num_steps
    assert int(grown.optimizer.iterations) == int(trained.optimizer.iterations)
    grown.fit(X, np.where(np.arange(30) == 20, 3, Y), epochs=1, verbose=0)


def test_an_optimizer_and_its_averages_go_on():
    """The running average of the weights takes their place after training: what it lacks is lost."""
    trained, grown = made(MAKERS["m2"], 3), made(MAKERS["m2"], 4)
    for model in (trained, grown):
        model.compile(keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.99))
    trained.fit(X, Y, epochs=3, verbose=0)
    grow(grown, trained, 4, 3)
    before = grown.predict(X, verbose=0)
    pairs = zip(trained.trainable_variables, grown.trainable_variables, strict=True)
    same = [k for k, (old, new) in enumerate(pairs) if old.shape == new.shape]
    assert 0 < len(same) < len(trained.trainable_variables)
    for name in ("_momentums", "_velocities", "_model_variables_moving_average"):
        for k in same:
            np.testing.assert_array_equal(getattr(grown.optimizer, name)[k], getattr(trained.optimizer, name)[k])
    grown.optimizer.learning_rate.assign(0.0)
    grown.fit(X, np.where(np.arange(30) == 20, 3, Y), epochs=1, verbose=0)
    np.testing.assert_allclose(grown.predict(X, verbose=0), before, atol=0.05)


def test_refuses_a_model_of_another_kind():
    with pytest.raises(ValueError, match="by classes only"):
        grow(made(MAKERS["sdgm"], 4), made(MAKERS["m2"], 3), 4, 3)
    with pytest.raises(ValueError, match="by classes only"):
        grow(made(lambda k: models.M2(k, 3, hidden_units=(8,)), 4), made(MAKERS["m2"], 3), 4, 3)
