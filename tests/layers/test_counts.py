"""Counts: densities against SciPy at parameters of any size, moments against sums, draws against distribution functions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from tensorflow_probability import distributions as tfd

from ssdgm_tf import layers, models, nodes
from ssdgm_tf.layers import kernels
from ssdgm_tf.layers.count_distributions import NegativeBinomial, ZeroInflated
from tests.layers.test_densities import RAW, at, positive
from tests.tiers import tiers
from tests.tolerances import assert_close

# Parameters as float32 holds them, and counts: [25, 1, 1], [21, 1, 1] and [1, 1, 38] broadcast.
LOG_MEAN = np.log(np.logspace(-6, 6, 25)).astype(np.float32).astype(np.float64)[:, None, None]
CONCENTRATION = np.logspace(-4, 6, 21).astype(np.float32).astype(np.float64)[:, None]
COUNT = np.unique([0, 1, 2, 3, 7, 8, 9, *np.round(np.logspace(1, 6, 31))])
MEAN = np.exp(LOG_MEAN)

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def value_and_slopes(log_mean, concentration, count):
    """log P and its derivatives by the log mean and by the concentration, compiled."""

    @tf.function(jit_compile=True, autograph=False)
    def compiled(*parameters):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            log_prob = NegativeBinomial(*parameters).log_prob(tf.constant(count, parameters[0].dtype))
        return log_prob, *tape.gradient(log_prob, parameters)

    return [np.asarray(result, np.float64) for result in compiled(log_mean, concentration)]


def on_the_grid(dtype):
    shape = np.broadcast_shapes(MEAN.shape, CONCENTRATION.shape, COUNT.shape)
    return value_and_slopes(*(np.broadcast_to(array, shape).astype(dtype) for array in (LOG_MEAN, CONCENTRATION, COUNT)))


@dtypes
def test_the_density_is_that_of_scipy_at_parameters_of_any_size(dtype):
    log_prob, *_ = on_the_grid(dtype)
    c, n = CONCENTRATION, COUNT
    exact = special.gammaln(n + c) - special.gammaln(c) - special.gammaln(n + 1) - c * np.log1p(MEAN / c)
    exact += n * (LOG_MEAN - np.log(c + MEAN))
    tolerance = {"float32": 1e-6, "float64": 1e-8}[dtype]
    assert_close(log_prob, exact, rtol=tolerance, atol=tolerance)
    # SciPy takes a probability, which is 1 but for a few digits where the mean is far below the concentration.
    is_scipy_exact = np.broadcast_to(MEAN > 1e-6 * c, log_prob.shape)
    expected = stats.nbinom.logpmf(n, c, c / (c + MEAN))
    assert_close(log_prob[is_scipy_exact], expected[is_scipy_exact], rtol=tolerance, atol=tolerance)


def test_the_gradient_is_the_derivative():
    c, n = CONCENTRATION, COUNT
    _, by_log_mean, by_concentration = on_the_grid("float64")
    np.testing.assert_allclose(by_log_mean, c * (n - MEAN) / (c + MEAN), rtol=1e-9, atol=1e-9)
    # The terms of this derivative cancel where the concentration is large.
    exact = special.psi(n + c) - special.psi(c) - np.log1p(MEAN / c) - (n - MEAN) / (c + MEAN)
    np.testing.assert_allclose(by_concentration, exact, rtol=1e-7, atol=1e-11)
    for single, double in zip(on_the_grid("float32")[1:], (by_log_mean, by_concentration), strict=True):
        assert_close(single, double, rtol=1e-6, atol=1e-9)


def test_a_mean_that_underflows_has_a_finite_gradient():
    results = value_and_slopes(np.float32([-200, -200, -100, 60]), np.float32([1e-4, 1e6, 1, 1]), [0, 0, 5, 5])
    assert all(np.all(np.isfinite(result)) for result in results)
    assert_close(results[0][2], -500, rtol=1e-5)  # log mean^5 of a concentration of 1


def test_a_large_concentration_is_a_poisson_distribution():
    mean, n = np.array([1e-3, 1.0, 30.0, 1e4]), np.array([[0.0], [1], [25], [10_050]])
    found = NegativeBinomial(np.log(mean), np.full(4, 1e14)).log_prob(n)
    np.testing.assert_allclose(found, stats.poisson.logpmf(n, mean), rtol=1e-6, atol=1e-6)


@dtypes
def test_kernels_compute_the_same(dtype):
    log_mean, concentration = tf.constant(LOG_MEAN[:, 0], dtype), tf.constant(CONCENTRATION[:1], dtype)
    count = tf.constant(np.arange(4000.0)[None], dtype)
    plain = NegativeBinomial(log_mean, concentration).log_prob(count)
    with kernels.fusing():
        fused = NegativeBinomial(log_mean, concentration).log_prob(count)
    assert_close(fused, plain, rtol=1e-5, atol=1e-5)


LOGITS = np.array([-3.0, 0.4, 2.0])
COUNTS = {
    "negative binomial": (
        lambda dtype: NegativeBinomial(tf.constant([-1.0, 0.5, 1.5], dtype), tf.constant([0.3, 1.0, 20.0], dtype)),
        0.0,
    ),
    "zero-inflated Poisson": (
        lambda dtype: ZeroInflated(tf.constant(LOGITS, dtype), tfd.Poisson(log_rate=tf.constant([-1.0, 0.5, 1.5], dtype))),
        special.expit(LOGITS),
    ),
    "zero-inflated negative binomial": (
        lambda dtype: ZeroInflated(tf.constant(LOGITS, dtype), COUNTS["negative binomial"][0](dtype)),
        special.expit(LOGITS),
    ),
}
every = pytest.mark.parametrize("name", COUNTS)


@every
@dtypes
def test_moments_are_sums_over_all_counts(name, dtype):
    distribution = COUNTS[name][0](dtype)
    n = np.arange(400.0)[:, None]
    probs = np.exp(np.asarray(distribution.log_prob(n.astype(dtype)), np.float64))
    mean = np.sum(n * probs, axis=0)
    assert_close(probs.sum(axis=0), 1, atol=1e-5)
    assert_close(distribution.mean(), mean, rtol=1e-5)
    assert_close(distribution.variance(), np.sum((n - mean) ** 2 * probs, axis=0), rtol=1e-5)


@every
def test_a_zero_is_of_either_kind(name):
    distribution, extra = COUNTS[name][0]("float64"), COUNTS[name][1]
    counts = getattr(distribution, "counts", distribution)
    np.testing.assert_allclose(distribution.prob(0.0), extra + (1 - extra) * counts.prob(0.0).numpy(), rtol=1e-12)
    np.testing.assert_allclose(distribution.prob(3.0), (1 - extra) * counts.prob(3.0).numpy(), rtol=1e-12)


@pytest.mark.parametrize("count", [0.0, 1.0, 1e6])
def test_any_logit_has_a_finite_density_and_gradient(count):
    logits = tf.constant([-1e4, -50.0, 0.0, 50.0, 1e4])

    @tf.function(jit_compile=True, autograph=False)
    def compiled():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            log_prob = ZeroInflated(logits, NegativeBinomial(tf.constant(9.0), tf.constant(0.5))).log_prob(count)
        return log_prob, tape.gradient(log_prob, logits)

    log_prob, gradient = compiled()
    assert np.all(np.isfinite(log_prob)) and np.all(np.isfinite(gradient))
    assert_close(log_prob[0], stats.nbinom.logpmf(count, 0.5, 0.5 / (0.5 + np.exp(9))), rtol=1e-4)


def assert_draws_follow(draws, below, upto):
    """That draws [N, D] have the distribution functions P(X < n) = `below` and P(X <= n) = `upto` at the draws.

    A number drawn uniformly between the two is uniform on [0, 1]. Kolmogorov-Smirnov, p > 1e-7 of each of D < 30 elements:
    a failure has probability below 1e-5.
    """
    assert np.array_equal(draws, np.round(draws)) and np.all(draws >= 0)
    uniform = below + np.random.default_rng(0).uniform(size=draws.shape) * (upto - below)
    for element in range(draws.shape[1]):
        assert stats.kstest(uniform[:, element], "uniform").pvalue > 1e-7


def drawn(make, is_compiled, num=20_000):
    sample = tf.function(lambda: make().sample(num, seed=(1, 2)), jit_compile=is_compiled, autograph=False)
    return np.asarray(sample(), np.float64)


compiled_or_not = pytest.mark.parametrize("is_compiled", [False, True])


@compiled_or_not
def test_draws_of_a_negative_binomial_follow_its_distribution_function(is_compiled):
    mean = np.repeat([1e-3, 0.5, 20.0, 1e3, 1e6], 5)
    c = np.tile([1e-4, 0.3, 2.0, 1e3, 1e6], 5)
    draws = drawn(lambda: NegativeBinomial(np.log(mean), c), is_compiled)
    below, upto = (stats.nbinom.cdf(n, c, c / (c + mean)) for n in (draws - 1, draws))
    assert_draws_follow(draws, below, upto)


@compiled_or_not
def test_draws_of_a_poisson_node_follow_its_distribution_function(is_compiled):
    rate = np.logspace(-3, 6, 19)
    node = layers.PoissonNode(19, dtype="float64")
    draws = drawn(lambda: node.make_distribution(tf.constant(np.log(rate))), is_compiled)
    assert_draws_follow(draws, stats.poisson.cdf(draws - 1, rate), stats.poisson.cdf(draws, rate))


@pytest.mark.parametrize("name", tiers(list(COUNTS)[1:], first=["zero-inflated Poisson"]))
@compiled_or_not
def test_draws_of_zero_inflated_counts_follow_their_probabilities(name, is_compiled):
    draws = drawn(lambda: COUNTS[name][0]("float32"), is_compiled)
    upto = np.cumsum(COUNTS[name][0]("float64").prob(np.arange(draws.max() + 1)[:, None]), axis=0)
    upto = np.concatenate([np.zeros((1, 3)), upto])
    below, upto = (np.take_along_axis(upto, (draws + shift).astype(int), axis=0) for shift in (0, 1))
    assert_draws_follow(draws, below, upto)


@pytest.mark.parametrize("dtype", tiers(["float32", "float64"], first=["float32"]))
def test_parameters_broadcast_to_a_batch_of_independent_elements(dtype):
    """Draws of 40 elements, each value of probability below 0.1, are all equal with probability below 1e-40."""
    counts = NegativeBinomial(tf.constant([5.0] * 40, dtype), tf.constant(20.0, dtype))
    for distribution, shape in ((counts, (40,)), (ZeroInflated(tf.constant([[-9.0], [-9.0]], dtype), counts), (2, 40))):
        assert distribution.batch_shape == shape == distribution.mean().shape == distribution.variance().shape
        assert distribution.log_prob(tf.ones([3, 1, 1], dtype)).shape == np.broadcast_shapes((3, 1, 1), shape)
        first, again, other = (distribution.sample(2, seed=seed) for seed in ((1, 2), (1, 2), (3, 4)))
        assert first.dtype == dtype and first.shape == (2, *shape)
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other) and not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0, 0], first[0, 1])


NODES = {
    "NegativeBinomialNode": (
        4,
        lambda n, raw: stats.nbinom.pmf(n, positive(raw[2:4]), 1 / (1 + np.exp(raw[:2]) / positive(raw[2:4]))),
    ),
    "ZeroInflatedPoissonNode": (4, lambda n, raw: inflated(n, stats.poisson.pmf(n, np.exp(raw[:2])), raw[2:4])),
    "ZeroInflatedNegativeBinomialNode": (
        6,
        lambda n, raw: inflated(n, NODES["NegativeBinomialNode"][1](n, raw), raw[4:6]),
    ),
}


def inflated(n, probs, logits):
    return special.expit(logits) * (n == 0) + special.expit(-logits) * probs


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_its_distribution(name):
    """Its density, and draws whose mean is within 5 standard errors: a failure has probability below 1e-5."""
    num, probs = NODES[name]
    node = getattr(layers, name)(2)
    q = at(node, RAW[:num])
    for n in (np.array([0.0, 3.0]), np.array([1.0, 0.0])):
        assert_close(q.log_prob(n), [np.log(probs(n, RAW)).sum()], rtol=1e-5)
    draws = np.asarray(node(np.zeros((20_000, 1))))
    stddev = np.sqrt(node.variance(q)[0])
    np.testing.assert_allclose(draws.mean(axis=0), node.mean(q)[0], atol=5 * stddev.max() / np.sqrt(20_000))
    assert not node.is_reparameterized and node.has_moments


# XLA takes seconds for each.
@pytest.mark.parametrize("name", tiers([name.removesuffix("Node") for name in NODES], first=["NegativeBinomial"]))
def test_a_model_of_counts_trains_compiled_and_generates(name):
    generator = np.random.default_rng(0)
    x = generator.negative_binomial(2, 0.1, size=(8, 5)) * (generator.uniform(size=(8, 5)) < 0.7)
    generative = {"z": nodes.Normal(2), "x": getattr(nodes, name)(5, parents="z", network=keras.layers.Dense(4, "tanh"))}
    model = models.GraphicalModel(generative, {"z": nodes.Normal(2, parents="x")}, observed="x", seed=1)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=True)
    logs = model.fit(x, batch_size=4, epochs=1, verbose=0).history
    assert logs["skipped_steps"] == [0] and np.all(np.isfinite(logs["loss"]))
    drawn = model.generate(num_samples=6, seed=0)
    assert drawn.shape == (6, 5) and np.all(np.isfinite(drawn)) and np.all(drawn >= 0)
