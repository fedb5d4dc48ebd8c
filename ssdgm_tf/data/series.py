"""Time series with gaps from an .npz file: `--config.data=series:FILE`."""

import re
from pathlib import Path

import numpy as np

from ssdgm_tf import checks
from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import assemble, count_classes, listed
from ssdgm_tf.data.names import resolve
from ssdgm_tf.data.npz import read_arrays
from ssdgm_tf.data.splits import hidden_elements, hold_out_test

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_FORM = re.compile(r"([^,]+)(,pooled)?(?:,hidden=(0?\.\d+))?")


def load_series(
    path: str,
    num_labels: int,
    seed: int,
    num_validation: int = 0,
    data_dir: str | None = None,
    bad_examples: str = "stop",
) -> SemiSupervisedData:
    """Time series of an .npz file: `--config.data=series:FILE`, `series:FILE,pooled` or `series:FILE,hidden=0.3`.

    The file holds x_train and x_test, series [N, T] of one channel or [N, T, C], as numbers in any units, and their labels
    y_train and y_test [N], whole numbers 0..K-1. In y_train -1 or NaN is no label. NaN in a series is a gap: a sensor that
    failed, or the time after the end of a series that is shorter than others.

    Args:
        path: the file. After "FILE,pooled" the two sets are taken together, and a fifth of the series of each class, drawn
            by the seed, is the test set: for sets with few training series. After "FILE,hidden=0.3" that share of all
            elements, drawn by the seed, becomes gaps, but not the first known element of a series that would lose all;
            "FILE,pooled,hidden=0.3" does both.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split, of the label draw, and of the hidden elements.
        num_validation: number of labelled training series held out of training: the last in the (shuffled) order.
        data_dir: folder that relative paths start from; None for the current one.
        bad_examples: "stop" at a series with an infinite element or without a known one, or "drop" it and print how many
            there were.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another form of path, a file or arrays in another form, a bad series with "stop", a channel without a
            known element in training, or too few labelled series to draw.
    """
    name, pooled, share = _parse(path)
    x, y, x_test, y_test = read_arrays(resolve(name, data_dir), _ARRAYS)
    x, x_test = _series(x, "x_train"), _series(x_test, "x_test")
    y, y_test = checks.labels("y_train", y, len(x)), checks.labels("y_test", y_test, len(x_test))
    x, y = _good(x, y, "x_train", bad_examples)
    x_test, y_test = _good(x_test, y_test, "x_test", bad_examples)
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            "Training and test series must have the same number of times and of channels; a shorter one ends in NaN. "
            f"Received: x_train {list(x.shape)}, x_test {list(x_test.shape)}"
        )
    num_classes = count_classes(y, y_test)
    if share:
        is_hidden = hidden_elements((len(x) + len(x_test), *x.shape[1:]), share, seed)
        _hide(x, is_hidden[: len(x)])
        _hide(x_test, is_hidden[len(x) :])
    if pooled:
        x, y = np.concatenate([x, x_test]), np.concatenate([y, y_test])
        kept, held_out = hold_out_test(y, np.random.default_rng(seed), ())
        x, y, x_test, y_test = x[kept], y[kept], x[held_out], y[held_out]
    unknown = np.flatnonzero(np.isnan(x).all(axis=(0, 1)))
    if len(unknown):
        raise ValueError(f"A channel must have a known element in training. Received: channel {unknown[0]} with NaN only")
    return assemble((x, y), (x_test, y_test), num_labels, seed, num_validation, num_classes, raw_dtype=raw.NUMBERS)


def find_series(path: str, data_dir: str | None = None) -> Path:
    """The file that `path` names. Does not open it.

    Args:
        path: as `load_series` takes it.
        data_dir: folder that relative paths start from; None for the current one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another form of path.
    """
    file = resolve(_parse(path)[0], data_dir)
    if not file.is_file():
        raise FileNotFoundError(
            f"series:FILE must name a file; relative paths start from --data_dir where given. Received: no file {file}"
        )
    return file


def interpolated(x: np.ndarray) -> np.ndarray:
    """Series without gaps, for methods that take no others: on a line between the known neighbours of a gap in time.

    Before the first known element and after the last it stays at that one; a channel without any is 0.

    Args:
        x: series [N, T, C], NaN for a gap.

    Returns:
        Series of the same shape.
    """
    filled, times = np.zeros_like(x), np.arange(x.shape[1])
    for index, channel in np.ndindex(len(x), x.shape[2]):
        values = x[index, :, channel]
        known = ~np.isnan(values)
        if known.any():
            filled[index, :, channel] = np.interp(times, times[known], values[known])
    return filled


def _parse(path: str) -> tuple[str, bool, float]:
    """The file, whether the sets are taken together, and the share of hidden elements.

    Raises:
        ValueError: another form.
    """
    found = _FORM.fullmatch(path)
    if found is None:
        raise ValueError(
            "Series must be series:FILE, then perhaps ',pooled', then perhaps ',hidden=SHARE' with a share such as 0.3. "
            f"Received: 'series:{path}'"
        )
    return found[1], bool(found[2]), float(found[3] or 0)


def _hide(x: np.ndarray, is_hidden: np.ndarray) -> None:
    """Makes gaps of elements, in place. A series that would lose all its known elements keeps the first.

    Args:
        x: series [N, T, C].
        is_hidden: bool [N, T, C].
    """
    is_known = ~np.isnan(x)
    emptied = np.flatnonzero(~(is_known & ~is_hidden).any(axis=(1, 2)))
    first = is_known.reshape(len(x), -1)[emptied].argmax(axis=1)
    is_hidden[emptied, *np.unravel_index(first, x.shape[1:])] = False
    x[is_hidden] = np.nan


def _series(x: np.ndarray, name: str) -> np.ndarray:
    """Series in the form of training, float32 [N, T, C].

    Raises:
        ValueError: another shape, or not numbers.
    """
    if x.ndim not in (2, 3) or x.dtype.kind not in "biuf" or not x.size:
        raise ValueError(
            f"{name} must hold series [N, T] or [N, T, C] of numbers. Received: {name} {list(x.shape)} of {x.dtype}"
        )
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and is refused as such
        return x.astype(np.float32).reshape(*x.shape[:2], -1)


def _good(x: np.ndarray, y: np.ndarray, name: str, bad_examples: str) -> tuple[np.ndarray, np.ndarray]:
    """The series without an infinite element and with a known one, and their labels; prints how many others there were.

    Raises:
        ValueError: there is another, with "stop", or there are others only.
    """
    is_gap, is_infinite = np.isnan(x).all(axis=(1, 2)), np.isinf(x).any(axis=(1, 2))
    bad = np.flatnonzero(is_gap | is_infinite)
    if not len(bad):
        return x, y
    if bad_examples == "stop" or len(bad) == len(x):
        checks.finite(name, np.nan_to_num(x[bad[:1]], posinf=np.inf, neginf=-np.inf), int(bad[0]))
        raise ValueError(f"{raw.NEEDS_AN_ELEMENT}. Received: {name}[{bad[0]}] with NaN only")
    print(f"Bad examples dropped: {len(bad)} of {len(x)} in {name}, {listed(bad)}")
    return np.delete(x, bad, axis=0), np.delete(y, bad)
