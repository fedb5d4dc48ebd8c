"""The examples of one file or folder, one after the other, as they are stored, for predictions in bounded memory."""

import contextlib
import functools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from ssdgm_tf import checks
from ssdgm_tf.data import file_kinds, table_files, tables
from ssdgm_tf.data.image_files import ImageFiles
from ssdgm_tf.data.images import read_image
from ssdgm_tf.data.mat import read_examples
from ssdgm_tf.data.names import shown
from ssdgm_tf.data.npy import read_npy
from ssdgm_tf.data.npz import DAMAGED, LARGE, MAX_RATIO
from ssdgm_tf.data.raw import TextPixels, without_channel
from ssdgm_tf.data.text_table import TextTable, listed_names
from ssdgm_tf.schema import Schema

_NPZ_RULE = "An .npz file to predict from must hold an array x of numbers, [N, ...], not of objects."


class Stored(NamedTuple):
    """One example.

    Attributes:
        name: name of the image file, index in the array (from 0), or number of the line (from 1).
        value: an image [H, W, C], uint8 or numbers, or a vector [D]; None for one that cannot be read.
        reason: why it cannot be read.
    """

    name: str
    value: np.ndarray | None
    reason: str = ""


class StoredExamples(Protocol):
    """The examples of a source.

    Attributes:
        total: how many there are; None where only reading says it.
        notes: how the source is read, such as what in it is no example, in sentences.
    """

    total: int | None
    notes: list[str]

    def __iter__(self) -> Iterator[Stored]:
        """The examples, in the stored order."""


