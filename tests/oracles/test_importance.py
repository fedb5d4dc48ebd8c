"""The labelled importance estimator of Siddharth et al. where its weights vary, and the importance-weighted bounds."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.models import GraphicalModel
from tests.oracles.brute_force import Quadrature
from tests.tiers import tiers

X = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
Y = np.array([0, 1, 2, 1, 0])


def make(estimator=None):
    """p(y) p(z) p(x|y,z) with q(z|x) q(y|x,z): the label depends on the style, so that the weights q(y|x,z_s) vary."""
    generative = {
        "y": nodes.OneHotCategorical(3, dtype="float64"),
        "z": nodes.Normal(1, dtype="float64"),
        "x": nodes.Normal(2, parents=("y", "z"), dtype="float64"),
    }
    recognition = {
        "z": nodes.Normal(1, parents="x", estimator=estimator, dtype="float64"),
        "y": nodes.OneHotCategorical(3, parents=("x", "z"), estimator="enumerate", dtype="float64"),
    }
    model = GraphicalModel(generative, recognition, observed="x", supervised="y", dtype="float64", seed=2)
    generator = np.random.default_rng(3)
    for node in (generative["x"], recognition["z"], recognition["y"]):
        for weight in node.head.projection.trainable_variables:
            weight.assign(0.6 * generator.normal(size=weight.shape))
    # Scales: 1 for x, 1.3 for q(z|x), which is wider than the posterior, so that importance weights have a variance.
    for node, raw in ((generative["x"], [0.0, 0.0]), (recognition["z"], [0.44])):
        kernel, bias = node.head.projection.trainable_variables
        half = kernel.shape[1] // 2
        kernel.assign(tf.concat([kernel[:, :half], tf.zeros_like(kernel[:, half:])], axis=1))
        bias.assign(tf.concat([bias[:half], tf.constant(raw, tf.float64)], axis=0))
    model.compile("sgd")
    return model


def objectives(model, num_samples, repeats=1, copies=1, alpha=2.0):
    """Mean Lsup of so many copies of the data, the classification term included, and its gradient; a row a repeat."""
    model.num_samples = num_samples
    weights = [
        w
        for node in (model.generative["x"], model.recognition["z"], model.recognition["y"])
        for w in node.trainable_variables
    ]
    x, y = {"x": tf.constant(np.tile(X, (copies, 1)))}, {"y": tf.constant(np.tile(Y, copies))}

    @tf.function(autograph=False)
    def estimate():
        with tf.GradientTape() as tape:
            terms = model.labelled_terms(x, y, ("y",))
            value = tf.reduce_mean(terms["objective"] - alpha * terms["classification_loss"])
        return tf.concat([[value], *(tf.reshape(g, [-1]) for g in tape.gradient(value, weights))], axis=0)

    return np.array([estimate() for _ in range(repeats)])


def test_the_graph_chooses_the_importance_form():
    model = make()
    assert model.labelled_bound_in_use == "importance"
    model.compile("sgd", labelled_bound="conditional")
    assert model.labelled_bound_in_use == "conditional"


def test_value_and_gradient_converge_to_the_exact_objective():
    """Against 60-point quadrature: the bias falls with S, and at S = 20,000 nothing is left beyond 7 standard errors.

    20 repeats; 7 standard errors of a t with 19 degrees fail with probability 1.2e-6, below 5e-5 for the 25 numbers.
    """
    (exact,) = objectives(make(Quadrature(60)), 1)
    model = make()
    bias = {}
    for num_samples, repeats, copies in ((1, 5, 4000), (10, 5, 4000), (20_000, 20, 1)):
        estimates = objectives(model, num_samples, repeats, copies)
        gap = estimates.mean(axis=0) - exact
        bias[num_samples] = np.abs(gap).mean()
        if num_samples == 20_000:
            error = estimates.std(axis=0, ddof=1) / np.sqrt(repeats)
            np.testing.assert_array_less(np.abs(gap), 7 * error + 1e-6)
            assert np.all(error < 0.02 * np.abs(exact).max())
    assert bias[1] > 3 * bias[10] > 3 * bias[20_000]


def test_one_sample_is_the_conditional_form():
    """w/Z = 1: L + a log Z is then E[log p - log q(u)] + a log q(y|x,u)."""
    model = make()
    seed = tf.constant([5, 6])
    one_pass = model.pass_over({"x": X}, {"y": Y}, complete=("y",), seed=seed)
    np.testing.assert_allclose(
        model.bound_of(one_pass, "importance").bound,
        sum(one_pass.log_ratio(name) for name in ("x", "y", "z"))[0, 0],
        rtol=1e-10,
    )


def test_weights_are_constant_where_no_latent_comes_before_the_label():
    """Kingma's factorisation: both labelled forms agree to 1e-10 for the same draws, whatever S."""
    generative = {
        "y": nodes.OneHotCategorical(3, dtype="float64"),
        "z": nodes.Normal(1, dtype="float64"),
        "x": nodes.Normal(2, parents=("y", "z"), dtype="float64"),
    }
    recognition = {
        "y": nodes.OneHotCategorical(3, parents="x", dtype="float64"),
        "z": nodes.Normal(1, parents=("x", "y"), dtype="float64"),
    }
    model = GraphicalModel(generative, recognition, observed="x", supervised="y", dtype="float64")
    assert model.graph.weights_are_constant and model.labelled_bound_in_use == "conditional"
    one_pass = model.pass_over({"x": X}, {"y": Y}, complete=("y",), num_samples=7)
    log_w = one_pass.log_w()
    np.testing.assert_allclose(log_w - log_w[:, :1], np.zeros(log_w.shape), atol=1e-12)
    importance = model.bound_of(one_pass, "importance").bound
    at_draws = tf.reduce_mean(sum(one_pass.log_ratio(name) for name in ("x", "y", "z")), axis=(0, 1))
    np.testing.assert_allclose(importance, at_draws, rtol=1e-10)


