"""A data set of a user's arrays in NumPy's .npz files: `--config.data=npz:FILE` or `npz:TRAIN,TEST`."""

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ssdgm_tf.data import file_kinds
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import from_arrays
from ssdgm_tf.data.names import find_files

# The arrays of MedMNIST (Yang et al. 2023).
_OF_MEDMNIST = ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels")
#: Errors that NumPy raises on damaged .npz files and on false sizes.
DAMAGED = (
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
#: An array that unpacks to more bytes than this, and to more than this multiple of its packed size, is taken for an attack.
LARGE, MAX_RATIO = 2**30, 200


def load_npz(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
) -> SemiSupervisedData:
    """Arrays of .npz files: `--config.data=npz:FILE` or `--config.data=npz:TRAIN,TEST`.

    x holds images [N, H, W] or [N, H, W, C], uint8 or numbers in [0, 1], or vectors [N, D] of numbers other than uint8. y
    holds the labels [N] or [N, 1]: whole numbers 0..K-1, or -1 or NaN where unknown. Other arrays in the files are ignored.
    A file of MedMNIST is taken as it is published, with its validation images last among the training images, so that
    `num_validation` may hold these out.

    Args:
        path: one file with x_train, y_train, x_test and y_test, or of MedMNIST (train_images, train_labels, ...); or two,
            separated by a comma, each with x and y.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the label draw.
        num_validation: number of labelled training examples held out of training: the last in the stored order.
        data_dir: folder that relative paths start from; None for the current one.
        bad_examples: "stop" at an example that is not finite, or an image that is not in [0, 1]; or "drop" it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files or arrays in another form, or too few labelled examples to draw.
    """
    files = find_files("npz", path, data_dir)
    names = ("x_train", "y_train", "x_test", "y_test")
    if len(files) == 1 and _is_of_medmnist(files[0]):
        x, y, x_more, y_more, x_test, y_test = read_arrays(files[0], _OF_MEDMNIST)
        names = ("train_images and val_images", "train_labels and val_labels", "test_images", "test_labels")
        x, y = _joined(x, x_more, names[0]), _joined(y, y_more, names[1])
    elif len(files) == 1:
        x, y, x_test, y_test = read_arrays(files[0], names)
    else:
        (x, y), (x_test, y_test) = (read_arrays(file, ("x", "y")) for file in files)
        first, second = (file.name for file in files)
        # Two files hold the same names, so messages add the file.
        names = (f"x of {first}", f"y of {first}", f"x of {second}", f"y of {second}")
    return from_arrays((x, y), (x_test, y_test), names, num_labels, seed, num_validation, bad_examples)


def read_arrays(file: Path, names: tuple[str, ...]) -> list[np.ndarray]:
    """Arrays of an .npz file by name. Never unpickles.

    Args:
        file: the file.
        names: names of the arrays.

    Raises:
        ValueError: a file that is damaged or not an .npz file, or an array that is missing or holds Python objects.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            missing = sorted(set(names) - set(arrays.files))
            for info in arrays.zip.infolist():
                if info.file_size > max(LARGE, MAX_RATIO * info.compress_size):
                    raise ValueError(f"{info.filename} would unpack to {info.file_size} bytes from {info.compress_size}")
            if not missing:
                return [_array(arrays[name], name) for name in names]
            held = sorted(arrays.files)
    except DAMAGED as error:
        raise ValueError(
            "An .npz file must come from numpy.savez and hold arrays of numbers, not of objects. "
            f"Received: {file_kinds.received(file, '.npz', error)}"
        ) from error
    raise ValueError(
        f"{file.name} must hold the arrays {', '.join(names)}. Received: {file} with {', '.join(held) or 'none'}"
    )


def _is_of_medmnist(file: Path) -> bool:
    """Whether a file names its arrays as MedMNIST does. Of a damaged file `read_arrays` says what is wrong."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return "train_images" in arrays.files and "x_train" not in arrays.files
    except DAMAGED:
        return False


def _joined(first: np.ndarray, second: np.ndarray, names: str) -> np.ndarray:
    """Two arrays of examples, or of labels, as one.

    Raises:
        ValueError: examples of two shapes, or of two kinds of number.
    """
    if first.dtype != second.dtype or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            f"{names} must hold examples of one shape and kind of number. "
            f"Received: {list(first.shape)} of {first.dtype}, {list(second.shape)} of {second.dtype}"
        )
    return np.concatenate([first, second])


def _array(value: object, name: str) -> np.ndarray:
    """The array; NumPy gives bytes for a member that is not an array."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{name} is not an array")
    return value
