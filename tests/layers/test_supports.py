"""What each variable may take: the same rule for arrays and tensors, values inside it, and draws that stay within."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers
from ssdgm_tf.layers import supports

# (node, a legal value, values that are not); of the label, not of an observation.
CASES = {
    "bernoulli": (lambda: layers.BernoulliNode(2), [0, 1], ([0.3, 0], [2, 0], [-1, 0])),
    "beta": (lambda: layers.BetaNode(2), [0.1, 0.9], ([0, 0.5], [1, 0.5], [1.5, 0.5])),
    "categorical": (lambda: layers.CategoricalNode(2, 3), [0, 2], ([3, 0], [7, 0], [0.5, 0], [-1, 0])),
    "continuous bernoulli": (lambda: layers.ContinuousBernoulliNode(2), [0, 0.4], ([-0.1, 0], [1.01, 0])),
    "dirichlet": (lambda: layers.DirichletNode(3), [0.2, 0.3, 0.5], ([0.2, 0.3, 0.4], [0, 0.5, 0.5], [-0.5, 0.5, 1])),
    "relaxed": (lambda: layers.RelaxedOneHotCategoricalNode(2), [0.2, 0.8], ([0, 1], [0.2, 0.9])),
    "levels": (lambda: layers.DiscretizedLogisticNode(2, 5), [0.25, 1], ([0.3, 0], [1.25, 0], [-0.25, 0])),
    "gamma": (lambda: layers.GammaNode(2), [0.1, 9], ([0, 1], [-1, 1])),
    "log-normal": (lambda: layers.LogNormalNode(2), [0.1, 9], ([0, 1], [-1, 1])),
    "poisson": (lambda: layers.PoissonNode(2), [0, 9], ([0.5, 1], [-1, 1])),
    "direction": (lambda: layers.VonMisesFisherNode(3), [0, 0.6, 0.8], ([0, 0, 0], [1, 1, 0])),
    "mixture": (lambda: layers.VonMisesFisherMixtureNode(3, 2), [0, 0.6, 0.8], ([0, 0, 0.5],)),
    "angle": (lambda: layers.VonMisesNode(2), [-9, 9], ()),
    "normal": (lambda: layers.NormalNode(2), [-9, 9], ()),
    "laplace": (lambda: layers.LaplaceNode(2), [-9, 9], ()),
    "student": (lambda: layers.StudentTNode(2), [-9, 9], ()),
}
CLASSES = {
    "class": (lambda: layers.OneHotCategoricalNode(3), 2, (3, 7, -2)),
    "one more": (lambda: layers.OneMoreNode(3), 2, (3, -2)),
}
BAD = [(name, bad) for name, case in (CASES | CLASSES).items() for bad in (*case[2], *([] if name in CLASSES else [np.inf]))]


def array_of(name, value):
    """Six labels: legal ones, one that is missing, and `value` fourth."""
    make, legal, _ = (CASES | CLASSES)[name]
    if name in CLASSES:
        return make(), np.array([legal, legal, -1, value, legal, legal])
    labels = np.tile(np.array(legal, np.float32), (6, 1))
    labels[2], labels[3] = np.nan, value
    return make(), labels


@pytest.mark.parametrize("name", CASES | CLASSES)
def test_legal_values_are_taken(name):
    head, labels = array_of(name, (CASES | CLASSES)[name][1])
    checked = head.support.check_array("y", labels, head.event_shape, 6, missing=True)
    np.testing.assert_array_equal(checked, labels)
    np.testing.assert_array_equal(head.support.check_tensor("y", tf.constant(labels), head.event_shape, True), labels)


@pytest.mark.parametrize(("name", "bad"), BAD)
def test_others_are_refused_with_the_rule_and_the_index(name, bad):
    head, labels = array_of(name, bad)
    with pytest.raises(ValueError, match=r"must .*\. Received: .*(index 3|the first at \(3, 0\))"):
        head.support.check_array("y", labels, head.event_shape, 6, missing=True)
    with pytest.raises(ValueError, match=r"must .*\. Received: .* at index 3 of batch 7$"), supports.as_value_errors():
        head.support.check_tensor("y", tf.constant(labels), head.event_shape, True, tf.constant(7))


@pytest.mark.parametrize("name", CASES)
def test_a_missing_value_becomes_one_within_the_support(name):
    head, labels = array_of(name, CASES[name][1])
    event = np.asarray(head.support.event(tf.constant(labels), "float32", missing=True))
    if name not in ("categorical", "bernoulli", "poisson", "levels"):  # 0.5 is outside of some, but has a finite density
        assert np.all(head.support.contains(tf.constant(event)))
    density = head.log_density(head.make_distribution(tf.zeros([6, head.num_parameters])), tf.constant(event))
    assert np.all(np.isfinite(density))


@pytest.mark.parametrize("size", [1.0, 8.0, 40.0])
@pytest.mark.parametrize("name", CASES | CLASSES)
def test_own_draws_have_finite_densities(name, size):
    """Concentrations near 0, scales up to 40: draws that round to the edge of the support stay inside it."""
    head = (CASES | CLASSES)[name][0]()
    if name == "poisson":
        size = min(size, 8.0)  # a rate of e^88 is infinite
    parameters = tf.constant(np.random.default_rng(0).normal(size=(500, head.num_parameters)) * size, tf.float32)
    q = head.make_distribution(parameters[None, None])
    draws = head.draws(q, 1, tf.constant([1, 2]))
    assert np.all(np.isfinite(draws)) and np.all(np.isfinite(head.log_density(q, draws)))
    head.support.check_array("y", np.argmax(draws[0, 0], -1) if name in CLASSES else draws[0, 0], head.event_shape, 500)
    np.testing.assert_array_equal(draws, head.support.inward(draws))


@pytest.mark.parametrize("value", [[np.pi, 0.3], [1.0, -np.pi]])
def test_networks_see_no_jump_in_angles(value):
    angles = layers.VonMisesNode(2).support
    assert angles.network_shape((4, 2)) == (4, 4)
    seen, turned = (angles.network_input(tf.constant(np.array(value) - turn)) for turn in (0.0, 2 * np.pi))
    np.testing.assert_allclose(seen, turned, atol=1e-12)


def test_tensors_of_bytes_are_labels_and_a_label_that_is_nan_in_part_is_none():
    classes = layers.OneHotCategoricalNode(3).support
    np.testing.assert_array_equal(classes.check_tensor("y", tf.constant([0, 2], tf.uint8), (3,), True), [0, 2])
    with pytest.raises(ValueError, match=r"NaN in every element.* at index 1$"), supports.as_value_errors():
        layers.NormalNode(2).support.check_tensor("y", tf.constant([[0.0, 1.0], [0.3, np.nan]]), (2,), True)


def test_networks_see_the_logarithms_of_counts_without_a_limit():
    counts = tf.constant([[0.0, 1.0, 1e6]])
    np.testing.assert_allclose(layers.PoissonNode(3).support.network_input(counts), np.log1p(counts))
    for limited in (layers.BernoulliNode(3), layers.BernoulliNode(3).support):
        support = getattr(limited, "support", limited)
        np.testing.assert_array_equal(support.network_input(counts), counts)
