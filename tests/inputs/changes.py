"""The inputs: changes of clean arrays, by kind."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

SIZE, SHAPE, CLASSES = 12, (6, 5, 1), 3
#: The example that a fault is in: it has a label, and is in the second batch.
BAD = 8
FIT, EVALUATE, PREDICT = "fit", "evaluate", "predict"
CALLS = (FIT, EVALUATE, PREDICT)
PYTHON = ("arrays", "Dataset", "PyDataset", "generator")
BATCHES = PYTHON[1:]
FILES = ("npz", "npy", "mat", "csv", "folder", "records")
SOURCES = PYTHON + FILES


class Arrays(NamedTuple):
    """Examples, and their labels; None where there are none."""

    x: Any
    y: Any


def clean(call: str) -> Arrays:
    """Twelve images of bytes / 255, in three classes; for training half of the labels are known."""
    bytes_ = np.random.default_rng(0).integers(0, 256, (SIZE, *SHAPE))
    bytes_[0, 0, 0], bytes_[0, 0, 1] = 0, 255
    y = np.arange(SIZE) % CLASSES
    return Arrays(
        bytes_.astype(np.float32) / np.float32(255), np.where(np.arange(SIZE) % 4 < 2, y, -1) if call == FIT else y
    )


class Input(NamedTuple):
    """One input.

    Attributes:
        change: makes it of the clean x and y. The examples and labels that it stands for are the clean ones, unless
            `stands_for` says otherwise.
        of: "x", what predictions are made of too; "y", what they are not; or "beside", only what lies beside x there.
        sources: those in which it can exist.
        stands_for: makes the examples and labels that it stands for of the clean ones.
        everywhere: whether the test examples of a file are changed like the training examples.
        weights: whether weights of the examples lie beside.
        spoil: changes the content of a file, where the fault is one of the file; to None, which removes it.
        lies: makes the examples of the clean ones that a reader finds who takes the values of a file in their order.
    """

    change: Callable[[Any, Any], tuple[Any, Any]] = lambda x, y: (x, y)
    of: str = "x"
    sources: tuple[str, ...] = SOURCES
    stands_for: Callable[[Any, Any], tuple[Any, Any]] = lambda x, y: (x, y)
    everywhere: bool = False
    weights: bool = False
    spoil: Callable[[bytes], bytes | None] | None = None
    lies: Callable[[Any], Any] | None = None

    @property
    def calls(self) -> tuple[str, ...]:
        """The calls that take it."""
        return {"x": CALLS, "y": (FIT, EVALUATE), "beside": (PREDICT,)}[self.of]


def _without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in SOURCES if name not in names)


def _put(array: np.ndarray, value: Any) -> np.ndarray:
    """A copy with another value in the bad example."""
    array = array.copy()
    array[(BAD, *[0] * (array.ndim - 1))] = value
    return array


def _with_a_gap(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _put(x, np.nan), y


def _replaced(x: np.ndarray, value: Any) -> list:
    """The examples as a list, with another one for the bad one."""
    return [value if index == BAD else one for index, one in enumerate(x)]


def _named(y: np.ndarray) -> np.ndarray:
    return np.array(["a", "b", "c", ""])[y]


def _cells(content: bytes, change: Callable[[list[str], int], list[str]]) -> bytes:
    """A table with other cells: `change` gets those of a line, and its number from 0."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    return "\n".join(",".join(change(row, line)) for line, row in enumerate(rows)).encode()


def _only(sources: tuple[str, ...], change: Callable, of: str = "x") -> Input:
    return Input(change, of, sources)


