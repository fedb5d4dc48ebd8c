"""Rows are the array that they stand for, whichever of them are read, and read no others."""

import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import checks, rows
from ssdgm_tf.models import streams
from ssdgm_tf.models.order import InOrder
from ssdgm_tf.rows import Rows
from tests.memory import allocated

GENERATOR = np.random.default_rng(0)
STORED = {
    "bytes": GENERATOR.integers(256, size=(256, 4, 3, 1), dtype=np.uint8),
    "truth values": GENERATOR.integers(2, size=(20, 5)).astype(bool),
    "whole numbers": GENERATOR.integers(-9, 9, size=(20, 5)),
    "doubles": GENERATOR.normal(size=(20, 5)),
}
INDICES = {
    "one": 3,
    "the last": -1,
    "a slice": slice(2, 9),
    "all": slice(None),
    "none": slice(0, 0),
    "a list": [4, 0, 4],
    "a mask": np.arange(20) % 3 == 0,
    "two axes": (slice(2, 9), 1),
    "the last axis": (..., 0),
}


def expected(stored):
    return stored / np.float32(255) if stored.dtype == np.uint8 else stored.astype(np.float32)


@pytest.fixture(params=STORED)
def stored(request):
    return STORED[request.param]


@pytest.fixture(params=["memory", "file"])
def held(request, stored, tmp_path):
    """The array, in memory or in a file."""
    if request.param == "memory":
        return stored
    np.save(tmp_path / "x.npy", stored)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_an_index_reads_what_it_reads_of_the_array(index, held):
    order = GENERATOR.permutation(len(held))[:20]
    x = Rows(held, order)
    array = expected(np.array(held))[order]
    for found, wanted in ((x[index], array[index]), (x.mapped(np.negative)[index], -array[index])):
        assert type(found) is np.ndarray and found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("index", [[3, 1, 2], np.arange(20) % 2 == 0, np.array([], int)], ids=["places", "mask", "none"])
def test_rows_of_rows(index, held):
    x, array = Rows(held, np.arange(20)[::-1]), expected(np.array(held))[:20][::-1]
    taken = rows.take(x, index)
    assert isinstance(taken, Rows) and taken.shape == array[index].shape and len(taken) == len(array[index])
    np.testing.assert_array_equal(taken, array[index])
    np.testing.assert_array_equal(rows.take(array, index), array[index])


def test_all_else_is_that_of_the_array(stored):
    x, array = Rows(stored), expected(stored)
    assert (x.shape, x.ndim, x.size, x.dtype, x.nbytes) == (array.shape, array.ndim, array.size, np.float32, array.nbytes)
    np.testing.assert_array_equal(x, array)
    np.testing.assert_array_equal(x + 1, array + 1)
    np.testing.assert_array_equal(1 - x, 1 - array)
    np.testing.assert_array_equal(x.reshape(-1), array.reshape(-1))
    assert x.max() == array.max() and np.asarray(x, np.float64).dtype == np.float64
    with pytest.raises(AttributeError, match="Rows has no attribute 'toarray'"):
        _ = x.toarray


@pytest.mark.parametrize("num_bytes", [1, 60, 1000, 10**9])
def test_blocks_are_all_rows_once(num_bytes, monkeypatch):
    monkeypatch.setattr(rows, "_BLOCK_BYTES", num_bytes)
    assert [index for some in rows.blocks((17, 5)) for index in range(17)[some]] == list(range(17))
    array = STORED["doubles"].astype(np.float32)
    for x in (array, Rows(STORED["doubles"])):
        np.testing.assert_array_equal(rows.extent(x), (array.min(axis=0), array.max(axis=0)))


@pytest.mark.parametrize("order", [None, GENERATOR.permutation(20)], ids=["all", "some"])
def test_batches_are_read_to_the_bit(order, held):
    x, array = Rows(held, order), expected(np.array(held))
    array = array if order is None else array[order]
    index = tf.constant(GENERATOR.permutation(len(array)))
    np.testing.assert_array_equal(streams.reader(x)(index), array[index])
    doubled, order = {"x": x.mapped(lambda x: 2 * x)}, InOrder(len(x), 7)
    batches = list(streams.in_order(streams.Arrays(doubled, {}, order, fills=False)))
    np.testing.assert_array_equal(tf.concat([batch["x"] for batch, _ in batches], 0), 2 * array)


