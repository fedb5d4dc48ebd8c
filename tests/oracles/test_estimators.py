"""Every estimator against enumeration: value and gradient, in float64, with the failure probability of each test.

What surrounds the tested variable is summed exactly (Gaussian variables at Gauss-Hermite points), so that all the noise is
the estimator's own.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.models import GraphicalModel
from tests.oracles.brute_force import Quadrature

X = np.array([[0.7, -1.2, 0.4]])


def make(estimator, real=True, seed=0):
    """p(y1) p(y2|y1) p(z|y1) p(x|y1,y2,z) with y1 (4 classes) and y2 (3) latent, their estimator, and random weights."""
    kwargs = {"dtype": "float64"}
    generative = {
        "y1": nodes.OneHotCategorical(4, prior="learned", **kwargs),
        "y2": nodes.OneHotCategorical(3, parents="y1", **kwargs),
        "x": nodes.Normal(3, parents=("y1", "y2", "z") if real else ("y1", "y2"), **kwargs),
    }
    recognition = {
        "y1": nodes.OneHotCategorical(4, parents="x", estimator=estimator, **kwargs),
        "y2": nodes.OneHotCategorical(3, parents=("x", "y1"), estimator=estimator, **kwargs),
    }
    if real:
        generative["z"] = nodes.Normal(1, parents="y1", **kwargs)
        recognition["z"] = nodes.Normal(1, parents=("x", "y2"), estimator=Quadrature(3), **kwargs)
    model = GraphicalModel(generative, recognition, observed="x", dtype="float64", seed=seed)
    generator = np.random.default_rng(4)
    names = sorted(weight.path for weight in model.trainable_variables)
    assert len(set(names)) == len(names)
    for node in (*(generative[name] for name in sorted(generative)), *(recognition[name] for name in sorted(recognition))):
        for weight in [] if not node.head.built else node.head.projection.trainable_variables:
            weight.assign(generator.normal(size=weight.shape) * 0.7)
    model.compile("sgd")
    return model


def shared_weights(model):
    """The weights of both models' nodes, in one order: a learned baseline is not among them."""
    nodes_of = [
        *(model.generative[n] for n in sorted(model.generative)),
        *(model.recognition[n] for n in sorted(model.recognition)),
    ]
    roots = [node.root for node in nodes_of if node.is_learned_root]
    return roots + [w for node in nodes_of if node.head.built for w in node.head.projection.trainable_variables]


def values_and_gradients(model, kind, batch, num_samples, repeats):
    """Mean bounds of `batch` copies of one example, and the gradients of what training maximises, [repeats, 1 + weights]."""
    x = {"x": tf.constant(np.repeat(X, batch, axis=0))}
    weights = shared_weights(model)

    @tf.function(autograph=False)
    def estimate():
        with tf.GradientTape() as tape:
            result = model.bound_of(model.pass_over(x, num_samples=num_samples), kind)
            mean = tf.reduce_mean(result.warmed + result.surrogate)
        gradients = tape.gradient(mean, weights, unconnected_gradients="zero")
        return mean, tf.reduce_mean(result.bound), tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)

    estimates = []
    for _ in range(repeats):
        mean, bound, gradient = estimate()
        np.testing.assert_allclose(mean, bound, rtol=1e-12)  # the surrogate's value is 0
        estimates.append([float(mean), *gradient.numpy()])
    return np.array(estimates)


def value_and_gradient(model, kind):
    """Those of one example and one sample."""
    return values_and_gradients(model, kind, 1, 1, 1)[0]


def assert_unbiased(estimates, exact):
    """Means of 60 estimates within 6.5 standard errors: under 2e-8 each (t, 59 degrees), under 1e-5 for some 60 weights."""
    error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
    assert len(estimates) == 60
    np.testing.assert_array_less(np.abs(estimates.mean(axis=0) - exact), 6.5 * error + 1e-9)
    # The test can fail: it sees a bias of a tenth of the gradient's size.
    assert np.median(error) < 0.1 * np.abs(exact[1:]).max()


