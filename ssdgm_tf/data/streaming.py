"""Examples of files in batches, for predictions: bounded memory, and a bad example does not end the rest."""

import contextlib
import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssdgm_tf.data.folder import read_image
from ssdgm_tf.data.npz import DAMAGED

# A line of a CSV file: the pixels of an image of 1024x1024x3, with commas.
_MAX_LINE = 2**24


class Bad(NamedTuple):
    """An example that cannot be read.

    Attributes:
        name: of the file; of arrays the row, from 0; of .csv files the line, from 1.
        reason: what is wrong with it.
    """

    name: str
    reason: str


class Examples:
    """The examples of a folder of images, of an .npz file (array `x`) or of a .csv file (a row of numbers each).

    Args:
        path: the folder or file.
        shape: of one example; images (H, W, C) are uint8 (floats in [0, 1] of .npz files are taken times 255), vectors (D,)
            are finite numbers.

    Attributes:
        total: how many there are; None where only reading tells.

    Raises:
        FileNotFoundError: no such folder or file.
        ValueError: another kind of file, or one without examples in that form.
    """

    def __init__(self, path: str, shape: tuple[int, ...]):
        self.path, self.shape, self.total = Path(path), tuple(shape), None
        if self.path.is_dir():
            self.files = sorted(file for file in self.path.rglob("*") if file.is_file() and not file.name.startswith("."))
            self.total, self._read = len(self.files), self._of_folder
        elif self.path.suffix == ".npz" and self.path.is_file():
            self.total, self._read = self._rows_of_npz(), self._of_npz
        elif self.path.suffix == ".csv" and self.path.is_file():
            self._read = self._of_csv
        else:
            raise FileNotFoundError(f"--input must be a folder, a .npz or a .csv file. Received: {path}")

    def batches(self, size: int) -> Iterator[tuple[list[str], np.ndarray, list[Bad]]]:
        """Names and values [at most size, *shape] of good examples, and the bad ones between them.

        Args:
            size: examples read at a time.
        """
        names, values, bad, read = [], [], [], 0
        for name, value, reason in self._read():
            if reason:
                bad.append(Bad(name, reason))
            else:
                names.append(name)
                values.append(value)
            read += 1
            if read == size:
                yield names, self._stacked(values), bad
                names, values, bad, read = [], [], [], 0
        if read:
            yield names, self._stacked(values), bad

    def _stacked(self, values):
        dtype = np.uint8 if len(self.shape) > 1 else np.float32
        return np.stack(values).astype(dtype) if values else np.empty((0, *self.shape), dtype)

    def _of_folder(self):
        for file in self.files:
            name = str(file.relative_to(self.path))
            try:
                image = read_image(file)
            except ValueError as error:
                yield name, None, str(error)
                continue
            if image.shape[-1] == 1 and len(self.shape) == 3:
                image = np.broadcast_to(image, (*image.shape[:2], self.shape[-1]))
            yield name, *self._checked(image)

    def _rows_of_npz(self):
        with _array_of_npz(self.path, "x") as (_, shape, _):
            grey = (*self.shape[:2],) if len(self.shape) == 3 and self.shape[-1] == 1 else self.shape
            if shape[1:] not in (self.shape, grey):
                raise ValueError(f"x must be [N, {', '.join(map(str, self.shape))}]. Received: {self.path} with {shape}")
            return shape[0]

    def _of_npz(self):
        with _array_of_npz(self.path, "x") as (stream, shape, dtype):
            num_bytes = int(np.prod(self.shape)) * dtype.itemsize
            for index in range(shape[0]):
                try:
                    row = stream.read(num_bytes)
                    value = np.frombuffer(row, dtype).reshape(self.shape)
                except DAMAGED:
                    reason = f"The file must be whole: it is damaged here, after {index} of {shape[0]} rows."
                    yield str(index), None, reason
                    return
                is_share = len(self.shape) > 1 and dtype.kind == "f"
                yield str(index), *self._checked(value * 255.0 if is_share else value)

    def _of_csv(self):
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = iter(lambda: file.readline(_MAX_LINE), "")
            for line, row in enumerate(csv.reader(lines), start=1):
                try:
                    value = np.array(row, np.float64)
                except ValueError:
                    if line > 1:  # the first may be a header
                        yield str(line), None, "A row must hold numbers, separated by commas."
                    continue
                expected = int(np.prod(self.shape))
                if value.size != expected:
                    yield str(line), None, f"A row must hold {expected} numbers. Received: {value.size}"
                    continue
                yield str(line), *self._checked(value.reshape(self.shape))

    def _checked(self, value):
        """(value, "") or (None, what is wrong with it)."""
        if value.shape != self.shape:
            return None, f"An example must have the shape {self.shape} that the model takes. Received: {value.shape}"
        if not np.all(np.isfinite(value)):
            return None, "An example must be finite. Received: NaN or an infinite value"
        if len(self.shape) > 1 and value.dtype != np.uint8:
            rounded = np.round(value)
            if rounded.min() < 0 or rounded.max() > 255:
                return None, f"Pixels must lie in 0..255 (floats of .npz in 0..1). Received: {value.min()} to {value.max()}"
            value = rounded.astype(np.uint8)
        return value, ""


@contextlib.contextmanager
def _array_of_npz(path, name):
    """The stream of an array of numbers in an .npz file, at its first value; its shape and dtype. Never unpickles."""
    rule = f"An .npz file to predict from must hold an array {name} of numbers, [N, ...]."
    with contextlib.ExitStack() as opened:
        try:
            stream = opened.enter_context(opened.enter_context(zipfile.ZipFile(path)).open(f"{name}.npy"))
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = read(stream)
        except DAMAGED as error:
            raise ValueError(f"{rule} Received: {path} ({error})") from error
        if is_fortran or not shape or dtype.kind not in "uif":
            raise ValueError(f"{rule} Received: {path} with {dtype}, shape {shape}" + ", by columns" * is_fortran)
        yield stream, shape, dtype
