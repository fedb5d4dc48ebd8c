"""Every continuous and counting node against SciPy: its density at given parameters, its draws, its KL."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import integrate, stats

from ssdgm_tf import layers
from ssdgm_tf.layers import directions
from tests.tolerances import assert_close

tfd = tfp.distributions

RAW = np.array([0.4, -0.3, 0.8, 1.1, -0.2, 0.5])  # two parameters of each of three elements
FIRST, SECOND = RAW[:3], RAW[3:]


def positive(raw):
    return np.logaddexp(0, raw + np.log(np.expm1(1.0))) + 1e-4


def truncated_exponential(logits):
    """A continuous Bernoulli is an exponential tilt of the uniform on [0, 1]."""
    tilt = np.asarray(logits)
    return stats.truncexpon(b=np.abs(tilt), scale=1 / np.abs(tilt)), tilt > 0


NODES = {
    "LaplaceNode": (lambda: layers.LaplaceNode(3, prior="standard"), stats.laplace(FIRST, positive(SECOND))),
    "LogNormalNode": (
        lambda: layers.LogNormalNode(3, prior="standard"),
        stats.lognorm(positive(SECOND), scale=np.exp(FIRST)),
    ),
    "GammaNode": (lambda: layers.GammaNode(3, prior="standard"), stats.gamma(positive(FIRST), scale=1 / positive(SECOND))),
    "BetaNode": (lambda: layers.BetaNode(3, prior="uniform"), stats.beta(positive(FIRST), positive(SECOND))),
    "StudentTNode": (lambda: layers.StudentTNode(3, df=7.0), stats.t(7.0, FIRST, positive(SECOND))),
    "VonMisesNode": (
        lambda: layers.VonMisesNode(3, prior="uniform"),
        stats.vonmises(np.hypot(FIRST, SECOND) + 1e-4, loc=np.arctan2(SECOND, FIRST)),
    ),
}
every = pytest.mark.parametrize("name", NODES)


def at(node, raw):
    """The node's distribution at raw parameters, whatever its inputs."""
    node.build((None, 1))
    node.projection.kernel.assign(tf.zeros_like(node.projection.kernel))
    node.projection.bias.assign(raw)
    return node.distribution(np.zeros((1, 1)))


@every
def test_the_density_is_that_of_scipy(name):
    make, expected = NODES[name]
    node = make()
    q = at(node, RAW)
    value = np.asarray(q.sample(seed=(1, 2)))
    np.testing.assert_allclose(q.log_prob(value)[0], expected.logpdf(value[0]).sum(), rtol=1e-4)


@every
def test_draws_follow_the_density(name):
    """Kolmogorov-Smirnov of 4,000 draws of each element: p > 1e-6, so a failure has probability below 1e-5."""
    make, expected = NODES[name]
    node = make()
    at(node, RAW)
    draws = np.asarray(node(np.zeros((4000, 1))), np.float64)
    cdf = expected.cdf(draws) if name != "VonMisesNode" else expected.cdf(np.asarray(draws)) - expected.cdf(-np.pi)
    for element in range(3):
        assert stats.kstest(cdf[:, element], "uniform").pvalue > 1e-6


@pytest.mark.parametrize("name", [name for name in NODES if name != "StudentTNode"])
def test_the_added_loss_is_the_kl(name):
    """Against a Monte-Carlo KL of 40,000 draws: within 5 standard errors, so a failure has probability below 1e-6."""
    node = NODES[name][0]()
    q = at(node, RAW)
    node(np.zeros((1, 1)))
    draws = q.sample(40_000, seed=(1, 2))
    log_ratio = np.asarray(q.log_prob(draws) - node.make_prior().log_prob(draws))[:, 0]
    np.testing.assert_allclose(node.losses[-1], log_ratio.mean(), atol=5 * log_ratio.std() / 200)


def test_dirichlet():
    node = layers.DirichletNode(3, prior="uniform")
    q = at(node, FIRST)
    value = np.asarray(q.sample(seed=(1, 2)), np.float64)[0]
    expected = stats.dirichlet(positive(FIRST))
    assert_close(q.log_prob(value)[0], expected.logpdf(value / value.sum()), rtol=1e-4)
    draws = np.asarray(node(np.zeros((20_000, 1))), np.float64)
    assert_close(draws.sum(axis=1), 1, atol=1e-5)
    # Means within 5 standard errors: failure probability below 1e-5.
    np.testing.assert_allclose(draws.mean(axis=0), expected.mean(), atol=5 * draws.std(axis=0).max() / np.sqrt(20_000))
    samples = q.sample(40_000, seed=(3, 4))
    log_ratio = np.asarray(q.log_prob(samples) - node.make_prior().log_prob(samples))[:, 0]
    np.testing.assert_allclose(node.losses[-1], log_ratio.mean(), atol=5 * log_ratio.std() / 200)


