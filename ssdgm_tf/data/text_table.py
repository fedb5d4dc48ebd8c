"""Tables of numbers in text files: their encoding, delimiter, header and rows, the same for training and for prediction."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssdgm_tf.data import file_kinds
from ssdgm_tf.schema.cells import MISSING

# The longest line, in characters: the pixels of an image of 1024x1024x3, with commas.
_MAX_LINE = 2**24
# The lines that show the form of a file: at most so many, and so many characters.
_SHOWN_LINES, _SHOWN_CHARACTERS = 50, 2**20
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The first of equals is taken.
_DELIMITERS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
# What pandas calls an index that it wrote without a name and read again.
_INDEX_NAME = re.compile(r"|Unnamed: 0(\.\d+)*")


class Row(NamedTuple):
    """One row.

    Attributes:
        line: number of its line, from 1.
        cells: its cells, or None.
        reason: why there are no cells.
    """

    line: int
    cells: list[str] | None
    reason: str = ""


class TextTable:
    """A text file with a row of cells on each line, separated by commas, semicolons or tabs: whichever fits the first lines.

    The text is UTF-8, or UTF-16 or UTF-32 with a byte-order mark. Cells may be in double quotes, which close on their line.
    Blank lines are no rows, unless the table has one column.

    The first row is a header if none of its cells is a number or stands for no value, or if they are 0, 1, 2, ... in order,
    as pandas names the columns of an array. Where the width is not given, there may be other names between these numbers,
    such as that of a label. An index, the column with an empty name or "Unnamed: 0" that pandas writes first, is left out.

    Args:
        path: the file.
        width: number of columns without an index; None where the first lines say it.
        header: whether the first row is a header whatever it holds.

    Attributes:
        names: names of the columns; None without a header.
        width: number of columns, without an index.
        notes: what was left out, in words.

    Raises:
        ValueError: not a text file, or no row.
    """

    def __init__(self, path: Path, width: int | None = None, header: bool = False) -> None:
        self.path, self._content = path, "cells" if width is None else "numbers"
        self.notes: list[str] = []
        self._encoding = _encoding(path)
        self._delimiter = ","
        shown = self._first_lines()
        self._delimiter = _delimiter(shown)
        first = next(self._all_rows(blank=width == 1), None)
        if first is None:
            raise ValueError(f"A table must hold rows. Received: {path} without any")
        cells = first.cells or []
        self._index = _leading_index(cells) if header else _index_columns(cells, width)
        rest = cells[self._index :]
        is_header = header or _is_header(rest, width)
        self.names: list[str] | None = rest if is_header else None
        self._first_line = first.line + 1 if is_header else first.line
        self.width = width or (len(rest) if is_header else _usual_width(shown, self._delimiter))
        if is_header:
            self.notes.append(f"Line {first.line} of {path.name} is a header: {listed_names(rest)}")
        if self._index:
            self.notes.append(f"An index was left out of {path.name}: {listed_names(cells[: self._index])}")
        if next(self.rows(), None) is None:
            raise ValueError(f"A table must hold rows. Received: {path} with a header only")

    def rows(self) -> Iterator[Row]:
        """The rows below the header, without an index. A row without `width` cells has none, and a reason."""
        for row in self._all_rows(blank=self.width == 1):
            if row.line < self._first_line:
                continue
            if row.cells is None:
                yield row
                continue
            cells = row.cells[self._index :]
            if len(cells) == self.width:
                yield row._replace(cells=cells)
                continue
            yield Row(
                row.line,
                None,
                f"A row must hold {self.width} {self._content}, separated by commas, semicolons or tabs. "
                f"Received: {len(cells)} cells, separated by {_DELIMITERS[self._delimiter]}",
            )

    def numbers(self, cells: list[str], names: list[str] | None = None) -> tuple[np.ndarray | None, str]:
        """The numbers in some cells.

        Args:
            cells: the cells.
            names: names of their columns; None for those of the table.

        Returns:
            (float32, ""), or (None, reason) where one is not a finite number.
        """
        values = _as_float32(cells)
        if values is not None:
            return values, ""
        index = next(i for i, cell in enumerate(cells) if _as_float32([cell]) is None)
        names = self.names if names is None else names
        column = repr(names[index]) if names else str(index + 1)
        if _DECIMAL_COMMA.fullmatch(cells[index]):
            return None, f"Numbers must have a decimal point. Received: {cells[index][:20]!r} in column {column}"
        return None, f"A row must hold a finite number in every column. Received: {cells[index][:20]!r} in column {column}"

    @property
    def delimiter(self) -> str:
        """What separates the cells."""
        return self._delimiter

    def _first_lines(self) -> list[str]:
        """The first lines that are not blank."""
        shown: list[str] = []
        for _, text in self._lines():
            if text and text.strip():
                shown.append(text)
            if len(shown) == _SHOWN_LINES or sum(map(len, shown)) > _SHOWN_CHARACTERS:
                break
        return shown

    def _all_rows(self, blank: bool) -> Iterator[Row]:
        """Every line as a row, the header and the index too; blank ones only if asked for."""
        for line, text in self._lines():
            if text is None:
                yield Row(line, None, f"A line must hold at most {_MAX_LINE} characters. Received: more")
            elif blank or text.strip():
                cells = _split(text, self._delimiter)
                yield Row(line, cells, "" if cells else "Quotes must close on their line. Received: one that does not")

    def _lines(self) -> Iterator[tuple[int, str | None]]:
        """The numbers of the lines, from 1, and their text; None for one that is too long."""
        # Bytes that are not UTF-8 become characters that no other text has, and that no number has.
        errors = "surrogateescape" if self._encoding.startswith("utf-8") else "replace"
        number = 0
        try:
            with self.path.open(newline="", encoding=self._encoding, errors=errors) as file:
                while text := file.readline(_MAX_LINE):
                    number += 1
                    is_long, part = False, text
                    while not part.endswith(("\n", "\r")) and (part := file.readline(_MAX_LINE)):
                        is_long = True
                    yield number, None if is_long else text.rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            raise ValueError(
                f"A table must be readable to its end. Received: {self.path}, damaged after line {number} ({error})"
            ) from error


def is_number(cell: str) -> bool:
    """Whether a cell holds a number.

    Args:
        cell: its text.
    """
    if cell in MISSING or "_" in cell:
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_text(cell: str) -> bool:
    """Whether a cell holds something else than a number, or the lack of one.

    Args:
        cell: its text.
    """
    return not (cell in MISSING or is_number(cell) or _DECIMAL_COMMA.fullmatch(cell))


def _as_float32(cells: list[str]) -> np.ndarray | None:
    """The cells as finite float32, or None."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    # Python reads 1_000 as a number.
    return values if np.isfinite(values).all() and "_" not in "".join(cells) else None


