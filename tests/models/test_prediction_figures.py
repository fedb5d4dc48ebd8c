"""Which examples the figures of predictions show, and in which order."""

import numpy as np
import pytest

from ssdgm_tf import plots
from ssdgm_tf.models import prediction_figures

# Right and sure; wrong and sure; wrong and less sure; unsure; no label.
PROBABILITIES = np.array([[0.9, 0.05, 0.05], [0.04, 0.95, 0.01], [0.2, 0.1, 0.7], [0.34, 0.33, 0.33], [0.0, 1.0, 0.0]])
LABELS = np.array([0, 2, 1, 0, -1])


@pytest.fixture
def drawn(monkeypatch):
    """What the figures are drawn of, {function: its arguments}."""
    found = {}
    for name in ("captioned", "calibration"):
        monkeypatch.setattr(plots, name, lambda *given, name=name: found.setdefault(name, []).append(given))
    return found


def figures(labels=LABELS, rank=4):
    def images_of(indices):
        return np.reshape(indices, (-1, *[1] * (rank - 1)))

    return prediction_figures.of_predictions("", PROBABILITIES, labels, ["cat", "dog", "fox"], "images", images_of)


def test_the_surest_errors_come_first_and_the_least_certain_examples(drawn):
    assert list(figures()) == ["reliability", "surest_errors", "least_certain"]
    (errors, error_texts), (unsure, texts) = drawn["captioned"]
    assert errors.ravel().tolist() == [1, 2] and error_texts == ["dog 95 %\nis fox", "fox 70 %\nis dog"]
    assert unsure.ravel().tolist() == [3, 2, 0, 1, 4] and texts[0] == "cat 34 %" and texts[1] == "fox 70 %\nis dog"
    panel = drawn["calibration"][0][0][0]
    np.testing.assert_array_equal(panel.probability, [0.9, 0.95, 0.7, 0.34])
    np.testing.assert_array_equal(panel.is_right, [True, False, False, True])


def test_without_labels_errors_or_images_there_is_less(drawn):
    assert list(figures(labels=np.full(5, -1))) == ["least_certain"]
    assert list(figures(labels=PROBABILITIES.argmax(axis=1))) == ["reliability", "least_certain"]
    assert list(figures(rank=2)) == ["reliability"]


def test_images_have_captions():
    figure = plots.captioned(np.random.default_rng(0).uniform(size=(13, 4, 3, 1)), [f"a\nis {i}" for i in range(13)])
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert len(labels) == 20 and labels[12] == "a\nis 12" and not any(labels[13:])
