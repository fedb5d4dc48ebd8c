"""Arrays of .npy files as data sets."""

import numpy as np
import pytest

from ssdgm_tf import data

GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.integers(0, 256, (36, 4, 3)).astype(np.uint8), np.arange(36) % 3


@pytest.fixture
def load(tmp_path):
    """Writes arrays, one to each file, and loads them."""

    def write_and_load(*arrays, **options):
        for i, array in enumerate(arrays):
            np.save(tmp_path / f"{i}.npy", array)
        return data.load(f"npy:{','.join(f'{i}.npy' for i in range(len(arrays)))}", 0, 0, data_dir=str(tmp_path), **options)

    return write_and_load


@pytest.mark.parametrize("order", ["C", "F"])
def test_four_files(load, order):
    dataset = load(np.asarray(X[:30], order=order), Y[:30, None], X[30:], Y[30:])
    np.testing.assert_allclose(dataset.x_train[..., 0], X[:30] / 255, rtol=1e-6)
    np.testing.assert_array_equal(dataset.y_train, Y[:30])
    np.testing.assert_allclose(dataset.x_test[..., 0], X[30:] / 255, rtol=1e-6)
    assert dataset.raw_dtype == "uint8" and isinstance(dataset.x_train.stored, np.memmap)


def test_of_two_a_fifth_is_held_out(load):
    dataset = load(X / 255, np.where(np.arange(36) < 33, Y, np.nan))
    assert len(dataset.x_train) == 30 and np.bincount(dataset.y_test).tolist() == [2, 2, 2]
    assert dataset.raw_dtype == "float32" and np.sum(dataset.y_train == -1) == 3


def test_bad_examples(load, capsys):
    x = X / 255
    x[7] = np.nan
    with pytest.raises(ValueError, match=r"0.npy must be finite in float32.* first at \(7, 0, 0\)"):
        load(x, Y)
    assert len(load(x, Y, bad_examples="drop").x_train) == 36 - 1 - 6
    assert "Bad examples dropped: 1 of 36 in 0.npy, at 7\n" in capsys.readouterr().out


def test_mixed_kinds_are_numbers(load):
    dataset = load(X[:30], Y[:30], X[30:] / 300, Y[30:])
    assert dataset.raw_dtype == "float32"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X,), "npy: takes two files, or four, separated by commas. Received: 'npy:0.npy'"),
        ((X, Y, X), "npy: takes two files, or four, separated by commas"),
        ((X, Y[:30]), r"1.npy must hold one label per example, shape \(36,\)"),
        ((X, np.array([{}] * 36, object)), "not of objects. Received: .*1.npy .*Python objects"),
        ((X, Y.astype(str)), "Labels must be integers. Received: 1.npy of dtype <U.*folder: and csv:"),
        ((X, Y, X[:, :3], Y), "the same shape. Received: 0.npy .* 2.npy"),
        ((np.zeros((36, 3, 8, 8)), Y), "channels come last"),
        ((X[:3], np.array([0, 0, 1])), "at least two examples, .* Received: one of class 1"),
    ],
)
def test_what_is_refused(load, arrays, message):
    with pytest.raises(ValueError, match=message) as refused:
        load(*arrays)
    assert "Received" in str(refused.value) and "pickle" not in str(refused.value)


def test_other_files_are_named(tmp_path):
    np.savez(tmp_path / "x.npy", x=X)
    (tmp_path / "x.npy.npz").rename(tmp_path / "x.npy")
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(ValueError, match=r"no .npy file but an .npz file: npz:FILE reads it"):
        data.load_npy("x.npy,y.npy", 0, 0, data_dir=str(tmp_path))
