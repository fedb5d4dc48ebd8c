"""Labels as users have them: classes or numbers, and what says that there is none."""

import warnings
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from ssdgm_tf.schema import cells

#: What says "no label" among classes, beside None, NaN and the text of gaps.
UNLABELLED = -1


def read(y: Any, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels as an array [N], and which are known, bool [N]. None, NaN, pandas' NA and text of a gap are not.

    Args:
        y: labels [N], or [N, 1] with a warning, of any kind.
        num_rows: N.

    Raises:
        ValueError: another shape, or another number of labels.
    """
    if hasattr(y, "to_numpy"):
        dtype = getattr(y, "dtype", None)  # a DataFrame has none
        is_nullable = not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "") in ("i", "u", "b")
        y = y.to_numpy(object) if is_nullable else y.to_numpy()  # whole numbers stay whole beside a gap
    y = column_or_1d(y, warn=True)
    if words := cells.texts_of_gaps(y):
        shown = " and ".join(map(repr, words))
        warnings.warn(
            f"Labels of {shown} are taken for no label. Where it is a class, write it in another way.", stacklevel=4
        )
    if len(y) != num_rows:
        raise ValueError(f"y must hold a label or a gap for each row of X, [{num_rows}]. Received: y of shape {y.shape}")
    return y, np.array([cell is not None for cell in cells.read({"y": y})["y"]], bool)


def classes(y: Any, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes [N], of one type, and which are known, bool [N]. In numbers -1 is no label either.

    Args:
        y: see `read`.
        num_rows: N.

    Raises:
        ValueError: see `read`; text beside numbers, or "-1" as text.
    """
    y, is_known = read(y, num_rows)
    if y.dtype.kind == "O":
        places = [place for place in np.flatnonzero(is_known) if isinstance(y[place], str) or y[place] != UNLABELLED]
        known, is_known = [y[place] for place in places], np.isin(np.arange(num_rows), places)
        is_text = [isinstance(label, str) for label in known]
        if any(is_text) and not all(is_text):
            shown = f"{known[is_text.index(True)]!r} and {known[is_text.index(False)]!r}"
            raise ValueError(f"Labels must be all text or all numbers. Received: {shown}")
        if known and not any(is_text):
            y = np.full(num_rows, known[0], np.asarray(known).dtype)
            y[is_known] = known
    elif y.dtype.kind in "if":
        is_known &= y != UNLABELLED
    if y.dtype.kind in "OU" and any(label == str(UNLABELLED) for label in y[is_known]):
        raise ValueError(
            f"{UNLABELLED} as text is a class to scikit-learn, and None or {UNLABELLED} itself says 'no label', in an array "
            f"of dtype object. Received: {str(UNLABELLED)!r} at index {y.tolist().index(str(UNLABELLED))}"
        )
    return y, is_known


def numbers(y: Any, num_rows: int) -> np.ndarray:
    """Numbers, float64 [N]; NaN where there is none.

    Args:
        y: see `read`.
        num_rows: N.

    Raises:
        ValueError: see `read`; text, or an infinite number.
    """
    y, is_known = read(y, num_rows)
    found = np.full(num_rows, np.nan)
    for place, number in zip(np.flatnonzero(is_known), y[is_known].tolist(), strict=True):
        if not isinstance(number, Real | Decimal):
            raise ValueError(f"y must hold numbers. Received: {number!r} at index {place}")
        found[place] = number
    if np.isinf(found).any():
        raise ValueError(f"y must be finite. Received: an infinite number at index {np.flatnonzero(np.isinf(found))[0]}")
    return found


def required(y: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """The known labels, [M].

    Args:
        y: labels [N].
        is_known: which are known, bool [N].

    Raises:
        ValueError: none is.
    """
    if not is_known.any():
        raise ValueError(f"y must hold a label to score by. Received: {len(y)} rows without one")
    return y[is_known]
