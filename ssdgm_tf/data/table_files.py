"""Tables of mixed columns in files, .csv, .tsv or .parquet: read in blocks of rows, and written in the same form."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from ssdgm_tf import files
from ssdgm_tf.data import file_kinds
from ssdgm_tf.data.text_table import TextTable, is_number, listed_names
from ssdgm_tf.schema import cells

#: Suffixes of the files of a table.
PARQUET, TEXT = (".parquet", ".pq"), (".csv", ".tsv")
# Rows that are read at once.
_BLOCK = 5000
# What the text of a table has in place of bytes that are no text.
_UNDECODED = re.compile("[\udc80-\udcff\ufffd]")
# A number with digits after the point.
_FIXED = re.compile(r"[+-]?\d+\.(\d+)")
# A number with commas: of decimals, or of thousands.
_WITH_COMMA = re.compile(r"[+-]?(\d*,\d+|\d{1,3}(,\d{3})+(\.\d+)?)([eE][+-]?\d+)?")


# {column: {row: cell}}, the rows from 0.
Fillings = Mapping[str, Mapping[int, Any]]


class Block(NamedTuple):
    """Some rows.

    Attributes:
        ids: the number of the line of each row, from 1, or of the row, from 0, as text.
        columns: {name: cells}; text of text files, Python values of the others.
        bad: {id: reason} of what is no row.
    """

    ids: list[str]
    columns: dict[str, Sequence[Any]]
    bad: dict[str, str]


class TableFile(Protocol):
    """A table in a file.

    Attributes:
        path: the file.
        names: names of the columns.
        notes: what was left out, in sentences.
        row: what the numbers of the rows are of: "line" or "row".
    """

    path: Path
    names: list[str]
    notes: list[str]
    row: str

    def blocks(self) -> Iterator[Block]:
        """The rows, in their order."""

    def write_filled(self, path: Path, block: Block, fillings: Fillings) -> None:
        """Writes this table again with new cells in some places; every other cell, and what else it holds, stays.

        Args:
            path: the file, with the suffix of the same kind.
            block: all of its rows.
            fillings: the new cells.
        """


def open_table(path: Path) -> TableFile:
    """The table in a file, by its suffix; text for any other.

    Args:
        path: the file.

    Raises:
        ValueError: not such a file, no row, or columns without a name of their own.
    """
    return ParquetTable(path) if path.suffix.lower() in PARQUET else CsvTable(path)


class CsvTable:
    """A text table whose first row has the names of the columns; else its form is that of `TextTable`.

    A column without a name and without cells, as a delimiter at the end of every line makes, is left out, and so is an index
    that pandas wrote first.

    Args:
        path: the file.

    Raises:
        ValueError: not a text file, no row, or two columns of one name.
    """

    row = "line"

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, TextTable(path, header=True)
        found = self.text.names or []
        if not any(found):
            raise ValueError(f"The first row of a table must hold the names of its columns. Received: {path} without any")
        if damaged := next((name for name in found if _UNDECODED.search(name)), None):
            raise ValueError(f"A table must be text in UTF-8. Received: {path} with the column {_shown(damaged)}")
        self._nameless = [place for place, name in enumerate(found) if not name]
        self.places = {name: place for place, name in enumerate(found) if name}
        self.names = [name for name in found if name]
        try:
            cells.refuse_duplicates(self.names)
        except ValueError as error:
            raise ValueError(f"{error} in {path}") from error
        is_header_note = self.text.notes[:1] if self.text.notes and "is a header" in self.text.notes[0] else []
        self.notes = [note for note in self.text.notes if note not in is_header_note]

    def blocks(self) -> Iterator[Block]:
        ids: list[str] = []
        rows: list[list[str]] = []
        bad: dict[str, str] = {}
        for line, of_row, reason in self.text.rows():
            if of_row is None:
                bad[str(line)] = reason.replace("separated by commas, semicolons or tabs", "as the first row does")
            else:
                ids.append(str(line))
                rows.append(of_row)
            if len(ids) + len(bad) >= _BLOCK:
                yield self._block(ids, rows, bad)
                ids, rows, bad = [], [], {}
        if ids or bad:
            yield self._block(ids, rows, bad)

    def _block(self, ids: list[str], rows: list[list[str]], bad: dict[str, str]) -> Block:
        """The block of some rows.

        Raises:
            ValueError: a cell in a column without a name, or bytes that are no UTF-8.
        """
        for place in self._nameless:
            if known := [(line, row[place]) for line, row in zip(ids, rows, strict=True) if row[place] not in cells.MISSING]:
                line, cell = known[0]
                raise ValueError(
                    "Every column with cells must have a name. "
                    f"Received: column {place + 1} of {self.path} without one, with {_shown(cell)} in line {line}"
                )
        columns: dict[str, Sequence[Any]] = {name: [row[place] for row in rows] for name, place in self.places.items()}
        for name, of_column in columns.items():
            if _UNDECODED.search("\n".join(of_column)):
                row = next(row for row, cell in enumerate(of_column) if _UNDECODED.search(cell))
                raise ValueError(
                    "A table must be text in UTF-8, or in UTF-16 with a byte-order mark. "
                    f"Received: {_shown(of_column[row])} in line {ids[row]} of {self.path}, column {name!r}"
                )
        return Block(ids, columns, bad)

    def write_filled(self, path: Path, block: Block, fillings: Fillings) -> None:
        is_same = path.suffix.lower() == self.path.suffix.lower()
        of_text = {name: _as_written(block.columns[name], of_column) for name, of_column in fillings.items()}
        write_text_table(path, filled(block.columns, of_text), self.text.delimiter if is_same else _delimiter_of(path))


class ParquetTable:
    """A table in a Parquet file. An index that pandas stored beside the columns is left out, and so are columns of lists,
    structures and durations.

    Args:
        path: the file.

    Raises:
        ValueError: pyarrow is not installed, the file is damaged, has no row, or two columns of one name.
    """

    row = "row"

    def __init__(self, path: Path) -> None:
        parquet = _parquet(path)
        self.path = path
        try:
            self.file = parquet.ParquetFile(path)
            self.schema = self.file.schema_arrow
        except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
            received = file_kinds.received(path, ".parquet", str(error).splitlines()[0])
            raise ValueError(f"A Parquet file must be one that is whole. Received: {received}") from error
        cells.refuse_duplicates(list(self.schema.names))
        index = [name for name in self.schema.names if name.startswith("__index_level_")]
        others = [field.name for field in self.schema if not _holds_cells(field.type)]
        self.names = [name for name in self.schema.names if name not in (*index, *others)]
        self.notes = [f"An index was left out of {path.name}: {listed_names(index)}"] if index else []
        if others:
            kind = self.schema.field(others[0]).type
            self.notes.append(f"Columns of {kind} and the like were left out of {path.name}: {listed_names(others)}")
        if not self.names or not self.file.metadata.num_rows:
            raise ValueError(f"A table must hold columns and rows. Received: {path} without any")

    def blocks(self) -> Iterator[Block]:
        start = 0
        try:
            for batch in self.file.iter_batches(batch_size=_BLOCK, columns=self.names):
                ids = list(map(str, range(start, start + len(batch))))
                start += len(batch)
                yield Block(ids, {name: _python(batch.column(name)) for name in self.names}, {})
        except OSError as error:
            raise ValueError(
                f"A table must be readable to its end. Received: {self.path}, damaged after row {start} ({error})"
            ) from error

    def write_filled(self, path: Path, block: Block, fillings: Fillings) -> None:
        import pyarrow as pa

        table = self.file.read()
        for name, of_column in fillings.items():
            field = self.schema.field(name)
            kept = table.column(name).unify_dictionaries().combine_chunks()
            is_gap = np.isin(np.arange(len(kept)), list(of_column))
            values = [of_column[row] for row in sorted(of_column)]
            made = (_replaced_words if pa.types.is_dictionary(field.type) else _replaced)(kept, is_gap, values)
            table = table.set_column(table.schema.get_field_index(name), field, made)
        with files.whole(path) as partial:
            _parquet(path).write_table(table, partial)


def read_all(table: TableFile) -> Block:
    """All rows of a table, with a bar.

    Args:
        table: the table.
    """
    ids: list[str] = []
    columns: dict[str, list[Any]] = {name: [] for name in table.names}
    bad: dict[str, str] = {}
    with tqdm(desc=f"reading {table.path.name}", unit="row", delay=2, leave=False) as progress:
        for block in table.blocks():
            ids += block.ids
            bad |= block.bad
            for name, of_column in columns.items():
                of_column += block.columns[name]
            progress.update(len(block.ids))
    return Block(ids, dict(columns), bad)


def filled(columns: Mapping[str, Sequence[Any]], fillings: Fillings) -> dict[str, Sequence[Any]]:
    """A copy of a table with new cells in some places.

    Args:
        columns: {name: cells}.
        fillings: the new cells.
    """
    made = dict(columns)
    for name, of_column in fillings.items():
        made[name] = [of_column.get(row, cell) for row, cell in enumerate(columns[name])]
    return made


def _as_written(texts: Sequence[str], made: Mapping[int, Any]) -> dict[int, Any]:
    """New cells of a text column, with digits after the point as its numbers have, where all have the same number of them.

    Args:
        texts: the cells of the column.
        made: {row: new cell}.
    """
    known = [text for text in texts if text not in cells.MISSING]
    digits = {len(found[1]) if (found := _FIXED.fullmatch(text)) else 0 for text in known}
    if len(digits) != 1 or digits == {0}:
        return dict(made)
    numbers = {row: cells.number_of(cell) for row, cell in made.items()}
    return {row: made[row] if number is None else f"{number:.{max(digits)}f}" for row, number in numbers.items()}


def refuse_commas(columns: Mapping[str, Sequence[Any]], where: str) -> None:
    """Refuses columns of numbers with a decimal comma, which would be taken for text.

    Args:
        columns: {name: cells}.
        where: the file, for messages.

    Raises:
        ValueError: every known cell of a column is a number, some of them with a comma.
    """
    for name, of_column in columns.items():
        texts = dict.fromkeys(cell for cell in of_column if isinstance(cell, str) and cell not in cells.MISSING)
        found = next((text for text in texts if _WITH_COMMA.fullmatch(text)), None)
        if found and all(is_number(text) or _WITH_COMMA.fullmatch(text) for text in texts):
            raise ValueError(
                f"Numbers must have a decimal point, and no commas. Received: {found!r} in column {name!r} of {where}"
            )


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes a table whole or not at all, in the form that the suffix names: .csv, .tsv or .parquet.

    Args:
        path: the file.
        columns: {name: cells}, None or NaN for a gap.
    """
    if path.suffix.lower() in PARQUET:
        _write_parquet(path, columns)
    else:
        write_text_table(path, columns, _delimiter_of(path))