def open_rows(
    path: Path, shape: tuple[int, ...], resize: bool = False, columns: tuple[str, ...] = (), schema: Schema | None = None
) -> StoredExamples:
    """The examples of a folder of images, or of a file: .npz (array `x`), .npy, .mat (array `X` or `x`), .csv or .tsv.

    Args:
        path: the folder or file.
        shape: shape of one example; grey images in arrays may be without their axis of channels.
        resize: whether images of a folder are resized to that shape.
        columns: see `CsvRows`.
        schema: of a model of tables, see `TableRows`; then the file is .csv, .tsv or .parquet.

    Raises:
        FileNotFoundError: no such folder or file, or another kind of file.
        ValueError: a file that is damaged, or without examples of that shape.
    """
    if schema is not None:
        table_files.check_suffix("--input", path)
        if not path.is_file():
            raise FileNotFoundError(f"--input must be a file. Received: no file {path}")
        return TableRows(path, schema)
    if path.is_dir():
        return FolderRows(path, shape, resize)
    readers: dict[str, Callable[[Path, tuple[int, ...]], StoredExamples]] = {
        ".npz": NpzRows,
        ".npy": _npy_rows,
        ".mat": _mat_rows,
        ".csv": functools.partial(CsvRows, columns=columns),
        ".tsv": functools.partial(CsvRows, columns=columns),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None or not path.is_file():
        received = path if path.exists() else f"no file or folder {path}"
        raise FileNotFoundError(f"--input must be a folder, or a {', '.join(readers)} file. Received: {received}")
    return reader(path, shape)


class FolderRows:
    """The images of a folder and the folders in it.

    Args:
        path: the folder.
        shape: shape of one image; grey ones are read as colours where it has several channels.
        resize: whether they are resized to it.

    Raises:
        FileNotFoundError: no image.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], resize: bool = False) -> None:
        self.path, self.shape = path, shape
        self.size = (shape[0], shape[1]) if resize else None
        found = ImageFiles(path)
        self.files = found.below(path)
        found.report()
        if not self.files:
            raise FileNotFoundError(f"A folder to predict from must hold images. Received: none in {shown(path)}")
        self.total: int | None = len(self.files)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Stored]:
        for file in self.files:
            name = shown(file.relative_to(self.path))
            try:
                image = read_image(file, self.size)
            except ValueError as error:
                yield Stored(name, None, str(error))
                continue
            if image.shape[-1] == 1 and len(self.shape) == 3:
                image = np.broadcast_to(image, (*image.shape[:2], self.shape[-1]))
            if image.shape != self.shape:
                rule = f"An example must have the shape {self.shape} that the model takes."
                yield Stored(name, None, f"{rule} Received: {image.shape}")
                continue
            yield Stored(name, image)


class ArrayRows:
    """The examples of an array.

    Args:
        x: the array [N, ...], in memory or mapped into it.
        shape: shape of one example.
        received: the file, for messages.

    Raises:
        ValueError: an array of another shape, or not of numbers.
    """

    def __init__(self, x: np.ndarray, shape: tuple[int, ...], received: Path) -> None:
        _check(x.shape, x.dtype, shape, received)
        self.x, self.shape = x, shape
        self.total: int | None = len(x)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Stored]:
        for index, value in enumerate(self.x):
            yield Stored(str(index), np.array(value).reshape(self.shape))


class NpzRows:
    """The examples of the array `x` of an .npz file. One in Fortran order is read at once.

    Args:
        path: the file.
        shape: shape of one example.

    Raises:
        ValueError: a file that is damaged, or without such an array.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self.notes: list[str] = []
        with _opened(path) as (_, x_shape, _, dtype):
            _check(x_shape, dtype, shape, path)
            self.total: int | None = x_shape[0]

    def __iter__(self) -> Iterator[Stored]:
        with _opened(self.path) as (stream, x_shape, is_fortran, dtype):
            if is_fortran:
                try:
                    x = _fortran(self.path, stream, x_shape, dtype)
                except ValueError as error:
                    yield Stored("0", None, str(error))
                    return
                yield from ArrayRows(x, self.shape, self.path)
                return
            num_bytes = int(np.prod(self.shape)) * dtype.itemsize
            for index in range(x_shape[0]):
                try:
                    value = np.frombuffer(stream.read(num_bytes), dtype).reshape(self.shape)
                except DAMAGED:
                    reason = f"The file must be whole. Received: a file damaged after {index} of {x_shape[0]} rows"
                    yield Stored(str(index), None, reason)
                    return
                yield Stored(str(index), value)


class CsvRows:
    """The examples of a text table, one on each line. Images are bytes or numbers in [0, 1], as the whole file says.

    Args:
        path: the file; its form is that of `TextTable`.
        shape: shape of one example.
        columns: the columns that hold an example, by name, in its order: in a table with a header others are left out. With
            () the table holds an example's numbers only, in their order, as one without a header always does.

    Raises:
        ValueError: not a text file, no row, or a header without one of the columns.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], columns: tuple[str, ...] = ()) -> None:
        self.path, self.shape = path, shape
        size = int(np.prod(shape))
        self.table = TextTable(path, None if columns else size)
        if columns and self.table.names is None:
            self.table = TextTable(path, size)
        self.notes = list(self.table.notes)
        self.columns: list[str] | None = None
        self.places: list[int] | None = None
        if columns and self.table.names:
            self.columns, self.places = list(columns), _places(columns, self.table.names, path)
            if others := [name for name in self.table.names if name not in columns]:
                self.notes.append(f"Columns left out of {path.name}: {listed_names(others)}")
        self.total: int | None = None
        self.pixels = TextPixels() if len(shape) == 3 else None
        if self.pixels is not None:
            self.total = self._scan(self.pixels)
            self.notes.append(f"The images of {path.name} are {self.pixels.words}")

    def __iter__(self) -> Iterator[Stored]:
        line = 0
        try:
            for line, *row in self.table.rows():
                value, reason = self._numbers(*row)
                if value is not None and self.pixels is not None:
                    value, reason = self.pixels.read(value)
                yield Stored(str(line), None if value is None else value.reshape(self.shape), reason)
        except ValueError as error:  # the file cannot be read to its end
            yield Stored(str(line + 1), None, str(error))

    def _numbers(self, cells, reason):
        if cells is None:
            return None, reason
        return self.table.numbers([cells[place] for place in self.places] if self.places else cells, self.columns)

    def _scan(self, pixels: TextPixels) -> int:
        """Shows every row to `pixels`, and returns how many there are."""
        total = 0
        for line, *row in tqdm(self.table.rows(), desc=f"scanning {self.path.name}", unit="row", delay=2, leave=False):
            total += 1
            value, _ = (None, "") if pixels.is_mixed else self._numbers(*row)
            if value is not None:
                pixels.see(line, value)
        return total


class TableRows:
    """The rows of a table of mixed columns, as numbers of its schema, NaN for a gap. The table is read at once.

    Args:
        path: a .csv, .tsv or .parquet file.
        schema: the columns, which are found by name. Of one that is not there every cell is a gap.

    Raises:
        ValueError: not such a file, no row, or no column of the schema.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        file = table_files.open_table(path)
        block = table_files.read_all(file)
        bad = block.bad | {block.ids[row]: reason for row, reason in tables.refused(list(schema), block.columns)}
        kept = [row for row, name in enumerate(block.ids) if name not in bad]
        self._bad = [Stored(name, None, reason) for name, reason in bad.items()]
        self.ids = [block.ids[row] for row in kept]
        of_good = {name: [block.columns[name][row] for row in kept] for name in schema.names if name in block.columns}
        notes: list[str] = []
        self.x = np.zeros((0, len(schema)), np.float32)
        if kept or not of_good:
            self.x, notes = tables.encoded_with_notes(schema, of_good or block.columns)
        self.notes = [*file.notes, *notes]
        if others := [name for name in file.names if name not in schema.names]:
            self.notes.append(f"Columns left out of {path.name}: {listed_names(others)}")
        self.total: int | None = len(self.ids) + len(self._bad)

    def __iter__(self) -> Iterator[Stored]:
        yield from self._bad
        for name, row in zip(self.ids, self.x, strict=True):
            yield Stored(name, row)


def _places(columns: Sequence[str], names: list[str], path: Path) -> list[int]:
    """Where the columns are among the names of a table.

    Raises:
        ValueError: one of them is not, or is there twice.
    """
    for column in columns:
        if (number := names.count(column)) != 1:
            received = f"{path} with {number or 'no'} column{'s' * (number > 1)} {column!r}"
            raise ValueError(f"A table with a header must have each column of the training table once. Received: {received}")
    return [names.index(column) for column in columns]


def _npy_rows(path: Path, shape: tuple[int, ...]) -> ArrayRows:
    return ArrayRows(read_npy(path), shape, path)


def _mat_rows(path: Path, shape: tuple[int, ...]) -> ArrayRows:
    return ArrayRows(read_examples(path, shape), shape, path)


def _check(x_shape: tuple[int, ...], dtype: np.dtype, shape: tuple[int, ...], received: Path) -> None:
    """Refuses an array that holds no examples of a shape.

    Raises:
        ValueError: another shape, no example, not numbers, or vectors of uint8, which could be pixels or values.
    """
    if dtype.kind not in "biuf":
        raise ValueError(f"x must hold numbers, not objects or text. Received: {received} with {dtype}")
    grey = without_channel(shape)
    if x_shape[1:] not in (shape, grey) or not len(x_shape):
        wanted = f"[N, {', '.join(map(str, shape))}]{checks.channels_hint(x_shape, shape)}"
        raise ValueError(f"x must have the shape {wanted}. Received: {received} with {x_shape}")
    if x_shape[0] < 1:
        raise ValueError(f"x must hold at least one example. Received: {received} with {x_shape}")
    if dtype == np.uint8 and len(shape) == 1:
        raise ValueError(f"Vectors must be numbers other than uint8. Received: {received} with {dtype}, shape {x_shape}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype]]:
    """The stream of the array x of an .npz file, at its first value; its shape, order and dtype. Never unpickles."""
    with contextlib.ExitStack() as opened:
        try:
            archive = opened.enter_context(zipfile.ZipFile(path))
            held = [name.removesuffix(".npy") for name in archive.namelist()]
            if "x" in held:
                stream = opened.enter_context(archive.open("x.npy"))
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, is_fortran, dtype = read(stream)
        except DAMAGED as error:
            raise ValueError(f"{_NPZ_RULE} Received: {file_kinds.received(path, '.npz', error)}") from error
        if "x" not in held:
            raise ValueError(f"{_NPZ_RULE} Received: {path} with {', '.join(sorted(held)) or 'no array'}")
        yield stream, shape, is_fortran, dtype


def _fortran(path: Path, stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array in Fortran order, read at once, because every example is spread over the whole file.

    Raises:
        ValueError: a file that is not whole.
    """
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    try:
        if size > max(LARGE, MAX_RATIO * path.stat().st_size):
            raise ValueError(f"x would unpack to {size} bytes")
        return np.frombuffer(stream.read(size), dtype).reshape(shape, order="F")
    except DAMAGED as error:
        raise ValueError(f"The file must be whole. Received: {path} ({error})") from error
