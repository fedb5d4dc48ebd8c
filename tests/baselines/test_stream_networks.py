"""Networks of other systems: ladder, adversarial, contractive and tangent networks, as estimators and as Keras models."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import baselines
from ssdgm_tf.baselines.adversarial import GAMES, NormedDense
from ssdgm_tf.baselines.contractive import (
    ContractiveAutoencoder,
    ContractiveLayer,
    TangentClassifier,
    change_along,
    tangents,
)
from ssdgm_tf.baselines.ladder import Denoiser, LinearEnd
from ssdgm_tf.objectives.contraction import contraction
from tests.baselines.test_network_classifier import shapes
from tests.tiers import tiers

X, Y, _ = shapes()
X = np.clip(X, 0, 1)
FLAT = X.reshape(len(X), -1)
FEW = {"num_steps": 5, "batch_size": 20}
MADE = {
    "ladder": lambda **of: baselines.Ladder(2, (12, 8), costs=(10.0, 1.0, 0.1, 0.1), **FEW | of),
    "contractive": lambda **of: baselines.ContractiveNetwork(2, (12, 8), num_pretraining_steps=5, **FEW | of),
    "manifold_tangent": lambda **of: baselines.ManifoldTangentNetwork(
        2, 3, units=(12, 8), num_pretraining_steps=5, **FEW | of
    ),
    **{
        game: lambda game=game, **of: baselines.AdversarialNetwork(2, game, (12, 8), 6, ema_momentum=0.9, **FEW | of)
        for game in GAMES
    },
}


FIRST = tiers(list(MADE), first=["ladder", "manifold_tangent", "complement"])


def probs(estimator):
    return estimator._model.predict(FLAT, verbose=0)


@functools.cache
def fitted(name, seed=1, **options):
    return MADE[name](seed=seed, **options).fit(X, Y)


@pytest.mark.parametrize("name", FIRST)
def test_same_seed_same_weights_other_seed_others(name):
    first, again, other = probs(fitted(name)), probs(MADE[name](seed=1).fit(X, Y)), probs(fitted(name, seed=2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4 and np.all(np.isfinite(first))


@pytest.mark.parametrize("name", FIRST)
def test_the_keras_model_is_saved_and_loaded(name, tmp_path):
    estimator = fitted(name)
    estimator._model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(FLAT, verbose=0), probs(estimator), rtol=1e-5)


@pytest.mark.parametrize("name", FIRST)
def test_every_weight_learns(name):
    before, after = (fitted(name, num_steps=steps)._model.trainable_variables for steps in (1, 5))
    still = [a.path for a, b in zip(before, after, strict=True) if np.array_equal(a, b)]
    assert not still


# -- ladder --
def test_the_denoiser_is_that_of_the_paper():
    denoiser = Denoiser()
    z, u = (np.random.default_rng(i).normal(size=(4, 3)).astype("float32") for i in (0, 1))
    denoiser.build([(None, 3), (None, 3)])
    # As it begins: mu = sigmoid(0 + u) 0 = 0 and v = 0, so the estimate is 0.
    np.testing.assert_array_equal(denoiser([z, u]), 0)
    a = np.random.default_rng(2).normal(size=(10, 3)).astype("float32")
    denoiser.set_weights(list(a))
    mean = a[0] / (1 + np.exp(-(a[1] * u + a[2]))) + a[3] * u + a[4]
    factor = a[5] / (1 + np.exp(-(a[6] * u + a[7]))) + a[8] * u + a[9]
    np.testing.assert_allclose(denoiser([z, u]), (z - mean) * factor + mean, rtol=1e-5, atol=1e-6)


def ladder():
    keras.utils.set_random_seed(0)
    return baselines.ladder.LadderClassifier(2, (16,), (12, 8), 0.3, (10.0, 1.0, 0.1, 0.1), seed=0)


def test_the_encoder_of_the_ladder_by_hand():
    model, x = ladder(), FLAT[:10]
    clean, h = model.encode(tf.constant(x), 0.0), x
    for i, layer in enumerate(model.up):
        before = h @ layer.kernel.numpy()
        z = (before - before.mean(axis=0)) / np.sqrt(before.var(axis=0) + 1e-5)
        np.testing.assert_allclose(clean.z[i + 1], z, rtol=1e-3, atol=1e-4)
        h = np.maximum(z, 0)
    np.testing.assert_allclose(clean.logits, z, rtol=1e-3, atol=1e-4)


def standard(values):
    return (values - values.mean(axis=0)) / np.sqrt(values.var(axis=0) + 1e-5)


def test_the_loss_of_the_ladder_by_hand():
    """Denoisers, shifts and factors at random, against NumPy, from the top down; the costs from the bottom up."""
    model, generator = ladder(), np.random.default_rng(0)
    for weight in (*model.shift, model.factor, *(a for denoiser in model.denoisers for a in denoiser.a)):
        weight.assign(generator.normal(size=weight.shape))
    model.noise = 0.0  # of the noisy pass: its values are those of the clean one
    x, y = FLAT[:10], Y[:10]
    h, z, mean, scale = x, [x], [0.0], [1.0]
    for i, layer in enumerate(model.up):
        before = h @ layer.kernel.numpy()
        mean.append(before.mean(axis=0))
        scale.append(np.sqrt(before.var(axis=0) + 1e-5))
        z.append(standard(before))
        shifted = z[-1] + model.shift[i].numpy()
        h = model.factor.numpy() * shifted if i == 2 else np.maximum(shifted, 0)
    q = np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)
    expected, above = -np.log(q[np.arange(10), y]).mean(), q
    for i in (3, 2, 1, 0):
        a, u = [weight.numpy() for weight in model.denoisers[i].a], standard(above)
        mu = a[0] / (1 + np.exp(-(a[1] * u + a[2]))) + a[3] * u + a[4]
        v = a[5] / (1 + np.exp(-(a[6] * u + a[7]))) + a[8] * u + a[9]
        estimate = (z[i] - mu) * v + mu
        expected += model.costs[i] * np.mean((z[i] - (estimate - mean[i]) / scale[i]) ** 2)
        above = estimate @ model.down[i - 1].kernel.numpy() if i else above
    (player,) = model.players(tf.constant(x), tf.constant(y), tf.constant(x))
    np.testing.assert_allclose(player.loss, expected, rtol=1e-3)


def test_predictions_of_the_ladder_use_running_statistics():
    """Those of an example do not depend on the others, and after many steps they are near those of the batch."""
    model = MADE["ladder"](num_steps=400, learning_rate=1e-4, batch_size=60).fit(X, Y)._model
    alone = np.concatenate([model.predict(FLAT[i : i + 1], verbose=0) for i in range(3)])
    together = model.predict(FLAT, verbose=0)
    np.testing.assert_allclose(alone, together[:3], rtol=1e-4)
    np.testing.assert_allclose(together, tf.nn.softmax(model.encode(tf.constant(FLAT), 0.0).logits), atol=0.05)


def test_the_rate_is_held_and_then_falls_to_zero():
    rate = LinearEnd(0.5, 300)
    np.testing.assert_allclose([rate(step) for step in (0, 200, 250, 300, 400)], [0.5, 0.5, 0.25, 0, 0], atol=1e-6)


def test_the_ladder_refuses_another_number_of_costs():
    with pytest.raises(ValueError, match=r"hidden layers and classes: 7\. Received: 2"):
        baselines.Ladder(2, costs=(1.0, 1.0)).fit(X, Y)


# -- classifier against generator --
def test_a_first_batch_scales_normed_layers():
    layer, x = NormedDense(5), np.random.default_rng(0).normal(3, 7, size=(200, 4)).astype("float32")
    layer.build((None, 4))
    layer.adapt(x)
    np.testing.assert_allclose(np.mean(layer(x), axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.var(layer(x), axis=0), 1, rtol=1e-3)
    direction = layer.direction.numpy()
    expected = x @ (direction / np.linalg.norm(direction, axis=0)) * layer.length.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-3, atol=1e-3)


def test_each_player_moves_its_own_weights():
    model = MADE["feature_matching"](num_steps=1).fit(X, Y)._model
    first, second = model.players(tf.constant(FLAT[:5]), tf.constant(Y[:5]), tf.constant(FLAT))
    of_generator = {id(variable) for variable in model.generator.trainable_variables}
    assert {id(variable) for variable in second.variables} == of_generator
    assert not of_generator & {id(variable) for variable in first.variables}
    assert len(first.variables) + len(second.variables) == len(model.trainable_variables)


def test_the_generator_learns_the_mean_of_the_examples():
    model = MADE["feature_matching"](num_steps=500, learning_rate=3e-3).fit(X, Y)._model
    made = model.generate(200, training=True).numpy()
    assert made.shape == (200, 16) and np.abs(made.mean(axis=0) - FLAT.mean(axis=0)).max() < 0.25


def test_an_unknown_game_is_refused():
    with pytest.raises(ValueError, match=r"game must be one of .* Received: game='chess'"):
        baselines.AdversarialNetwork(2, "chess").fit(X, Y)


# -- contractive and tangent networks --
def layers_of(*units):
    keras.utils.set_random_seed(0)
    stack = [ContractiveLayer(size) for size in units]
    for layer, below in zip(stack, (16, *units), strict=False):
        layer.build((None, below))
    return stack


def test_tangents_are_the_singular_vectors_of_the_jacobian():
    stack, x = layers_of(12, 8), tf.constant(FLAT[:3])
    with tf.GradientTape() as tape:
        tape.watch(x)
        h = stack[1](stack[0](x))
    jacobians = tape.batch_jacobian(h, x).numpy()
    for found, jacobian in zip(tangents(stack, FLAT[:3], 4), jacobians, strict=True):
        expected = np.linalg.svd(jacobian)[2][:4]
        np.testing.assert_allclose(found @ found.T, np.eye(4), atol=1e-4)
        # The same space; the order and the sign of its vectors are free.
        np.testing.assert_allclose(found.T @ found, expected.T @ expected, atol=1e-3)


def test_change_along_directions_against_finite_differences():
    network = keras.Sequential([keras.Input((16,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3)])
    x, u = FLAT[:4], np.random.default_rng(0).normal(size=(4, 2, 16)).astype("float32")
    step, expected = 1e-2, 0.0
    for i in range(2):
        expected += np.sum(((network(x + step * u[:, i]) - network(x - step * u[:, i])) / (2 * step)) ** 2, axis=1)
    np.testing.assert_allclose(change_along(network, tf.constant(x), tf.constant(u)), expected, rtol=1e-2)


def test_training_makes_the_outputs_constant_along_given_directions():
    """The heavier the weight, the less they change."""
    directions, changes = np.random.default_rng(0).normal(size=(40, 2, 16)).astype("float32"), []
    for weight in (0.0, 10.0):
        keras.utils.set_random_seed(0)
        network = keras.Sequential([keras.Input((16,)), keras.layers.Dense(12, "tanh"), keras.layers.Dense(2)])
        model = TangentClassifier(network, weight)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        batch = FLAT[:40], Y[:40], directions
        model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=100, verbose=0, shuffle=False)
        change = change_along(lambda at, n=network: tf.nn.softmax(n(at)), tf.constant(FLAT[:40]), tf.constant(directions))
        changes.append(np.mean(change))
    assert changes[1] < 0.2 * changes[0]


def test_the_penalty_contracts_and_the_autoencoder_reconstructs():
    norms, errors = [], []
    for penalty in (0.0, 1.0):
        (layer,) = layers_of(12)
        model = ContractiveAutoencoder(layer, penalty, 0.0, 0.1, 0)
        model.build((None, 16))
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        model.fit(tf.data.Dataset.from_tensors((FLAT,)).repeat(), steps_per_epoch=300, verbose=0, shuffle=False)
        norms.append(np.mean(contraction(layer(FLAT), layer.kernel.value)))
        errors.append(np.mean((model.predict(FLAT, verbose=0) - FLAT) ** 2))
    assert norms[1] < 0.5 * norms[0]
    assert errors[0] < 0.5 * np.mean((FLAT - FLAT.mean(axis=0)) ** 2)


@pytest.mark.parametrize("number", [0, 8])
def test_too_many_tangents_are_refused(number):
    with pytest.raises(ValueError, match=rf"num_tangents must lie between 1 and 7 here\. Received: num_tangents={number}"):
        tangents(layers_of(12, 8), FLAT, number)


def test_an_autoencoder_is_saved_and_loaded(tmp_path):
    (layer,) = layers_of(12)
    model = ContractiveAutoencoder(layer, 0.1, 0.1, 0.1, 0)
    model.build((None, 16))
    model.decoder_bias.assign(np.linspace(-1, 1, 16))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(FLAT, verbose=0), model.predict(FLAT, verbose=0), rtol=1e-6)


def test_few_steps_forget_the_first_weights():
    model = baselines.AdversarialNetwork(2, units=(12, 8), num_steps=20, batch_size=20).fit(X, Y)._model
    assert model.optimizer.ema_momentum == 0.5
