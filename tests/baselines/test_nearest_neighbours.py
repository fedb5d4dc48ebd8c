import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from ssdgm_tf import baselines, data

DIGITS = data.load_digits(100, 0)


@pytest.mark.parametrize(("per_class", "neighbours"), [(9, 1), (10, 3)])
def test_number_of_neighbours_goes_by_the_labels(per_class, neighbours):
    keep = np.concatenate([np.flatnonzero(DIGITS.y_train == k)[:per_class] for k in range(10)])
    x, y = DIGITS.x_train[keep], DIGITS.y_train[keep]
    by_hand = KNeighborsClassifier(neighbours, weights="distance").fit(x.reshape(len(x), -1), y)
    expected = by_hand.predict(DIGITS.x_test.reshape(500, -1))
    np.testing.assert_array_equal(baselines.make("nearest_neighbours", 10, 0).fit(x, y).predict(DIGITS.x_test), expected)
