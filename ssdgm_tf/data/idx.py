"""A data set in the files of the original MNIST: `--config.data=idx:FOLDER`."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import from_arrays
from ssdgm_tf.data.names import resolve

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UNSIGNED_BYTE = 0x08
# Twice the size of the largest set in this format, EMNIST.
_MAX_VALUES = 2**30


def load_idx(
    path: str, num_labels: int, seed: int, num_validation: int = 0, data_dir: str | None = None
) -> SemiSupervisedData:
    """The four files of MNIST, Fashion-MNIST or KMNIST as their makers publish them: `--config.data=idx:FOLDER`.

    Args:
        path: folder of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
            each plain or with .gz.
        num_labels: number of labels shown; 0 for all.
        seed: seed of the label draw.
        num_validation: number of training examples held out of training: the last in the stored order.
        data_dir: folder that a relative path starts from; None for the current one.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file that does not match its header, or too few labelled examples to draw.
    """
    files = find_idx(path, data_dir)
    x, y, x_test, y_test = (read_idx(file, num_axes) for file, num_axes in zip(files, (3, 1, 3, 1), strict=True))
    images, labels, test_images, test_labels = (file.name for file in files)
    names = (images, labels, test_images, test_labels)
    return from_arrays((x, y), (x_test, y_test), names, num_labels, seed, num_validation)


def find_idx(path: str, data_dir: str | None = None) -> list[Path]:
    """The four files in order: training images and labels, test images and labels. Does not open them.

    Raises:
        FileNotFoundError: a file is missing.
    """
    folder = resolve(path, data_dir)
    either = [[folder / name, folder / f"{name}.gz"] for name in _FILES]
    found = [next((file for file in files if file.is_file()), None) for files in either]
    if missing := [name for name, file in zip(_FILES, found, strict=True) if file is None]:
        raise FileNotFoundError(
            f"idx:FOLDER must hold {', '.join(_FILES)}, each plain or with .gz; relative paths start from --data_dir where "
            f"given. Received: {folder} without {missing[0]}"
        )
    return [file for file in found if file is not None]


def read_idx(file: Path, num_axes: int) -> np.ndarray:
    """An idx file of unsigned bytes.

    The format: two zero bytes, a code of the type (0x08: unsigned byte), the number of axes, the size of each as a
    big-endian 32-bit integer, then the values, last axis fastest.

    Args:
        file: the file; unpacked if its name ends in .gz.
        num_axes: the number of axes it must have.

    Returns:
        uint8 array.

    Raises:
        ValueError: a file that cannot be unpacked, is of another type or number of axes, or is too short or too long.
    """
    header = 4 + 4 * num_axes
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
            start = stream.read(header)
            shape = _shape(file, start, num_axes)
            # Read no more than the header says: a small .gz file may unpack to any size.
            values = stream.read(math.prod(shape) + 1)
    except (EOFError, MemoryError, OSError, OverflowError, zlib.error) as error:
        raise ValueError(f"{file.name} must be a whole gzip file. Received: {file} ({error})") from error
    if len(values) != math.prod(shape):
        received = len(values) if len(values) < math.prod(shape) else "more"
        raise ValueError(
            f"An idx file must hold the {' x '.join(map(str, shape))} values of its header. "
            f"Received: {file} with {received} values"
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _shape(file: Path, start: bytes, num_axes: int) -> tuple[int, ...]:
    """The sizes in the header `start`."""
    magic = bytes((0, 0, _UNSIGNED_BYTE, num_axes))
    if start[:4] != magic:
        raise ValueError(
            f"An idx file of unsigned bytes with {num_axes} axes must begin with {magic.hex()}. "
            f"Received: {file} with {start[:4].hex() or 'nothing'}"
        )
    if len(start) < 4 + 4 * num_axes:
        raise ValueError(f"The header of an idx file must hold {num_axes} sizes. Received: {file} of {len(start)} bytes")
    shape = struct.unpack(f">{num_axes}I", start[4:])
    if math.prod(shape) > _MAX_VALUES:
        raise ValueError(f"An idx file may hold at most {_MAX_VALUES} values. Received: {file}, whose header says {shape}")
    return shape
