"""A data set of the user's own arrays in NumPy's .npz files: `--config.data=npz:FILE` or `npz:TRAIN,TEST`."""

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import assemble, check_arrays
from ssdgm_tf.data.names import resolve

#: What NumPy raises on damaged .npz files and on sizes that lie.
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
# Arrays that unpack to more than this, and to so many times their packed size, are taken for an attack.
_LARGE, _MAX_RATIO = 2**30, 200


def load_npz(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
) -> SemiSupervisedData:
    """Arrays of .npz files: `--config.data=npz:FILE` or `--config.data=npz:TRAIN,TEST`.

    x holds images [N, H, W] or [N, H, W, C], uint8 or floats in [0, 1], or vectors [N, D] of floats; y the labels [N], whole
    numbers 0..K-1, or -1 where unknown. Other arrays in the files are not looked at.

    Args:
        path: one file with x_train, y_train, x_test and y_test; or two, separated by a comma, each with x and y.
        num_labels: labels shown; 0 for all that are known.
        seed: of the label draw.
        num_validation: the last so many labelled training examples, in the stored order, are held out of training.
        data_dir: folder that relative paths start at; None for the current one.
        bad_examples: "stop" at an example that is not finite or, of images, not in [0, 1]; or "drop" it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files or arrays that are not as said here, or labels that cannot be drawn.
    """
    files = find_npz(path, data_dir)
    keys = [("x_train", "y_train", "x_test", "y_test")] if len(files) == 1 else [("x", "y")] * 2
    arrays = [array for file, names in zip(files, keys, strict=True) for array in read_arrays(file, names)]
    # Two files have the same names in them: messages say which is which.
    names = keys[0] if len(files) == 1 else tuple(f"{name} of {file.name}" for file in files for name in ("x", "y"))
    train, test, num_classes = check_arrays(tuple(arrays[:2]), tuple(arrays[2:]), names, bad_examples)
    return assemble(train, test, num_labels, seed, num_validation, num_classes)


def find_npz(path: str, data_dir: str | None = None) -> list[Path]:
    """The one or two files that `path` names. Does not open them.

    Raises:
        FileNotFoundError: one is not there.
        ValueError: more than two names, or an empty one.
    """
    parts = path.split(",")
    if len(parts) > 2 or not all(parts):
        raise ValueError(f"npz: takes one file, or two separated by a comma. Received: 'npz:{path}'")
    files = [resolve(part, data_dir) for part in parts]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(
                f"npz:FILE must name a file; relative paths start at --data_dir where given. Received: no file {file}"
            )
    return files


def read_arrays(file: Path, names: tuple[str, ...]) -> list[np.ndarray]:
    """Arrays of an .npz file by name; never unpickles.

    Args:
        file: the file.
        names: of the arrays.

    Raises:
        ValueError: no .npz file, a damaged one, an array that is missing or holds Python objects.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            missing = sorted(set(names) - set(arrays.files))
            for info in arrays.zip.infolist():
                if info.file_size > max(_LARGE, _MAX_RATIO * info.compress_size):
                    raise ValueError(f"{info.filename} would unpack to {info.file_size} bytes from {info.compress_size}")
            if not missing:
                return [_array(arrays[name], name) for name in names]
            held = sorted(arrays.files)
    except DAMAGED as error:
        raise ValueError(
            f"An .npz file is one of numpy.savez with arrays of numbers, not of objects. Received: {file} ({error})"
        ) from error
    raise ValueError(
        f"{file.name} must hold the arrays {', '.join(names)}. Received: {file} with {', '.join(held) or 'none'}"
    )


def _array(value, name):
    """The array; NumPy gives the bytes of what is none."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{name} is no array")
    return value
