import gzip
import struct

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.data.idx import read_idx

GENERATOR = np.random.default_rng(0)
ARRAYS = {
    "train-images-idx3-ubyte": GENERATOR.integers(256, size=(12, 5, 4), dtype=np.uint8),
    "train-labels-idx1-ubyte": (np.arange(12) % 3).astype(np.uint8),
    "t10k-images-idx3-ubyte": GENERATOR.integers(256, size=(6, 5, 4), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": (np.arange(6) % 3).astype(np.uint8),
}


def encode(array):
    """The idx file of an array of bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    """The four files, those to test on gzipped."""
    for name, array in ARRAYS.items():
        if name.startswith("train"):
            (tmp_path / name).write_bytes(encode(array))
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(encode(array)))
    return tmp_path


def test_the_four_files(folder):
    dataset = data.load("idx:.", 0, seed=0, num_validation=3, data_dir=str(folder))
    images, labels = ARRAYS["train-images-idx3-ubyte"], ARRAYS["train-labels-idx1-ubyte"]
    np.testing.assert_allclose(dataset.x_train[..., 0], images[:9] / 255, atol=1e-7)
    np.testing.assert_allclose(dataset.x_validation[..., 0], images[9:] / 255, atol=1e-7)
    np.testing.assert_allclose(dataset.x_test[..., 0], ARRAYS["t10k-images-idx3-ubyte"] / 255, atol=1e-7)
    np.testing.assert_array_equal(dataset.y_train, labels[:9])
    np.testing.assert_array_equal(dataset.y_validation, labels[9:])
    np.testing.assert_array_equal(dataset.y_test, ARRAYS["t10k-labels-idx1-ubyte"])
    assert dataset.num_classes == 3


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    for function in (data.require, lambda name: data.load(name, 0, 0)):
        with pytest.raises(FileNotFoundError, match=f"Received: {folder} without t10k-labels-idx1-ubyte"):
            function(f"idx:{folder}")


WHOLE = encode(ARRAYS["train-images-idx3-ubyte"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must begin with 00000803. Received: .* with nothing"),
        (b"\x00\x00\x08", "must begin with 00000803. Received: .* with 000008"),
        (b"\x01" + WHOLE[1:], "must begin with 00000803. Received: .* with 01000803"),
        (b"\x00\x00\x0d\x03" + WHOLE[4:], "must begin with 00000803. Received: .* with 00000d03"),  # floats
        (encode(ARRAYS["train-labels-idx1-ubyte"]), "must begin with 00000803. Received: .* with 00000801"),
        (WHOLE[:10], "must hold 3 sizes. Received: .* of 10 bytes"),
        (WHOLE[:-1], "must hold the 12 x 5 x 4 values .* with 239 values"),
        (WHOLE + b"\x00", "must hold the 12 x 5 x 4 values .* with more values"),
        (WHOLE[:4] + b"\xff" * 12 + WHOLE[16:], "may hold at most 1073741824 values. Received: .* whose header says"),
        (WHOLE[:4] + b"\x00" * 12 + WHOLE[16:], "must hold the 0 x 0 x 0 values"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_lying_header_is_refused(content, message, packed, tmp_path):
    file = tmp_path / ("images.gz" if packed else "images")
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=message):
        read_idx(file, 3)


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: b"x" + c, lambda c: c[:30] + b"\xff\xff" + c[32:]])
def test_a_damaged_gzip_file_is_refused(damage, tmp_path):
    (tmp_path / "images.gz").write_bytes(damage(gzip.compress(WHOLE)))
    with pytest.raises(ValueError, match=r"must be a whole gzip file. Received: .*images.gz"):
        read_idx(tmp_path / "images.gz", 3)


def test_another_number_of_labels_is_refused(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(encode(ARRAYS["train-labels-idx1-ubyte"][:11]))
    with pytest.raises(ValueError, match=r"one label per example, .* Received: train-labels-idx1-ubyte of shape \(11,\)"):
        data.load_idx(str(folder), 0, 0)
