"""How well each class is found, counted by hand."""

import numpy as np
import pytest

from ssdgm_tf.runs import measuring


def test_confusion_recall_and_balanced_error_by_hand():
    labels, predicted = np.array([0, 0, 0, 0, 1, 1, 3]), np.array([0, 0, 0, 1, 1, 2, 0])
    assert measuring.of_classes(labels, predicted, 4) == {
        "confusion": [[3, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]],
        "recall": [0.75, 0.5, None, 0.0],
        "balanced_error": pytest.approx(1 - 1.25 / 3),
    }


@pytest.mark.parametrize("num_classes", [2, 7])
def test_the_error_is_what_lies_beside_the_diagonal(num_classes):
    labels, predicted = np.random.default_rng(0).integers(num_classes, size=(2, 300))
    found = measuring.of_classes(labels, predicted, num_classes)
    assert np.trace(found["confusion"]) == np.sum(labels == predicted) and np.sum(found["confusion"]) == 300
    counts = np.sum(found["confusion"], axis=1)
    np.testing.assert_array_equal(counts, np.bincount(labels, minlength=num_classes))
    assert np.average(found["recall"], weights=counts) == pytest.approx(np.mean(labels == predicted))
