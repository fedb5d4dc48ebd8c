"""Sets of classes: exact coverage by counting ranks, and against MAPIE."""

import math

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from ssdgm_tf import trust


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("number", [9, 19, 20, 33])
def test_coverage_is_exact_over_all_orders(number, coverage):
    """Of N + 1 exchangeable scores each is the new one as often: ceil((N + 1) c) of these cases are covered."""
    scores = np.random.default_rng(number).permutation(number + 1) / 10
    covered = sum(scores[i] <= trust.threshold(np.delete(scores, i), coverage) for i in range(number + 1))
    assert covered == math.ceil(round((number + 1) * coverage, 9))


def test_too_few_labels_make_sets_of_all_classes():
    probabilities = np.array([[1.0, 0.0], [0.6, 0.4]])
    assert trust.threshold([0.1] * 8, 0.9) == math.inf
    assert trust.sets(probabilities, [0.1] * 8, 0.9).all()
    assert trust.threshold([0.1] * 9, 0.9) == 0.1


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1, 2, float("nan")])
def test_a_coverage_lies_between_0_and_1(coverage):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        trust.threshold([0.1], coverage)


def test_scores_of_sure_predictions_do_not_vanish():
    """1 - (1 - 1e-20) is 0 in any precision; the sum of the others is not."""
    found = trust.class_scores(np.array([[1.0, 1e-20, 1e-30]]))
    np.testing.assert_allclose(found, [[1e-20, 1.0, 1.0]])


class Fixed(ClassifierMixin, BaseEstimator):
    """A classifier whose examples are their own probabilities."""

    classes_ = np.arange(4)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, x, y):
        return self

    def predict(self, x):
        return x.argmax(axis=1)

    def predict_proba(self, x):
        return x


@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_sets_are_those_of_mapie(coverage):
    generator = np.random.default_rng(2)
    x = generator.dirichlet(np.full(4, 0.5), 300)
    y = np.array([generator.choice(4, p=row) for row in x])
    held, new = x[:87], x[87:]
    mapie = SplitConformalClassifier(Fixed(), confidence_level=coverage, conformity_score="lac", prefit=True)
    expected = mapie.conformalize(held, y[:87]).predict_set(new)[1][:, :, 0]
    scores = trust.class_scores(held)[np.arange(87), y[:87]]
    np.testing.assert_array_equal(trust.sets(new, scores, coverage), expected)
