"""The same examples in every kind of file: training and prediction read the same arrays, of bytes and of numbers."""

import struct

import numpy as np
import pytest
import scipy.io
from PIL import Image

from ssdgm_tf import data

SHAPE = (6, 5, 1)
GENERATOR = np.random.default_rng(0)
BYTES = GENERATOR.integers(0, 256, (12, *SHAPE)).astype(np.uint8)
SIXTEENTHS = (GENERATOR.integers(0, 17, (12, *SHAPE)) / 16).astype(np.float32)
Y = np.arange(12) % 3


def npz(folder, x):
    np.savez_compressed(folder / "set.npz", x_train=x, y_train=Y, x_test=x, y_test=Y, x=x)
    return "npz:set.npz", "set.npz"


def npz_in_fortran_order(folder, x):
    return npz(folder, np.asfortranarray(x))


def npz_without_channels(folder, x):
    return npz(folder, x[..., 0])


def npz_of_doubles(folder, x):
    return npz(folder, x.astype(np.float64) / (255 if x.dtype == np.uint8 else 1))


def npy(folder, x):
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", Y)
    return "npy:x.npy,y.npy,x.npy,y.npy", "x.npy"


def mat(folder, x):
    scipy.io.savemat(folder / "set.mat", {"X": np.moveaxis(x, 0, -1), "y": Y[:, None] + 1})
    return "mat:set.mat,set.mat", "set.mat"


def mat_rows_first(folder, x):
    scipy.io.savemat(folder / "set.mat", {"x": x, "y": Y})
    return "mat:set.mat,set.mat", "set.mat"


def csv(folder, x, delimiter=",", encoding="utf-8", header=True):
    rows = [list(map("{:.9g}".format, image.ravel())) for image in x]
    names = [f"p{i}" for i in range(x[0].size)]
    for name, labels in (("set.csv", Y), ("x.csv", None)):
        lines = [names + ["label"] * (labels is not None)] if header else []
        lines += [row + ([str(labels[i])] if labels is not None else []) for i, row in enumerate(rows)]
        (folder / name).write_text("\n".join(map(delimiter.join, lines)), encoding=encoding)
    return "csv:set.csv,set.csv", "x.csv"


def csv_of_excel(folder, x):
    return csv(folder, x, ";", "utf-8-sig")


def csv_of_windows(folder, x):
    return csv(folder, x, "\t", "utf-16")


def idx(folder, x):
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", x[..., 0]), ("labels-idx1", Y.astype(np.uint8))):
            head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(head + array.tobytes())
    return f"idx:{folder}", None


def images(folder, x):
    for part in ("train", "test"):
        for i, image in enumerate(x):
            (folder / "images" / part / str(Y[i])).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(folder / "images" / part / str(Y[i]) / f"{i:02}.png")
    return "folder:images", "images/test"


ARRAYS = [npz, npz_in_fortran_order, npz_without_channels, npz_of_doubles, npy, mat, mat_rows_first]
TEXTS = [csv, csv_of_excel, csv_of_windows]
CASES = [(write, x) for x in (BYTES, SIXTEENTHS) for write in ARRAYS + TEXTS] + [(idx, BYTES), (images, BYTES)]


def in_order(x, y=None):
    """The examples as rows, sorted: an image folder is read in the order of its names, and shuffled for training."""
    rows = np.column_stack([x.reshape(len(x), -1), *([y] if y is not None else [])])
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize(("write", "x"), CASES, ids=lambda value: getattr(value, "__name__", None) or str(value.dtype))
def test_training_and_prediction_read_alike(write, x, tmp_path):
    expected = x / np.float32(255) if x.dtype == np.uint8 else x
    name, given = write(tmp_path, x)
    more = {"image_shape": "6x5"} if name.startswith("csv") else {}
    dataset = data.load(name, 0, 0, data_dir=str(tmp_path), **more)
    assert dataset.raw_dtype == ("uint8" if x.dtype == np.uint8 and write is not npz_of_doubles else "float32")
    for part in ("train", "test"):
        read = in_order(getattr(dataset, f"x_{part}"), getattr(dataset, f"y_{part}"))
        np.testing.assert_allclose(read, in_order(expected, Y), rtol=2e-7)
    if given is None:
        return
    for dtype, taken in (("float32", expected), ("uint8", x)):
        made, bad = [], []
        for _, some, refused in data.Examples(str(tmp_path / given), SHAPE, dtype).batches(5):
            made.append(some)
            bad += refused
        if dtype == x.dtype or dtype == "float32":
            assert not bad
            np.testing.assert_allclose(in_order(np.concatenate(made)), in_order(taken), rtol=2e-7)
        else:  # numbers finer than bytes, for a model of bytes
            assert len(bad) == len(x) and all("trained on bytes" in one.reason for one in bad)
