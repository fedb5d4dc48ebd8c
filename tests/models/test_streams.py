import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf.models import order, streams
from ssdgm_tf.models.order import Order, steps_per_epoch


def make(num_unlabelled=23, num_labelled=5, **kwargs):
    """Images that hold their own index, so that batches tell which examples they are of."""
    n = num_unlabelled + num_labelled
    y = np.full(n, -1, np.int32)
    y[np.random.default_rng(0).permutation(n)[:num_labelled]] = np.arange(num_labelled)
    x = np.arange(n, dtype=np.float32)[:, None]
    return x, y, two_streams(x, y, **kwargs)


def two_streams(x, y, *sizes, num_steps=None, fills=False, **kwargs):
    arrays = streams.Arrays({"x": x}, {"y": y}, Order(y >= 0, *sizes, **kwargs), fills)
    return streams.two_streams(arrays, num_steps)


def batches_of(epochs, *numbers):
    """The batches of these epochs, one after the other."""
    batches = []
    for number in numbers:
        epochs.epoch.assign(number)
        batches += list(epochs.dataset)
    return batches


def indices(batches, key):
    taken = [batch[key][0] if key == "labelled" else batch[key] for batch in batches]
    return np.concatenate([np.asarray(x["x"])[:, 0] for x in taken]).astype(int)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
def test_every_unlabelled_example_is_seen_once_an_epoch(shuffle, batch_size):
    _, y, epochs = make(batch_size=batch_size, shuffle=shuffle)
    for epoch in range(3):
        assert sorted(indices(batches_of(epochs, epoch), "unlabelled")) == np.flatnonzero(y == -1).tolist()


def test_labelled_examples_are_redrawn_in_whole_permutations():
    _, y, epochs = make(num_unlabelled=40, num_labelled=6, batch_size=4, labelled_batch_size=3)
    seen = indices(batches_of(epochs, 0), "labelled")
    assert len(seen) == 3 * epochs.num_steps
    for start in range(0, len(seen) - 5, 6):
        assert sorted(seen[start : start + 6]) == np.flatnonzero(y >= 0).tolist()


def test_labels_stay_with_their_images():
    _, y, epochs = make(batch_size=4)
    for batch in batches_of(epochs, 0, 1):
        images, labels = batch["labelled"]
        np.testing.assert_array_equal(labels["y"], y[np.asarray(images["x"])[:, 0].astype(int)])


def test_the_labelled_batch_is_as_large_as_the_unlabelled_or_all_there_are():
    for batch_size, size in ((4, 4), (10, 5)):
        *_, epochs = make(batch_size=batch_size)
        assert len(next(iter(epochs.dataset))["labelled"][1]["y"]) == size


def test_epochs_differ_and_depend_on_the_seed():
    *_, epochs = make(batch_size=4, seed=1)
    first, second = (indices(batches_of(epochs, epoch), "unlabelled").tolist() for epoch in (0, 1))
    *_, other = make(batch_size=4, seed=2)
    assert first != second and first != indices(batches_of(other, 0), "unlabelled").tolist()


@pytest.mark.parametrize("key", ["labelled", "unlabelled"])
def test_an_epoch_is_the_same_wherever_the_run_starts(key):
    *_, whole = make(batch_size=4, seed=1)
    *_, resumed = make(batch_size=4, seed=1)
    expected = indices(batches_of(whole, 0, 1, 2), key)[-len(indices(batches_of(whole, 2), key)) :]
    np.testing.assert_array_equal(indices(batches_of(resumed, 2), key), expected)


@pytest.mark.parametrize("key", ["labelled", "unlabelled"])
@pytest.mark.parametrize("num_steps", [1, 4, 6, 13])
def test_epochs_of_any_number_of_steps_go_on_where_the_last_one_stopped(num_steps, key):
    *_, passes = make(batch_size=4, seed=1)  # of 6 steps
    *_, epochs = make(batch_size=4, seed=1, num_steps=num_steps)
    found = batches_of(epochs, 0, 1, 2)
    assert len(found) == 3 * num_steps
    expected = batches_of(passes, *range(7))[: len(found)]
    np.testing.assert_array_equal(indices(found, key), indices(expected, key))


def test_without_shuffling_the_order_is_that_of_the_arrays():
    _, y, epochs = make(batch_size=4, shuffle=False)
    assert indices(batches_of(epochs, 0), "unlabelled").tolist() == np.flatnonzero(y == -1).tolist()


@pytest.mark.parametrize(("key", "sizes"), [("labelled", (0, 10)), ("unlabelled", (10, 0))])
def test_of_one_kind_of_examples_an_epoch_is_one_pass(key, sizes):
    *_, epochs = make(*sizes, batch_size=4)
    batches = batches_of(epochs, 0)
    assert epochs.num_steps == len(batches) == 3 and set(batches[0]) == {key}
    assert sorted(indices(batches, key)) == list(range(10))


@pytest.mark.parametrize(("num_unlabelled", "num_labelled"), [(23, 5), (0, 10), (24, 1)])
def test_steps_per_epoch_is_what_two_streams_says(num_unlabelled, num_labelled):
    _, y, epochs = make(num_unlabelled, num_labelled, batch_size=4, labelled_batch_size=3)
    assert steps_per_epoch(y >= 0, 4, 3) == epochs.num_steps == len(batches_of(epochs, 0))


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"batch_size": 4, "labelled_batch_size": 0}])
def test_refuses_empty_batches(sizes):
    with pytest.raises(ValueError, match=r"batch_size must be at least 1\. Received"):
        make(**sizes)