def _encoding(path: Path) -> str:
    """The encoding that a file's first bytes name.

    Raises:
        ValueError: not text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise ValueError(f"A table must be readable. Received: {path} ({error})") from error
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "utf-8")
    if encoding == "utf-8" and (b"\0" in head or file_kinds.kind_of(path) not in ("", ".csv")):
        raise ValueError(
            "A table must be text in UTF-8, or in UTF-16 with a byte-order mark. "
            f"Received: {file_kinds.received(path, '.csv', 'other bytes')}"
        )
    return encoding


def _split(text: str, delimiter: str) -> list[str] | None:
    """The cells of a line; None where quotes do not close."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, skipinitialspace=True, strict=True))]
    except csv.Error:
        return None


def _delimiter(lines: list[str]) -> str:
    """The delimiter that gives the most lines the same number of cells, and among such the one that gives numbers."""

    def fit(delimiter: str) -> tuple[int, float]:
        rows = [_split(line, delimiter) or [] for line in lines]
        widths = Counter(len(cells) for cells in rows if len(cells) > 1)
        cells = [cell for row in rows for cell in row]
        are_numbers = sum(is_number(cell) or (delimiter != "," and bool(_DECIMAL_COMMA.fullmatch(cell))) for cell in cells)
        return max(widths.values(), default=0), are_numbers / max(1, len(cells))

    fits = {delimiter: fit(delimiter) for delimiter in _DELIMITERS}
    best = max(fits, key=lambda delimiter: fits[delimiter])  # the first of equals
    return best if fits[best][0] else ","


def _usual_width(lines: list[str], delimiter: str) -> int:
    """The number of cells that most lines have."""
    return Counter(len(_split(line, delimiter) or [""]) for line in lines).most_common(1)[0][0]


def _is_header(cells: list[str], width: int | None) -> bool:
    """Whether the cells of a first row are names, see `TextTable`."""
    others = [cell for cell in cells if not is_text(cell)]
    is_in_order = others == [str(index) for index in range(len(others))]
    return bool(cells) and is_in_order and len(others) in ((0, width) if width else range(len(cells) + 1))


def _index_columns(cells: list[str], width: int | None) -> int:
    """How many columns of an index a header begins with."""
    number = _leading_index(cells)
    is_index = width in (None, len(cells) - number) and _is_header(cells[number:], width)
    return number if is_index else 0


def _leading_index(cells: list[str]) -> int:
    """How many names of an index come before another name; 0 where no other does."""
    names = [bool(_INDEX_NAME.fullmatch(cell)) for cell in cells]
    return names.index(False) if False in names else 0


def listed_names(names: list[str]) -> str:
    """The first three names, in words.

    Args:
        names: names of columns.
    """
    return ", ".join(repr(name) for name in names[:3]) + (", ..." if len(names) > 3 else "")
