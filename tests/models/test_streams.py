import numpy as np
import pytest

from ssdgm_tf.models.streams import steps_per_epoch, two_streams


def make(num_unlabelled=23, num_labelled=5, **kwargs):
    """Images that hold their own index, so that batches tell which examples they are of."""
    n = num_unlabelled + num_labelled
    y = np.full(n, -1, np.int32)
    y[np.random.default_rng(0).permutation(n)[:num_labelled]] = np.arange(num_labelled)
    x = np.arange(n, dtype=np.float32)[:, None]
    return x, y, two_streams({"x": x}, {"y": y}, y >= 0, **kwargs)


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


class TestBalance:
    """Three classes of 1, 4 and 15 labels."""

    y = np.array([*[0] * 1, *[1] * 4, *[2] * 15, *[-1] * 40])

    def labelled(self, epoch=0, shuffle=True, rows=60, seed=5):
        y = self.y[:rows]
        x = {"x": np.arange(len(y), dtype=np.float32)[:, None]}
        epochs = two_streams(x, {"y": y}, y >= 0, 10, 9, shuffle=shuffle, seed=seed, classes=y)
        epochs.epoch.assign(epoch)
        batches = [batch["labelled"] for batch in epochs.dataset]
        return [np.concatenate(part) for part in zip(*[(x["x"][:, 0], y["y"]) for x, y in batches], strict=True)]

    @pytest.mark.parametrize("shuffle", [True, False])
    def test_of_every_three_in_a_row_one_is_of_each_class(self, shuffle):
        x, y = self.labelled(shuffle=shuffle)
        assert len(y) == 4 * 9
        np.testing.assert_array_equal(np.sort(y.reshape(-1, 3), axis=1), np.tile([0, 1, 2], (12, 1)))
        np.testing.assert_array_equal(self.y[x.astype(int)], y)

    def test_each_class_passes_in_permutations_of_its_own(self):
        x, y = self.labelled()
        for k, size in enumerate((1, 4, 15)):
            of_class = x[y == k]
            for start in range(0, 12, size):
                assert len(set(of_class[start : start + size])) == min(size, 12 - start)

    def test_an_epoch_is_a_function_of_the_seed_and_its_number(self):
        same, again, other = self.labelled(1)[0], self.labelled(1)[0], self.labelled(2)[0]
        np.testing.assert_array_equal(same, again)
        assert (same != other).any() and (same != self.labelled(1, seed=6)[0]).any()

    def test_without_unlabelled_examples_an_epoch_has_as_many_as_before(self):
        _, y = self.labelled(rows=20)
        assert len(y) == 20 and np.ptp(np.bincount(y)) <= 1

    def test_a_class_without_labels_has_no_part_in_it(self):
        y = np.where(self.y == 1, -1, self.y)
        epochs = two_streams({"x": y[:, None]}, {"y": y}, y >= 0, 10, 8, classes=y)
        for batch in epochs.dataset:
            np.testing.assert_array_equal(np.bincount(batch["labelled"][1]["y"], minlength=3), [4, 0, 4])
