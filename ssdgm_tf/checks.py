"""Checks of examples and labels: the same rules for models, baselines and data files. NumPy only."""

from numbers import Number, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssdgm_tf.rows import Rows

#: What to do with images whose channels come first.
CHANNELS_LAST = "channels come last: np.moveaxis(x, 1, -1)"
#: The label of an example without a label.
UNLABELLED = -1


def examples(name: str, x: ArrayLike, event_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Examples as finite float32 [N, ...].

    Args:
        name: the array, for messages.
        x: numbers or booleans [N, ...], N >= 1; see `as_array`.
        event_shape: the shape that one example must have; None for any.

    Raises:
        ValueError: no example, another shape, not numeric, or NaN or infinite values once in float32.
    """
    x = np.asarray(numbers(name, x, event_shape), np.float32)
    finite(name, x)
    return x


def numbers(name: str, x: ArrayLike | Rows, event_shape: tuple[int, ...] | None = None) -> Any:
    """Examples as numbers [N, ...], where a value may be NaN or infinite.

    Args:
        name: the array, for messages.
        x: numbers or booleans [N, ...], N >= 1; see `as_array`. [N] is taken for [N, 1] where an example is one number.
        event_shape: the shape that one example must have; None for any.

    Returns:
        float32; or the booleans or integers given, without a copy, and any array in a file and `Rows` as they are.

    Raises:
        ValueError: no example, another shape, or not numeric.
    """
    array = as_array(name, x)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numeric. Received: {name} of dtype {array.dtype}")
    if array.ndim == 1 and event_shape == (1,):
        array = array[:, None]
    if array.ndim < 2:
        raise ValueError(
            f"{name} must have the shape [N, ...], a row for each example. Received: {name} of shape {array.shape}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one example, shape [N, ...]. Received: {name} of shape {array.shape}")
    if event_shape is not None and array.shape[1:] != tuple(event_shape):
        raise ValueError(
            f"{name} must have the shape {tuple(event_shape)} per example{channels_hint(array.shape, event_shape)}. "
            f"Received: {name} of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and is refused as such
        return array.astype(np.float32, copy=False) if array.dtype.kind == "f" and not is_read_by_rows(array) else array


def is_read_by_rows(x: Any) -> bool:
    """Whether rows of these examples are read when they are needed: an array in a file (`numpy.memmap`), and `Rows`."""
    return isinstance(x, np.memmap | Rows)


def as_array(name: str, value: ArrayLike | Rows) -> Any:
    """What stands for an array as one: sparse matrices, masked arrays, and tables and lists with gaps.

    Args:
        name: the array, for messages.
        value: anything that NumPy turns into an array, or a sparse matrix of SciPy. Masked values, None and the NA of pandas
            become NaN. What `is_read_by_rows` stays as it is.

    Raises:
        ValueError: rows of different lengths, or objects that are no numbers.
    """
    if is_read_by_rows(value):
        return value
    if hasattr(value, "toarray"):
        value = value.toarray()
    if np.ma.is_masked(value):
        value = np.ma.filled(np.ma.asarray(value, np.float64), np.nan)
    try:
        array = np.asarray(value)
    except ValueError as error:  # of NumPy, of rows
        raise ValueError(f"{name} must be an array, of rows of one length. Received: a {type(value).__name__}") from error
    if array.dtype != object:
        return array
    if array.ndim == 0:
        raise ValueError(f"{name} must be an array. Received: a {type(value).__name__}")
    missing = np.array([_is_missing(item) for item in array.flat]).reshape(array.shape)
    for item in array[~missing]:
        if not isinstance(item, Number | np.bool_):
            raise ValueError(f"{name} must be numeric. Received: {item!r}, a {type(item).__name__}")
    return np.where(missing, np.nan, array).astype(np.float64)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, or the NA or NaT of pandas, which need not be installed."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def finite(name: str, x: np.ndarray, first: int = 0) -> None:
    """Refuses numbers that are not finite.

    Args:
        name: the array, for messages.
        x: float32 of any shape, possibly empty.
        first: the index of the first row, for messages.

    Raises:
        ValueError: NaN or infinite values.
    """
    if x.size and not np.isfinite([x.min(), x.max()]).all():  # NaN if any value is NaN
        bad = ~np.isfinite(x)
        place = [int(i) for i in np.argwhere(bad)[0]]
        place[:1] = [index + first for index in place[:1]]
        raise ValueError(f"{name} must be finite in float32. Received: NaN or infinite values, the first at {tuple(place)}")


def channels_hint(shape: tuple[int, ...], event_shape: tuple[int, ...]) -> str:
    """The advice for a message about images [N, C, H, W] in place of [N, H, W, C]; "" for other shapes.

    Args:
        shape: the shape of the array that was received.
        event_shape: the shape (H, W, C) that was expected.
    """
    return f": {CHANNELS_LAST}" if len(shape) == 4 and (*shape[2:], shape[1]) == tuple(event_shape) else ""


def is_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether images [N, H, W, C] are taken for [N, C, H, W]: only their second axis has the size of channels, 1 to 4.

    Args:
        shape: the shape of the images.
    """
    return len(shape) == 4 and shape[1] <= 4 < shape[3] and shape[1] != shape[2]


def labels(name: str, y: ArrayLike, num_examples: int, num_classes: int | None = None, missing: bool = True) -> np.ndarray:
    """Labels as int32 [N].

    Args:
        name: the array, for messages.
        y: integers, or floats that are whole numbers, [N] or [N, 1]. NaN, None, pandas' NA and masked values are no label.
        num_examples: N.
        num_classes: number of classes K; None where any label of at least 0 is allowed.
        missing: whether an example may have no label; such a label becomes -1, which may be given too.

    Raises:
        ValueError: another shape, values that are not whole numbers, or labels outside 0..K-1 (and -1).
    """
    y = _unmasked(y)
    if y.shape == (num_examples, 1):
        y = y[:, 0]
    if y.shape != (num_examples,):
        raise ValueError(
            f"{name} must hold one label per example, shape ({num_examples},). "
            f"Received: {name} of shape {y.shape}{_one_hot(y, num_examples)}"
        )
    given = _numeric_labels(name, y)
    if given.dtype.kind == "f":
        fractional = np.flatnonzero(np.isinf(given) | (given != np.trunc(given)) & ~np.isnan(given))
        if len(fractional):
            received = f"{name} of dtype {y.dtype} with {given[fractional[0]]} at index {fractional[0]}"
            raise ValueError(f"Labels must be integers. Received: {received}")
    filled = np.where(np.isnan(given), UNLABELLED, given) if given.dtype.kind == "f" else given
    highest = np.iinfo(np.int32).max if num_classes is None else num_classes - 1
    outside = (filled < (UNLABELLED if missing else 0)) | (filled > highest)
    if outside.any():
        none = f", or be {UNLABELLED} for no label" if missing else ""
        classes = "0, 1, 2, ..." if num_classes is None and filled.max() <= highest else f"0..{highest}"
        received = f"{np.unique(given[outside])[:5].tolist()}, the first at index {np.flatnonzero(outside)[0]}"
        raise ValueError(f"Labels of {name} must lie in {classes}{none}. Received: {received}")
    return filled.astype(np.int32)


def _unmasked(y: Any) -> np.ndarray:
    """The labels as an array, with None where they are masked."""
    if not np.ma.is_masked(y):
        return np.asarray(y)
    values = np.ma.getdata(y).astype(object)
    values[np.ma.getmaskarray(y)] = None
    return values


def _one_hot(y: np.ndarray, num_examples: int) -> str:
    """Advice on one-hot labels [N, K]; nothing for another array."""
    if y.ndim != 2 or len(y) != num_examples or y.dtype.kind not in "biuf" or not np.isin(y, (0, 1)).all():
        return ""
    sums = y.sum(axis=1)
    if y.size == 0 or sums.max() > 1:
        return ""
    if sums.min() == 1:
        return ", one-hot: pass np.argmax(y, axis=1)"
    return f", one-hot with rows of 0: pass np.where(y.any(axis=1), np.argmax(y, axis=1), {UNLABELLED})"


def _numeric_labels(name: str, y: np.ndarray) -> np.ndarray:
    """The labels [N] as integers, or as float64, which holds every bound exactly; NaN for no label.

    Raises:
        ValueError: text, or values of another kind.
    """
    if y.dtype.kind == "O":
        return np.array([_number(name, y.dtype, index, value) for index, value in enumerate(y)], np.float64)
    if y.dtype.kind in "US":
        raise ValueError(_of_text(name, y.dtype, y[0] if len(y) else ""))
    if y.dtype.kind not in "iuf":
        raise ValueError(f"Labels must be integers. Received: {name} of dtype {y.dtype}")
    return y.astype(np.float64) if y.dtype.kind == "f" else y


def _number(name: str, dtype: np.dtype, index: int, value: Any) -> float:
    """One label of an array of objects; NaN for a missing one."""
    if _is_missing(value):
        return np.nan
    if isinstance(value, str | bytes):
        raise ValueError(_of_text(name, dtype, value))
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ValueError(
            f"Labels must be integers. Received: {name} of dtype {dtype} with a {type(value).__name__} at index {index}"
        )
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _of_text(name: str, dtype: np.dtype, value: Any) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return (
        f"Labels must be integers. Received: {name} of dtype {dtype}, text such as {text[:20]!r}. Number the classes, "
        "as np.unique(y, return_inverse=True) does; data in the forms folder: and csv: may have names of classes"
    )