def test_von_mises_fisher():
    node = layers.VonMisesFisherNode(3)
    raw = np.array([0.4, -0.3, 0.8, 1.1])
    q = at(node, raw)
    direction, concentration = raw[:3] / np.linalg.norm(raw[:3]), positive(raw[3])
    draws = np.asarray(node(np.zeros((20_000, 1))), np.float64)
    np.testing.assert_allclose(np.linalg.norm(draws, axis=1), 1, atol=1e-4)
    expected = stats.vonmises_fisher(direction, concentration)
    np.testing.assert_allclose(
        q.log_prob(draws[:5]), expected.logpdf(draws[:5] / np.linalg.norm(draws[:5], axis=1)[:, None]), rtol=1e-3
    )
    # Mean resultant length coth(k) - 1/k along the direction; 5 standard errors (failure below 1e-5).
    length = 1 / np.tanh(concentration) - 1 / concentration
    np.testing.assert_allclose(draws.mean(axis=0), length * direction, atol=5 / np.sqrt(3 * 20_000))


@pytest.mark.parametrize("concentration", [1e-3, 1.0, 30.0, 1e4, 1e6])
def test_directions_of_any_concentration_have_finite_gradients_and_the_right_angle(concentration):
    """E[cos] = coth(k) - 1/k of 20,000 draws, within 5 standard errors (failure below 1e-6); no NaN at any draw."""
    mean, scale = tf.constant([0.0, 0.6, 0.8], tf.float64), tf.Variable(concentration, dtype=tf.float64)
    with tf.GradientTape() as tape:
        draws = directions._VonMisesFisher(mean, scale).sample(20_000, seed=(1, 2))
        value = tf.reduce_sum(draws[:, 0])
    assert np.isfinite(tape.gradient(value, scale))
    np.testing.assert_allclose(np.linalg.norm(draws, axis=1), 1, rtol=1e-9)
    cosine = np.asarray(draws) @ mean.numpy()
    k = concentration
    expected = k / 3 if k < 0.01 else (1 / np.tanh(k) - 1 / k)
    assert abs(cosine.mean() - expected) < 5 * cosine.std() / np.sqrt(20_000)
    single = directions._VonMisesFisher(tf.cast(mean, tf.float32), tf.cast(scale, tf.float32)).sample(20_000, seed=(1, 2))
    assert np.all(np.isfinite(single))


@pytest.mark.parametrize("concentration", [1e-3, 0.29, 0.31, 1.0, 30.0, 2e3, 1e5])
def test_the_variance_of_a_direction_is_right_at_any_concentration(concentration):
    """In float32, against quadrature: s = k (1 - cos) has the density exp(-s) on [0, 2k]."""
    k, mean = concentration, np.array([0.0, 0.28, 0.96])
    total, first, second = (
        integrate.quad(lambda s, n=n: s**n * np.exp(-s), 0, min(2 * k, 60.0), epsabs=0)[0] for n in range(3)
    )
    first, second = first / total, second / total
    along, across = (second - first**2) / k**2, (2 * first / k - second / k**2) / 2
    q = tfd.VonMisesFisher(mean.astype("float32"), np.float32(k))
    exact = across * (1 - mean**2) + along * mean**2
    np.testing.assert_allclose(layers.VonMisesFisherNode(3).variance(q), exact, rtol=1e-4)


def test_the_gradient_of_a_direction_is_that_of_its_expectation():
    """d E[cos] / dk = 1/k^2 - 1/sinh(k)^2 by the draws' own gradient: within 5 standard errors (failure below 1e-6)."""
    k = 2.0
    concentration = tf.Variable(tf.fill([20_000], tf.constant(k, tf.float64)))
    mean = tf.constant([0.0, 0.6, 0.8], tf.float64)
    with tf.GradientTape() as tape:
        cosine = tf.linalg.matvec(directions._VonMisesFisher(mean, concentration).sample(seed=(3, 4)), mean)
    slopes = np.asarray(tape.gradient(cosine, concentration))
    assert abs(slopes.mean() - (1 / k**2 - 1 / np.sinh(k) ** 2)) < 5 * slopes.std() / np.sqrt(20_000)


