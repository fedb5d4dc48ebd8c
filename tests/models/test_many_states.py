"""Four enumerated variables: through networks of every kind, XLA, a SavedModel and LiteRT, against sums over plain rows."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from ssdgm_tf import layers, nodes
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.runs.other_formats import write_litert

SIZES = {"a": 2, "b": 3, "c": 2, "d": 2}
STATES = [dict(zip(SIZES, state, strict=True)) for state in itertools.product(*map(range, SIZES.values()))]


@pytest.fixture
def x():
    return np.random.default_rng(0).uniform(size=(5, 4, 4, 1)).astype(np.float32)


@pytest.fixture
def model():
    """A chain of classes under an image: dense and convolutional networks, and a feature that two of them make."""

    def mlp():
        return layers.MLP((6,), "tanh")

    decoder = [keras.layers.Dense(16, "tanh"), keras.layers.Reshape((4, 4, 1)), keras.layers.Conv2D(1, 3, padding="same")]
    generative = {"a": nodes.OneHotCategorical(2, prior="learned"), "b": nodes.OneHotCategorical(3, parents="a")}
    generative["c"] = nodes.OneHotCategorical(2, parents=("a", "b"), network=mlp())
    generative["d"] = nodes.OneHotCategorical(2, parents=("c", "a"), network=mlp())
    generative["x"] = nodes.Bernoulli((4, 4, 1), parents=("a", "d", "b", "c"), network=keras.Sequential(decoder))
    encoder = keras.Sequential([keras.layers.Conv2D(2, 3, strides=2, activation="tanh"), keras.layers.Flatten()])
    recognition = {"features": nodes.Deterministic("x", encoder)}
    recognition["b"] = nodes.OneHotCategorical(3, parents="features")
    recognition["a"] = nodes.OneHotCategorical(2, parents=("x", "b"), network=mlp())
    recognition["both"] = nodes.Deterministic(("b", "a", "features"), keras.layers.Dense(3, "tanh"))
    recognition["d"] = nodes.OneHotCategorical(2, parents=("b", "x"), network=mlp())
    recognition["c"] = nodes.OneHotCategorical(2, parents=("both", "d"), network=mlp())
    model = GraphicalModel(generative, recognition, observed="x", supervised=("c", "b"), seed=1)
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape) * 0.7)
    return model


def rows(state, x):
    """{name: values [B, size]} of one joint state, and what the encoder computes."""
    return {name: np.eye(SIZES[name], dtype=np.float32)[[k] * len(x)] for name, k in state.items()} | {"x": x}


def by_rows(model, x):
    """(U(x), log p(x), {name: q(name|x)}) by a sum over joint states, each a plain batch of rows."""
    log_q, log_p = [], []
    for state in STATES:
        values = rows(state, x)
        for name, node in model.recognition.items():
            if name not in values:
                values[name] = node.value([values[parent] for parent in node.parents])

        def total(networks, names, values=values):
            terms = 0.0
            for name in names:
                node = networks[name]
                q = node.distribution([values[parent] for parent in node.parents])
                terms += np.asarray(node.head.log_density(q, values[name]), np.float64)
            return terms * np.ones(len(x))

        log_q.append(total(model.recognition, SIZES))
        log_p.append(total(model.generative, (*SIZES, "x")))
    log_q, log_p = np.array(log_q), np.array(log_p)
    q = np.exp(log_q)
    shares = {
        name: np.stack([q[[state[name] == k for state in STATES]].sum(axis=0) for k in range(size)], axis=-1)
        for name, size in SIZES.items()
    }
    return (q * (log_p - log_q)).sum(axis=0), logsumexp(log_p, axis=0), shares


def assert_exact(model, x):
    """Every method against the sums."""
    bound, evidence, shares = by_rows(model, x)
    y = {"c": [0, 1, -1, -1, -1], "b": [1, 2, 0, -1, -1]}
    measured = model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
    np.testing.assert_allclose(measured["bound_unlabelled"], bound.mean(), rtol=1e-4)
    predicted = model.predict(x, verbose=0)
    for name in ("b", "c"):
        np.testing.assert_allclose(predicted[name], shares[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.log_likelihood(x, num_samples=1), evidence, rtol=1e-4)
    np.testing.assert_allclose(model.bound(x), bound, rtol=1e-4)
    logs = model.fit(x, y, batch_size=2, verbose=0, shuffle=False).history
    np.testing.assert_allclose(logs["bound_unlabelled"], [bound[3:].mean()], rtol=1e-4)
    assert np.isfinite(logs["loss"][0]) and logs["skipped_steps"] == [0]


@pytest.mark.usefixtures("eager")
def test_every_method(model, x):
    model.compile(keras.optimizers.SGD(0.0))
    assert_exact(model, x)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [True, False])
def test_compiled(model, x, jit_compile):
    model.compile(keras.optimizers.SGD(0.0), jit_compile=jit_compile)
    assert_exact(model, x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_served(model, x, tmp_path):
    model.export(tmp_path / "served", verbose=False)
    _, evidence, shares = by_rows(model, x)
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    log_px = served["log_likelihood"](x=x, num_samples=tf.constant(1), seed=tf.constant(0, tf.int64))["log_likelihood"]
    np.testing.assert_allclose(log_px, evidence, rtol=1e-4)
    files = write_litert(tmp_path / "served", list(model.signatures()))
    for name, file in zip(("c", "b"), sorted(files, reverse=True), strict=True):
        np.testing.assert_allclose(served[f"classify_{name}"](x=x)["probabilities"], shares[name], rtol=1e-4, atol=1e-5)
        classify = tf.lite.Interpreter(model_path=str(file)).get_signature_runner(f"classify_{name}")
        np.testing.assert_allclose(classify(x=x)["probabilities"], shares[name], rtol=1e-4, atol=1e-5)