ESTIMATORS = {
    "top_k, k=1": (nodes.TopK(1), 1),
    "top_k, k=2": (nodes.TopK(2), 1),
    "top_k, k=1, S=3": (nodes.TopK(1), 3),
    "score function without baseline": (nodes.ScoreFunction(), 1),
    "score function, leave one out": (nodes.ScoreFunction(), 4),
    "score function, learned baseline": (nodes.ScoreFunction("learned"), 1),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_value_and_gradient_are_unbiased(name):
    estimator, num_samples = ESTIMATORS[name]
    exact = value_and_gradient(make("enumerate"), "evidence_lower_bound")
    assert_unbiased(values_and_gradients(make(estimator), "evidence_lower_bound", 300, num_samples, 60), exact)


@pytest.mark.parametrize("name", ["score function, leave one out", "top_k, k=1"])
def test_the_importance_weighted_bound_of_two_samples_is_unbiased(name):
    """Against E[log (w_i + w_j)/2] summed over every pair of joint states (top_k: its own sampled states)."""
    estimator, _ = ESTIMATORS[name]
    exact_model = make("enumerate", real=False)
    if name.startswith("top_k"):
        # One sample at k = all but one state is enumeration; with fewer, only the value at S -> many is compared.
        model = make(estimator, real=False)
        evidence = value_and_gradient(exact_model, "importance_weighted")[0]
        estimate = values_and_gradients(model, "importance_weighted", 4, 1000, 10)[:, 0]
        np.testing.assert_allclose(np.mean(estimate), evidence, atol=7 * np.std(estimate) / 3 + 1e-3)
        return
    weights = shared_weights(exact_model)
    with tf.GradientTape() as tape:
        one_pass = exact_model.pass_over({"x": X})
        log_q = one_pass.log_weight()[:, 0, 0]
        log_w = sum(one_pass.log_ratio(n) for n in ("x", "y1", "y2"))[:, 0, 0]
        pairs = tf.reduce_logsumexp(tf.stack(tf.meshgrid(log_w, log_w)), axis=0) - np.log(2)
        value = tf.reduce_sum(tf.exp(log_q[:, None] + log_q) * pairs)
    gradients = tape.gradient(value, weights, unconnected_gradients="zero")
    exact = np.concatenate([[float(value)], *(np.ravel(g) for g in gradients)])
    model = make(estimator, real=False)
    assert_unbiased(values_and_gradients(model, "importance_weighted", 300, 2, 60), exact)


def test_top_k_of_all_states_but_one_is_enumeration():
    exact = value_and_gradient(make("enumerate"), "evidence_lower_bound")
    estimate = value_and_gradient(make(nodes.TopK(3)), "evidence_lower_bound")
    np.testing.assert_allclose(estimate, exact, rtol=1e-9, atol=1e-9)


def variance_of_q(model, num_samples):
    """Total variance, over 40 batches of 20, of the gradient of the weights of q(y1|x) and q(y2|x,y1)."""
    weights = [w for name in ("y1", "y2") for w in model.recognition[name].head.projection.trainable_variables]

    @tf.function(autograph=False)
    def gradient():
        with tf.GradientTape() as tape:
            one_pass = model.pass_over({"x": tf.constant(np.repeat(X, 20, axis=0))}, num_samples=num_samples)
            result = model.bound_of(one_pass, "evidence_lower_bound")
            value = tf.reduce_mean(result.warmed + result.surrogate)
        return tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(value, weights)], axis=0)

    return np.var([gradient() for _ in range(40)], axis=0).sum()


def test_baselines_lower_the_variance_of_the_gradient():
    """For the same number of samples; top_k, which evaluates two states, with half as many."""
    plain = variance_of_q(make(nodes.ScoreFunction()), 1) / 4
    assert variance_of_q(make(nodes.ScoreFunction()), 4) < 0.7 * plain
    assert variance_of_q(make(nodes.TopK(1)), 2) < 0.3 * plain


def test_a_learned_baseline_learns_the_signal():
    """80 steps on the baseline alone lower the variance of the gradient."""
    model = make(nodes.ScoreFunction("learned"))
    baselines = [w for name in ("y1", "y2") for w in model.recognition[name].baseline.trainable_variables]
    before = variance_of_q(model, 1)
    optimizer = keras.optimizers.Adam(0.3)
    optimizer.build(baselines)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            result = model.bound_of(model.pass_over({"x": tf.constant(np.repeat(X, 50, axis=0))}), "evidence_lower_bound")
            loss = -tf.reduce_mean(result.surrogate)
        optimizer.apply_gradients(zip(tape.gradient(loss, baselines), baselines, strict=True))

    for _ in range(80):
        step()
    assert variance_of_q(model, 1) < 0.6 * before


def test_straight_through_has_an_unbiased_bound():
    exact = value_and_gradient(make("enumerate"), "evidence_lower_bound")[0]
    values = values_and_gradients(make("straight_through"), "evidence_lower_bound", 500, 1, 20)[:, 0]
    # 20 means of 500: 7 standard errors (t, 19 degrees), failure probability below 2e-6.
    assert np.mean(values) == pytest.approx(exact, abs=7 * np.std(values, ddof=1) / np.sqrt(20))


def test_relaxed_tends_to_the_enumerated_bound_as_the_temperature_falls():
    """40,000 draws at each temperature; the last is within 6 standard errors and 0.05 nats, the first is not."""
    exact = value_and_gradient(make("enumerate"), "evidence_lower_bound")[0]
    gaps, errors = [], []
    for temperature in (2.0, 0.3, 0.005):
        values = values_and_gradients(make(nodes.Relaxed(temperature)), "evidence_lower_bound", 2000, 1, 20)[:, 0]
        gaps.append(abs(np.mean(values) - exact))
        errors.append(np.std(values) / np.sqrt(20))
    assert gaps[0] > gaps[1] > gaps[2] and gaps[0] > 0.2
    assert gaps[2] < 6 * errors[2] + 0.05


def test_the_temperature_schedule_is_a_function_of_the_step():
    schedule = keras.optimizers.schedules.ExponentialDecay(1.0, decay_steps=1, decay_rate=0.5)
    model = make(nodes.Relaxed(schedule))
    seed = tf.constant([1, 2])
    values = {}
    for step in (0, 3):
        model.step.assign(step)
        values[step] = model.pass_over({"x": X}, seed=seed).sites["y1"].value
    expected = {step: make(nodes.Relaxed(0.5**step)).pass_over({"x": X}, seed=seed).sites["y1"].value for step in (0, 3)}
    for step in (0, 3):
        np.testing.assert_allclose(values[step], expected[step], rtol=1e-6)
