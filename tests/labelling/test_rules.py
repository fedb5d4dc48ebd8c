import numpy as np
import pytest

from ssdgm_tf.labelling import RULES, Predicted, next_examples
from ssdgm_tf.labelling.rules import disagreement, entropy, margin, typical, uncertain

SURE, TORN, OPEN = [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]
# Two draws of four examples: the last differs most, then the second.
DIFFER = np.array([[SURE, TORN, OPEN, [0.0, 1.0, 0.0]], [SURE, SURE, OPEN, [1.0, 0.0, 0.0]]])


def test_entropy_and_margin_in_closed_form():
    q = np.array([SURE, TORN, OPEN, [0.6, 0.3, 0.1]])
    np.testing.assert_allclose(entropy(q)[:3], [0, np.log(2), np.log(3)], atol=1e-12)
    np.testing.assert_allclose(margin(q), [-1, 0, 0, -0.3], atol=1e-12)


def test_disagreement_is_what_the_draws_do_not_share():
    agree = np.array([[TORN], [TORN]])
    differ = np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]])
    np.testing.assert_allclose(disagreement(agree), [0], atol=1e-12)
    np.testing.assert_allclose(disagreement(differ), [np.log(2)], atol=1e-12)
    partly = np.array([[[0.9, 0.1]], [[0.6, 0.4]]])
    mean = np.array([0.75, 0.25])
    expected = -np.sum(mean * np.log(mean)) + np.mean([np.sum(p * np.log(p)) for p in partly[:, 0]])
    np.testing.assert_allclose(disagreement(partly), [expected], atol=1e-12)


@pytest.fixture
def islands():
    """Five islands of 60, 50, 40, 30 and 20 points; the first of each lies in its middle."""
    generator = np.random.default_rng(0)
    places = []
    for k, size in enumerate((60, 50, 40, 30, 20)):
        island = generator.normal(size=(size, 3)) * 0.3 + 20 * k
        island[0] = 20 * k
        places.append(island)
    return np.concatenate(places), np.repeat(np.arange(5), (60, 50, 40, 30, 20))


def test_typical_examples_are_of_each_island_the_largest_first(islands):
    places, island = islands
    chosen = typical(places, np.zeros(200, bool), 5)
    assert island[chosen].tolist() == [0, 1, 2, 3, 4]
    distance = np.linalg.norm(places - 20 * island[:, None], axis=1)
    for k, index in enumerate(chosen):
        assert distance[index] < np.median(distance[island == k])


def test_islands_with_a_label_wait(islands):
    places, island = islands
    is_labelled = np.zeros(200, bool)
    is_labelled[[0, 60]] = True
    assert set(island[typical(places, is_labelled, 3)]) == {2, 3, 4}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_chooses_different_examples_without_a_label(rule, islands):
    places, _ = islands
    generator = np.random.default_rng(1)
    draws = generator.dirichlet(np.ones(3), (4, 200))
    is_labelled = generator.random(200) < 0.5
    known = Predicted(draws.mean(axis=0), places, lambda some: draws[:, some])
    chosen = next_examples(rule, 7, known, is_labelled)
    assert len(set(chosen)) == 7
    assert not is_labelled[chosen].any()
    assert chosen == next_examples(rule, 7, known, is_labelled)
    assert all(type(index) is int for index in chosen)


@pytest.mark.parametrize("rule", RULES)
def test_fewer_are_chosen_where_fewer_are_left(rule):
    is_labelled = np.array([True, True, False, True, False])
    draws = np.full((2, 5, 3), 1 / 3)
    known = Predicted(draws[0], np.arange(10.0).reshape(5, 2), lambda some: draws[:, some])
    assert sorted(next_examples(rule, 4, known, is_labelled)) == [2, 4]
    assert next_examples(rule, 4, known, np.ones(5, bool)) == []


def test_the_best_comes_first():
    known = Predicted(np.array([SURE, TORN, OPEN, [0.9, 0.1, 0.0]]), np.zeros((4, 1)), lambda some: DIFFER[:, some])
    none = np.zeros(4, bool)
    assert next_examples("entropy", 3, known, none) == [2, 1, 3]
    assert sorted(next_examples("margin", 2, known, none)) == [1, 2]
    assert next_examples("disagreement", 2, known, none) == [3, 1]


def test_draws_are_of_no_more_than_two_thousand_examples_without_a_label():
    is_labelled = np.arange(3000) < 500
    compared = []

    def draws_of(some):
        compared.extend(some)
        return np.full((2, len(some), 2), 0.5)

    next_examples("disagreement", 1, Predicted(np.full((3000, 2), 0.5), np.zeros((3000, 1)), draws_of), is_labelled)
    assert len(compared) == 2000
    assert min(compared) >= 500


def test_doubtful_examples_are_of_each_island(islands):
    places, island = islands
    q = np.full((200, 3), 1 / 3)
    for first, last in ((10, 60), (80, 110), (130, 150), (165, 180)):
        q[first:last] = TORN
    q[7] = SURE
    is_labelled = np.zeros(200, bool)
    is_labelled[0] = True
    chosen = uncertain(q, places, is_labelled, 5)
    assert len(set(island[chosen])) == 5
    assert not {0, 7} & set(chosen)
    np.testing.assert_allclose(entropy(q)[chosen], np.log(3))


def test_mixed_is_spread_until_there_are_two_labels_for_each_class(islands):
    places, _ = islands
    q = np.full((200, 3), 1 / 3)
    few, more = np.zeros(200, bool), np.zeros(200, bool)
    few[:5], more[:6] = True, True
    known = Predicted(q, places, lambda _: pytest.fail("no draws are needed"))
    assert next_examples("mixed", 4, known, few) == typical(places, few, 4)
    assert next_examples("mixed", 4, known, more) == uncertain(q, places, more, 4)


def test_chance_follows_its_seed():
    none = np.zeros(1000, bool)
    assert next_examples("random", 5, None, none, seed=1) == next_examples("random", 5, None, none, seed=1)
    assert next_examples("random", 5, None, none, seed=1) != next_examples("random", 5, None, none, seed=2)


def test_refuses_an_unknown_rule():
    with pytest.raises(ValueError, match=r"rule must be one of mixed, spread, entropy, .* Received: rule='best'"):
        next_examples("best", 1, None, np.zeros(3, bool))
    with pytest.raises(ValueError, match=r"Only random needs no model. Received: rule='margin'"):
        next_examples("margin", 1, None, np.zeros(3, bool))
