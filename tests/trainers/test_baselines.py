import numpy as np

from ssdgm_tf.trainers import baselines


def test_nearest_neighbour_error_by_hand():
    x, y = np.array([[[0.0]], [[1.0]]]), np.array([0, 1])
    x_test, y_test = np.array([[[0.1]], [[0.9]], [[0.4]], [[0.8]]]), np.array([0, 1, 1, 1])
    assert baselines.nearest_neighbour_error(x, y, x_test, y_test) == 0.25


def test_labels_only_learns_what_the_labels_hold(digits):
    x, y = digits.labelled
    common = dict(num_classes=10, hidden_units=(32,), activation="relu", learning_rate=1e-2, seed=0)
    assert baselines.labels_only_error(x, y, x, y, num_steps=200, **common) == 0
    error = baselines.labels_only_error(x, y, digits.x_test, digits.y_test, num_steps=200, **common)
    assert 0.05 < error < 0.4
    assert error == baselines.labels_only_error(x, y, digits.x_test, digits.y_test, num_steps=200, **common)
