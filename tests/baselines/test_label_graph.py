import numpy as np
import pytest
from sklearn.datasets import make_moons

from ssdgm_tf import baselines
from ssdgm_tf.baselines.label_graph import neighbour_graph


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


def test_refuses_an_unknown_method():
    with pytest.raises(ValueError, match=r"method must be one of .*Received: method='walk'"):
        baselines.LabelGraph("walk").fit(np.eye(2), [0, 1])
