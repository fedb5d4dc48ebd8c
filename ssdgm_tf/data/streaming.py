"""Examples from files in batches, for predictions; bad examples are reported and skipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssdgm_tf.data.example_rows import open_rows
from ssdgm_tf.data.raw import BYTES, NO_GAPS, NUMBERS, Limits, as_taken
from ssdgm_tf.schema import Schema


class Bad(NamedTuple):
    """An example that cannot be used.

    Attributes:
        name: name of the image file, index in the array (from 0), or number of the line (from 1).
        reason: why it cannot be used.
    """

    name: str
    reason: str


class Examples:
    """The examples of a folder of images, or of a file, as a model takes them. They are read as for training.

    Files are .npz (array `x`), .npy, .mat (array `X` or `x`), and text tables .csv or .tsv with one example on each line.
    Memory does not grow with the file, except of .mat files and of arrays in Fortran order.

    Args:
        path: the folder or file.
        shape: shape of one example, an image (H, W, C), a series (T, C) or a vector (D,).
        dtype: what the model takes: "uint8", bytes, or "float32", numbers in [0, 1]; None for bytes of images. Bytes are
            divided by 255 for a model of numbers. Numbers for a model of bytes must be multiples of 1/255. Vectors and
            series are float32.
        resize: whether images of a folder are resized to that shape, as `config.resize` does for training.
        columns: the columns of the training table by name; a table with a header is read in their order. () for none.
        schema: of a model of tables of mixed columns: the file is .csv, .tsv or .parquet, and may have gaps, which are NaN.
        limits: what the model takes in series or vectors of other files.

    Attributes:
        total: number of examples; None for tables of vectors, whose length is unknown before reading.
        notes: how the file is read, such as the header of a table that is no example, in sentences.

    Raises:
        FileNotFoundError: no such folder or file, a folder without images, or another kind of file.
        ValueError: a file without examples of that shape.
    """

    def __init__(
        self,
        path: str,
        shape: tuple[int, ...],
        dtype: str | None = None,
        resize: bool = False,
        columns: tuple[str, ...] = (),
        schema: Schema | None = None,
        limits: Limits = NO_GAPS,
    ) -> None:
        self.path, self.shape = Path(path), tuple(shape)
        self.dtype = np.dtype(NUMBERS if len(self.shape) < 3 else BYTES if dtype is None else dtype)
        self._is_table, self._limits = schema is not None, limits
        self._rows = open_rows(self.path, self.shape, resize, columns, schema)
        self.total, self.notes = self._rows.total, self._rows.notes

    def batches(self, size: int) -> Iterator[tuple[list[str], np.ndarray, list[Bad]]]:
        """Batches: the names and values [at most size, *shape] of good examples, and the bad examples among them.

        Args:
            size: number of examples read at a time.
        """
        names: list[str] = []
        values: list[np.ndarray] = []
        bad: list[Bad] = []
        for name, value, reason in self._rows:
            if value is not None and not self._is_table:
                value, reason = as_taken(value, self.dtype, self._limits)
            if value is None:
                bad.append(Bad(name, reason))
            else:
                names.append(name)
                values.append(value)
            if len(names) + len(bad) == size:
                yield names, self._stacked(values), bad
                names, values, bad = [], [], []
        if names or bad:
            yield names, self._stacked(values), bad

    def _stacked(self, values: list[np.ndarray]) -> np.ndarray:
        return np.stack(values) if values else np.empty((0, *self.shape), self.dtype)
