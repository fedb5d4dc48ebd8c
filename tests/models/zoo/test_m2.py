"""M2's mathematics against longhand, closed forms and finite differences."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ssdgm_tf.models import M2


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal"])
def test_the_enumerated_bound_is_an_explicit_loop_over_y(tiny, likelihood):
    """Equations 6 and 7 written out, one label and one example at a time, to 1e-5 of their size."""
    x, _ = tiny
    x = x[:6]
    model = M2(3, latent_dim=2, hidden_units=(8, 5), likelihood=likelihood, likelihood_scale=0.3, seed=3)
    model.build((None, 4, 3))
    model.compile("sgd", num_samples=4)
    randomise(model)
    seed = model.next_seed()
    z = np.asarray(model.pass_over({"x": x}, seed=seed).sites["z"].value)  # [K, S, B, D]
    model.next_seed = lambda: seed
    terms = model.unlabelled_terms({"x": x})
    probs = np.asarray(model(x), np.float64)
    expected = np.zeros((3, 6))
    for y in range(3):
        for b in range(6):
            q = posterior(model, x[b], y)
            log_px = [log_likelihood(model, x[b], y, z[y, s, b]) for s in range(4)]
            kl = 0.5 * np.sum(q.std() ** 2 + q.mean() ** 2 - 1 - 2 * np.log(q.std()))
            expected[y, b] = np.mean(log_px) + np.log(1 / 3) - kl
    for b in range(6):
        u = sum(probs[b, y] * (expected[y, b] - np.log(probs[b, y])) for y in range(3))
        assert float(terms["bound_unlabelled"][b]) == pytest.approx(u, rel=1e-5)


def test_the_labelled_bound_is_the_loop_at_its_label(tiny):
    x, _ = tiny
    x, y = x[:6], np.array([0, 1, 2, 2, 1, 0], np.int32)
    model = M2(3, latent_dim=2, hidden_units=(8,), seed=3)
    model.build((None, 4, 3))
    model.compile("sgd")
    randomise(model)
    seed = model.next_seed()
    z = np.asarray(model.pass_over({"x": x}, {"y": y}, complete=("y",), seed=seed).sites["z"].value)[0, 0]
    model.next_seed = lambda: seed
    terms = model.labelled_terms({"x": x}, {"y": y}, ("y",))
    for b in range(6):
        q = posterior(model, x[b], y[b])
        kl = 0.5 * np.sum(q.std() ** 2 + q.mean() ** 2 - 1 - 2 * np.log(q.std()))
        expected = log_likelihood(model, x[b], y[b], z[b]) + np.log(1 / 3) - kl
        assert float(terms["bound_labelled"][b]) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(terms["predictions"]["y"], model(x), rtol=1e-5)
    np.testing.assert_allclose(terms["classification_loss"], -np.log(np.asarray(model(x))[np.arange(6), y]), rtol=1e-5)


def test_the_unlabelled_bound_is_the_sum_of_its_logged_terms(tiny, tiny_m2):
    terms = tiny_m2.unlabelled_terms({"x": tf.constant(tiny[0])})
    total = terms["log_px"] - terms["kl_z"] - terms["kl_y"]
    np.testing.assert_allclose(terms["bound_unlabelled"], total, rtol=1e-5)


@pytest.mark.slow
def test_the_bound_is_below_the_importance_weighted_bound_which_rises_with_its_samples(tiny, tiny_m2):
    """Means over 120 images and 30 repeats of S = 1; each gap is more than 5 standard errors (failure below 1e-6)."""
    x, _ = tiny
    randomise(tiny_m2)
    elbo = np.mean([tiny_m2.unlabelled_terms({"x": tf.constant(x)})["bound_unlabelled"] for _ in range(30)], axis=0)
    bounds = [
        elbo,
        *(np.mean([tiny_m2.log_likelihood(x, num_samples=s, seed=i) for i in range(10)], axis=0) for s in (1, 10, 200)),
    ]
    for lower, upper in itertools.pairwise(bounds):
        gap = upper - lower
        assert gap.mean() > 5 * gap.std() / np.sqrt(len(x))


class TestLinearGaussian:
    """A linear decoder with orthogonal columns has a diagonal Gaussian posterior: every bound meets its closed form."""

    pixels, latent_dim, num_classes, scale = 6, 2, 3, 0.4

    @pytest.fixture
    def parts(self):
        generator = np.random.default_rng(2)
        columns = np.linalg.qr(generator.normal(size=(self.pixels, self.latent_dim)))[0] * [1.5, 0.7]
        means = generator.normal(size=(self.num_classes, self.pixels))
        x = generator.normal(size=(8, self.pixels)).astype("float32")
        evidence = np.array(
            [
                stats.multivariate_normal(mean, columns @ columns.T + self.scale**2 * np.eye(self.pixels)).logpdf(x)
                for mean in means
            ]
        ) - np.log(self.num_classes)  # log p(x, y), [K, B]
        return columns, means, x, evidence

    @pytest.fixture
    def exact(self, parts):
        """An M2 whose weights are the true decoder and the exact posterior of z and of y."""
        columns, means, _, _ = parts
        k, d, p = self.num_classes, self.latent_dim, self.pixels
        model = M2(
            k, d, hidden_units=(p + k,), activation="linear", likelihood="normal", likelihood_scale=self.scale, seed=0
        )
        model.build((None, p))
        model.compile("sgd")
        identity = np.eye(p + k)
        # p(x|y,z): the hidden layer holds the mean of x in its first p units.
        set_weights(
            model.generative["x"].network,
            [np.pad(means, ((0, 0), (0, k))), np.pad(columns.T, ((0, 0), (0, k)))],
            np.zeros(p + k),
        )
        set_weights(model.generative["x"].head, [identity[:, :p]], np.zeros(p))
        # q(z|x,y): the hidden layer is (x, y); variance 1 / (1 + |v|^2 / scale^2), loc = variance v.(x - mean_y) / scale^2.
        variance = 1 / (1 + np.sum(columns**2, axis=0) / self.scale**2)
        gain = columns * variance / self.scale**2
        raw_scale = np.log(np.expm1(np.sqrt(variance) - 1e-4)) - np.log(np.expm1(1.0))
        set_weights(model.recognition["z"].network, [identity[:p], identity[p:]], np.zeros(p + k))
        set_weights(
            model.recognition["z"].head,
            [np.concatenate([np.concatenate([gain, -means @ gain]), np.zeros((p + k, d))], axis=1)],
            np.concatenate([np.zeros(d), raw_scale]),
        )
        # q(y|x): all classes share a covariance, so the posterior is a softmax of linear functions of x.
        precision = np.linalg.inv(columns @ columns.T + self.scale**2 * np.eye(p))
        set_weights(model.recognition["y"].network, [identity[:p]], np.zeros(p + k))
        set_weights(
            model.recognition["y"].head,
            [np.concatenate([precision @ means.T, np.zeros((k, k))])],
            -0.5 * np.sum(means @ precision * means, axis=1),
        )
        return model

    def test_q_y_is_the_exact_posterior(self, exact, parts):
        *_, x, evidence = parts
        np.testing.assert_allclose(exact(x), special.softmax(evidence, axis=0).T, atol=1e-5)

    def test_one_importance_sample_is_the_evidence(self, exact, parts):
        """At the exact posterior every weight is p(x, y): no Monte-Carlo error is left."""
        *_, x, evidence = parts
        np.testing.assert_allclose(exact.log_likelihood(x, num_samples=1), special.logsumexp(evidence, axis=0), atol=2e-4)
        for y in range(self.num_classes):
            estimate = exact.log_likelihood(x, np.full(len(x), y), num_samples=1)
            np.testing.assert_allclose(estimate, evidence[y], atol=2e-4)

    def test_the_bounds_are_tight(self, exact, parts):
        """The mean of 20,000 samples of U and of L against the evidence: 5 standard errors (failure below 1e-5)."""
        *_, x, evidence = parts
        exact.compile("sgd", num_samples=2000)
        unlabelled = np.array([exact.unlabelled_terms({"x": tf.constant(x)})["bound_unlabelled"] for _ in range(10)])
        labelled = np.array(
            [exact.labelled_terms({"x": x}, {"y": np.ones(8, np.int32)}, ("y",))["bound_labelled"] for _ in range(10)]
        )
        log_px = special.logsumexp(evidence, axis=0)
        np.testing.assert_allclose(unlabelled.mean(axis=0), log_px, atol=5 * unlabelled.std(axis=0).max() / np.sqrt(9))
        np.testing.assert_allclose(labelled.mean(axis=0), evidence[1], atol=5 * labelled.std(axis=0).max() / np.sqrt(9))
        assert labelled.std(axis=0).max() < 0.1

    def test_any_other_posterior_is_below_the_evidence_and_is_corrected_by_importance_weights(self, exact, parts):
        """S = 20,000 reaches the evidence within 0.02 nats; the bound stays below it by 0.1 or more."""
        *_, x, evidence = parts
        exact.recognition["z"].head.projection.bias.assign_add([0.2, -0.2, 0.5, 0.5])
        exact.recognition["y"].head.projection.bias.assign_add([0.5, 0.0, -0.5])
        exact.compile("sgd", num_samples=2000)
        log_px = special.logsumexp(evidence, axis=0)
        assert np.all(exact.unlabelled_terms({"x": tf.constant(x)})["bound_unlabelled"] < log_px - 0.1)
        np.testing.assert_allclose(exact.log_likelihood(x, num_samples=20_000, seed=1), log_px, atol=0.02)


def test_gradients_of_the_loss_agree_with_finite_differences(tiny):
    """Every trainable weight of a float64 model at fixed noise, along three random directions."""
    x, y = tiny
    model = M2(3, latent_dim=2, hidden_units=(5,), activation="tanh", seed=3, dtype="float64")
    model.build((None, 4, 3))
    model.compile("sgd", num_unlabelled=108, num_labelled=12)
    state = model.seed_generator.state
    before = state.numpy()

    def loss():
        state.assign(before)
        labelled = model.labelled_terms({"x": tf.constant(x[:12], tf.float64)}, {"y": tf.constant(y[:12], tf.int32)}, ("y",))
        return model._loss(labelled, model.unlabelled_terms({"x": tf.constant(x[12:], tf.float64)}))

    with tf.GradientTape() as tape:
        value = loss()
    weights = model.trainable_variables
    gradients = tape.gradient(value, weights)
    assert all(gradient is not None for gradient in gradients)
    generator = np.random.default_rng(0)
    for _ in range(3):
        direction = [generator.normal(size=weight.shape) for weight in weights]
        expected = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
        values = []
        for sign in (1, -1):
            for weight, d in zip(weights, direction, strict=True):
                weight.assign_add(sign * 1e-5 * d)
            values.append(loss())
            for weight, d in zip(weights, direction, strict=True):
                weight.assign_sub(sign * 1e-5 * d)
        assert float(values[0] - values[1]) / 2e-5 == pytest.approx(expected, rel=1e-5)


def test_more_samples_leave_the_mean_of_the_bound_and_shrink_its_spread(tiny, tiny_m2):
    randomise(tiny_m2)
    x = tf.constant(tiny[0])

    def bounds(num_samples):
        tiny_m2.compile("sgd", num_samples=num_samples)
        return np.array([np.mean(tiny_m2.unlabelled_terms({"x": x})["bound_unlabelled"]) for _ in range(60)])

    one, many = bounds(1), bounds(16)
    # Standard deviations differ by a factor of 4; 60 draws tell a factor of 2 (F-test, failure below 1e-6).
    assert many.std() < one.std() / 2
    assert one.mean() == pytest.approx(many.mean(), abs=5 * one.std() / np.sqrt(60))


# -- longhand pieces of the model, one example at a time, by NumPy from its weights --


def randomise(model):
    """Weights large enough that every term matters."""
    generator = np.random.default_rng(4)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape) * 0.5)


def set_weights(layer, kernels, bias):
    """Kernels of an MLP's inputs, or of a node's projection."""
    inputs = layer.input_layers if hasattr(layer, "input_layers") else [layer.projection]
    for dense, kernel in zip(inputs, kernels, strict=True):
        dense.kernel.assign(kernel)
    inputs[0].bias.assign(bias)


def network(layer, *parents):
    h = sum(
        np.asarray(p, np.float64) @ np.asarray(dense.kernel) for p, dense in zip(parents, layer.input_layers, strict=True)
    )
    h = np.logaddexp(0, h + np.asarray(layer.input_layers[0].bias))
    for dense in layer.hidden_layers:
        h = np.logaddexp(0, h @ np.asarray(dense.kernel) + np.asarray(dense.bias))
    return h


def head(node, h):
    return h @ np.asarray(node.projection.kernel) + np.asarray(node.projection.bias)


def posterior(model, x, y):
    loc, raw = np.split(
        head(model.recognition["z"].head, network(model.recognition["z"].network, x.ravel(), np.eye(3)[y])), 2
    )
    return stats.norm(loc, np.logaddexp(0, raw + np.log(np.expm1(1.0))) + 1e-4)


def log_likelihood(model, x, y, z):
    parameters = head(model.generative["x"].head, network(model.generative["x"].network, np.eye(3)[y], z))
    if model.options.likelihood == "normal":
        return stats.norm(parameters, model.options.likelihood_scale).logpdf(x.ravel()).sum()
    return np.sum(x.ravel() * parameters - np.logaddexp(0, parameters))
