"""A data set in MATLAB's .mat files, such as SVHN's own: `--config.data=mat:FILE` or `mat:TRAIN,TEST`."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssdgm_tf import checks
from ssdgm_tf.data import file_kinds, mat_format, npz
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import Arrays, from_arrays
from ssdgm_tf.data.names import find_files
from ssdgm_tf.data.raw import without_channel

_X, _Y = ("X", "x"), ("y", "Y")
# SVHN calls the digit 0 ten.
_SVHN_SHAPE, _SVHN_ZERO = (32, 32, 3), 10


def load_mat(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
) -> SemiSupervisedData:
    """Arrays of .mat files: `--config.data=mat:FILE` or `--config.data=mat:TRAIN,TEST`. Of MATLAB's versions 5 to 7.

    X (or x) holds what `load_npz` takes as x, with the examples along its first axis or, as in MATLAB, along its last. y
    holds the labels. They may begin at 1: classes then have their numbers as names. In SVHN's own files (X [32, 32, 3, N],
    uint8) the label 10 means the digit 0.

    Args:
        path: one file, or two separated by a comma. Of one file a fifth of the examples of each class, drawn by the seed, is
            the test set, and the training examples are shuffled by the seed.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split and of the label draw.
        num_validation: number of labelled training examples held out of training: the last in the (shuffled) order.
        data_dir: folder that relative paths start from; None for the current one.
        bad_examples: "stop" at an example that is not finite, or an image that is not in [0, 1]; or "drop" it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files or arrays in another form, or too few labelled examples to draw.
    """
    files = find_files("mat", path, data_dir)
    names = tuple(f"{array} of {file.name}" for file in files for array in ("X", "y"))
    parts, class_names = _from_zero([_labelled(file) for file in files], names[1::2])
    test = parts[1] if len(parts) == 2 else None
    return from_arrays(parts[0], test, names, num_labels, seed, num_validation, bad_examples, class_names)


def read_examples(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The array X (or x) of a .mat file, with the examples along its first axis.

    Args:
        file: the file.
        shape: the shape of one example; grey images may be without their axis of channels.

    Raises:
        ValueError: a file that is damaged or not a .mat file, or no such array of numbers.
    """
    x = _read(file, (_X,))[0]
    grey = without_channel(shape)
    if x.shape in (shape, grey) and x.ndim > 1:  # MATLAB keeps no last axis of size 1
        return x[None]
    first, last = x.shape[1:] in (shape, grey), x.shape[:-1] in (shape, grey)
    if first and last and len(set(x.shape)) == 1:
        raise ValueError(f"The axis of the examples must differ from the others in size. Received: {file} with {x.shape}")
    return np.moveaxis(x, -1, 0) if last and not first else x


def _labelled(file: Path) -> Arrays:
    """X with the examples along its first axis, and y [N], as the file has them.

    Raises:
        ValueError: a file in another form, or one whose axis of examples cannot be told.
    """
    x, y = _read(file, (_X, _Y))
    y = y.astype(np.uint8) if y.dtype == bool else y
    if y.ndim == 2 and (1 in y.shape or not y.size):  # MATLAB's [] is 0x0
        y = y.reshape(-1)
    number = max(y.shape, default=0)
    first, last = x.shape[0] == number, x.shape[-1] == number
    if first == last:
        raise ValueError(
            "The examples must lie along the first or the last axis of X, one of which has as many as there are labels. "
            f"Received: {file} with X {list(x.shape)} and {number} labels"
        )
    return (np.moveaxis(x, -1, 0) if last else x), y


def _from_zero(parts: list[Arrays], names: tuple[str, ...]) -> tuple[list[Arrays], tuple[str, ...]]:
    """The parts with labels 0..K-1, and the names of the classes; () where the labels began at 0.

    Raises:
        ValueError: bad labels; or a class without training examples, or a test label 0, where labels begin at 1.
    """
    labels = [checks.labels(name, y, len(x)) for name, (x, y) in zip(names, parts, strict=True)]
    known = np.unique(labels[0][labels[0] >= 0])
    if not len(known) or known[0] != 1:
        return [(x, y) for (x, _), y in zip(parts, labels, strict=True)], ()
    highest = int(known[-1])
    if len(known) < highest:
        absent = int(np.flatnonzero(known != np.arange(1, len(known) + 1))[0]) + 1
        raise ValueError(
            "Every class 1..K must have labelled training examples. "
            f"Received: {names[0]} with a label {highest} and none of class {absent}"
        )
    if any((y == 0).any() for y in labels):
        raise ValueError(f"Labels must begin at 1 in both files, or at 0. Received: {names[-1]} with 0, {names[0]} from 1")
    if highest == _SVHN_ZERO and all(x.shape[1:] == _SVHN_SHAPE and x.dtype == np.uint8 for x, _ in parts):
        moved, class_names = [np.where(y == _SVHN_ZERO, 0, y) for y in labels], range(highest)
    else:
        moved, class_names = [np.where(y > 0, y - 1, y) for y in labels], range(1, highest + 1)
    return [(x, y) for (x, _), y in zip(parts, moved, strict=True)], tuple(map(str, class_names))


def _read(file: Path, wanted: tuple[tuple[str, ...], ...]) -> list[np.ndarray]:
    """Arrays of a .mat file; each has one of several names.

    Raises:
        ValueError: a file that is damaged or not a .mat file, or an array that is missing, holds no numbers, or unpacks to
            far more than the file.
    """
    rule = f"A .mat file must hold the arrays {' and '.join(' or '.join(names) for names in wanted)}, of real numbers."
    packed = file.stat().st_size
    with _whole(file):
        held = mat_format.held(file)
    found = [next((name for name in names if name in held), "") for names in wanted]
    if not all(found):
        raise ValueError(f"{rule} Received: {file} with {', '.join(sorted(held)) or 'none'}")
    for name in found:
        if held[name].dtype is None:
            raise ValueError(f"{rule} Received: {file} with {name} of class {held[name].kind}")
        if held[name].num_bytes > max(npz.LARGE, npz.MAX_RATIO * packed):
            raise ValueError(f"{rule} Received: {file}, where {name} would unpack to {held[name].num_bytes} bytes")
    with _whole(file):
        return [mat_format.read(file, held[name]) for name in found]


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[None]:
    """Within it, errors of the format say which file is damaged or of another kind."""
    try:
        yield
    except (ValueError, struct.error, MemoryError, OSError) as error:
        raise ValueError(
            "A .mat file must be whole, and of MATLAB's versions 5 to 7. "
            f"Received: {file_kinds.received(file, '.mat', error)}"
        ) from error
