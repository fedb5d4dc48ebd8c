"""Faces lit by a lamp: `--config.data=faces:FILE`, in the form of the cropped Extended Yale Face Database B."""

from pathlib import Path

import numpy as np

from ssdgm_tf import checks
from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import check_examples, count_classes
from ssdgm_tf.data.names import resolve
from ssdgm_tf.data.npz import read_arrays
from ssdgm_tf.data.splits import draw_labels, hide_labels

_NAMES = ("x", "y", "azimuth_deg", "elevation_deg")
# One in this many images is a test image.
_TEST_SHARE = 5


def load_faces(
    path: str, num_labels: int, seed: int, num_validation: int = 0, data_dir: str | None = None
) -> SemiSupervisedData:
    """Images of faces, with the person and the direction of the light as labels.

    A fifth of the images, drawn by `seed`, is the test set. y_train and y_test are {"identity": [N], int32, "lighting":
    [N, 3], unit vectors}. Hidden labels are -1 and NaN.

    Args:
        path: an .npz file of images `x` [N, H, W] or [N, H, W, C], identities `y` [N], and the lamp's `azimuth_deg` and
            `elevation_deg` [N].
        num_labels: number of images whose labels are shown, as equal per person as possible; 0 for all.
        seed: seed of the split and of the label draw.
        num_validation: number of images held out of training, also drawn by `seed`.
        data_dir: folder that a relative path starts from; None for the current one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: arrays in another form, angles out of range, or too few labelled examples to draw.
    """
    file = find_faces(path, data_dir)
    x, y, azimuth, elevation = read_arrays(file, _NAMES)
    raw_dtype = raw.dtype_of(x)
    x, y = np.asarray(check_examples(x, "x")), checks.labels("y", y, len(x))
    lighting = directions(azimuth, elevation)
    if len(lighting) != len(x):
        raise ValueError(f"Every image must have a lamp. Received: {len(x)} images, {len(lighting)} angles in {file.name}")
    order = np.random.default_rng(seed).permutation(len(x))
    test, validation, train = np.split(order, [len(x) // _TEST_SHARE, len(x) // _TEST_SHARE + num_validation])
    if not len(train):
        raise ValueError(f"num_validation must leave images to train on. Received: num_validation={num_validation}")
    num_classes = count_classes(y[train], y[np.concatenate([test, validation])], ("y", "y"))
    shown = draw_labels(y[train], num_labels, num_classes, seed)
    y_train, y_test, y_validation = ({"identity": y[part], "lighting": lighting[part]} for part in (train, test, validation))
    y_train = {name: hide_labels(values, shown) for name, values in y_train.items()}
    return SemiSupervisedData(
        x[train], y_train, x[test], y_test, x[validation], y_validation, num_classes, raw_dtype=raw_dtype
    )


def find_faces(path: str, data_dir: str | None = None) -> Path:
    """The file that `path` names. Does not open it.

    Raises:
        FileNotFoundError: no such file.
    """
    file = resolve(path, data_dir)
    if not file.is_file():
        raise FileNotFoundError(
            f"faces:FILE must name a file; relative paths start from --data_dir where given. Received: no file {file}"
        )
    return file


def directions(azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> np.ndarray:
    """Unit vectors from a face to its lamp, [N, 3], float32: towards its right hand, up, and away from it.

        (cos(e) sin(a), sin(e), cos(e) cos(a))

    Args:
        azimuth_deg: a, degrees [N], -180..180; 0 is straight ahead.
        elevation_deg: e, degrees [N], -90..90.

    Raises:
        ValueError: angles out of range, or different numbers of them.
    """
    for name, angles, limit in (("azimuth", azimuth_deg, 180), ("elevation", elevation_deg, 90)):
        angles = np.asarray(angles)
        if angles.ndim != 1 or len(angles) != len(azimuth_deg):
            raise ValueError(f"Azimuth and elevation must have one shape, [N]. Received: {name} {list(angles.shape)}")
        wrong = ~(np.abs(angles) <= limit)
        if wrong.any():
            raise ValueError(f"{name} must lie in -{limit}..{limit} degrees. Received: {angles[wrong][0]}")
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    return np.stack([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)], axis=1).astype(np.float32)