def test_without_balance_the_order_is_one_of_all_labels():
    """Whole permutations by random keys of the seed and the epoch; the unlabelled stream has keys of its own."""
    _, y, epochs = make(40, 6, batch_size=4, labelled_batch_size=3, seed=7)
    for epoch in (0, 3):
        for key, members, passes, stream in (("labelled", y >= 0, 5, 0), ("unlabelled", y < 0, 1, 1)):
            keys = tf.random.stateless_uniform([passes, np.sum(members)], [7, 2 * epoch + stream])
            expected = np.flatnonzero(members)[np.argsort(keys, axis=1)].ravel()
            found = indices(batches_of(epochs, epoch), key)
            assert len(found) in (30, 40)
            np.testing.assert_array_equal(found, expected[: len(found)])


def balanced(counts, num_unlabelled=23, **kwargs):
    """Streams of so many labelled examples of each class, balanced, and the labels."""
    y = np.repeat([*range(len(counts)), -1], [*counts, num_unlabelled]).astype(np.int32)
    y = y[np.random.default_rng(0).permutation(len(y))]
    x = np.arange(len(y), dtype=np.float32)[:, None]
    return y, two_streams(x, y, classes=y, **kwargs)


BALANCED = [
    ((9, 2, 4), 23, 4, 6),  # batches of two of each class, 6 steps
    ((9, 2, 4), 23, 5, 5),  # 25 in an epoch: what is left over goes from class to class
    ((1, 30), 49, 7, 3),
    ((5, 0, 5, 3), 23, 4, 7),  # a class without labels
    ((9, 2, 5), 0, 4, 4),  # no unlabelled example: an epoch is as long as one pass
    ((3,) * 10, 8, 4, 3),  # an epoch has fewer than there are classes
    ((7,), 23, 4, 3),
]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("counts", "num_unlabelled", "size", "labelled_size"), BALANCED)
def test_balanced_classes_are_seen_equally_often(counts, num_unlabelled, size, labelled_size, shuffle):
    """In every batch, every epoch and all epochs together, up to one example; each class in whole permutations."""
    y, epochs = balanced(counts, num_unlabelled, batch_size=size, labelled_batch_size=labelled_size, shuffle=shuffle)
    members = {label: np.flatnonzero(y == label).tolist() for label, count in enumerate(counts) if count}
    every = []
    for epoch in range(4):
        batches = batches_of(epochs, epoch)
        taken = [indices([batch], "labelled") for batch in batches]
        assert {len(batch) for batch in taken[:-1]} == {min(labelled_size, sum(counts))}
        every.append(np.concatenate(taken))
        for part in (*taken, every[-1], np.concatenate(every)):
            seen = np.bincount(y[part], minlength=len(counts))[list(members)]
            assert seen.sum() == len(part) and np.ptp(seen) <= 1
        for label, group in members.items():
            of_class = [index for index in every[-1].tolist() if y[index] == label]
            for start in range(0, len(of_class), len(group)):
                part = of_class[start : start + len(group)]
                assert set(part) <= set(group) and len(set(part)) == len(part)
        if num_unlabelled:
            assert sorted(indices(batches, "unlabelled")) == np.flatnonzero(y == -1).tolist()
    assert len(every[0]) == (epochs.num_steps * min(labelled_size, sum(counts)) if num_unlabelled else sum(counts))


def test_balanced_epochs_depend_on_their_number_and_the_seed_alone():
    def seen(seed, *numbers, **kwargs):
        _, epochs = balanced((9, 2, 4), batch_size=4, labelled_batch_size=5, seed=seed, **kwargs)
        return indices(batches_of(epochs, *numbers), "labelled").tolist()

    whole = seen(1, 0, 1, 2)
    assert seen(1, 2) == whole[-30:] and seen(1, 1, 2) == whole[-60:] and seen(1, 0, 1, 2, num_steps=4) == whole[:60]
    assert seen(2, 2) != whole[-30:] and seen(1, 0) != seen(1, 1)


def test_balanced_classes_and_their_members_come_in_random_order():
    y, epochs = balanced((40, 40, 40), 80, batch_size=4, labelled_batch_size=4)
    first, second = (indices(batches_of(epochs, epoch), "labelled") for epoch in (0, 1))
    orders = {tuple(y[indices(batches_of(epochs, epoch), "labelled")][:3]) for epoch in range(8)}
    assert len(orders) > 2 and (first != second).any()
    places = {index: place for label in range(3) for place, index in enumerate(np.flatnonzero(y == label))}
    of_class = [[places[index] for index in first if y[index] == label] for label in range(3)]
    assert of_class[0][:20] != of_class[1][:20] != of_class[2][:20] and of_class[0] != sorted(of_class[0])


def test_balanced_in_order_it_goes_on_where_the_last_epoch_stopped():
    """So that every example of a large class is seen."""
    y, epochs = balanced((30, 2), 8, batch_size=4, labelled_batch_size=4, shuffle=False)
    seen = indices(batches_of(epochs, *range(8)), "labelled")
    np.testing.assert_array_equal(seen[0::2], np.resize(np.flatnonzero(y == 0), 32))
    np.testing.assert_array_equal(seen[1::2], np.resize(np.flatnonzero(y == 1), 32))


def test_a_thousand_classes_take_no_more_operations_than_two():
    def num_operations(num_classes):
        by_class = order._ByClass(np.arange(3 * num_classes), np.repeat(np.arange(num_classes), 3), 5000)
        function = tf.function(by_class.shuffled, autograph=False)
        return len(
            function.get_concrete_function(tf.constant(0, tf.int64), tf.constant([0, 0], tf.int64)).graph.get_operations()
        )

    assert num_operations(1000) == num_operations(2)
    y, epochs = balanced((3,) * 1000, 5000, batch_size=100)
    assert np.ptp(np.bincount(y[indices(batches_of(epochs, 0), "labelled")])) == 0
