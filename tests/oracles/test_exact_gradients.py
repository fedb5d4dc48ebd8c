"""The gradient that training follows is exactly that of the expected objective, for every estimator, bound and pattern.

    grad sum_o P(o) V(o) = sum_o P(o) grad [ V(o) + surrogate(o) ]          over all outcomes o of the estimator's draws

The left side differentiates the probabilities themselves; no noise, no finite differences: float64, to 1e-9.
"""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from ssdgm_tf import nodes
from ssdgm_tf.engine import trace_bounds
from ssdgm_tf.models.objective import ObjectiveScale
from tests.oracles import brute_force
from tests.oracles.brute_force import Variable
from tests.oracles.exact_draws import Draws
from tests.oracles.test_random_graphs import graphs
from tests.tiers import tiers

MAX_OUTCOMES = 300
ESTIMATORS = {
    "enumerate": lambda: "enumerate",
    "top_k": lambda: nodes.TopK(1),
    "score_function": nodes.ScoreFunction,
    "learned": lambda: nodes.ScoreFunction("learned"),
}
KINDS = {"unlabelled": trace_bounds.UNLABELLED, "labelled": trace_bounds.LABELLED}


def weights_of(model):
    """All weights but those of learned baselines, which follow an objective of their own."""
    of_baselines = {id(w) for node in model.recognition.values() if node.baseline for w in node.baseline.trainable_variables}
    return [weight for weight in model.trainable_variables if id(weight) not in of_baselines]


def both_sides(model, x, y, kind, num_samples, classification_weight, monkeypatch):
    """(expected value, its gradient, the mean gradient that a step follows), of one example; None for too many outcomes."""
    draws, seed = Draws(), tf.constant([1, 2])
    with draws.forced(monkeypatch):
        model.pass_over(x, y, num_samples=num_samples, seed=seed)
    if not 1 < draws.num_outcomes <= MAX_OUTCOMES:
        return None
    draws.enumerate()
    size = draws.num_outcomes
    x, y = ({name: np.repeat(array, size, axis=0) for name, array in data.items()} for data in (x, y))
    weights = weights_of(model)
    with draws.forced(monkeypatch), tf.GradientTape() as tape:
        one_pass = model.pass_over(x, y, num_samples=num_samples, seed=seed)
        result = model.bound_of(one_pass, kind)
        log_label = trace_bounds.log_label(one_pass)[0]
        log_q = one_pass.log_q_of_draws(one_pass.graph.inferred)
        probability = tf.exp(tf.reduce_sum(log_q, axis=0))
        # A draw that a mask replaces has the probability 1 at each of its outcomes.
        num_copies = round(float(tf.reduce_sum(probability)))
        probability /= num_copies
        value = result.warmed + (classification_weight * log_label if y else 0.0)
        expected = tf.reduce_sum(probability * value)
    np.testing.assert_allclose(tf.reduce_sum(probability), 1, rtol=1e-12)
    model.num_samples, model.labelled_bound, model.unlabelled_bound = num_samples, kind, kind
    model.objective_scale = ObjectiveScale(0 if y else 1, 1 if y else 0, 1.0, classification_weight)
    with draws.forced(monkeypatch), tf.GradientTape() as objective_tape:
        labelled = model.labelled_terms(x, y, (), training=True) if y else None
        unlabelled = None if y else model.unlabelled_terms(x, training=True)
        parts = model._parts_of_objective(labelled, unlabelled)
        objective = next(part for part in parts if part is not None)
        followed = tf.reduce_sum(tf.stop_gradient(probability) * objective)
    np.testing.assert_allclose(objective, value, rtol=1e-12)  # surrogates are 0
    sides = (
        side_tape.gradient(side, weights, unconnected_gradients="zero")
        for side_tape, side in ((tape, expected), (objective_tape, followed))
    )
    return float(expected), *(np.concatenate([np.ravel(g) for g in side]) for side in sides)


# What random graphs seldom have: a draw before the label, a draw that joint states of another variable share, free bits.
BEFORE_THE_LABEL = {
    "x": Variable("class3", ("a", "y"), (), "observed"),
    "a": Variable("class3", (), ("x",), "latent"),
    "y": Variable("class2", ("a",), ("x", "a"), "supervised"),
}
SHARED = {
    "x": Variable("class3", ("a", "b", "e"), (), "observed"),
    "a": Variable("class2", (), ("x",), "latent"),
    "e": Variable("class3", (), ("x",), "latent"),
    "b": Variable("class3", ("a",), ("x", "a"), "latent"),
}
CASES = [(BEFORE_THE_LABEL, "a", {"y": np.array([1])}, kind, 0.0) for kind in trace_bounds.LABELLED]
CASES += [(SHARED, "b", {}, kind, 0.0) for kind in trace_bounds.UNLABELLED]
CASES += [(BEFORE_THE_LABEL, "a", {"y": np.array([1])}, "conditional", 1e3), (SHARED, "b", {}, "evidence_lower_bound", 1e3)]

ESTIMATES = [(estimator, num_samples) for estimator in ("top_k", "score_function") for num_samples in (1, 2)]


@pytest.mark.parametrize(("estimator", "num_samples"), tiers(ESTIMATES, first=[("top_k", 2), ("score_function", 1)]))
@pytest.mark.parametrize(("variables", "drawn", "y", "kind", "free_bits"), CASES)
def test_of_named_graphs(variables, drawn, y, kind, free_bits, estimator, num_samples, monkeypatch):
    model = brute_force.make_model(variables, 5, {drawn: ESTIMATORS[estimator]()})
    model.free_bits = free_bits
    _, gradient, followed = both_sides(model, {"x": np.array([2])}, y, kind, num_samples, 2.0, monkeypatch)
    np.testing.assert_allclose(followed, gradient, rtol=1e-9, atol=1e-9)
    assert np.abs(gradient).max() > 0.01


@given(st.data())
def test_the_gradient_is_that_of_the_expected_objective(data):
    variables, seed = data.draw(graphs()), data.draw(st.integers(0, 2**16))
    inferred = [name for name, v in variables.items() if v.role != "observed" and v.kind != "real"]
    chosen = {name: data.draw(st.sampled_from(list(ESTIMATORS)), label=name) for name in inferred}
    num_samples = data.draw(st.sampled_from([1, 2]))
    free_bits, kl_weight = data.draw(st.sampled_from([(0.0, 1.0), (0.0, 0.3), (1e3, 1.0), (1e3, 0.3)]))
    x, y, held = brute_force.random_data(variables, seed, 1)
    stream = "labelled" if len(held[0]) > len(x) else "unlabelled"
    kind = data.draw(st.sampled_from(KINDS[stream]))
    if free_bits and kind not in ("conditional", "evidence_lower_bound"):
        free_bits = 0.0
    if kind == "importance_weighted":
        chosen = {name: "score_function" if which == "learned" else which for name, which in chosen.items()}
    model = brute_force.make_model(variables, seed, {name: ESTIMATORS[which]() for name, which in chosen.items()})
    model.free_bits, model.kl_weight = free_bits, kl_weight
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = both_sides(model, x, y, kind, num_samples, 2.0, monkeypatch)
    hypothesis.assume(found is not None)
    value, gradient, followed = found
    np.testing.assert_allclose(followed, gradient, rtol=1e-9, atol=1e-9)
    if kind in ("conditional", "evidence_lower_bound") and not free_bits and kl_weight == 1.0:
        exact = brute_force.conditional(model, held[0])
        log_label = brute_force.log_normaliser(model, held[0])
        assert value <= exact + 2.0 * log_label + 1e-9  # the mean of log Z is below log E[Z]
