"""Missing elements of observed variables: the likelihood of what is known, against sums and integrals over what is not."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special

from ssdgm_tf import layers, models, nodes
from ssdgm_tf.schema import Column, Schema

# For every node of independent elements: how to make it, and the values that a missing element may have, with weights of
# the sum or integral over them.
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(400)


def on(low, high):
    """Gauss-Legendre points and weights of an interval."""
    return low + (high - low) * (POINTS + 1) / 2, WEIGHTS * (high - low) / 2


def listed(values):
    """Values that are summed."""
    return np.asarray(values, float), np.ones(len(values))


THREE_ORDINAL = Schema([Column(name, "ordinal", ("a", "b", "c", "d")) for name in "uvw"])

NODES = {
    "NormalNode": (lambda: layers.NormalNode(3, dtype="float64"), on(-30, 30)),
    "NormalNode, fixed scale": (lambda: layers.NormalNode(3, 0.5, dtype="float64"), on(-20, 20)),
    "BernoulliNode": (lambda: layers.BernoulliNode(3, dtype="float64"), listed([0, 1])),
    "ContinuousBernoulliNode": (lambda: layers.ContinuousBernoulliNode(3, dtype="float64"), on(0, 1)),
    "DiscretizedLogisticNode": (
        lambda: layers.DiscretizedLogisticNode(3, 5, dtype="float64"),
        listed(np.linspace(0, 1, 5)),
    ),
    "CategoricalNode": (lambda: layers.CategoricalNode(3, 4, dtype="float64"), listed(range(4))),
    "ColumnsNode": (lambda: layers.ColumnsNode(THREE_ORDINAL, dtype="float64"), listed(range(4))),
    "PoissonNode": (lambda: layers.PoissonNode(3, dtype="float64"), listed(range(200))),
    "VonMisesNode": (lambda: layers.VonMisesNode(3, dtype="float64"), on(-np.pi, np.pi)),
}


@pytest.mark.parametrize("name", NODES)
def test_a_missing_element_is_summed_out(name):
    """log p(known) = log of the sum, or integral, of p(known, missing) over the missing element."""
    make, (values, weights) = NODES[name]
    node = make()
    features = np.random.default_rng(3).normal(size=(1, 4))
    q = node.distribution(features)
    value = np.repeat(np.asarray(q.sample(seed=(1, 2))), len(values), axis=0)
    value[:, 1] = values
    log_p = np.asarray(node.log_density(node.distribution(np.repeat(features, len(values), axis=0)), value))
    expected = special.logsumexp(log_p, b=weights)
    value[0, 1] = np.nan
    found = node.log_density_of_known(q, value[:1], ~np.isnan(value[:1]))
    np.testing.assert_allclose(found, [expected], atol=1e-9)


@pytest.mark.parametrize("name", NODES)
def test_known_elements_have_their_density(name):
    node = NODES[name][0]()
    q = node.distribution(np.random.default_rng(3).normal(size=(5, 4)))
    value = q.sample(seed=(1, 2))
    of_known = node.log_density_of_known(q, value, tf.ones_like(value, tf.bool))
    np.testing.assert_allclose(of_known, node.log_density(q, value), rtol=1e-12)
    nothing = node.log_density_of_known(q, value * np.nan, tf.zeros_like(value, tf.bool))
    np.testing.assert_array_equal(nothing, np.zeros(5))


def test_the_list_holds_every_node_of_independent_elements():
    """Every node whose code for elements is its own; that of the others is their base's."""
    makers = {name: getattr(layers, name) for name in layers.__all__ if name.endswith("Node")}
    own = {name for name, made in makers.items() if "log_density_of_elements" in vars(made)} - {"StochasticNode"}
    assert own <= set(NODES)
    vectors = {name for name, made in makers.items() if made.has_independent_elements is False}
    assert vectors == {
        "OneHotCategoricalNode",
        "ShiftedCategoricalNode",
        "RelaxedOneHotCategoricalNode",
        "OneMoreNode",
        "DirichletNode",
        "VonMisesFisherNode",
        "VonMisesFisherMixtureNode",
    }


def discrete_model(gaps=True):
    """A label, a hidden class and three pixels: every sum is finite, so that log p(x) is exact."""
    p = {
        "y": nodes.OneHotCategorical(2, prior=(0.3, -0.2), dtype="float64"),
        "u": nodes.OneHotCategorical(3, parents="y", dtype="float64"),
        "x": nodes.Bernoulli(3, parents=("y", "u"), network=layers.MLP((4,), dtype="float64"), gaps=gaps, dtype="float64"),
    }
    q = {
        "y": nodes.OneHotCategorical(2, parents="x", network=layers.MLP((4,), dtype="float64"), dtype="float64"),
        "u": nodes.OneHotCategorical(3, parents=("x", "y"), network=layers.MLP((4,), dtype="float64"), dtype="float64"),
    }
    return models.GraphicalModel(p, q, observed="x", supervised="y", seed=1, dtype="float64")


