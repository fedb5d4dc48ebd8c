"""Checks of examples and labels: the same rules for models, baselines and data files. NumPy only."""

import numpy as np
from numpy.typing import ArrayLike

#: The label of an example without a label.
UNLABELLED = -1


def examples(name: str, x: ArrayLike, event_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Examples as finite float32 [N, ...].

    Args:
        name: the array, for messages.
        x: numbers or booleans [N, ...], N >= 1.
        event_shape: the shape that one example must have; None for any.

    Raises:
        ValueError: no example, another shape, not numeric, or NaN or infinite values once in float32.
    """
    return finite(name, numbers(name, x, event_shape))


def numbers(name: str, x: ArrayLike, event_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Examples as float32 [N, ...], where a value may be NaN or infinite.

    Args:
        name: the array, for messages.
        x: numbers or booleans [N, ...], N >= 1.
        event_shape: the shape that one example must have; None for any.

    Raises:
        ValueError: no example, another shape, or not numeric.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"{name} must hold at least one example, shape [N, ...]. Received: {name} of shape {x.shape}")
    if event_shape is not None and x.shape[1:] != tuple(event_shape):
        raise ValueError(f"{name} must have the shape {tuple(event_shape)} per example. Received: {name} of shape {x.shape}")
    return _as_float32(name, x)


def finite(name: str, x: ArrayLike) -> np.ndarray:
    """Numbers as float32, all of them finite.

    Args:
        name: the array, for messages.
        x: numbers or booleans of any shape, possibly empty.

    Raises:
        ValueError: not numeric, or NaN or infinite values once in float32.
    """
    x = _as_float32(name, np.asarray(x))
    if x.size and not np.isfinite([x.min(), x.max()]).all():  # NaN if any value is NaN
        bad = ~np.isfinite(x)
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} must be finite in float32. Received: {bad.sum()} NaN or infinite values, the first at {first}"
        )
    return x


def labels(name: str, y: ArrayLike, num_examples: int, num_classes: int | None = None, missing: bool = True) -> np.ndarray:
    """Labels as int32 [N].

    Args:
        name: the array, for messages.
        y: integers, or floats that are whole numbers, [N] or [N, 1].
        num_examples: N.
        num_classes: number of classes K; None where any label of at least 0 is allowed.
        missing: whether a label may be -1, for none.

    Raises:
        ValueError: another shape, values that are not whole numbers, or labels outside 0..K-1 (and -1).
    """
    y = np.asarray(y)
    if y.shape == (num_examples, 1):
        y = y[:, 0]
    if y.shape != (num_examples,):
        raise ValueError(
            f"{name} must hold one label per example, shape ({num_examples},). Received: {name} of shape {y.shape}"
        )
    if y.dtype.kind not in "iuf":
        raise ValueError(f"Labels must be integers. Received: {name} of dtype {y.dtype}")
    if y.dtype.kind == "f":
        fractional = np.flatnonzero(~np.isfinite(y) | (y != np.trunc(y)))
        if len(fractional):
            received = f"{name} of dtype {y.dtype} with {y[fractional[0]]} at index {fractional[0]}"
            raise ValueError(f"Labels must be integers. Received: {received}")
        y = y.astype(np.float64)  # which holds every bound exactly
    highest = np.iinfo(np.int32).max if num_classes is None else num_classes - 1
    outside = (y < (UNLABELLED if missing else 0)) | (y > highest)
    if outside.any():
        none = f", or be {UNLABELLED} for no label" if missing else ""
        received = f"{np.unique(y[outside])[:5].tolist()}, the first at index {np.flatnonzero(outside)[0]}"
        raise ValueError(f"Labels of {name} must lie in 0..{highest}{none}. Received: {received}")
    return y.astype(np.int32)


def _as_float32(name: str, x: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numeric. Received: {name} of dtype {x.dtype}")
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and is refused as such
        return x.astype(np.float32, copy=False)
