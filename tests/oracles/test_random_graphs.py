"""Random graphs of 2 to 5 variables with random missing labels: every bound and gradient against explicit sums.

Real variables are integrated at Gauss-Hermite points on both sides, so that nothing is random and 1e-9 can be asked for.
"""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from ssdgm_tf import objectives
from tests.oracles import brute_force
from tests.oracles.brute_force import Variable

SIZE = 4
# Joint states of all that is summed, so that a graph takes milliseconds.
MAX_STATES = 150


@st.composite
def graphs(draw, sizes=(2, 5), kinds=tuple(brute_force.KINDS)):
    """{name: Variable}: random kinds, roles and parents, both models acyclic, something observed."""
    size = draw(st.integers(*sizes))
    names = [f"v{i}" for i in range(size)]
    kinds = [draw(st.sampled_from(kinds)) for _ in names]
    roles = ["observed", *(draw(st.sampled_from(["observed", "supervised", "latent"])) for _ in names[1:])]
    states = 1
    for i in range(size):
        if roles[i] != "observed":
            states *= brute_force.KINDS[kinds[i]] or 5
            if states > MAX_STATES:
                roles[i] = "observed"
                states = 1
    order_p, order_q = draw(st.permutations(names)), draw(st.permutations(names))
    observed = [name for name, role in zip(names, roles, strict=True) if role == "observed"]
    variables = {}
    for name, kind, role in zip(names, kinds, roles, strict=True):
        before_p = order_p[: order_p.index(name)]
        before_q = [*observed, *(n for n in order_q[: order_q.index(name)] if n not in observed)]
        parents_p = tuple(draw(st.lists(st.sampled_from(before_p), unique=True))) if before_p else ()
        parents_q = tuple(draw(st.lists(st.sampled_from(before_q), unique=True))) if role != "observed" else ()
        variables[name] = Variable(kind, parents_p, parents_q, role)
    return variables


def supervised_only(held, variables):
    return {name: value for name, value in held.items() if variables[name].role == "observed"}


def passes(model, x, y, kind):
    """The engine's bound [B] of examples of which any supervised variable may be missing."""
    model.labelled_bound = kind
    return model.bound_of(model.pass_over(x, y or None), kind).bound


@given(graphs(), st.integers(0, 2**16))
def test_every_bound_is_the_explicit_sum(variables, seed):
    """U, the conditional and the importance-weighted labelled bounds, their IWAE form, and log q(y|x), to 1e-9."""
    model = brute_force.make_model(variables, seed)
    x, y, held = brute_force.random_data(variables, seed, SIZE)
    names = {"conditional": brute_force.conditional, "importance": brute_force.importance}
    names["importance_weighted"] = brute_force.importance_weighted
    for kind, expected in names.items():
        np.testing.assert_allclose(passes(model, x, y, kind), [expected(model, h) for h in held], rtol=1e-9, atol=1e-9)
    free = [brute_force.conditional(model, supervised_only(h, variables)) for h in held]
    np.testing.assert_allclose(model.unlabelled_terms(x)["bound_unlabelled"], free, rtol=1e-9, atol=1e-9)
    if y:
        one_pass = model.pass_over(x, y)
        log_z = objectives.log_normaliser(one_pass.log_w(), one_pass.log_weight()) + np.zeros(SIZE)
        np.testing.assert_allclose(log_z, [brute_force.log_normaliser(model, h) for h in held], rtol=1e-9, atol=1e-9)
        weight = tf.reduce_sum(tf.exp(one_pass.log_weight()), axis=0)
        np.testing.assert_allclose(weight, np.ones_like(weight), rtol=1e-9)


@given(graphs(sizes=(6, 9), kinds=("bit", "class2")), st.integers(0, 2**16))
def test_any_number_of_variables_may_list_their_states(variables, seed):
    model = brute_force.make_model(variables, seed)
    x, y, held = brute_force.random_data(variables, seed, 2)
    for kind, expected in (("conditional", brute_force.conditional), ("importance", brute_force.importance)):
        np.testing.assert_allclose(passes(model, x, y, kind), [expected(model, h) for h in held], rtol=1e-9, atol=1e-9)


@given(graphs(), st.integers(0, 2**16))
def test_masks_and_streams_give_the_same_bound(variables, seed):
    """A label held for all examples, or as a mask that is true for all: the same bounds to 1e-9."""
    model = brute_force.make_model(variables, seed)
    x, y, _ = brute_force.random_data(variables, seed, SIZE)
    generator = np.random.default_rng(seed)
    for name, array in y.items():
        is_class = array.ndim == 1
        fill = generator.integers(2, size=SIZE) if is_class else generator.integers(2, size=(SIZE, 1))
        y[name] = np.where(array < 0, fill, array) if is_class else np.where(np.isnan(array), fill, array)
    for kind in ("conditional", "importance", "importance_weighted"):
        masked = model.bound_of(model.pass_over(x, y), kind).bound
        streams = model.bound_of(model.pass_over(x, y, complete=tuple(y)), kind).bound
        np.testing.assert_allclose(masked, streams, rtol=1e-9, atol=1e-9)


@given(graphs(), st.integers(0, 2**16))
def test_gradients_are_those_of_the_explicit_sum(variables, seed):
    """Along a random direction in the space of all weights, by central differences of the explicit sums: to 1e-5."""
    model = brute_force.make_model(variables, seed)
    x, y, held = brute_force.random_data(variables, seed, 2)
    generator = np.random.default_rng(seed)
    weights = model.trainable_variables
    direction = [generator.normal(size=weight.shape) for weight in weights]
    for kind, value in (("conditional", brute_force.conditional), ("importance", brute_force.importance)):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(passes(model, x, y, kind))
        gradients = tape.gradient(total, weights, unconnected_gradients="zero")
        slope = sum(np.sum(np.asarray(g) * d) for g, d in zip(gradients, direction, strict=True))
        ends = []
        for sign in (1, -2):
            for weight, d in zip(weights, direction, strict=True):
                weight.assign_add(sign * 1e-5 * d)
            ends.append(sum(value(model, h) for h in held))
        for weight, d in zip(weights, direction, strict=True):
            weight.assign_add(1e-5 * d)
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-5)


@given(graphs(), st.integers(0, 2**16))
def test_bounds_are_below_the_evidence(variables, seed):
    """Graphs of discrete variables alone: U <= log p(x) and conditional L <= log p(x, y), by exact sums."""
    variables = {name: v._replace(kind="class2" if v.kind == "real" else v.kind) for name, v in variables.items()}
    model = brute_force.make_model(variables, seed)
    x, y, held = brute_force.random_data(variables, seed, SIZE)
    evidence = [brute_force.importance_weighted(model, h) for h in held]
    for kind in ("conditional", "importance"):
        assert np.all(np.asarray(passes(model, x, y, kind)) <= np.array(evidence) + 1e-9)
    np.testing.assert_allclose(model.log_likelihood(x, y, num_samples=1), evidence, rtol=1e-5, atol=1e-5)