class TestMixtureOfDirections:
    lamps = np.array([[0.0, 0.0, 2.0], [0.6, 0.0, 0.8], [-1.0, 1.0, 0.0]])
    means = lamps / np.linalg.norm(lamps, axis=1, keepdims=True)

    def test_the_density_is_the_weighted_sum_of_those_of_its_components(self):
        raw = np.concatenate([self.lamps.ravel(), [0.5, 3.0, -1.0], [0.2, -0.4, 1.0]])
        q = at(layers.VonMisesFisherMixtureNode(3, 3), raw)
        weights = np.exp(raw[12:]) / np.exp(raw[12:]).sum()
        components = [stats.vonmises_fisher(mean, positive(r)) for mean, r in zip(self.means, raw[9:12], strict=True)]
        value = np.random.default_rng(0).normal(size=(6, 3))
        value /= np.linalg.norm(value, axis=1, keepdims=True)
        expected = np.log(sum(w * c.pdf(value) for w, c in zip(weights, components, strict=True)))
        np.testing.assert_allclose(q.log_prob(value.astype("float32")), expected, rtol=1e-3, atol=1e-4)

    def test_parameters_are_those_of_equal_narrow_components(self):
        """30,000 draws of three clusters: their shares within 5 standard errors (failure below 1e-5)."""
        node = layers.VonMisesFisherMixtureNode(3, 3)
        parameters = node.parameters(self.lamps, concentration=400.0)
        q = node.make_distribution(tf.constant(parameters, tf.float32))
        np.testing.assert_allclose(q.components_distribution.mean_direction, self.means, atol=1e-6)
        np.testing.assert_allclose(q.components_distribution.concentration, 400.0, rtol=1e-4)
        draws = np.asarray(q.sample(30_000, seed=(1, 2)))
        nearest = np.argmax(draws @ self.means.T, axis=1)
        shares = np.bincount(nearest, minlength=3) / 30_000
        np.testing.assert_allclose(shares, 1 / 3, atol=5 * np.sqrt(2 / 9 / 30_000))
        # E[1 - cos] is 1 / concentration where that is large; an exponential variable, 5 standard errors of it.
        off = 1 - np.sum(draws * self.means[nearest], axis=1)
        np.testing.assert_allclose(off.mean(), 1 / 400, rtol=5 / np.sqrt(30_000))

    def test_its_error_is_an_angle(self):
        node = layers.VonMisesFisherMixtureNode(3, 2)
        np.testing.assert_allclose(node.error(tf.constant([[0.0, 0.0, 0.5]]), tf.constant([[0.0, 1.0, 0.0]])), [90.0])

    def test_parameters_that_make_no_mixture_are_refused(self):
        with pytest.raises(ValueError, match=r"none of length 0"):
            layers.VonMisesFisherMixtureNode.parameters([[0.0, 0.0, 0.0]], 10.0)
        with pytest.raises(ValueError, match=r"concentration must be above .*Received: concentration=0"):
            layers.VonMisesFisherMixtureNode.parameters(self.lamps, 0)


def test_whole_numbers():
    """Probabilities of all states sum to 1 and match the draws: chi-square, p > 1e-6."""
    node = layers.CategoricalNode(2, num_classes=3, prior="uniform")
    raw = np.array([0.4, -0.3, 0.8, 1.1, -0.2, 0.5])  # the first kind of parameter first: logit of 0 for both elements, ...
    q = at(node, raw)
    logits = raw.reshape(3, 2).T
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    states = np.asarray(node.states())
    probs = np.exp(node.log_prob_of_states(q))[0]
    np.testing.assert_allclose(probs, [expected[0, int(a)] * expected[1, int(b)] for a, b in states], rtol=1e-5)
    draws = np.asarray(node(np.zeros((20_000, 1))))
    counts = [np.sum(np.all(draws == state, axis=1)) for state in states]
    probs = probs.astype(np.float64)
    assert stats.chisquare(counts, 20_000 * probs / probs.sum()).pvalue > 1e-6
    np.testing.assert_allclose(node.mean(q)[0], expected @ [0, 1, 2], rtol=1e-5)
    np.testing.assert_allclose(node.variance(q)[0], expected @ [0, 1, 4] - (expected @ [0, 1, 2]) ** 2, rtol=1e-5)
    entropy = -np.sum(expected * np.log(expected))
    np.testing.assert_allclose(node.losses[-1], 2 * np.log(3) - entropy, rtol=1e-5)


