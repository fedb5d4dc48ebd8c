"""Checks of arrays and labels, the same for models, data sets and baselines. NumPy only."""

import numpy as np
from numpy.typing import ArrayLike

#: The label of an example without a label.
UNLABELLED = -1


def examples(name: str, x: ArrayLike, event_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Examples as finite float32, [N, ...].

    Args:
        name: the name in messages.
        x: an array-like of numbers.
        event_shape: the shape that one example must have; None for any.

    Raises:
        ValueError: no example, another shape, values that are not numbers, or values that are NaN or infinite.
    """
    x = numbers(name, x, event_shape)
    finite(name, x)
    return x


def numbers(name: str, x: ArrayLike, event_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Examples as float32, [N, ...], of which any value may be NaN or infinite; see `examples`."""
    x = np.asarray(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"{name} must hold at least one example, shape [N, ...]. Received: {name} of shape {x.shape}")
    if event_shape is not None and x.shape[1:] != tuple(event_shape):
        raise ValueError(
            f"{name} must have the shape that this model was built for, {tuple(event_shape)} per example. "
            f"Received: {name} of shape {x.shape}"
        )
    if x.dtype.kind not in "iufb":
        raise ValueError(f"{name} must be numeric. Received: {name} of dtype {x.dtype}")
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and is refused as such
        return x.astype(np.float32, copy=False)


def finite(name: str, x: np.ndarray) -> None:
    """Refuses values that are not finite.

    Args:
        name: the name in messages.
        x: floats of any shape.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    if not x.size or (np.isfinite(x.min()) and np.isfinite(x.max())):  # the minimum is NaN if any value is
        return
    bad = ~np.isfinite(x)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(f"{name} must be finite. Received: {bad.sum()} NaN or infinite values, the first at {first}")


def labels(name: str, y: ArrayLike, num_examples: int, num_classes: int | None = None, missing: bool = True) -> np.ndarray:
    """Labels as int32 [N], -1 for "no label".

    Args:
        name: the name in messages.
        y: whole numbers of an integer or a float type, [N] or [N, 1].
        num_examples: N.
        num_classes: number of classes K; None for any.
        missing: whether a label may be -1.

    Raises:
        ValueError: another shape or length, values that are not whole numbers, or values outside -1, 0, ..., K - 1.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (num_examples,):
        raise ValueError(
            f"{name} must hold one label per example, shape ({num_examples},). Received: {name} of shape {y.shape}"
        )
    is_whole = y.dtype.kind in "iu" or (y.dtype.kind == "f" and bool(np.all(np.isfinite(y)) and np.all(y == np.round(y))))
    if not is_whole:
        raise ValueError(
            f"Labels must be integers. Received: {name} of dtype {y.dtype} with values such as {y[:3].tolist()}"
        )
    last = np.iinfo(np.int32).max if num_classes is None else num_classes - 1
    outside = (y < (UNLABELLED if missing else 0)) | (y > last)
    if outside.any():
        none = f", or be {UNLABELLED} for no label" if missing else ""
        rule = f"lie in 0..{last}" if num_classes is not None else "be 0 or more"
        raise ValueError(f"Labels of {name} must {rule}{none}. Received: {np.unique(y[outside])[:5].tolist()}")
    return y.astype(np.int32)
