"""MATLAB's files: SVHN's own form, axes in either order, labels from 0 or from 1."""

import struct
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from ssdgm_tf import data

GENERATOR = np.random.default_rng(0)
Y = np.arange(30) % 3


@pytest.fixture
def load(tmp_path):
    """Writes arrays, one dictionary for each file, and loads them."""

    def write_and_load(*parts, **options):
        for i, arrays in enumerate(parts):
            scipy.io.savemat(tmp_path / f"{i}.mat", arrays, do_compression=bool(i))
        path = ",".join(f"{i}.mat" for i in range(len(parts)))
        return data.load(f"mat:{path}", 0, 0, data_dir=str(tmp_path), **options)

    return write_and_load


def test_the_form_of_svhn(load):
    x = GENERATOR.integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
    y = np.arange(40) % 10 + 1
    part = {"X": np.moveaxis(x, 0, -1), "y": y[:, None]}
    dataset = load(part, part)
    np.testing.assert_allclose(dataset.x_train, x / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_train, y % 10)
    assert dataset.class_names == tuple("0123456789") and dataset.raw_dtype == "uint8"


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (5,)])
@pytest.mark.parametrize("name", ["X", "x"])
@pytest.mark.parametrize("axis", [0, -1])
def test_examples_lie_along_the_first_or_the_last_axis(load, shape, name, axis):
    x = GENERATOR.uniform(size=(30, *shape))
    dataset = load(*[{name: np.moveaxis(x, 0, axis), "y": Y}] * 2)
    np.testing.assert_allclose(dataset.x_train, x.reshape(30, *shape, *[1] * (len(shape) == 2)), rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_train, Y)
    assert dataset.class_names == () and dataset.raw_dtype == "float32"


def test_of_one_file_a_fifth_is_held_out(load):
    x = GENERATOR.uniform(size=(30, 4, 3))
    dataset = load({"x": x, "y": np.where(np.arange(30) < 27, Y + 1, -1)})
    assert len(dataset.x_train) == 27 and np.bincount(dataset.y_test).tolist() == [1, 1, 1]
    assert dataset.class_names == ("1", "2", "3") and np.sum(dataset.y_train < 0) == 3
    where = [int(np.argmin(np.abs(x - row[..., 0]).sum(axis=(1, 2)))) for row in dataset.x_train]
    assert sorted(where) != where and len(set(where)) == 27
    np.testing.assert_array_equal(dataset.y_train, [Y[i] if i < 27 else -1 for i in where])


def test_truth_values_are_no_bytes(load, tmp_path):
    x = GENERATOR.uniform(size=(30, 4, 3)) < 0.5
    dataset = load({"x": x, "y": Y > 0})
    assert dataset.x_train.max() == 1 and dataset.raw_dtype == "float32" and dataset.num_classes == 2
    _, made, _ = next(data.Examples(str(tmp_path / "0.mat"), (4, 3, 1)).batches(50))
    np.testing.assert_array_equal(made[..., 0], 255 * x)


def test_examples_to_predict(tmp_path):
    x = GENERATOR.integers(0, 256, (7, 4, 3, 1)).astype(np.uint8)
    for stored in (x, x[..., 0], np.moveaxis(x, 0, -1), np.moveaxis(x[..., 0], 0, -1)):
        scipy.io.savemat(tmp_path / "x.mat", {"X": stored})
        names, made, bad = next(data.Examples(str(tmp_path / "x.mat"), (4, 3, 1)).batches(50))
        np.testing.assert_array_equal(made, x)
        assert names == list("0123456") and not bad
    scipy.io.savemat(tmp_path / "x.mat", {"x": x[0]})  # of one example MATLAB leaves the axis out
    np.testing.assert_array_equal(next(data.Examples(str(tmp_path / "x.mat"), (4, 3, 1)).batches(50))[1], x[:1])
    scipy.io.savemat(tmp_path / "x.mat", {"x": np.zeros((3, 3, 3))})
    with pytest.raises(ValueError, match="axis of the examples must differ"):
        data.Examples(str(tmp_path / "x.mat"), (3, 3, 1))


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("name", ["X", "y"])
def test_values_of_no_known_type_are_refused(tmp_path, is_packed, name):
    """SciPy's reader ends the process."""
    content = b""
    for one, array in (("X", np.zeros((4, 3, 30), np.uint8)), ("y", Y)):
        scipy.io.savemat(tmp_path / "x.mat", {one: array})
        whole = (tmp_path / "x.mat").read_bytes()
        head, element = whole[:128], bytearray(whole[128:])
        if one == name:
            at = 8 + 16 + (24 if array.ndim == 3 else 16) + 8  # after its own tag, flags, sizes and name
            assert element[at] in (2, 5, 12)
            element[at] = 99
        if is_packed:
            packed = zlib.compress(element)
            element = struct.pack("<II", 15, len(packed)) + packed
        content = (content or head) + element
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(ValueError, match=rf"of real numbers. .*x.mat with {name} of class \d+, with values of type 99"):
        data.load(f"mat:{tmp_path / 'x.mat'}", 0, 0)


X = np.zeros((30, 4, 3))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([{"x": X}], "must hold the arrays X or x and y or Y, of real numbers. Received: .* with x$"),
        ([{"images": X, "y": Y}], "must hold the arrays .* Received: .* with images, y"),
        ([{"x": X, "y": Y[:29]}], "first or the last axis of X, .* Received: .* 29 labels"),
        ([{"x": np.zeros((30, 4, 30)), "y": Y}], "first or the last axis of X, .* Received: .* 30 labels"),
        ([{"x": X, "y": np.array([["a"], ["b"]], object)}], "of real numbers. Received: .* of class cell"),
        ([{"x": X, "y": "text"}], "of real numbers. Received: .* of class char"),
        ([{"x": X * 1j, "y": Y}], "of real numbers. Received: .* of class complex"),
        ([{"x": scipy.sparse.eye(30), "y": Y}], "of real numbers. Received: .* of class sparse"),
        ([{"x": {"a": 1}, "y": Y}], "of real numbers. Received: .* of class struct"),
        ([{"x": X, "y": np.where(Y == 2, 3, Y + 1)[:30]}], None),
        (
            [{"x": X, "y": 2 * Y + 1}],
            "Every class 1..K must have .* Received: y of 0.mat with a label 5 and none of class 2",
        ),
        ([{"x": X, "y": Y + 1}, {"x": X, "y": Y}], "must begin at 1 in both files, or at 0. Received: y of 1.mat with 0"),
        ([{"x": X, "y": Y + 0.5}], "Labels must be integers. Received: y of 0.mat"),
        ([{"x": X, "y": np.eye(3)[Y]}], r"one-hot: pass np.argmax\(y, axis=1\)"),
        ([{"x": X + 7, "y": Y}], r"lie in \[0, 1\]. Received: X of 0.mat\[0\]"),
        ([{"x": np.zeros((30, 3, 8, 8)), "y": Y}], "channels come last"),
    ],
)
def test_what_is_refused(load, parts, message):
    if message is None:
        assert load(*parts).class_names == ("1", "2", "3")
        return
    with pytest.raises(ValueError, match=message) as refused:
        load(*parts)
    assert "Received" in str(refused.value)