_DENSE = _without("csv", "folder")  # formats whose arrays have axes and dtypes
_ARRAYS = _without("csv", "folder", "records")
#: {kind: {input: Input}}
INPUTS: dict[str, dict[str, Input]] = {
    "shape": {
        "all images of another size": Input(lambda x, y: (x[:, :3], y)),
        "one image of another size": _only(_without("Dataset", "mat"), lambda x, y: (_replaced(x, x[BAD][:3]), y)),
        "a batch of images of another size": _only(BATCHES, lambda x, y: ([*x[:6], *x[6:, :3]], y)),
        "no axis of channels": _only(_ARRAYS, lambda x, y: (x[..., 0], y)),
        "channels that come first": _only(_ARRAYS, lambda x, y: (np.moveaxis(x, -1, 1), y)),
        "labels [N, 1]": _only(_ARRAYS, lambda x, y: (x, y[:, None]), "y"),
        "a label too few": _only(_without("folder", "records"), lambda x, y: (x, y[:-1]), "y"),
    },
    "dtype": {
        "images of float64": _only(_ARRAYS, lambda x, y: (x.astype(np.float64), y)),
        "images of big-endian floats": _only(
            _without("Dataset", "csv", "folder", "records"), lambda x, y: (x.astype(">f4"), y)
        ),
        "images of text": _only(_without("folder", "records"), lambda x, y: (x.astype(str), y)),
        "a pixel of text": _only(
            ("arrays", "PyDataset", "generator", "csv"), lambda x, y: (_put(x.astype(object), "text"), y)
        ),
        "labels of whole floats": _only(_without("folder", "records"), lambda x, y: (x, y.astype(np.float64)), "y"),
        "labels of text": Input(lambda x, y: (x, _named(y)), "y", everywhere=True),
        "a label of 0.5": _only(_without("folder", "records"), lambda x, y: (x, _put(y.astype(float), 0.5)), "y"),
    },
    "range": {
        "images of bytes": Input(lambda x, y: (np.round(255 * x).astype(np.uint8), y)),
        "images of integers 0..255": _only(
            _without("folder", "records"), lambda x, y: (np.round(255 * x).astype(np.int64), y)
        ),
        "a pixel of 2": Input(lambda x, y: (_put(x, 2), y)),
        "a label of K + 1": _only(_without("records"), lambda x, y: (x, _put(y, CLASSES + 1)), "y"),
        "a label of -2": _only(_without("records"), lambda x, y: (x, _put(y, -2)), "y"),
    },
    "NaN": {
        "a pixel of NaN, which is not known": Input(_with_a_gap, stands_for=_with_a_gap),
        "an infinite pixel": Input(lambda x, y: (_put(x, np.inf), y)),
        "labels of NaN for no label": _only(
            _without("folder", "records"), lambda x, y: (x, np.where(y < 0, np.nan, y)), "y"
        ),
        "labels of None for no label": _only(
            _without("Dataset", "npz", "npy", "mat", "folder", "records"), lambda x, y: (x, np.where(y < 0, None, y)), "y"
        ),
    },
    "labels": {
        "one-hot labels": _only(
            _without("folder", "records"), lambda x, y: (x, np.eye(CLASSES, dtype=int)[np.maximum(y, 0)]), "y"
        ),
        "no label at all": Input(
            lambda x, y: (x, np.full_like(y, -1)), "y", stands_for=lambda x, y: (x, np.full_like(y, -1))
        ),
        "no label of class 1": Input(
            lambda x, y: (x, np.where(y == 1, -1, y)), "y", stands_for=lambda x, y: (x, np.where(y == 1, -1, y))
        ),
        "weights beside them": Input(of="y", sources=BATCHES, weights=True),
        "labels beside x": Input(of="beside", sources=(*BATCHES, "npz", "mat", "csv")),
    },
    "empty": {
        "no example": _only(_without("records"), lambda x, y: (x[:0], y[:0])),
    },
    "file": {
        "no such file": Input(sources=FILES, spoil=lambda content: None),
        "text in its place": Input(sources=FILES, spoil=lambda content: b"text"),
        "a file of 0 bytes": Input(sources=FILES, spoil=lambda content: b""),
        "half of the file": Input(sources=FILES, spoil=lambda content: content[: len(content) // 2]),
        "a folder of records": Input(of="beside", sources=("records",)),
    },
    "order": {
        "Fortran order": _only(_ARRAYS, lambda x, y: (np.asfortranarray(x), y)),
        "a list": _only(PYTHON, lambda x, y: (x.tolist(), y.tolist())),
        "columns in another order": Input(
            sources=("csv",),
            spoil=lambda content: _cells(content, lambda row, line: row[::-1]),
            lies=lambda x: x[:, ::-1, ::-1],
        ),
        "a column more": Input(
            sources=("csv",),
            spoil=lambda content: _cells(content, lambda row, line: [*row, "7" if line else "more"]),
        ),
        "an index of rows in front": Input(
            sources=("csv",),
            spoil=lambda content: _cells(content, lambda row, line: [str(line - 1) if line else "", *row]),
        ),
    },
}
