"""Raw examples: bytes, or numbers. The rules by which files are read, the same for training and for prediction.

Images in files are bytes (uint8), which a model sees divided by 255, or numbers in [0, 1]. Vectors and series are numbers.
A run remembers which of the two its images were, and what it exports takes the same.
"""

from typing import NamedTuple

import numpy as np

from ssdgm_tf import checks

#: What the raw examples of a run are.
BYTES, NUMBERS = "uint8", "float32"
# How far, in steps of 1/255, a number may be from a byte.
_TOLERANCE = 1e-3


#: The rule that holds for series and vectors with gaps.
NEEDS_AN_ELEMENT = "An example must have a known element"


class Limits(NamedTuple):
    """What a model takes in vectors and series, beside finite numbers.

    Attributes:
        gaps: whether elements may be missing, NaN.
        unit_interval: whether numbers must lie in [0, 1].
    """

    gaps: bool = False
    unit_interval: bool = False


#: Of a model that was trained without gaps, on any numbers.
NO_GAPS = Limits()


def dtype_of(*arrays: np.ndarray) -> str:
    """`BYTES` if all of the arrays are images of bytes, else `NUMBERS`.

    Args:
        *arrays: examples as files hold them, [N, ...].
    """
    return BYTES if all(x.dtype == np.uint8 and x.ndim > 2 for x in arrays) else NUMBERS


def without_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that files may give examples of one channel: without its axis. Others stay as they are.

    Args:
        shape: of one example, an image (H, W, C), a series (T, C) or a vector (D,).
    """
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def check_channels_last(x_shape: tuple[int, ...], name: str) -> None:
    """Refuses images [N, C, H, W], which would be taken for images of height C.

    Args:
        x_shape: the shape of examples.
        name: name of the array, for messages.

    Raises:
        ValueError: see `ssdgm_tf.checks.is_channels_first`.
    """
    if checks.is_channels_first(x_shape):
        raise ValueError(f"Images must be [N, H, W, C]: {checks.CHANNELS_LAST}. Received: {name} of shape {list(x_shape)}")


def as_taken(value: np.ndarray, dtype: np.dtype, limits: Limits = NO_GAPS) -> tuple[np.ndarray | None, str]:
    """An example of a file as a model takes it.

    Args:
        value: an image [H, W, C] of uint8 or of numbers in [0, 1], a series [T, C] or a vector [D].
        dtype: uint8 or float32, what the model takes.
        limits: of its vectors and series.

    Returns:
        (example, ""), or (None, reason) where the model cannot take it.
    """
    if value.dtype == np.uint8 and value.ndim == 3:
        return value if dtype == np.uint8 else value / np.float32(255), ""
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and is refused as such
        value = value.astype(np.float32)
    if not np.all(np.isfinite(value) | (limits.gaps & np.isnan(value))):
        rule = "An example must be finite in float32" + ", or NaN for a gap" * limits.gaps
        return None, f"{rule}. Received: {'an' if limits.gaps else 'NaN or an'} infinite value"
    if value.ndim < 3:
        if np.isnan(value).all():
            return None, f"{NEEDS_AN_ELEMENT}. Received: NaN only"
        if limits.unit_interval and (np.nanmin(value) < 0 or np.nanmax(value) > 1):
            return None, (
                "The model was trained on numbers in [0, 1]. "
                f"Received: values from {np.nanmin(value):.8g} to {np.nanmax(value):.8g}"
            )
        return value, ""
    if value.min() < 0 or value.max() > 1:
        return None, _outside(value)
    if dtype != np.uint8:
        return value, ""
    steps = value * np.float32(255)
    whole = np.round(steps)
    if np.abs(steps - whole).max() > _TOLERANCE:
        finer = value.flat[np.abs(steps - whole).argmax()]
        return None, f"The model was trained on bytes: numbers must be multiples of 1/255. Received: {finer:.6g}"
    return whole.astype(np.uint8), ""


class TextPixels:
    """Whether the images of a text file are bytes or numbers in [0, 1]. Text has no dtype, so the whole file decides, once.

    A file holds bytes if its values are whole and some are above 1, and numbers if its values lie in [0, 1]. Where some rows
    are the one and some the other, no row can be read.
    """

    def __init__(self) -> None:
        self._bytes: int | None = None
        self._numbers: int | None = None
        self._highest = 0.0

    @property
    def is_mixed(self) -> bool:
        """Whether rows of both kinds were seen, so that others change nothing."""
        return self._bytes is not None and self._numbers is not None

    @property
    def words(self) -> str:
        """What the rows that were seen hold."""
        if self.is_mixed:
            return "whole numbers and others"
        return f"bytes, up to {self._highest:g}" if self._bytes is not None else "numbers in [0, 1]"

    def see(self, line: int, values: np.ndarray) -> None:
        """Notes what a row tells of the file.

        Args:
            line: number of its line.
            values: its numbers, finite.
        """
        is_whole = bool(np.all(values == np.trunc(values)))
        self._highest = max(self._highest, float(values.max()))
        if is_whole and values.max() > 1 and self._bytes is None:
            self._bytes = line
        if not is_whole and values.min() >= 0 and values.max() <= 1 and self._numbers is None:
            self._numbers = line

    def read(self, values: np.ndarray) -> tuple[np.ndarray | None, str]:
        """A row as an array would hold it, after all rows were seen.

        Args:
            values: its numbers, finite.

        Returns:
            (uint8 or float32, ""), or (None, reason) where the row is not of the file's kind.
        """
        if self.is_mixed:
            return None, (
                "Images of a file must all be whole numbers 0..255, or all lie in [0, 1]. "
                f"Received: a file of both, such as lines {self._bytes} and {self._numbers}"
            )
        if self._bytes is None:
            return (values, "") if values.min() >= 0 and values.max() <= 1 else (None, _outside(values))
        if values.min() < 0 or values.max() > 255 or np.any(values != np.trunc(values)):
            return None, (
                "Images of a file of bytes must be whole numbers in 0..255. "
                f"Received: values from {values.min():.4g} to {values.max():.4g}"
            )
        return values.astype(np.uint8), ""


def _outside(values: np.ndarray) -> str:
    return f"Images must be uint8 or lie in [0, 1]. Received: values from {values.min():.4g} to {values.max():.4g}"
