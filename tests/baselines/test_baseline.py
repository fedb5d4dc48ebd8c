import functools

import keras
import numpy as np
import pytest

from ssdgm_tf import baselines, consistency, data, layers
from ssdgm_tf.baselines.names import NAMES
from tests.tiers import tiers

DIGITS = data.load_digits(100, 0)
WITH_TERMS = ("fix_match", "fix_match_colours", "mean_teacher", "virtual_adversarial")
#: Other systems, by small networks and few steps.
SMALL = {
    "contractive": {"units": (64,), "num_pretraining_steps": 300, "num_steps": 300, "learning_rate": 3e-3},
    "manifold_tangent": {
        "units": (64,),
        "num_pretraining_steps": 300,
        "num_steps": 300,
        "learning_rate": 3e-3,
        "num_tangents": 4,
    },
    "ladder": {"units": (100, 50), "costs": (10.0, 1.0, 0.1, 0.1), "num_steps": 200},
    **{name: {"units": (100, 50), "num_steps": 200} for name in ("feature_matching", "odena", "complement")},
}

#: Two games differ from a third by one loss, and one network from another by its colours.
FIRST = tiers(list(NAMES), second=["odena", "feature_matching", "fix_match_colours"])


def fast(name, num_classes=10, seed=0):
    """The baseline `name`; networks with fewer steps than by default."""
    estimator = baselines.make(name, num_classes, seed)
    if name in SMALL:
        return estimator.set_params(**SMALL[name])
    if isinstance(estimator, baselines.ConsistentNetwork):
        # Moves that suit 28x28 pixels are large for 8x8.
        views = consistency.Views(strong=keras.layers.GaussianNoise(0.2))
        smaller = {"network": layers.MLP((100,)), "terms": views if name.startswith("fix_match") else estimator.terms}
        return estimator.set_params(num_steps=200, ema_momentum=0.9, batch_size=100, **smaller)
    return estimator.set_params(num_steps=60) if "network" in name else estimator


@functools.cache
def fitted(name):
    """The baseline after the digits, 100 of them labelled."""
    return fast(name).fit(DIGITS.x_train, DIGITS.y_train)


@pytest.mark.parametrize("name", FIRST)
def test_every_name_learns_the_digits(name):
    """Chance is 90 % error; nearest neighbours by hand have 10.8 %. Ten labels of a class are few for boosting."""
    predicted = fitted(name).predict(DIGITS.x_test)
    assert predicted.shape == (500,) and set(predicted) <= set(range(10))
    assert fitted(name).score(DIGITS.x_test, DIGITS.y_test) > (0.7 if name == "boosting" else 0.85)


@pytest.mark.parametrize("name", ["self_training", "label_propagation", "label_spreading", "transductive_svm"])
def test_examples_without_a_label_help(name):
    test = DIGITS.x_test, DIGITS.y_test
    assert fitted(name).score(*test) > fitted("linear_svm").score(*test)


@pytest.mark.parametrize("name", ["nearest_neighbours", "linear_svm", "rbf_svm", "logistic", "forest", "boosting"])
def test_supervised_baselines_see_the_labelled_examples_alone(name):
    alone = fast(name).fit(*DIGITS.labelled)
    np.testing.assert_array_equal(alone.predict(DIGITS.x_test), fitted(name).predict(DIGITS.x_test))


@pytest.mark.parametrize("name", FIRST)
def test_labels_of_any_numbers_and_no_example_unlabelled(name):
    """Classes 2 and 5 of 7; every example labelled."""
    generator = np.random.default_rng(0)
    y = np.where(np.arange(40) % 2, 5, 2)
    x = generator.normal(size=(40, 4, 4, 1)) + (y == 5)[:, None, None, None] * 3.0
    x = np.clip((x + 3) / 9, 0, 1) if name in SMALL else x  # most of these take pixels only
    estimator = fast(name, num_classes=7).fit(x, y)
    assert estimator.score(x, y) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if "network" not in name and name not in (*WITH_TERMS, *SMALL)])
def test_two_labels_one_of_each_class(name):
    """Fewer labels than cross-validation needs, and fewer examples than landmarks and neighbours."""
    x = np.concatenate([np.linspace(0, 1, 10), np.linspace(5, 6, 10)]).reshape(20, 1, 1, 1)
    y_true = np.repeat([0, 1], 10)
    y = np.where(np.arange(20) % 10 == 4, y_true, -1)
    np.testing.assert_array_equal(fast(name, num_classes=2).fit(x, y).predict(x), y_true)


X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, -1, -1, 0, 1])


@pytest.mark.parametrize("name", ["nearest_neighbours", "transductive_svm", "network"])
@pytest.mark.parametrize(("y", "seen"), [(np.full(6, -1), r"\[\]"), (np.where(Y == 1, -1, Y), r"\[0\]")])
def test_refuses_labels_of_fewer_than_two_classes(name, y, seen):
    """tests/test_checks.py has the other inputs that are refused."""
    with pytest.raises(ValueError, match=rf"at least two classes\. Received: labels of {seen}"):
        baselines.make(name, 2, 0).fit(X, y)


def test_predict_refuses_before_fit_and_what_fit_would_refuse():
    classifier = baselines.NearestNeighbours()
    with pytest.raises(ValueError, match="not fitted"):
        classifier.predict(X)
    classifier.fit(X, Y)
    with pytest.raises(ValueError, match=r"x must have the shape \(2,\) per example\. Received: x of shape \(6, 1, 2\)"):
        classifier.predict(X[:, None])
    with pytest.raises(ValueError, match="x must be finite"):
        classifier.predict(np.where(X == 3, np.nan, X))


@pytest.mark.parametrize("name", [name for name in SMALL if name != "ladder"])
def test_what_generates_pixels_takes_no_others(name):
    with pytest.raises(ValueError, match=r"takes examples in \[0, 1\]\. Received: x between 0 and 11"):
        fast(name, 2).fit(X, Y)
