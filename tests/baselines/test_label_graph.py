import numpy as np
import pytest
from sklearn.datasets import make_moons

from ssdgm_tf import baselines
from ssdgm_tf.baselines.label_graph import _sizes, neighbour_graph, shared_neighbour_graph


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


def test_edges_weigh_what_the_circles_of_their_ends_share(monkeypatch):
    """Against sets. Examples are taken three at a time, so that the last part is smaller."""
    monkeypatch.setattr("ssdgm_tf.baselines.label_graph._EXAMPLES_AT_A_TIME", 3)
    x = np.random.default_rng(0).normal(size=(13, 2))
    distances = np.linalg.norm(x[:, None] - x[None], axis=-1)
    nearest = [list(np.argsort(row)[1:6]) for row in distances]
    circles = [{i} | {j for j in nearest[i] if i in nearest[j]} for i in range(13)]
    expected = np.zeros((13, 13))
    for i in range(13):
        for j in nearest[i][:3]:
            shared = len(circles[i] & circles[j]) / len(circles[i] | circles[j])
            expected[i, j] = expected[j, i] = max(shared, 0.01) ** 2
    assert (expected == 1e-4).any(), "some share nothing"
    np.testing.assert_allclose(shared_neighbour_graph(x, 3, circle=5).toarray(), expected)


def test_copies_of_an_example_are_its_neighbours_and_it_is_not():
    x = np.repeat([[0.0], [5.0]], 6, axis=0)
    graph = shared_neighbour_graph(x, 5, circle=5).toarray()
    np.testing.assert_array_equal(graph, np.kron(np.eye(2), 1 - np.eye(6)))


def test_a_circle_of_all_the_others_joins_all_alike():
    graph = shared_neighbour_graph(np.arange(4.0)[:, None], 3, circle=9).toarray()
    np.testing.assert_array_equal(graph, 1 - np.eye(4))


def test_fewer_labels_cross_where_edges_weigh_what_is_shared(monkeypatch):
    """Moons that touch, of ten seeds, with three labels of each. The same with edges that weigh the same."""

    def num_crossed():
        crossed = 0
        for seed in range(10):
            x, y_true = make_moons(300, noise=0.13, random_state=seed)
            y = np.full(300, -1)
            for label in (0, 1):
                y[np.flatnonzero(y_true == label)[:3]] = label
            crossed += (baselines.spread_labels(x, y, share=1.0) != y_true).sum()
        return crossed

    shared = num_crossed()
    graph = "ssdgm_tf.baselines.label_graph.shared_neighbour_graph"
    monkeypatch.setattr(graph, lambda x, num_neighbours, circle: neighbour_graph(x, x, num_neighbours))
    assert shared < 0.6 * num_crossed()


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6, 10, 100])
def test_labels_spread_within_small_groups(size):
    """Two groups far apart, one label in each."""
    x = np.concatenate([np.linspace(0, 0.3, size), np.linspace(100, 100.3, size)])[:, None]
    y, y_true = np.full(2 * size, -1), np.repeat([0, 1], size)
    y[0], y[size] = 0, 1
    np.testing.assert_array_equal(baselines.spread_labels(x, y, share=1.0), y_true)


@pytest.mark.parametrize(
    ("num_examples", "sizes"), [(2, (1, 1)), (5, (2, 2)), (50, (8, 8)), (200, (8, 20)), (1000, (8, 30)), (50_000, (8, 30))]
)
def test_circles_grow_with_the_examples_up_to_a_size(num_examples, sizes):
    assert _sizes(num_examples) == sizes


@pytest.mark.parametrize(("num_neighbours", "circle"), [(8, 8), (3, 1), (1, 9)])
def test_graphs_of_few_examples_take_what_there_is(num_neighbours, circle):
    graph = shared_neighbour_graph(np.arange(5.0)[:, None], num_neighbours, circle)
    assert graph.shape == (5, 5) and not graph.diagonal().any()
    assert (graph.getnnz(axis=1) >= min(num_neighbours, 4)).all()


def test_refuses_an_unknown_method():
    with pytest.raises(ValueError, match=r"method must be one of .*Received: method='walk'"):
        baselines.LabelGraph("walk").fit(np.eye(2), [0, 1])


def test_labels_spread_to_the_examples_that_are_surest_of_them():
    x, y_true = make_moons(300, noise=0.05, random_state=0)
    y = np.full(300, -1)
    y[np.flatnonzero(y_true == 0)[3]], y[np.flatnonzero(y_true == 1)[5]] = 7, 4
    spread = baselines.spread_labels(x, y, share=0.8)
    np.testing.assert_array_equal(spread[spread >= 0], np.where(y_true, 4, 7)[spread >= 0])
    assert (spread >= 0).sum() == 240
    whole = baselines.spread_labels(x.reshape(300, 1, 2), y, share=1.0)
    np.testing.assert_array_equal(whole, np.where(y_true, 4, 7))


def test_given_labels_stay_whatever_their_neighbours_have():
    """A wrong label in the middle of a group, and a share that is smaller than that of the given labels."""
    x, y = np.linspace(0, 1, 9)[:, None], np.zeros(9, int)
    y[4], y[[0, 8]] = 1, -1
    for share in (0.2, 1.0):
        np.testing.assert_array_equal(baselines.spread_labels(x, y, share)[1:8], y[1:8])


def test_no_label_goes_where_none_arrives():
    x = np.concatenate([np.linspace(0, 1, 10), np.linspace(100, 101, 10)])[:, None]
    y = np.full(20, -1)
    y[2] = 3
    np.testing.assert_array_equal(baselines.spread_labels(x, y, share=1.0), [3] * 10 + [-1] * 10)


def test_of_more_examples_than_the_graph_takes_labelled_ones_come_first():
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.full(100, -1)
    y[90:] = np.arange(10) % 2
    spread = baselines.spread_labels(x, y, share=1.0, most=30)
    assert (spread >= 0).sum() == 30
    np.testing.assert_array_equal(spread[90:], y[90:])
    np.testing.assert_array_equal(spread, baselines.spread_labels(x, y, share=1.0, most=30))
    assert (spread != baselines.spread_labels(x, y, share=1.0, most=30, seed=1)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.0}, r"share must be above 0 and at most 1. Received: share=0.0"),
        ({"y": np.full(4, -1)}, "Received: 4 examples, 0 with labels, 0 with other values"),
        ({"x": np.array([[0.0], [1.0], [np.nan], [np.inf]])}, "Received: 4 examples, 4 with labels, 2 with other values"),
        ({"x": np.zeros((1, 1)), "y": np.zeros(1, int)}, "Received: 1 examples, 1 with labels, 0 with other values"),
        ({"y": np.eye(4)}, r"y must hold one label per example, shape \(4,\)"),
    ],
)
def test_refuses_what_labels_cannot_spread_from(options, message):
    with pytest.raises(ValueError, match=message):
        baselines.spread_labels(**{"x": np.arange(4.0)[:, None], "y": np.array([0, 1, 0, 1])} | options)