def test_bits_list_all_their_states():
    node = layers.BernoulliNode(3)
    q = at(node, FIRST)
    states = np.asarray(node.states())
    assert sorted(map(tuple, states)) == sorted({(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)})
    np.testing.assert_allclose(np.exp(node.log_prob_of_states(q)).sum(), 1, rtol=1e-5)


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 0.0), (-8.0, -3.0), (8.0, 2.0), (0.3, -8.0)])
def test_discretized_logistic(loc, scale):
    """Probabilities of all 256 levels sum to 1, are differences of SciPy's distribution function, and match the draws."""
    node = layers.DiscretizedLogisticNode(1)
    q = at(node, [loc, scale])
    levels = np.arange(256) / 255
    log_probs = np.array([np.asarray(q.log_prob([[v]]))[0] for v in levels.astype(np.float32)])
    assert np.exp(log_probs).sum() == pytest.approx(1, abs=5e-4)  # of 256 float32 numbers
    logistic = stats.logistic(1 / (1 + np.exp(-loc)), 0.1 * positive(scale))
    edges = np.concatenate([[0], logistic.cdf(levels[:-1] + 0.5 / 255), [1]])
    exact = np.diff(edges)
    seen = exact > 1e-12
    np.testing.assert_allclose(np.exp(log_probs)[seen], exact[seen], rtol=2e-2, atol=1e-6)
    assert np.all(np.isfinite(log_probs))  # no underflow, where a difference of equal numbers would be 0
    draws = np.asarray(node(np.zeros((20_000, 1))))[:, 0]
    assert set(np.unique(np.rint(draws * 255))) <= set(range(256))
    common = 20_000 * exact > 5
    counts = np.array([np.sum(np.rint(draws * 255) == i) for i in range(256)])
    if common.sum() > 1:
        expected = exact[common] / exact[common].sum() * counts[common].sum()
        assert stats.chisquare(counts[common], expected).pvalue > 1e-6


