import functools

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.neighbors import KNeighborsClassifier

from ssdgm_tf import baselines, data
from ssdgm_tf.baselines.estimators import neighbour_graph
from ssdgm_tf.baselines.names import NAMES

DIGITS = data.load_digits(100, 0)


def fast(name, num_classes=10, seed=0):
    """The baseline `name`; networks with fewer steps than by default."""
    estimator = baselines.make(name, num_classes, seed)
    return estimator.set_params(num_steps=60) if "network" in name else estimator


@functools.cache
def fitted(name):
    """The baseline after the digits, 100 of them labelled."""
    return fast(name).fit(DIGITS.x_train, DIGITS.y_train)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_learns_the_digits(name):
    """Chance is 90 % error; nearest neighbours by hand have 10.8 %."""
    predicted = fitted(name).predict(DIGITS.x_test)
    assert predicted.shape == (500,) and set(predicted) <= set(range(10))
    assert fitted(name).score(DIGITS.x_test, DIGITS.y_test) > 0.85


@pytest.mark.parametrize("name", ["self_training", "label_propagation", "label_spreading", "transductive_svm"])
def test_examples_without_a_label_help(name):
    test = DIGITS.x_test, DIGITS.y_test
    assert fitted(name).score(*test) > fitted("linear_svm").score(*test)


@pytest.mark.parametrize("name", ["nearest_neighbours", "linear_svm", "rbf_svm"])
def test_supervised_baselines_see_the_labelled_examples_alone(name):
    alone = fast(name).fit(*DIGITS.labelled)
    np.testing.assert_array_equal(alone.predict(DIGITS.x_test), fitted(name).predict(DIGITS.x_test))


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_any_numbers_and_no_example_unlabelled(name):
    """Classes 2 and 5 of 7; every example labelled."""
    generator = np.random.default_rng(0)
    y = np.where(np.arange(40) % 2, 5, 2)
    x = generator.normal(size=(40, 4, 4, 1)) + (y == 5)[:, None, None, None] * 3.0
    estimator = fast(name, num_classes=7).fit(x, y)
    assert estimator.score(x, y) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if "network" not in name])
def test_two_labels_one_of_each_class(name):
    """Fewer labels than cross-validation needs, and fewer examples than landmarks and neighbours."""
    x = np.concatenate([np.linspace(0, 1, 10), np.linspace(5, 6, 10)]).reshape(20, 1, 1, 1)
    y_true = np.repeat([0, 1], 10)
    y = np.where(np.arange(20) % 10 == 4, y_true, -1)
    np.testing.assert_array_equal(fast(name, num_classes=2).fit(x, y).predict(x), y_true)


@pytest.mark.parametrize(("per_class", "neighbours"), [(9, 1), (10, 3)])
def test_number_of_neighbours_goes_by_the_labels(per_class, neighbours):
    keep = np.concatenate([np.flatnonzero(DIGITS.y_train == k)[:per_class] for k in range(10)])
    x, y = DIGITS.x_train[keep], DIGITS.y_train[keep]
    by_hand = KNeighborsClassifier(neighbours, weights="distance").fit(x.reshape(len(x), -1), y)
    expected = by_hand.predict(DIGITS.x_test.reshape(500, -1))
    np.testing.assert_array_equal(baselines.make("nearest_neighbours", 10, 0).fit(x, y).predict(DIGITS.x_test), expected)


@pytest.mark.parametrize("method", ["propagation", "spreading"])
def test_labels_spread_along_the_moons(method):
    x, y_true = make_moons(300, noise=0.05, random_state=0)
    y = np.full(300, -1)
    y[np.flatnonzero(y_true == 0)[0]], y[np.flatnonzero(y_true == 1)[0]] = 0, 1
    assert baselines.LabelGraph(method).fit(x, y).score(x, y_true) > 0.98
    assert baselines.NearestNeighbours().fit(x, y).score(x, y_true) < 0.9


def test_what_the_graph_does_not_reach_goes_by_the_nearest_label():
    """Three groups of four, far apart; the third has no label, and lies nearer to class 1 than to class 0."""
    x = np.concatenate([np.linspace(0, 0.3, 4), np.linspace(10, 10.3, 4), np.linspace(15, 15.3, 4)])[:, None]
    y = np.full(12, -1)
    y[0], y[4] = 0, 1
    graph = baselines.LabelGraph("propagation", num_neighbours=3).fit(x, y)
    np.testing.assert_array_equal(graph.predict(x), np.repeat([0, 1, 1], 4))


def test_the_graph_joins_examples_where_either_is_near_the_other():
    x = np.array([[0.0], [1.0], [3.0]])
    graph = neighbour_graph(x, x, num_neighbours=1)  # 0 and 1 have each other, 3 has 1
    np.testing.assert_array_equal(graph.toarray(), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    new = neighbour_graph(x, np.array([[2.9], [-1.0]]), num_neighbours=2)
    np.testing.assert_array_equal(new.toarray(), [[0, 1], [1, 1], [1, 0]])


def test_make_refuses_an_unknown_name_and_lists_the_known():
    with pytest.raises(ValueError, match=r"A baseline must be one of .*'transductive_svm'.*Received: name='svm'"):
        baselines.make("svm", 10, 0)


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, -1, -1, 0, 1])


@pytest.mark.parametrize("name", ["nearest_neighbours", "transductive_svm", "network"])
@pytest.mark.parametrize(
    ("x", "y", "rule"),
    [
        (X, np.full(6, -1), r"at least two classes\. Received: labels of \[\]"),
        (X, np.where(Y == 1, -1, Y), r"at least two classes\. Received: labels of \[0\]"),
        (np.where(X == 3, np.nan, X), Y, r"x must be finite\. Received: 1 NaN or infinite values, the first at \(1, 1\)"),
        (X, Y[:5], r"one label per example, shape \(6,\)\. Received: y of shape \(5,\)"),
        (X, Y + 0.5, r"Labels must be integers\. Received: y of dtype float64"),
        (X, Y - 1, r"0 or more, or be -1 for no label\. Received: y with the label -2"),
        (X[:0], Y[:0], r"at least one example"),
        (X[:, 0], Y, r"shape \[N, \.\.\.\]\. Received: x of shape \(6,\)"),
        (X.astype(str), Y, r"x must be numeric\. Received: x of dtype <U"),
    ],
)
def test_refuses_bad_examples_and_labels(name, x, y, rule):
    with pytest.raises(ValueError, match=rule):
        baselines.make(name, 2, 0).fit(x, y)


def test_predict_wants_the_shape_of_fit_and_a_fit():
    classifier = baselines.NearestNeighbours()
    with pytest.raises(ValueError, match="not fitted"):
        classifier.predict(X)
    with pytest.raises(ValueError, match=r"shape seen in fit, \(2,\)\. Received: x of shape \(6, 1, 2\)"):
        classifier.fit(X, Y).predict(X[:, None])


@pytest.mark.parametrize(
    ("classifier", "rule"),
    [
        (baselines.SupportVectorMachine("poly"), "kernel must be one of .*Received: kernel='poly'"),
        (baselines.LabelGraph("walk"), "method must be one of .*Received: method='walk'"),
    ],
)
def test_refuses_unknown_kinds(classifier, rule):
    with pytest.raises(ValueError, match=rule):
        classifier.fit(X, Y)
