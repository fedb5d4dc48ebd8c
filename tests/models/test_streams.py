import numpy as np
import pytest

from ssdgm_tf.models.streams import steps_per_epoch, two_streams


def make(num_unlabelled=23, num_labelled=5, **kwargs):
    """Images that hold their own index, so that batches tell which examples they are of."""
    n = num_unlabelled + num_labelled
    y = np.full(n, -1, np.int32)
    y[np.random.default_rng(0).permutation(n)[:num_labelled]] = np.arange(num_labelled)
    x = np.arange(n, dtype=np.float32)[:, None]
    return x, y, *two_streams({"x": x}, {"y": y}, y >= 0, **kwargs)


def indices(batches, key):
    taken = [batch[key][0] if key == "labelled" else batch[key] for batch in batches]
    return np.concatenate([np.asarray(x["x"])[:, 0] for x in taken]).astype(int)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
def test_every_unlabelled_example_is_seen_once_an_epoch(shuffle, batch_size):
    _, y, dataset, steps = make(batch_size=batch_size, shuffle=shuffle)
    for epoch in range(3):
        batches = list(dataset.skip(epoch * steps).take(steps))
        assert sorted(indices(batches, "unlabelled")) == np.flatnonzero(y == -1).tolist()


def test_labelled_examples_are_redrawn_in_whole_permutations():
    _, y, dataset, steps = make(num_unlabelled=40, num_labelled=6, batch_size=4, labelled_batch_size=3)
    seen = indices(dataset.take(steps), "labelled")
    assert len(seen) == 3 * steps
    for start in range(0, len(seen) - 5, 6):
        assert sorted(seen[start : start + 6]) == np.flatnonzero(y >= 0).tolist()


def test_labels_stay_with_their_images():
    _, y, dataset, steps = make(batch_size=4)
    for batch in dataset.take(2 * steps):
        images, labels = batch["labelled"]
        np.testing.assert_array_equal(labels["y"], y[np.asarray(images["x"])[:, 0].astype(int)])


def test_the_labelled_batch_is_as_large_as_the_unlabelled_or_all_there_are():
    *_, dataset, _ = make(batch_size=4)
    assert len(next(iter(dataset))["labelled"][1]["y"]) == 4
    *_, dataset, _ = make(batch_size=10)
    assert len(next(iter(dataset))["labelled"][1]["y"]) == 5


def test_epochs_differ_and_depend_on_the_seed():
    *_, dataset, steps = make(batch_size=4, seed=1)
    first, second = (indices(dataset.skip(e * steps).take(steps), "unlabelled").tolist() for e in (0, 1))
    *_, other, _ = make(batch_size=4, seed=2)
    assert first != second and first != indices(other.take(steps), "unlabelled").tolist()


@pytest.mark.parametrize("key", ["labelled", "unlabelled"])
def test_an_epoch_is_the_same_wherever_the_run_starts(key):
    *_, whole, steps = make(batch_size=4, seed=1)
    *_, resumed, _ = make(batch_size=4, seed=1, initial_epoch=2)
    expected = indices(whole.skip(2 * steps).take(steps), key)
    np.testing.assert_array_equal(indices(resumed.take(steps), key), expected)


def test_without_shuffling_the_order_is_that_of_the_arrays():
    _, y, dataset, steps = make(batch_size=4, shuffle=False)
    assert indices(dataset.take(steps), "unlabelled").tolist() == np.flatnonzero(y == -1).tolist()


def test_without_unlabelled_examples_an_epoch_is_one_pass_over_the_labelled():
    _, _, dataset, steps = make(num_unlabelled=0, num_labelled=10, batch_size=4)
    batches = list(dataset.take(steps))
    assert steps == 3 and set(batches[0]) == {"labelled"}
    assert sorted(indices(batches, "labelled")) == list(range(10))


def test_without_labelled_examples_an_epoch_is_one_pass_over_the_unlabelled():
    _, _, dataset, steps = make(num_unlabelled=10, num_labelled=0, batch_size=4)
    batches = list(dataset.take(steps))
    assert steps == 3 and set(batches[0]) == {"unlabelled"}
    assert sorted(indices(batches, "unlabelled")) == list(range(10))


@pytest.mark.parametrize(("num_unlabelled", "num_labelled"), [(23, 5), (0, 10), (24, 1)])
def test_steps_per_epoch_is_what_two_streams_says(num_unlabelled, num_labelled):
    _, y, _, steps = make(num_unlabelled, num_labelled, batch_size=4, labelled_batch_size=3)
    assert steps_per_epoch(y >= 0, 4, 3) == steps


@pytest.mark.parametrize("sizes", [{"batch_size": 0}, {"batch_size": 4, "labelled_batch_size": 0}])
def test_refuses_empty_batches(sizes):
    with pytest.raises(ValueError, match=r"batch_size must be at least 1\. Received"):
        make(**sizes)