def test_poisson():
    node = layers.PoissonNode(3)
    q = at(node, FIRST)
    draws = np.asarray(node(np.zeros((20_000, 1))))
    expected = stats.poisson(np.exp(FIRST))
    np.testing.assert_allclose(q.log_prob(draws[:4]), expected.logpmf(draws[:4]).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(draws.mean(axis=0), np.exp(FIRST), atol=5 * np.sqrt(np.exp(FIRST).max() / 20_000))


def test_continuous_bernoulli():
    node = layers.ContinuousBernoulliNode(3)
    q = at(node, FIRST)
    draws = np.asarray(node(np.zeros((4000, 1))), np.float64)
    distribution, rising = truncated_exponential(FIRST)
    mirrored = np.where(rising, 1 - draws, draws)
    np.testing.assert_allclose(q.log_prob(draws[:4]), distribution.logpdf(mirrored[:4]).sum(axis=1), rtol=1e-3)
    for element in range(3):  # p > 1e-6 each
        assert stats.kstest(distribution.cdf(mirrored)[:, element], "uniform").pvalue > 1e-6


def test_any_distribution_of_tfp():
    node = layers.DistributionNode(3, 3, lambda parameters: tfd.Independent(tfd.Gumbel(parameters, 2.0), 1))
    q = at(node, FIRST)
    value = np.asarray(node(np.zeros((1, 1))))
    np.testing.assert_allclose(q.log_prob(value)[0], stats.gumbel_r(FIRST, 2.0).logpdf(value[0]).sum(), rtol=1e-4)


def test_any_distribution_must_have_the_event_shape_that_was_said():
    node = layers.DistributionNode(3, 3, lambda parameters: tfd.Gumbel(parameters, 2.0))
    with pytest.raises(ValueError, match=r"of event shape \(3,\). Received: Gumbel of event shape \(\)"):
        node(np.zeros((1, 1)))


@pytest.mark.parametrize("name", [*NODES, "DirichletNode", "VonMisesFisherNode", "ContinuousBernoulliNode"])
def test_draws_are_reparameterised(name):
    """The gradient of a draw reaches the parameters, all of them."""
    node = NODES[name][0]() if name in NODES else getattr(layers, name)(3)
    at(node, RAW[: node.num_parameters])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(node(np.zeros((50, 1))) * tf.constant([1.0, 2.0, -1.5]))
    gradient = np.asarray(tape.gradient(value, node.projection.bias.value))
    assert np.all(np.isfinite(gradient)) and np.all(np.abs(gradient) > 1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.StudentTNode(3, df=0.0), r"df must be positive. Received: df=0.0"),
        (lambda: layers.StudentTNode(3, prior="standard"), r"takes a prior of None or one of \(\)"),
        (lambda: layers.DistributionNode(1, 0, None), r"num_parameters must be at least 1"),
        (lambda: layers.DirichletNode(1), r"num_classes must be at least 2"),
        (lambda: layers.VonMisesFisherNode(6), r"dim must lie in 2..5. Received: dim=6"),
        (lambda: layers.VonMisesFisherMixtureNode(6, 2), r"dim must lie in 2..5. Received: dim=6"),
        (lambda: layers.VonMisesFisherMixtureNode(3, 0), r"num_components must be at least 1. Received: num_components=0"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class TestNormal:
    """Formulas of its own, for they are kernels: TFP is the oracle."""

    node = layers.NormalNode((3, 2))

    def distribution(self, *leading, seed=0):
        raw = np.random.default_rng(seed).normal(size=(*leading, 12)).astype("float32")
        return self.node.make_distribution(tf.constant(raw))

    def test_density_and_divergence_are_those_of_tfp(self):
        q, p = self.distribution(4, 1, 5), self.distribution(5, seed=1)
        value = p.mean()
        np.testing.assert_allclose(self.node.log_density(q, value), q.log_prob(value), rtol=1e-5)
        np.testing.assert_allclose(self.node.kl_divergence(q, p), tfd.kl_divergence(q, p), rtol=1e-4, atol=1e-4)
        prior = self.node.make_prior()
        np.testing.assert_allclose(self.node.kl_divergence(q, prior), tfd.kl_divergence(q, prior), rtol=1e-4, atol=1e-4)

    def test_every_state_sample_and_example_has_noise_of_its_own(self):
        q, seed = self.distribution(4, 1, 5), tf.constant([1, 2])
        draws = self.node.draws(q, 6, seed)
        assert draws.shape == (4, 6, 5, 3, 2)
        noise = np.asarray((draws - q.mean()) / q.stddev())
        assert len(np.unique(noise.round(6))) > 0.99 * noise.size
        # Parents that were sampled have S already: one draw for each.
        assert self.node.draws(self.distribution(4, 6, 5), 6, seed).shape == (4, 6, 5, 3, 2)

    def test_draws_have_the_mean_and_variance_of_their_state(self):
        """60 z-scores of means and of variances, 20,000 draws: one beyond 5 in 1e-4 of seeds."""
        q = self.distribution(2, 1, 5)
        draws = np.asarray(self.node.draws(q, 20_000, tf.constant([3, 4])))
        z = (draws.mean(axis=1) - q.mean()[:, 0]) / q.stddev()[:, 0] * np.sqrt(20_000)
        assert np.max(np.abs(z)) < 5
        z = (draws.var(axis=1) / q.variance()[:, 0] - 1) * np.sqrt(20_000 / 2)
        assert np.max(np.abs(z)) < 5


COMMON = {
    "Gaussian": layers.NormalNode((2,)),
    "direction": layers.VonMisesFisherNode(3),
    "classes": layers.OneHotCategoricalNode(4),
}


@pytest.mark.parametrize("name", COMMON)
def test_common_noise_is_a_constant_that_all_examples_share(name):
    """Up to 20 z-scores of means of 20,000 draws: one beyond 5 in 1e-5 of seeds."""
    node, num_samples = COMMON[name], 20_000
    raw = np.random.default_rng(0).normal(size=(2, 1, 1, node.num_parameters)).astype("float32")
    seed = (3, 4)

    @tf.function(autograph=False)
    def draw(raw):
        return node.draws(node.make_distribution(raw), num_samples, seed, common_noise=True)

    twice = tf.concat([raw, raw], axis=2)
    draws = draw(twice).numpy()
    assert draws.shape == (2, num_samples, 2, *node.event_shape)
    np.testing.assert_array_equal(draws[:, :, 0], draws[:, :, 1])  # two examples of the same distribution
    np.testing.assert_array_equal(draws, draw(twice))
    graph = draw.get_concrete_function(tf.TensorSpec((2, 1, None, node.num_parameters))).graph
    assert not [operation for operation in graph.get_operations() if "Random" in operation.type]
    q = node.make_distribution(tf.constant(raw))
    mean, deviation = node.mean(q)[:, 0, 0], tf.sqrt(node.variance(q))[:, 0, 0]
    z = (draws[:, :, 0].mean(axis=1) - mean) / deviation * np.sqrt(num_samples)
    assert np.max(np.abs(z)) < 5
