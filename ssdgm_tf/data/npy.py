"""A data set of a user's arrays in NumPy's .npy files: `--config.data=npy:X.npy,Y.npy`."""

from pathlib import Path

import numpy as np

from ssdgm_tf.data import file_kinds
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import from_arrays
from ssdgm_tf.data.names import find_files
from ssdgm_tf.data.npz import DAMAGED


def load_npy(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
) -> SemiSupervisedData:
    """Arrays of .npy files: `--config.data=npy:X_TRAIN.npy,Y_TRAIN.npy,X_TEST.npy,Y_TEST.npy`, or `npy:X.npy,Y.npy`.

    The arrays are those that `load_npz` takes. Of two files a fifth of the examples of each class, drawn by the seed, is the
    test set, and the training examples are shuffled by the seed.

    Args:
        path: the two or four files, separated by commas.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split and of the label draw.
        num_validation: number of labelled training examples held out of training: the last in the (shuffled) order.
        data_dir: folder that relative paths start from; None for the current one.
        bad_examples: "stop" at an example that is not finite, or an image that is not in [0, 1]; or "drop" it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: files or arrays in another form, or too few labelled examples to draw.
    """
    files = find_files("npy", path, data_dir)
    arrays = [read_npy(file) for file in files]
    test = (arrays[2], arrays[3]) if len(arrays) == 4 else None
    names = tuple(file.name for file in files)
    return from_arrays((arrays[0], arrays[1]), test, names, num_labels, seed, num_validation, bad_examples)


def read_npy(file: Path) -> np.ndarray:
    """The array of an .npy file, mapped into memory: it is read where it is used. Never unpickles.

    Args:
        file: the file.

    Raises:
        ValueError: a file that is damaged or not an .npy file, or an array without values or of Python objects.
    """
    try:
        return np.lib.format.open_memmap(file, mode="r")
    except DAMAGED as error:
        raise ValueError(
            "An .npy file must come from numpy.save and hold an array of numbers, not of objects. "
            f"Received: {file_kinds.received(file, '.npy', error)}"
        ) from error
