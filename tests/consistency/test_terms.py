"""Terms of `compile(consistency=...)` by themselves: names, weights, and their losses on predictions that are given."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ssdgm_tf import baselines, consistency, layers, models
from ssdgm_tf.consistency.virtual_adversarial import of_length, spread
from ssdgm_tf.engine import counted
from ssdgm_tf.layers.image_network import image_network

R = np.random.default_rng(0)
X = R.normal(size=(6, 5))
WEIGHTS = R.normal(size=(5, 3))


class Linear:
    """Passes of q(y|x) = softmax(x W); what was asked for is kept."""

    def __init__(self, x=X, weights=WEIGHTS):
        self.x, self.seed, self.weights = {"x": tf.constant(x)}, tf.constant([1, 2]), tf.constant(weights)
        self.asked = []

    def log_q(self, variable):
        return tf.nn.log_softmax(self.x["x"] @ self.weights)

    def log_q_of(self, x, variables, same_noise=False, averaged=False):
        self.asked.append((same_noise, averaged))
        scale = 2.0 if averaged else 1.0
        return {name: tf.nn.log_softmax(scale * tf.cast(x["x"], tf.float64) @ self.weights) for name in variables}

    def log_prior(self, variable):
        return tf.math.log(tf.constant([0.5, 0.25, 0.25], tf.float64))


def test_the_worst_direction_of_two_classes_is_the_difference_of_their_weights():
    """KL depends on x through one linear function, so its gradient has that direction wherever it starts."""
    passes = Linear(weights=WEIGHTS[:, :2])
    found = consistency.VirtualAdversarial(epsilon=0.7, xi=1e-3).loss(passes, ("y",))
    difference = WEIGHTS[:, 1] - WEIGHTS[:, 0]
    move = 0.7 * difference / np.linalg.norm(difference)
    p, *moved = (special.softmax((X + m) @ WEIGHTS[:, :2], axis=1) for m in (0, move, -move))
    candidates = [stats.entropy(p, q, axis=1) for q in moved]
    assert all(
        np.isclose(loss, of_both, rtol=1e-6).any() for loss, of_both in zip(found, np.transpose(candidates), strict=True)
    )
    assert passes.asked == [(True, False)] * 2


def test_the_target_and_the_move_are_held():
    """The gradient in the weights is that of KL(p || softmax((x + r) W)) at fixed p and r."""
    passes = Linear(weights=WEIGHTS[:, :2])
    with tf.GradientTape() as tape:
        tape.watch(passes.weights)
        loss = consistency.VirtualAdversarial(epsilon=0.7, xi=1e-3).loss(passes, ("y",))
    difference = WEIGHTS[:, 1] - WEIGHTS[:, 0]
    move = 0.7 * difference / np.linalg.norm(difference)
    p = special.softmax(X @ WEIGHTS[:, :2], axis=1)
    sides = [special.softmax((X + m) @ WEIGHTS[:, :2], axis=1) for m in (move, -move)]
    losses = np.stack([stats.entropy(p, q, axis=1) for q in sides])
    chosen = np.abs(losses - np.asarray(loss)).argmin(axis=0)
    moved = X + np.where(chosen, -1, 1)[:, None] * move
    expected = moved.T @ (special.softmax(moved @ WEIGHTS[:, :2], axis=1) - p)
    np.testing.assert_allclose(tape.gradient(loss, passes.weights), expected, rtol=1e-5)


def test_the_worst_direction_of_several_classes_is_near_the_largest_curvature():
    """Of small moves KL = r^T F r / 2 with F the Fisher information: power iterations find its largest eigenvector."""
    term = consistency.VirtualAdversarial(epsilon=1e-3, xi=1e-3, num_iterations=40)
    found = np.asarray(term.loss(Linear(), ("y",)))
    for x, loss in zip(X, found, strict=True):
        p = special.softmax(x @ WEIGHTS)
        fisher = WEIGHTS @ (np.diag(p) - np.outer(p, p)) @ WEIGHTS.T
        assert loss == pytest.approx(1e-6 / 2 * np.linalg.eigvalsh(fisher)[-1], rel=0.02)


def test_moves_have_one_length_over_all_variables_and_leave_gaps():
    x = {"a": tf.constant([[1.0, np.nan], [0.0, 0.0]]), "b": tf.zeros([2, 3, 1])}
    move = {"a": tf.constant([[3e-30, 9e-30], [0.0, 0.0]]), "b": tf.constant(4e-30, shape=[2, 3, 1])}
    made = of_length(2.0, move, x)
    flat = np.concatenate([np.reshape(made[name], (2, -1)) for name in made], axis=1)
    np.testing.assert_allclose(np.linalg.norm(flat, axis=1), 2.0, rtol=1e-5)
    assert flat[0, 1] == 0 and flat[0, 0] / flat[0, 2] == pytest.approx(0.75)
    assert np.all(np.asarray(of_length(1.0, {"a": tf.zeros([1, 2])}, {"a": tf.zeros([1, 2])})["a"]) == 0), "no direction"


def test_a_move_without_a_length_has_one_in_units_of_the_spread():
    length = np.sqrt(X.var(axis=0).sum()) / 7
    given = consistency.VirtualAdversarial(epsilon=length, xi=length / 10).loss(Linear(), ("y",))
    for scale in (1.0, 1e3):
        found = consistency.VirtualAdversarial().loss(Linear(scale * X, WEIGHTS / scale), ("y",))
        np.testing.assert_allclose(found, given, rtol=1e-4)


def test_the_spread_is_of_all_variables_and_leaves_gaps():
    a, b = R.normal(size=(6, 2, 3)), R.normal(size=(6, 4))
    a[0, 1, 2], a[1:3, 0, 0], b[:, 3] = np.nan, np.nan, np.nan
    expected = np.sqrt(np.nanvar(a, axis=0).sum() + np.nanvar(b[:, :3], axis=0).sum())
    assert spread({"a": tf.constant(a), "b": tf.constant(b, tf.float32)}).numpy() == pytest.approx(expected, rel=1e-5)


def test_pseudo_labels_count_where_they_are_sure():
    passes = Linear()
    probs = special.softmax(X @ WEIGHTS, axis=1)
    threshold = float(np.sort(probs.max(axis=1))[3]) - 1e-6
    double = keras.layers.Lambda(lambda x: 2 * x)
    term = consistency.Views(strong=double, threshold=threshold)
    term.build({"y": 3}, {"x": (5,)})
    changed = special.log_softmax(2 * X @ WEIGHTS, axis=1)
    expected = -np.where(probs.max(axis=1) >= threshold, changed[np.arange(6), probs.argmax(axis=1)], 0)
    np.testing.assert_allclose(term.loss(passes, ("y",)), expected, rtol=1e-5)
    assert passes.asked == [(False, False)] and np.count_nonzero(expected) == 3


@pytest.mark.parametrize(("shape", "num_seeds"), [((8, 8, 1), 2), ((8, 8, 3), 3), ((5,), 1), ((5, 2), 1)])
def test_the_default_view_suits_the_kind_of_data(shape, num_seeds):
    term = consistency.Views()
    term.build({"y": 3}, {"x": shape})
    x = R.uniform(size=(6, *shape)).astype(np.float32)
    view = tf.function(lambda x: term._view(x, training=True), jit_compile=True)
    first, second = np.asarray(view(x)), np.asarray(view(x))
    assert first.shape == x.shape and not np.allclose(first, x) and not np.allclose(first, second)
    assert len(term.states) == num_seeds


@pytest.mark.parametrize(("shape", "num_seeds"), [((8, 8, 1), 1), ((8, 8, 3), 2)])
def test_images_that_the_network_moves_are_not_moved_before(shape, num_seeds):
    term = consistency.Views()
    term.build({"y": 3}, {"x": shape}, [layers.ConvEncoder((4,)), layers.RandomAffine()])
    assert len(term.states) == num_seeds
    assert not [layer for layer in term._view.layers if isinstance(layer, layers.RandomAffine)]


def test_colours_that_the_network_changes_are_not_changed_before():
    term = consistency.Views()
    term.build({"y": 3}, {"x": (8, 8, 3)}, [layers.RandomColours()])
    assert [type(layer) for layer in term._view.layers] == [layers.RandomAffine, layers.Cutout]
    term.build({"y": 3}, {"x": (8, 8, 3)}, image_network((4,), colours=True).layers)
    assert [type(layer) for layer in term._view.layers] == [layers.Cutout]


def test_models_and_baselines_tell_a_term_of_their_layers():
    network = keras.Sequential([layers.RandomAffine(), layers.ConvEncoder((4,))])
    model = models.M2(3, 2, hidden_units=(8,), classifier=network)
    model.build((None, 8, 8, 1))
    model.compile("adam", consistency="views")
    baseline = baselines.ConsistentNetwork(network, 3).make(np.zeros((1, 8, 8, 1), np.float32))
    for made in (model.consistency, baseline.terms):
        assert [type(layer) for layer in made[0]._view.layers] == [layers.Cutout]


def test_a_teacher_of_averaged_weights_labels():
    passes = Linear()
    term = consistency.Views(strong=keras.layers.Identity(), threshold=0.01, averaged=True)
    term.build({"y": 3}, {"x": (5,)})
    term.loss(passes, ("y",))
    assert passes.asked == [(True, True), (False, False)]


def test_a_mean_teacher_is_held_at_the_averaged_weights():
    passes = Linear()
    with tf.GradientTape() as tape:
        tape.watch(passes.weights)
        loss = consistency.MeanTeacher().loss(passes, ("y",))
    student, teacher = (special.softmax(scale * X @ WEIGHTS, axis=1) for scale in (1, 2))
    np.testing.assert_allclose(loss, ((student - teacher) ** 2).sum(axis=1), rtol=1e-10)
    assert passes.asked == [(False, True)]
    off = student - teacher
    through_softmax = 2 * student * (off - (student * off).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(tape.gradient(loss, passes.weights), X.T @ through_softmax, rtol=1e-8)


def test_running_means_follow_the_examples_that_count():
    passes, probs = Linear(), special.softmax(X @ WEIGHTS, axis=1)
    for selection in ("free_match", "soft_match"):
        term = consistency.Views(strong=keras.layers.Identity(), selection=selection, decay=0.9)
        term.build({"y": 3}, {"x": (5,)})
        with counted.first(tf.constant(4, tf.int64)):
            loss = np.asarray(term.loss(passes, ("y",)))
        level = 0.9 / 3 + 0.1 * probs[:4].max(axis=1).mean()
        assert float(term.states["y_level"]) == pytest.approx(level, rel=1e-6)
        confidence = probs.max(axis=1)
        if selection == "free_match":
            shares = 0.9 / 3 + 0.1 * probs[:4].mean(axis=0)
            np.testing.assert_allclose(term.states["y_shares"], shares, rtol=1e-6)
            weight = 1.0 * (confidence >= level * (shares / shares.max())[probs.argmax(axis=1)])
        else:
            spread = 0.9 + 0.1 * np.var(probs[:4].max(axis=1))
            assert float(term.states["y_spread"]) == pytest.approx(spread, rel=1e-6)
            weight = np.where(confidence < level, np.exp(-((confidence - level) ** 2) / (spread / 2)), 1)
        np.testing.assert_allclose(loss, -weight * np.log(confidence), rtol=1e-5)


def test_a_step_that_is_not_finite_leaves_the_running_means():
    for selection in ("free_match", "soft_match"):
        term = consistency.Views(strong=keras.layers.Identity(), selection=selection)
        term.build({"y": 3}, {"x": (5,)})
        before = {name: state.numpy() for name, state in term.states.items()}
        term.loss(Linear(X * np.nan), ("y",))
        for name, state in term.states.items():
            np.testing.assert_array_equal(state, before[name])


def test_marginals():
    probs = special.softmax(X @ WEIGHTS, axis=1)
    np.testing.assert_allclose(consistency.Entropy().loss(Linear(), ("y",)), stats.entropy(probs, axis=1), rtol=1e-10)
    np.testing.assert_allclose(
        consistency.Entropy().loss(Linear(), ("y", "v")), 2 * stats.entropy(probs, axis=1), rtol=1e-10
    )
    with counted.first(tf.constant(4, tf.int64)):
        found = consistency.ClassBalance().loss(Linear(), ("y",))
    np.testing.assert_allclose(found, np.full(6, stats.entropy([0.5, 0.25, 0.25], probs[:4].mean(axis=0))), rtol=1e-10)


def test_terms_go_by_name():
    assert consistency.get(None) == consistency.get("") == ()
    found = consistency.get("views, entropy=0.25")
    assert [(term.name, term.weight) for term in found] == [("views", 1.0), ("entropy", 0.25)]
    (free,) = consistency.get("free_match=2")
    assert (free.name, free.selection, free.weight) == ("views", "free_match", 2.0)
    assert [term.name for term in consistency.get(["views", consistency.Entropy()])] == ["views", "entropy"]
    assert consistency.Entropy(variables="label").variables == ("label",)
    assert consistency.get(found[0]) == (found[0],) and consistency.get(list(found)) == found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: consistency.get("vat"),
            "consistency must be among class_balance, entropy, free_match, mean_teacher, soft_match, views, virtual_adv",
        ),
        (lambda: consistency.get("views=much"), "A weight in consistency must be a number. Received: 'views=much'"),
        (lambda: consistency.get("views=0"), "The weight of a term must be greater than 0. Received: weight=0.0 of views"),
        (lambda: consistency.get("views,views"), "consistency takes each term once. Received: 'views', 2 times"),
        (lambda: consistency.get([1]), "consistency must be terms of ssdgm_tf.consistency, or their names. Received: 1"),
        (lambda: consistency.Views(threshold=1.0), "threshold must lie between 0 and 1. Received: threshold=1.0"),
        (lambda: consistency.Views(decay=0), "decay must lie between 0 and 1. Received: decay=0"),
        (lambda: consistency.Views(selection="best"), "selection must be one of .* Received: selection='best'"),
        (lambda: consistency.VirtualAdversarial(epsilon=0), "epsilon must be greater than 0. Received: epsilon=0"),
        (lambda: consistency.VirtualAdversarial(num_iterations=0), "num_iterations must be at least 1"),
    ],
)
def test_other_terms_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "term",
    [
        consistency.Entropy(0.5, ["y"]),
        consistency.ClassBalance(),
        consistency.VirtualAdversarial(2.0, epsilon=3.0, xi=0.2, num_iterations=2),
        consistency.Views(strong=keras.layers.GaussianNoise(0.1), selection="soft_match", averaged=True),
    ],
)
def test_terms_are_saved_as_their_config(term):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(term))
    assert type(again) is type(term)
    first, second = (keras.saving.serialize_keras_object(one) for one in (term, again))
    assert first == second