@pytest.mark.parametrize("gaps", [True, False])
def test_log_likelihood_is_a_sum_over_every_completion(gaps):
    """log p(x_known) = log sum_{x_missing} p(x_known, x_missing), whatever the networks of q see."""
    model = discrete_model(gaps)
    complete = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    log_p = model.log_likelihood(complete, num_samples=1)
    np.testing.assert_allclose(special.logsumexp(log_p), 0, atol=1e-6)
    partly = np.array(list(itertools.product((0.0, 1.0, np.nan), repeat=3)))
    fits = np.all((partly[:, None] == complete) | np.isnan(partly)[:, None], axis=-1)
    expected = special.logsumexp(np.where(fits, log_p, -np.inf), axis=1)
    np.testing.assert_allclose(model.log_likelihood(partly, num_samples=1), expected, atol=1e-6)


def test_log_likelihood_of_a_label_and_a_part():
    model = discrete_model()
    complete = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    log_p = model.log_likelihood(complete, np.ones(8, int), num_samples=1).reshape(2, 2, 2)
    expected = special.logsumexp(log_p[:, 1, :])
    found = model.log_likelihood(np.array([[np.nan, 1.0, np.nan]]), np.array([1]), num_samples=1)
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_imputed_means_are_those_of_every_completion():
    """E[x_missing | x_known] of an enumerated model, exact with one sample; and how often draws have each value."""
    model = discrete_model()
    complete = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    p = np.exp(np.asarray(model.log_likelihood(complete, num_samples=1), np.float64)).reshape(2, 2, 2)
    x = np.array([[1.0, np.nan, np.nan]])
    given = p[1] / p[1].sum()
    found = model.impute(x, num_samples=1)["x"]
    np.testing.assert_allclose(found, [[1.0, given[1].sum(), given[:, 1].sum()]], atol=1e-6)
    drawn = model.impute(x, num_samples=1, num_draws=4000, seed=1)["x"][:, 0]
    assert drawn.shape == (4000, 3) and np.all(drawn[:, 0] == 1)
    shares = np.array([[np.mean((drawn[:, 1] == a) & (drawn[:, 2] == b)) for b in (0, 1)] for a in (0, 1)])
    # Within 6 standard errors of each of four shares: a failure has probability below 1e-8.
    assert np.all(np.abs(shares - given) < 6 * np.sqrt(given * (1 - given) / 4000))


def test_linear_gaussian_factor_analysis():
    """p(x_known) of factor analysis is a Gaussian of the known rows of W: the importance-weighted bound tends to it."""
    weights, scale = np.array([[1.0, -0.5, 0.3]]), 0.7
    p = {
        "z": nodes.Normal(1, dtype="float64"),
        "x": nodes.Normal(3, scale, parents="z", gaps=True, dtype="float64"),
    }
    q = {"z": nodes.Normal(1, parents="x", dtype="float64")}
    model = models.GraphicalModel(p, q, observed="x", seed=1, dtype="float64")
    model.generative["x"].head.projection.kernel.assign(weights)
    x = np.array([[0.4, np.nan, -1.1]])
    known = [0, 2]
    covariance = weights[:, known].T @ weights[:, known] + scale**2 * np.eye(2)
    value = x[0, known]
    expected = -0.5 * (value @ np.linalg.solve(covariance, value) + np.log(np.linalg.det(2 * np.pi * covariance)))
    quadrature = integrate.quad(
        lambda z: (
            np.exp(-0.5 * z**2 - 0.5 * np.sum((value - z * weights[0, known]) ** 2) / scale**2)
            / ((2 * np.pi) ** 1.5 * scale**2)
        ),
        -10,
        10,
    )[0]
    np.testing.assert_allclose(np.log(quadrature), expected, rtol=1e-9)
    # q is untrained; 20,000 samples have a relative error below 2 %, five times of which is allowed.
    np.testing.assert_allclose(model.log_likelihood(x, num_samples=20_000, seed=1), [expected], atol=0.1)
    # E[x_missing | x_known] = W_missing E[z | known]; the error of its estimate is below 0.01.
    mean_z = weights[:, known] @ np.linalg.solve(covariance, value)
    found = model.impute(x, num_samples=20_000, seed=1)["x"]
    np.testing.assert_allclose(found, [[0.4, (mean_z * weights[0, 1]).item(), -1.1]], atol=0.05)


def test_gradients_are_those_of_what_is_known():
    """The gradient of the bound of an example with a gap is that of a model of the known pixels alone; it holds no NaN."""
    model = discrete_model()
    x = tf.constant([[1.0, np.nan, 0.0], [0.0, 1.0, 1.0]], tf.float64)
    head = model.generative["x"].head

    def gradient(x):
        with tf.GradientTape() as tape:
            objective = tf.reduce_sum(model.unlabelled_terms({"x": x})["objective"])
        return tape.gradient(objective, [head.projection.bias.value, *model.recognition["y"].trainable_weights])

    for of_each in gradient(x):
        assert np.all(np.isfinite(of_each))
    # The bias of the missing pixel gets nothing from the first example.
    np.testing.assert_array_equal(gradient(x[:1])[0][1], 0.0)
    both, second = (gradient(part)[0][1] for part in (x, x[1:]))
    np.testing.assert_allclose(both, second, rtol=1e-12)
