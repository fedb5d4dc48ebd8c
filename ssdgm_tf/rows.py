"""Examples that stay as they are stored, and are converted where their rows are read. Imports no TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

#: The float32 value of each byte of an image: bytes / 255.
LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)
# Bytes of converted rows: of those that are looked at together, and of a batch that is evaluated. They bound the memory.
_BLOCK_BYTES, _BATCH_BYTES = 2**22, 2**26
# Methods of arrays that change them.
_CHANGING = frozenset(("byteswap", "fill", "itemset", "partition", "put", "resize", "setfield", "setflags", "sort"))
_READ_ONLY = "Rows are read only; np.asarray(x) gives an array that may be changed. Received: {}"


class Rows(np.lib.mixins.NDArrayOperatorsMixin):
    """Examples that stay as they are stored: bytes, or an array in a file. They are converted where their rows are read.

    An example is float32: the bytes of an image are divided by 255, and a mapping follows where there is one.

    An index along the first axis reads those rows: `x[0]`, `x[10:20]`, `x[[3, 1]]`, `x[mask]`. `take` selects rows without
    reading any. All else that an array [N, ...] does reads them all: `np.asarray(x)`, `x + 1`, `x.max()`, `x[..., 0]`.
    They are read only.

    Args:
        stored: images [M, H, W, C] or vectors [M, D] of numbers; images of uint8 are bytes.
        index: the rows of `stored` that are the examples, in order, [N]; None for all.
        mapping: what follows, a function of float32 rows that keeps their shape, for arrays and for tensors; or None.

    Raises:
        ValueError: an array that holds no images or vectors of numbers.
        TypeError: an attempt to change them.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, stored: np.ndarray, index: np.ndarray | None = None, mapping: Callable[[Any], Any] | None = None
    ) -> None:
        if not isinstance(stored, np.ndarray) or stored.ndim < 2 or stored.dtype.kind not in "biuf":
            found = f"{stored.dtype} of shape {stored.shape}" if isinstance(stored, np.ndarray) else type(stored).__name__
            raise ValueError(f"Rows are of an array [N, ...] of numbers. Received: {found}")
        self.stored, self.index, self.mapping = stored, index, mapping

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, ...]."""
        return (len(self), *self.stored.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes, with that of the examples."""
        return self.stored.ndim

    @property
    def size(self) -> int:
        """How many numbers the examples hold."""
        return int(np.prod(self.shape))

    @property
    def is_bytes(self) -> bool:
        """Whether images of bytes are stored."""
        return self.stored.dtype == np.uint8 and self.ndim > 2

    @property
    def possible(self) -> np.ndarray | None:
        """Every number that an example may hold; None where these are too many to list."""
        return LEVELS if self.is_bytes and self.mapping is None else None

    def __len__(self) -> int:
        return len(self.stored if self.index is None else self.index)

    def __getitem__(self, index: Any) -> np.ndarray:
        if index is Ellipsis or isinstance(index, tuple):
            return np.asarray(self)[index]
        stored = np.asarray(self.stored[index if self.index is None else self.index[index]])
        with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and is refused as such
            x = LEVELS[stored] if self.is_bytes else stored.astype(np.float32, copy=False)
        return x if self.mapping is None else self.mapping(x)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        converted = np.empty(self.shape, np.float32)
        for some in blocks(self.shape):
            converted[some] = self[some]
        return converted if dtype is None else converted.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options or method == "at":
            raise TypeError(_READ_ONLY.format(f"{ufunc.__name__} in place"))
        return getattr(ufunc, method)(*(np.asarray(x) if isinstance(x, Rows) else x for x in inputs), **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if name in _CHANGING:
            raise TypeError(_READ_ONLY.format(name))
        return getattr(np.asarray(self), name)

    def take(self, index: ArrayLike) -> "Rows":
        """The examples at these places, in this order; reads none.

        Args:
            index: places, [K], or a mask, bool [N].

        Raises:
            IndexError: a mask of another length, or a place that is not there.
        """
        places = np.arange(len(self))[np.asarray(index, bool if np.size(index) and np.asarray(index).dtype == bool else int)]
        return Rows(self.stored, places if self.index is None else self.index[places], self.mapping)

    def mapped(self, mapping: Callable[[Any], Any]) -> "Rows":
        """The examples with a mapping, where they have none yet; reads none.

        Args:
            mapping: see the class.

        Raises:
            ValueError: they have one.
        """
        if self.mapping is not None:
            raise ValueError("Rows have one mapping. Received: another for rows that have theirs")
        return Rows(self.stored, self.index, mapping)


def blocks(shape: tuple[int, ...]) -> list[slice]:
    """Slices of a few megabytes of float32 that together are all rows.

    Args:
        shape: [N, ...].
    """
    step = _fitting(shape, _BLOCK_BYTES)
    return [slice(first, min(first + step, shape[0])) for first in range(0, shape[0], step)]


def batch_size(shape: tuple[int, ...], most: int) -> int:
    """How many examples are evaluated at once: `most`, or fewer where they are large.

    Args:
        shape: [N, ...].
        most: the number for small examples.
    """
    return min(most, _fitting(shape, _BATCH_BYTES))


def _fitting(shape: tuple[int, ...], num_bytes: int) -> int:
    """How many float32 examples have so many bytes; at least one."""
    return max(1, num_bytes // (4 * max(1, int(np.prod(shape[1:])))))


ArrayOrRows = np.ndarray | Rows


def extent(x: ArrayOrRows) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest value of each number of an example, over all examples in which it is not NaN.

    Args:
        x: examples [N, ...], an array or `Rows`.
    """
    low = high = x[0]
    for some in blocks(x.shape):
        values = x[some]
        low, high = np.fmin(low, np.fmin.reduce(values)), np.fmax(high, np.fmax.reduce(values))
    return low, high


def has_nan(x: ArrayOrRows) -> bool:
    """Whether a number of the examples is NaN.

    Args:
        x: examples [N, ...], an array or `Rows`.
    """
    if x.dtype.kind != "f" or (isinstance(x, Rows) and x.possible is not None):
        return False
    return any(np.isnan(np.min(x[some])) for some in blocks(x.shape))


def take(x: Any, index: ArrayLike) -> Any:
    """Examples at these places: of `Rows` without reading any.

    Args:
        x: examples [N, ...], an array or `Rows`.
        index: places, [K], or a mask, bool [N].
    """
    return x.take(index) if isinstance(x, Rows) else x[np.asarray(index)]