def test_only_rows_that_are_asked_for_are_read():
    class Watched(np.ndarray):
        read = 0

        def __getitem__(self, index):
            found = super().__getitem__(index)
            Watched.read += found.size
            return found

    x = Rows(STORED["whole numbers"].view(Watched))
    assert x.take([1, 2]).mapped(np.negative).take([0]).shape == (1, 5) and Watched.read == 0
    assert x[3:5].shape == (2, 5) and Watched.read == 10


def test_what_is_known_to_be_right_is_not_looked_at(monkeypatch):
    """Bytes of an image lie in [0, 1]: a likelihood of such values need not read them."""
    from ssdgm_tf import nodes

    read, head, x = [], nodes.Bernoulli((4, 3, 1)).head, Rows(STORED["bytes"])
    whole = Rows.__getitem__
    monkeypatch.setattr(Rows, "__getitem__", lambda self, index: read.append(index) or whole(self, index))
    assert head.observed_support.check_array("x", x, (4, 3, 1)) is x and not read
    with pytest.raises(ValueError, match="x must"):
        head.observed_support.check_array("x", x.mapped(lambda x: x + 1), (4, 3, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.sort(axis=0),
        lambda x: x.fill(0),
        lambda x: np.add(x, 1, out=x),
        lambda x: np.add.at(x, 0, 1),
        lambda x: x.__iadd__(1),
    ],
)
def test_they_are_read_only(change):
    with pytest.raises(
        TypeError, match=r"Rows are read only; np.asarray\(x\) gives an array that may be changed. Received: "
    ):
        change(Rows(STORED["doubles"]))


@pytest.mark.parametrize("stored", [[[1, 2]], np.zeros(3), np.zeros((2, 2), complex), np.array([["a"]])])
def test_other_than_numbers_are_refused(stored):
    with pytest.raises(ValueError, match=r"Rows are of an array \[N, ...\] of numbers. Received: "):
        Rows(stored)


def test_places_and_mappings_that_are_not_there_are_refused():
    x = Rows(STORED["doubles"])
    for index in (np.ones(5, bool), [20]):
        with pytest.raises(IndexError):
            x.take(index)
    assert x.take([]).shape == (0, 5)
    with pytest.raises(ValueError, match="Rows have one mapping"):
        x.mapped(np.negative).mapped(np.negative)


def test_large_examples_are_evaluated_in_small_batches():
    assert [rows.batch_size((10, *shape), 500) for shape in ((28, 28, 1), (256, 256, 3), (9999, 9999))] == [500, 85, 1]


def test_what_is_looked_at_before_training_is_little():
    """Large images too: a thousand of them would be more than a step takes."""
    read = []

    class Watched(np.ndarray):
        def __getitem__(self, index):
            found = super().__getitem__(index)
            read.append(found.size)
            return found

    from ssdgm_tf import nodes
    from ssdgm_tf.models.data_format import DataFormat

    x = Rows(np.zeros((1000, 500, 500, 1), np.uint8).view(Watched))
    DataFormat({"x": nodes.Bernoulli((500, 500, 1)).head}, {}).warn_of_scale({"x": x})
    assert 0 < 4 * sum(read) <= rows._BATCH_BYTES


def test_the_extent_of_a_large_file_needs_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_BLOCK_BYTES", 2**16)
    np.save(tmp_path / "x.npy", np.zeros((200_000, 10)))
    x = Rows(np.load(tmp_path / "x.npy", mmap_mode="r"))
    _, peak = allocated(rows.extent, x)
    assert peak < 1e6  # of 8 MB


def test_checks_keep_rows():
    x = Rows(STORED["doubles"])
    assert checks.numbers("x", x, (5,)) is x
    assert type(checks.examples("x", x)) is np.ndarray