def _delimiter_of(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def write_text_table(path: Path, columns: Mapping[str, Sequence[Any]], delimiter: str) -> None:
    """Writes a text table in UTF-8, whole or not at all; gaps are empty cells.

    Args:
        path: the file.
        columns: {name: cells}, None or NaN for a gap.
        delimiter: between the cells.
    """
    with files.whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([_text(cell) for cell in row])


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes a Parquet file, whole or not at all. The types are those that the cells suggest."""
    parquet = _parquet(path)
    import pyarrow as pa

    arrays = {name: pa.array(_of_one_type(of_column)) for name, of_column in columns.items()}
    with files.whole(path) as partial:
        parquet.write_table(pa.table(arrays), partial)


def _of_one_type(of_column: Sequence[Any]) -> list[Any]:
    """Cells as Python values, None for a gap; numbers beside text become numbers where all text is one, else all text."""
    values = [None if cell is None or cell != cell or cell == "" else _plain(cell) for cell in of_column]
    known = [value for value in values if value is not None]
    texts = [value for value in known if isinstance(value, str)]
    if not texts or len(texts) == len(known):
        return values
    if all(map(is_number, texts)):
        return [None if value is None else float(value) for value in values]
    return [None if value is None else cells.text_of(value) for value in values]


def _replaced(array: Any, is_gap: np.ndarray, values: Sequence[Any]) -> Any:
    """An array of pyarrow with other cells where `is_gap`, in their order."""
    import pyarrow as pa
    import pyarrow.compute

    made = pa.array([_as_type(_plain(value), array.type) for value in values], type=array.type)
    return pa.compute.replace_with_mask(array, pa.array(is_gap), made)


def _replaced_words(array: Any, is_gap: np.ndarray, values: Sequence[Any]) -> Any:
    """An array of categories with other cells where `is_gap`. The categories keep their order; new ones come last."""
    import pyarrow as pa

    words = array.dictionary.to_pylist()
    made = [_as_type(_plain(value), array.dictionary.type) for value in values]
    words += [word for word in dict.fromkeys(made) if word not in words]
    indices = _replaced(array.indices, is_gap, [words.index(word) for word in made])
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, array.dictionary.type), ordered=array.type.ordered)


def _holds_cells(kind: Any) -> bool:
    """Whether a type of pyarrow is one of cells: text, numbers, truth values, dates, times, or categories of these."""
    import pyarrow as pa

    return not (pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind))


def check_suffix(flag: str, path: Path) -> None:
    """Refuses a file whose suffix is none of a table's.

    Args:
        flag: what names the file, for messages.
        path: the file.

    Raises:
        ValueError: another suffix, or .parquet without pyarrow.
    """
    if path.suffix.lower() not in (*TEXT, *PARQUET):
        raise ValueError(f"{flag} must be a .csv, .tsv or .parquet file. Received: {path}")
    if path.suffix.lower() in PARQUET:
        _parquet(path)


def _parquet(path: Path) -> Any:
    """The module that reads and writes Parquet.

    Raises:
        ValueError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError(f"Parquet files need pyarrow: pip install 'ssdgm_tf[parquet]'. Received: {path}") from error
    return pyarrow.parquet


def _python(array: Any) -> list[Any]:
    """The cells of an array of pyarrow as Python values."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(array.type):
        zone = "UTC" if array.type.tz else None
        array = array.cast(pa.timestamp("us", zone), safe=False).cast(pa.timestamp("us"))
    return array.to_pylist()


def _as_type(value: Any, kind: Any) -> Any:
    """A cell as a value of a type of pyarrow: text such as a category or a date is turned into it."""
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return round(Decimal(str(value)), kind.scale)
    if not isinstance(value, str):
        is_whole = pa.types.is_integer(kind) and isinstance(value, float)
        return round(value) if is_whole else value
    if pa.types.is_boolean(kind):
        return value in ("True", "true", "1")
    if pa.types.is_integer(kind):
        return round(float(value))
    if pa.types.is_floating(kind):
        return float(value)
    if pa.types.is_time(kind):
        return time.fromisoformat(value)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(value)
        return moment.date() if pa.types.is_date(kind) else moment
    return value


def _plain(cell: Any) -> Any:
    """A Python value of a NumPy one."""
    return cell.item() if isinstance(cell, np.generic) else cell


def _text(cell: Any) -> str:
    """A cell in a text file."""
    if cell is None or cell != cell:
        return ""
    return cell if isinstance(cell, str) else cells.text_of(_plain(cell))


def _shown(text: str) -> str:
    """Text with bytes that are no UTF-8, for messages."""
    return repr(text[:20].encode("utf-8", "surrogateescape"))[1:]
