"""Examples from files in batches, for predictions: in bounded memory; bad examples are reported and skipped."""

import contextlib
import csv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ssdgm_tf.data.folder import read_image
from ssdgm_tf.data.npz import DAMAGED

# The longest line of a CSV file, in characters: the pixels of an image of 1024x1024x3, with commas.
_MAX_LINE = 2**24


class Bad(NamedTuple):
    """An example that cannot be read.

    Attributes:
        name: name of the image file, row of the array (from 0), or line of the .csv file (from 1).
        reason: why it cannot be used.
    """

    name: str
    reason: str


class _Read(NamedTuple):
    """One example: its name, and its value or the reason why there is none."""

    name: str
    value: np.ndarray | None
    reason: str


class Examples:
    """The examples of a folder of images, an .npz file (array `x`) or a .csv file (one row of numbers per example).

    Args:
        path: the folder or file.
        shape: shape of one example. Images (H, W, C) become uint8 (floats of .npz files are multiplied by 255), vectors (D,)
            are finite numbers.

    Attributes:
        total: number of examples; None for .csv files, whose length is unknown before reading.

    Raises:
        FileNotFoundError: no such folder or file, or another kind of file.
        ValueError: an .npz file without examples in that form.
    """

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.path, self.shape = Path(path), tuple(shape)
        self.total: int | None = None
        self._read: Callable[[], Iterator[_Read]]
        if self.path.is_dir():
            self.files = sorted(file for file in self.path.rglob("*") if file.is_file() and not file.name.startswith("."))
            self.total, self._read = len(self.files), self._read_folder
        elif self.path.suffix == ".npz" and self.path.is_file():
            self.total, self._read = self._rows_of_npz(), self._read_npz
        elif self.path.suffix == ".csv" and self.path.is_file():
            self._read = self._read_csv
        else:
            raise FileNotFoundError(f"--input must be a folder, a .npz or a .csv file. Received: {path}")

    def batches(self, size: int) -> Iterator[tuple[list[str], np.ndarray, list[Bad]]]:
        """Batches: the names and values [at most size, *shape] of good examples, and the bad examples among them.

        Args:
            size: number of examples read at a time.
        """
        names: list[str] = []
        values: list[np.ndarray] = []
        bad: list[Bad] = []
        read = 0
        for name, value, reason in self._read():
            if value is None:
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

    def _stacked(self, values: list[np.ndarray]) -> np.ndarray:
        dtype = np.uint8 if len(self.shape) > 1 else np.float32
        return np.stack(values).astype(dtype) if values else np.empty((0, *self.shape), dtype)

    def _read_folder(self) -> Iterator[_Read]:
        for file in self.files:
            name = str(file.relative_to(self.path))
            try:
                image = read_image(file)
            except ValueError as error:
                yield _Read(name, None, str(error))
                continue
            if image.shape[-1] == 1 and len(self.shape) == 3:
                image = np.broadcast_to(image, (*image.shape[:2], self.shape[-1]))
            yield _Read(name, *self._checked(image))

    def _rows_of_npz(self) -> int:
        with _array_of_npz(self.path, "x") as (_, shape, _):
            grey = (*self.shape[:2],) if len(self.shape) == 3 and self.shape[-1] == 1 else self.shape
            if shape[1:] not in (self.shape, grey):
                raise ValueError(
                    f"x must have the shape [N, {', '.join(map(str, self.shape))}]. Received: {self.path} with {shape}"
                )
            return shape[0]

    def _read_npz(self) -> Iterator[_Read]:
        with _array_of_npz(self.path, "x") as (stream, shape, dtype):
            num_bytes = int(np.prod(self.shape)) * dtype.itemsize
            for index in range(shape[0]):
                try:
                    row = stream.read(num_bytes)
                    value = np.frombuffer(row, dtype).reshape(self.shape)
                except DAMAGED:
                    reason = f"The file must be whole. Received: a file damaged after {index} of {shape[0]} rows"
                    yield _Read(str(index), None, reason)
                    return
                is_in_unit_interval = len(self.shape) > 1 and dtype.kind == "f"
                yield _Read(str(index), *self._checked(value * 255.0 if is_in_unit_interval else value))

    def _read_csv(self) -> Iterator[_Read]:
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = iter(lambda: file.readline(_MAX_LINE), "")
            for line, row in enumerate(csv.reader(lines), start=1):
                try:
                    value = np.array(row, np.float64)
                except ValueError:
                    if line > 1:  # the first line may be a header
                        yield _Read(str(line), None, "A row must hold numbers, separated by commas. Received: other text")
                    continue
                expected = int(np.prod(self.shape))
                if value.size != expected:
                    yield _Read(str(line), None, f"A row must hold {expected} numbers. Received: {value.size}")
                    continue
                yield _Read(str(line), *self._checked(value.reshape(self.shape)))

    def _checked(self, value: np.ndarray) -> tuple[np.ndarray | None, str]:
        """(value, "") for a good example, (None, reason) for a bad one."""
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
def _array_of_npz(path: Path, name: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype]]:
    """The stream of an array of numbers in an .npz file, at its first value, with its shape and dtype. Never unpickles."""
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
