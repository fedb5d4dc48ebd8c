"""A chain of linear Gaussians, z1 -> z2 -> x: evidence and posterior in closed form, in float64."""

import numpy as np
import pytest
from scipy import stats

from ssdgm_tf import nodes
from ssdgm_tf.models import GraphicalModel

DIM = 3
GENERATOR = np.random.default_rng(0)
A, B = GENERATOR.normal(size=(1, 2)), GENERATOR.normal(size=(2, DIM))  # z2 = z1 A + noise, x = z2 B + noise
S2, SX = 0.8, 0.5
X = GENERATOR.normal(size=(6, DIM)).astype(np.float32).astype(np.float64)
Z1 = GENERATOR.normal(size=(6, 1)).astype(np.float32).astype(np.float64)


def gaussian_posterior(prior_mean, prior_cov, matrix, noise_cov):
    """x = z matrix + noise: (gain, offset, cov) of z | x = x gain + offset."""
    marginal = matrix.T @ prior_cov @ matrix + noise_cov
    gain = np.linalg.solve(marginal, matrix.T @ prior_cov)
    return gain, prior_mean - prior_mean @ matrix @ gain, prior_cov - prior_cov @ matrix @ gain


def set_linear(node, kernels, bias, scale):
    """Means by matrices of the parents, and a scale per element (learned) or a fixed one."""
    kernel = np.concatenate(kernels)
    raw = np.log(np.expm1(np.asarray(scale) - 1e-4)) - np.log(np.expm1(1.0))
    node.head.projection.kernel.assign(np.concatenate([kernel, np.zeros_like(kernel)], axis=1))
    node.head.projection.bias.assign(np.concatenate([bias, raw]))


@pytest.fixture
def model():
    """The true chain, with its exact posterior q(z1|x) q(z2a|x,z1) q(z2b|x,z1,z2a): z2's elements are two variables.

    Given z1 and x the elements of z2 are correlated, so that a diagonal node for both could not be exact.
    """
    kwargs = {"dtype": "float64"}
    generative = {
        "z1": nodes.Normal(1, **kwargs),
        "a": nodes.Normal(1, parents="z1", **kwargs),
        "b": nodes.Normal(1, parents="z1", **kwargs),
        "x": nodes.Normal(DIM, parents=("a", "b"), **kwargs),
    }
    recognition = {
        "z1": nodes.Normal(1, parents="x", **kwargs),
        "a": nodes.Normal(1, parents=("x", "z1"), **kwargs),
        "b": nodes.Normal(1, parents=("x", "z1", "a"), **kwargs),
    }
    model = GraphicalModel(generative, recognition, observed="x", supervised="z1", dtype="float64", seed=1)
    model.compile("sgd")
    set_linear(generative["a"], [A[:, :1]], [0.0], [S2])
    set_linear(generative["b"], [A[:, 1:]], [0.0], [S2])
    set_linear(generative["x"], [B[:1], B[1:]], np.zeros(DIM), [SX] * DIM)
    # z1 | x
    noise = B.T @ B * S2**2 + SX**2 * np.eye(DIM)
    gain, offset, cov = gaussian_posterior(np.zeros(1), np.eye(1), A @ B, noise)
    set_linear(recognition["z1"], [gain], offset, np.sqrt(np.diag(cov)))
    # (a, b) | x, z1: linear in z1 and x, with a full covariance; then b | a.
    gain, _, cov = gaussian_posterior(np.zeros(2), S2**2 * np.eye(2), B, SX**2 * np.eye(DIM))
    of_z1 = A - A @ B @ gain
    set_linear(recognition["a"], [gain[:, :1], of_z1[:, :1]], [0.0], [np.sqrt(cov[0, 0])])
    slope = cov[0, 1] / cov[0, 0]
    kernels = [gain[:, 1:] - slope * gain[:, :1], of_z1[:, 1:] - slope * of_z1[:, :1], [[slope]]]
    set_linear(recognition["b"], kernels, [0.0], [np.sqrt(cov[1, 1] - slope * cov[0, 1])])
    return model


def log_px():
    cov = (A @ B).T @ (A @ B) + S2**2 * B.T @ B + SX**2 * np.eye(DIM)
    return stats.multivariate_normal(np.zeros(DIM), cov).logpdf(X)


def log_px_z1():
    cov = S2**2 * B.T @ B + SX**2 * np.eye(DIM)
    conditional = [stats.multivariate_normal(z @ A @ B, cov).logpdf(x) for x, z in zip(X, Z1, strict=True)]
    return np.array(conditional) + stats.norm.logpdf(Z1[:, 0])


def test_at_the_exact_posterior_one_sample_is_the_evidence(model):
    """No Monte-Carlo error is left: log p(x), and log p(x, z1) where the real variable z1 is given, to 1e-6."""
    np.testing.assert_allclose(model.log_likelihood(X, num_samples=1), log_px(), rtol=1e-6)
    np.testing.assert_allclose(model.log_likelihood(X, Z1, num_samples=1), log_px_z1(), rtol=1e-6)


def test_every_bound_at_the_exact_posterior_is_the_evidence_on_average(model):
    """20,000 samples with KL terms in closed form where there are any: within 6 standard errors (failure below 1e-7)."""
    for y, evidence in ((None, log_px()), (Z1, log_px_z1())):
        draws = np.array([model.bound(X, y, num_samples=1000, seed=i) for i in range(20)])
        np.testing.assert_allclose(draws.mean(axis=0), evidence, atol=6 * draws.std(axis=0).max() / np.sqrt(19) + 1e-9)
        assert draws.std(axis=0).max() < 0.2


def test_any_other_posterior_is_below_the_evidence(model):
    """By more than 0.05 nats each, and importance weights make it good: within 7 standard errors of 20 repeats.

    7 standard errors of a t with 19 degrees fail with probability 1.2e-6, below 1e-5 for six examples.
    """
    for name in ("z1", "a", "b"):
        model.recognition[name].head.projection.bias.assign_add([0.3, 0.4])
    bound = np.mean([model.bound(X, num_samples=1000, seed=i) for i in range(5)], axis=0)
    assert np.all(bound < log_px() - 0.05)
    estimates = np.array([model.log_likelihood(X, num_samples=5000, seed=i) for i in range(20)])
    error = estimates.std(axis=0, ddof=1) / np.sqrt(20)
    assert np.all(np.abs(estimates.mean(axis=0) - log_px()) < 7 * error) and error.max() < 0.01
    labelled = np.mean([model.bound(X, Z1, num_samples=1000, seed=i) for i in range(5)], axis=0)
    assert np.all(labelled < log_px_z1() - 0.05)


def test_a_mixed_batch_has_the_bound_of_each_example(model):
    y = np.where(np.arange(6)[:, None] < 3, Z1, np.nan)
    got = model.log_likelihood(X, y, num_samples=1)
    np.testing.assert_allclose(got, np.where(np.arange(6) < 3, log_px_z1(), log_px()), rtol=1e-6)


def test_predict_is_the_exact_posterior(model):
    """Mean and spread of z1 given x."""
    gain, offset, cov = gaussian_posterior(np.zeros(1), np.eye(1), A @ B, B.T @ B * S2**2 + SX**2 * np.eye(DIM))
    prediction = model.predict(X, verbose=0)
    np.testing.assert_allclose(prediction["mean"], X @ gain + offset, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prediction["stddev"], np.full((6, 1), np.sqrt(cov[0, 0])), rtol=1e-4)
