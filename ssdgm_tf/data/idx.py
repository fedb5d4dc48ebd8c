"""A data set in the files of the original MNIST: `--config.data=idx:FOLDER`."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import assemble, check_arrays
from ssdgm_tf.data.names import resolve

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UNSIGNED_BYTE = 0x08
# Twice those of the largest set in this format, EMNIST.
_MAX_VALUES = 2**30


def load_idx(
    path: str, num_labels: int, seed: int, num_validation: int = 0, data_dir: str | None = None
) -> SemiSupervisedData:
    """The four files of MNIST, Fashion-MNIST or KMNIST as their makers publish them: `--config.data=idx:FOLDER`.

    Args:
        path: folder of train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
            each as it is or with .gz.
        num_labels: labels shown; 0 for all.
        seed: of the label draw.
        num_validation: the last so many training examples, in the stored order, are held out of training.
        data_dir: folder that a relative path starts at; None for the current one.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file that is not what its header says, or labels that cannot be drawn.
    """
    files = find_idx(path, data_dir)
    x, y, x_test, y_test = (read_idx(file, num_axes) for file, num_axes in zip(files, (3, 1, 3, 1), strict=True))
    train, test, num_classes = check_arrays((x, y), (x_test, y_test), tuple(file.name for file in files))
    return assemble(train, test, num_labels, seed, num_validation, num_classes)


def find_idx(path: str, data_dir: str | None = None) -> list[Path]:
    """The four files in their order: training images and labels, test images and labels. Does not open them.

    Raises:
        FileNotFoundError: one is not there.
    """
    folder = resolve(path, data_dir)
    found = [next((f for f in (folder / name, folder / f"{name}.gz") if f.is_file()), None) for name in _FILES]
    if None in found:
        raise FileNotFoundError(
            f"idx:FOLDER must hold {', '.join(_FILES)}, each as it is or with .gz; relative paths start at --data_dir where "
            f"given. Received: {folder} without {_FILES[found.index(None)]}"
        )
    return found


def read_idx(file: Path, num_axes: int) -> np.ndarray:
    """An idx file of unsigned bytes.

    The format: two zero bytes, a code of the type (0x08: unsigned byte), the number of axes, the size of each as a
    big-endian 32-bit integer, then the values, last axis fastest.

    Args:
        file: the file; one whose name ends in .gz is unpacked.
        num_axes: how many axes it must have.

    Returns:
        uint8 array.

    Raises:
        ValueError: it cannot be unpacked, is of another type or number of axes, or has not the length that its header says.
    """
    header = 4 + 4 * num_axes
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
            start = stream.read(header)
            shape = _shape(file, start, num_axes)
            # No more than the header says: a small .gz file may unpack to any size.
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


def _shape(file, start, num_axes):
    """The sizes that the header `start` names."""
    magic = bytes((0, 0, _UNSIGNED_BYTE, num_axes))
    if start[:4] != magic:
        raise ValueError(
            f"An idx file of unsigned bytes with {num_axes} axes must begin with {magic.hex()}. "
            f"Received: {file} with {start[:4].hex() or 'nothing'}"
        )
    if len(start) < 4 + 4 * num_axes:
        raise ValueError(f"An idx file must hold its {num_axes} sizes. Received: {file} of {len(start)} bytes")
    shape = struct.unpack(f">{num_axes}I", start[4:])
    if math.prod(shape) > _MAX_VALUES:
        raise ValueError(f"An idx file may hold {_MAX_VALUES} values. Received: {file}, whose header says {shape}")
    return shape