@pytest.mark.parametrize("labelled", tiers([False, True], first=[True]))
def test_the_importance_weighted_bound_rises_with_samples_to_the_evidence(labelled):
    """Means of 4,000 estimates; each step up is more than 5 standard errors (failure below 1e-6), the end within 5."""
    evidence = np.mean(make(Quadrature(60)).log_likelihood(X, Y if labelled else None, num_samples=1))
    model = make()
    x, y = {"x": np.tile(X, (4000, 1))}, {"y": np.tile(Y, 4000)} if labelled else None
    means, errors = [], []
    for num_samples in (1, 5, 50):
        one_pass = model.pass_over(x, y, complete=tuple(y or ()), num_samples=num_samples)
        values = np.mean(np.reshape(model.bound_of(one_pass, "importance_weighted").bound, (4000, 5)), axis=1)
        means.append(np.mean(values))
        errors.append(np.std(values) / np.sqrt(4000))
    for (a, b), (ea, eb) in zip(itertools.pairwise(means), itertools.pairwise(errors), strict=True):
        assert b - a > 5 * np.hypot(ea, eb)
    assert means[-1] < evidence + 5 * errors[-1]
    final = np.mean(model.log_likelihood(X, Y if labelled else None, num_samples=20_000, seed=1))
    assert final == pytest.approx(evidence, abs=0.02)


def test_the_public_bound_is_the_objective_for_what_is_known():
    """`bound` of a mixed batch against each kind alone: U where the label is -1, the importance form where it is not."""
    model = make(Quadrature(20))
    mixed = model.bound(X, [0, -1, 2, -1, 0])
    labelled, free = model.bound(X, Y), model.bound(X)
    np.testing.assert_allclose(mixed, np.where([True, False, True, False, True], labelled, free), rtol=1e-10)
    a, b, c = (make().bound(X, Y, num_samples=3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.allclose(a, c)
