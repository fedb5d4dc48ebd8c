"""Faces and canvases: the weights of their bounds by brute force, what is nested, and what does not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from ssdgm_tf import layers, models, nodes
from tests.tiers import tiers

S, B = 4, 6
GENERATOR = np.random.default_rng(0)


def randomised(model):
    for i, weight in enumerate(model.trainable_variables):
        weight.assign(tf.random.stateless_normal(weight.shape, (i, 7), stddev=0.3))
    model.compile("sgd", num_samples=S)
    return model


LAMPS = {"lamps": [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 1.0, 0.0]], "lamp_concentration": 5.0}


def faces(**lamps):
    """Identity known, lighting not: the weights depend on the lighting that is drawn."""
    model = models.Faces(3, latent_dim=2, hidden_units=(8,), likelihood="normal", seed=1, **lamps)
    model.build((None, 4, 3, 1))
    x = GENERATOR.uniform(size=(B, 4, 3, 1)).astype(np.float32)
    y = {"identity": np.arange(B, dtype=np.int32) % 3, "lighting": np.full((B, 3), np.nan, np.float32)}
    return randomised(model), x, y, ("identity",)


def test_light_near_no_direction_is_refused():
    with pytest.raises(ValueError, match=r"lamps must be directions \[K, 3\]. Received: lamps of shape \(2, 2\)"):
        models.Faces(3, lamps=[[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="none of length 0"):
        models.Faces(3, lamps=[[0.0, 0.0, 0.0]])


def digit_model():
    model = models.M2(3, 2, hidden_units=(8,), likelihood="normal", seed=2)
    model.build((None, 4, 4, 1))
    return randomised(model)


def canvases(nested=False):
    """The count known, and where the first digit is."""
    part = {"digit_model": digit_model()} if nested else {}
    encoder = layers.ConvEncoder((4,), 8)
    model = models.MultiDigit(2, 3, 9, (4, 4, 1), hidden_units=(8,), encoder=encoder, seed=1, **part)
    model.build((None, 9, 9, 1))
    x = GENERATOR.uniform(size=(B, 9, 9, 1)).astype(np.float32)
    place = GENERATOR.uniform(-0.3, 0.3, size=(B, 3)).astype(np.float32)
    unknown = np.full((B, 3), np.nan, np.float32)
    y = {"count": np.arange(B, dtype=np.int32) % 3, "place_1": place, "place_2": unknown}
    y |= {name: np.full(B, -1, np.int32) for name in model.graph.supervised if name.startswith("digit")}
    return randomised(model), x, y, ("count", "place_1")


@pytest.mark.parametrize(
    "make",
    [faces, lambda: faces(**LAMPS), canvases, lambda: canvases(nested=True)],
    ids=["faces", "lamps", "canvases", "nested"],
)
def test_the_weights_and_their_mean_are_those_of_brute_force(make):
    """w_s = prod q(given | its parents at the draws), Z their mean, and equation 7, a node and a sample at a time."""
    model, x, y, given = make()
    assert model.labelled_bound_in_use == "importance"
    seed = model.next_seed()
    one_pass = model.pass_over({"x": x}, y, seed=seed)
    model.next_seed = lambda: seed
    terms = model.labelled_terms({"x": x}, y, ())
    log_w, log_ratio = np.zeros((S, B)), np.zeros((S, B))
    for s in range(S):
        values = {name: at(site, y[given[0]], s) for name, site in one_pass.sites.items() if name != "x"}
        values["x"] = tf.constant(x)
        log_ratio[s] += walk(model.generative, model.graph.order_p, values)[0]
        total, by_name = walk(model.recognition, model.graph.order_q, values)
        log_ratio[s] -= total
        log_w[s] = sum(by_name[name] for name in given)
    log_z = special.logsumexp(log_w, axis=0) - np.log(S)
    assert np.ptp(log_w, axis=0).min() > 1e-3, "the weights vary"
    expected = np.mean(np.exp(log_w - log_z) * log_ratio, axis=0) + log_z
    np.testing.assert_allclose(-terms["classification_loss"].numpy(), log_z, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(terms["bound_labelled"].numpy(), expected, rtol=1e-4)


def at(site, label, s):
    """The value of a site in sample s, [B, *event]; where it differs by state, that of the given class."""
    value = site.value.numpy()
    value = value.reshape(-1, *value.shape[-3:])
    states, samples, examples = value.shape[:3]
    index = label if states > 1 else np.zeros(B, int)
    return tf.constant(value[index, min(s, samples - 1), np.arange(B) if examples > 1 else 0])


def walk(graph_nodes, order, values):
    """The sum of the log densities of the random nodes at `values`, [B], and each by name; computes what is computed."""
    by_name = {}
    for name in order:
        node = graph_nodes[name]
        parents = [values[parent] for parent in node.parents]
        if isinstance(node, nodes.Deterministic):
            values[name] = node.value(parents)
        else:
            by_name[name] = np.broadcast_to(node.head.log_density(node.distribution(parents), values[name]), (B,))
    return sum(by_name.values()), by_name


def test_a_nested_model_knows_digits_as_it_did_alone():
    """A canvas as large as a digit, the digit in its middle: the same posteriors, and the same image."""
    alone = digit_model()
    encoder = layers.ConvEncoder((4,), 8)
    model = models.MultiDigit(1, 3, 4, (4, 4, 1), digit_model=alone, hidden_units=(8,), encoder=encoder, seed=1)
    model.build((None, 4, 4, 1))
    x = GENERATOR.uniform(size=(B, 4, 4, 1)).astype(np.float32)
    whole = {"place_1": np.zeros((B, 3), np.float32), "count": np.ones(B, np.int32)}
    code, code_alone = model.encode(x, whole), alone.encode(x)
    np.testing.assert_allclose(code["digit_1"], code_alone["y"], rtol=1e-4)
    np.testing.assert_allclose(code["style_1"], code_alone["z"], rtol=1e-4, atol=1e-5)
    expected = np.minimum(alone.reconstruct(x), 1)
    np.testing.assert_allclose(model.reconstruct(x, whole), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("fine_tune", tiers([False, True], first=[True]))
def test_what_is_nested_is_kept_or_trained_further(fine_tune):
    alone = digit_model()
    before = [weight.numpy() for weight in alone.trainable_variables]
    encoder = layers.ConvEncoder((4,), 8)
    model = models.MultiDigit(
        2, 3, 9, (4, 4, 1), digit_model=alone, fine_tune=fine_tune, hidden_units=(8,), encoder=encoder, seed=1
    )
    model.build((None, 9, 9, 1))
    model.compile(keras.optimizers.Adam(1e-2))
    x = GENERATOR.uniform(size=(B, 9, 9, 1)).astype(np.float32)
    with pytest.warns(UserWarning, match="No labelled example"):
        model.fit(x, None, epochs=2, verbose=0)
    after = [*alone.generative["x"].weights, *alone.recognition["y"].weights, *alone.recognition["z"].weights]
    changed = [not np.array_equal(*pair) for pair in zip(before, (weight.numpy() for weight in after), strict=True)]
    assert len(changed) == len(before) and (all(changed) if fine_tune else not any(changed))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"images x of shape \(5, 5, 1\) and a label y. Received: M2 of {'x': \(4, 4, 1\)}"):
        models.MultiDigit(2, 3, 9, (5, 5, 1), digit_model=digit_model())
    vae = models.VAE(2, hidden_units=(8,))
    vae.build((None, 4, 4, 1))
    with pytest.raises(ValueError, match=r"a label y. Received: VAE of .*supervised \(\)"):
        models.MultiDigit(2, 3, 9, (4, 4, 1), digit_model=vae)
    with pytest.raises(ValueError, match=r"A canvas of digits is Normal.* Received: likelihood='bernoulli'"):
        models.MultiDigit(2, likelihood="bernoulli")
    model, x, y, _ = faces()
    with pytest.raises(ValueError, match=r"y may hold \['identity', 'lighting'\]. Received: \['pose'\]"):
        model.fit(x, y | {"pose": y["identity"]})
    with pytest.raises(ValueError, match="lighting"):
        model.fit(x, {"lighting": np.zeros((B, 3), np.float32)})


@pytest.mark.slow
@pytest.mark.parametrize("make", [faces, lambda: canvases(nested=True)], ids=["faces", "nested"])
def test_a_training_step_compiles_and_agrees_with_eager(make):
    """XLA draws other numbers for the same seed: compared is what depends on no draw, the labels that q infers first."""
    losses, (_, x, y, _) = {}, make()
    for jit_compile in (False, True):
        model, *_ = make()
        first = "lighting" if "lighting" in y else "place_1"
        known = {first: np.tile(np.float32([0, 0.6, 0.8]), (B, 1))}
        model.compile(keras.optimizers.Adam(1e-2), num_samples=2, jit_compile=jit_compile)
        with pytest.warns(UserWarning, match="No unlabelled example"):
            history = model.fit(x, known, batch_size=B, epochs=2, seed=0, verbose=0).history
        losses[jit_compile] = history["classification_loss"][0]
        assert np.isfinite(history["loss"]).all()
    assert losses[True] == pytest.approx(losses[False], rel=1e-4)
