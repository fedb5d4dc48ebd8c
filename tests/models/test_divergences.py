"""A discriminator in the place of a KL: what it is, what the objective has of it, and that bounds do not notice."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import models, nodes
from ssdgm_tf.layers import MLP, precision
from ssdgm_tf.models import GraphicalModel
from tests.tiers import tiers

GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(size=(60, 6)).astype("float32")
Y = np.where(np.arange(60) < 20, np.arange(60) % 3, -1)


def autoencoder(divergence="adversarial", label=None, of_style=None):
    """q(y|x) q(z|x), p(x|y,z): y relaxed, each with a divergence."""
    keras.utils.set_random_seed(0)
    of_label = {"estimator": "relaxed", "divergence": divergence} if label is None else label
    generative = {
        "y": nodes.OneHotCategorical(3, prior=[0.0] * 3),
        "z": nodes.Normal(2),
        "x": nodes.Bernoulli(6, parents=("y", "z"), network=MLP((8,))),
    }
    recognition = {
        "y": nodes.OneHotCategorical(3, parents="x", network=MLP((8,)), **of_label),
        "z": nodes.Normal(2, parents="x", network=MLP((8,)), divergence=of_style or divergence),
    }
    return GraphicalModel(generative, recognition, observed="x", supervised="y", seed=0)


# -- the losses --
def divergence(size=2, **options):
    keras.utils.set_random_seed(1)
    made = nodes.Adversarial((5,), "tanh", **options)
    made.build((None, size))
    return made


def test_the_losses_are_those_of_the_game():
    made = divergence()
    draws, prior = (tf.constant(GENERATOR.normal(size=(7, 2)), tf.float32) for _ in range(2))
    of_discriminator, of_q = made.losses_of(draws, prior)
    is_real, is_drawn = (tf.sigmoid(made(values)).numpy() for values in (prior, draws))
    np.testing.assert_allclose(of_discriminator, -np.log(is_real) - np.log(1 - is_drawn), rtol=1e-5)
    np.testing.assert_allclose(of_q, -np.log(is_drawn), rtol=1e-5)


def test_neither_player_moves_the_other():
    made = divergence()
    draws, prior = (tf.Variable(GENERATOR.normal(size=(7, 2)), dtype=tf.float32) for _ in range(2))
    with precision.casting_once(), tf.GradientTape(persistent=True) as tape:  # as in a step, which casts weights once
        of_discriminator, of_q = made.losses_of(tf.identity(draws), tf.identity(prior))
    weights = [variable.value for variable in made.trainable_variables]
    assert all(gradient is not None for gradient in tape.gradient(of_discriminator, weights))
    assert tape.gradient(of_discriminator, [draws, prior]) == [None, None]
    assert all(gradient is None for gradient in tape.gradient(of_q, weights))
    # d/dz of softplus(-D(z)) is (sigmoid(D) - 1) dD/dz.
    logits = made(draws.value())
    step, expected = 1e-2, np.zeros((7, 2))
    for i in range(2):
        move = np.zeros((7, 2), "float32")
        move[:, i] = step
        expected[:, i] = (made(draws + move) - made(draws - move)) / (2 * step)
    expected *= (tf.sigmoid(logits).numpy() - 1)[:, None]
    np.testing.assert_allclose(tape.gradient(of_q, draws), expected, atol=1e-3)


def test_the_best_discriminator_has_the_cross_entropy_of_the_closed_form():
    """q = p: nothing tells them apart, and 2 log 2 nats are left."""
    made, optimizer = divergence(1), keras.optimizers.Adam(1e-2)
    draws = GENERATOR.normal(size=(2, 4000, 1)).astype("float32")
    for _ in range(100):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(made.losses_of(draws[0], draws[1])[0])
        variables = made.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    assert float(loss) == pytest.approx(2 * np.log(2), abs=0.01)


# -- in a model --
@pytest.mark.usefixtures("eager")
def test_bounds_do_not_notice_and_the_objective_has_the_losses():
    """As the same model without: every term of an evaluation. In training, log p(x) and the losses are the objective."""
    with_it, without = autoencoder(), autoencoder(None, {"estimator": "relaxed"})
    for model in (with_it, without):
        model.compile("adam")
    own = {id(v) for d in with_it.graph.divergences.values() for v in d.weights}
    without.set_weights([v.numpy() for v in with_it.weights if id(v) not in own])
    results = [model.evaluate(X, Y, verbose=0, return_dict=True) for model in (with_it, without)]
    shared = set(results[1]) - {"loss"}
    assert {"bound_unlabelled", "kl_z", "kl_y", "bound_labelled"} <= shared
    assert {name: results[0][name] for name in shared} == pytest.approx(
        {name: results[1][name] for name in shared}, rel=1e-4
    )
    terms = with_it.unlabelled_terms({"x": tf.constant(X)}, ("x",), training=True)
    assert {"adversary_y", "adversary_z"} <= set(terms)
    np.testing.assert_allclose(terms["bound_unlabelled"], terms["log_px"] - terms["kl_y"] - terms["kl_z"], rtol=1e-4)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("bound_weight", [None, 0.5])
def test_the_objective_is_the_likelihood_without_the_losses(bound_weight, monkeypatch):
    seen = {}
    original = nodes.Adversarial.losses_of

    def kept(self, draws, prior):
        seen[self.weight] = draws, prior, original(self, draws, prior)
        return seen[self.weight][2]

    monkeypatch.setattr(nodes.Adversarial, "losses_of", kept)
    model = autoencoder(nodes.Adversarial((5,), weight=3.0), of_style=nodes.Adversarial((4,), weight=7.0))
    model.compile("adam", num_samples=2, bound_weight=bound_weight)
    terms = model.unlabelled_terms({"x": tf.constant(X)}, ("x",), training=True)
    factor, expected = bound_weight or 1.0, (bound_weight or 1.0) * terms["log_px"]
    for weight, (_, _, (of_discriminator, of_q)) in seen.items():
        d, q = (np.reshape(loss, (2, 60)).mean(axis=0) for loss in (of_discriminator, of_q))
        expected -= d + factor * weight * q
    np.testing.assert_allclose(terms["objective"], expected, rtol=1e-4)
    np.testing.assert_allclose(terms["adversary_z"], np.reshape(seen[7.0][2][0], (2, 60)).mean(axis=0), rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_every_example_has_its_own_draw_of_the_prior(monkeypatch):
    seen = {}
    original = nodes.Adversarial.losses_of
    monkeypatch.setattr(
        nodes.Adversarial, "losses_of", lambda self, *pair: seen.update({self: pair[1]}) or original(self, *pair)
    )
    model = models.AdversarialAutoencoder(3, 2, hidden_units=(8,), seed=0)
    model.build((None, 6))
    model.compile("adam")
    model.unlabelled_terms({"x": tf.constant(X)}, ("x",), training=True)
    of_y, of_z = (np.asarray(seen[model.graph.divergences[name]]) for name in ("y", "z"))
    assert of_z.shape == (60, 2) and len(np.unique(of_z[:, 0])) == 60
    # A class is missing among 60 draws with a probability below 1e-10.
    assert of_y.shape == (60, 3) and np.all(of_y.sum(axis=0) > 0) and np.all(of_y.sum(axis=1) == 1)


@pytest.mark.usefixtures("eager")
def test_a_known_label_plays_no_game():
    model = autoencoder()
    model.compile("adam")
    terms = model.labelled_terms({"x": tf.constant(X[:3])}, {"y": tf.constant([0, 1, 2])}, ("x", "y"), training=True)
    assert "adversary_z" in terms and "adversary_y" not in terms
    partly = model.labelled_terms({"x": tf.constant(X[:3])}, {"y": tf.constant([0, -1, 2])}, ("x",), training=True)
    np.testing.assert_array_equal(partly["adversary_y"].numpy() == 0, [True, False, True])


@pytest.mark.parametrize("jit_compile", tiers([False, True], first=[False]))
def test_training_brings_the_draws_to_the_prior(jit_compile):
    """Images on a line: an autoencoder alone puts its codes anywhere, here far apart."""
    places = np.random.default_rng(0).normal(size=(400, 1))
    x = (3 + 2 * places + 0.1 * np.random.default_rng(1).normal(size=(400, 4))).astype("float32")
    apart = {}
    for weight in (3.0, 1e-6):
        keras.utils.set_random_seed(0)
        generative = {"z": nodes.Normal(1), "x": nodes.Normal(4, 1.0, parents="z", network=MLP((16,)))}
        game = nodes.Adversarial((16,), weight=weight)
        q = nodes.Normal(1, 0.3, parents="x", network=MLP((16,)), divergence=game)
        model = GraphicalModel(generative, {"z": q}, observed="x", seed=0)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
        model.fit(x, batch_size=100, epochs=120, verbose=0, seed=0)
        codes = model.predict(x, verbose=0)[:, 0]
        apart[weight] = abs(codes.mean()) + abs(codes.std() - 1)
    assert apart[3.0] < 0.8 < 1.5 < apart[1e-6]


def test_it_is_saved_and_loaded_and_trains_on(tmp_path):
    model = autoencoder(nodes.Adversarial((5,), weight=0.5), of_style=nodes.Adversarial((4,), weight=0.25))
    model.compile("adam")
    model.fit(X, Y, batch_size=20, epochs=1, verbose=0, seed=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert {name: d.weight for name, d in again.graph.divergences.items()} == {"y": 0.5, "z": 0.25}
    losses = [made.fit(X, Y, batch_size=20, epochs=1, verbose=0, seed=1).history["loss"] for made in (model, again)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_the_named_model_learns_and_generates():
    model = models.AdversarialAutoencoder(3, 2, hidden_units=(8,), seed=0)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(X, Y, batch_size=20, epochs=5, verbose=0, seed=0).history
    assert history["log_px"][-1] > history["log_px"][0] and {"adversary_y", "adversary_z", "kl_z"} <= set(history)
    assert model.generate({"y": [0, 1]}).shape == (2, 6)


# -- refused at compile --
def given_y():
    generative = {
        "y": nodes.OneHotCategorical(3, prior=[0.0] * 3),
        "z": nodes.Normal(2, parents="y"),
        "x": nodes.Bernoulli(6, parents="z"),
    }
    recognition = {
        "y": nodes.OneHotCategorical(3, parents="x", estimator="relaxed"),
        "z": nodes.Normal(2, parents="x", divergence="adversarial"),
    }
    return GraphicalModel(generative, recognition, observed="x", supervised="y")


def after_y():
    generative = {
        "y": nodes.OneHotCategorical(3, prior=[0.0] * 3),
        "z": nodes.Normal(2),
        "x": nodes.Bernoulli(6, parents=("y", "z")),
    }
    recognition = {
        "y": nodes.OneHotCategorical(3, parents="x"),
        "z": nodes.Normal(2, parents=("x", "y"), divergence="adversarial"),
    }
    return GraphicalModel(generative, recognition, observed="x", supervised="y")


def after_a_score():
    generative = {"u": nodes.Poisson(1), "z": nodes.Normal(2), "x": nodes.Bernoulli(6, parents=("u", "z"))}
    recognition = {
        "u": nodes.Poisson(1, parents="x"),
        "z": nodes.Normal(2, parents=("x", "u"), divergence="adversarial"),
    }
    return GraphicalModel(generative, recognition, observed="x")


def on_the_prior():
    generative = {"z": nodes.Normal(2, divergence="adversarial"), "x": nodes.Bernoulli(6, parents="z")}
    return GraphicalModel(generative, {"z": nodes.Normal(2, parents="x")}, observed="x")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: autoencoder(label={"divergence": "adversarial"}), {}, r"needs draws that carry gradients.*Received: 'y'"),
        (
            lambda: autoencoder(label={"divergence": "adversarial", "estimator": "score_function"}),
            {},
            r"needs draws that carry gradients.*Received: 'y'",
        ),
        (
            lambda: autoencoder(nodes.Adversarial((5,))),
            {},
            r"a divergence of its own\. Received: one for several of 'y', 'z'",
        ),
        (after_y, {}, r"depend on no enumerated variable.* Received: 'z', which depends on 'y'"),
        (given_y, {}, r"must be fixed and have no parents\. Received: 'z' given y"),
        (autoencoder, {"unlabelled_bound": "importance_weighted"}, r"only the evidence lower bound has\. Received: unlab"),
        (autoencoder, {"labelled_bound": "importance"}, r"only the evidence lower bound has\. Received: labelled_bound"),
        (after_a_score, {}, r"none with the score function\. Received: 'z', which depends on 'u'"),
        (on_the_prior, {}, r"belongs to the recognition model\. Received: 'z' in the generative one"),
    ],
)
def test_what_does_not_suit_is_refused(make, options, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        model.compile("adam", **options)


def test_an_unknown_divergence_and_a_weight_of_nothing_are_refused():
    with pytest.raises(ValueError, match=r"divergence must be None or 'adversarial'\. Received: divergence='wasserstein'"):
        nodes.Normal(2, parents="x", divergence="wasserstein")
    with pytest.raises(ValueError, match=r"must be greater than 0\. Received: weight=0"):
        nodes.Adversarial(weight=0)
