"""The cells of a table as Python values, and what a cell says: text, a number, a day, or nothing. NumPy only."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from numbers import Number
from typing import Any

import numpy as np

#: Text that stands for no value: blank, and the words that pandas reads as such.
MISSING = frozenset(
    ["", "NA", "N/A", "n/a", "<NA>", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None"]
) | {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
# What pandas, which need not be installed, has for no value.
_MISSING_TYPES = ("NAType", "NaTType")
_ORIGIN = datetime(1970, 1, 1)
_CODE = re.compile(r"0\d+")
# Whole numbers below it are floats.
_WHOLE = 2**53

Cell = Any


def columns_of(table: Any) -> dict[str, Any]:
    """{name: column} of a table, the columns as they are.

    Args:
        table: a mapping {name: cells}, a DataFrame of pandas or polars, or a structured array. Names that are no text, such
            as the numbers 0, 1, 2, ... of pandas, become text.

    Raises:
        ValueError: another thing, no column, or two columns of one name.
    """
    if isinstance(table, Mapping):
        names = list(table)
    elif isinstance(table, np.ndarray) and table.dtype.names:
        names = list(table.dtype.names)
    elif hasattr(table, "columns") and hasattr(table, "__getitem__"):
        names = list(table.columns)
    else:
        raise ValueError(f"A table must be a mapping {{name: cells}} or a DataFrame. Received: a {type(table).__name__}")
    texts = [str(name) for name in names]
    if not texts:
        raise ValueError("A table must hold columns. Received: a table without any")
    refuse_duplicates(texts)
    return {text: table[name] for text, name in zip(texts, names, strict=True)}


def refuse_duplicates(names: list[str]) -> None:
    """Refuses names of columns that are there twice.

    Args:
        names: the names.

    Raises:
        ValueError: two columns of one name.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Every column must have a name of its own. Received: {names.count(twice)} columns {twice!r}")


def read(columns: Mapping[str, Any]) -> dict[str, list[Cell]]:
    """The cells of columns: text without blanks around it, numbers, truth values, dates, and None for a gap.

    A gap is None, NaN, the NA and NaT of pandas, a masked element, blank text, and the text of `MISSING`.

    Args:
        columns: {name: column}, each a list, or anything that NumPy turns into an array [N].

    Raises:
        ValueError: another shape, different lengths, or a cell that holds several values, a duration or a complex number.
    """
    read = {}
    for name, column in columns.items():
        values = _values(name, column)
        texts = {value: _read_one(name, 0, value) for value in set(filter(_is_text, values))}  # each text once
        read[name] = [
            texts[value] if type(value) is str else _read_one(name, row, value) for row, value in enumerate(values)
        ]
    for name, cells in read.items():
        first = next(iter(read))
        length = len(read[first])
        if len(cells) != length:
            raise ValueError(
                "The columns of a table must have the same length. "
                f"Received: {first!r} with {length} cells, {name!r} with {len(cells)}"
            )
    return read


def _values(name: str, column: Any) -> list[Any]:
    """The elements of a column.

    Raises:
        ValueError: another shape than [N].
    """
    if isinstance(column, list | tuple):
        return list(column)
    array = column if isinstance(column, np.ma.MaskedArray) else np.asarray(column)
    if array.ndim != 1:
        raise ValueError(f"A column must hold a cell for each row, shape [N]. Received: {name!r} of shape {array.shape}")
    # NumPy has no Python values for nanoseconds, and gives whole numbers.
    return (array.astype(f"{array.dtype.kind}8[us]") if array.dtype.kind in "mM" else array).tolist()


def _read_one(name: str, row: int, value: Any) -> Cell:
    """One cell."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]")
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value).__name__ in _MISSING_TYPES:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = value.strip()
        return None if value in MISSING else value
    if isinstance(value, complex | timedelta) or hasattr(value, "__len__"):
        raise ValueError(
            "A cell must be text, a number, a truth value, a date or a gap. "
            f"Received: a {type(value).__name__} in row {row} of column {name!r}"
        )
    if isinstance(value, Number):
        return None if value != value else value
    return value if isinstance(value, date) else str(value)


def each(function: Callable[[Cell], Any], known: Sequence[Cell]) -> list[Any]:
    """What a function makes of every cell; None of a gap. It is called once for all cells of the same text.

    Args:
        function: of a cell that is no gap.
        known: cells, see `read`.
    """
    texts = {text: function(text) for text in set(filter(_is_text, known))}
    return [texts[cell] if type(cell) is str else None if cell is None else function(cell) for cell in known]


def _is_text(value: Any) -> bool:
    return type(value) is str


def number_of(cell: Cell) -> float | None:
    """The number in a cell, of text too; None where there is none. True is 1.

    Args:
        cell: a cell that is no gap, see `read`.
    """
    if not isinstance(cell, Number | str) or (isinstance(cell, str) and "_" in cell):  # Python reads 1_000 as a number
        return None
    try:
        return float(cell)  # type: ignore[arg-type]
    except ValueError:
        return None
    except OverflowError:
        return np.inf


def is_code(cell: Cell) -> bool:
    """Whether a cell is digits with a leading zero, such as the postcode "00501", which is not the number 501.

    Args:
        cell: a cell that is no gap, see `read`.
    """
    return isinstance(cell, str) and bool(_CODE.fullmatch(cell))


def spelled_once(texts: Sequence[str]) -> list[str]:
    """Truth values in one spelling, the first of each: of "True", "true" and "FALSE" the second is "True". Other texts stay.

    Args:
        texts: the texts of cells.
    """
    first: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        if text.lower() in ("false", "true"):
            first.setdefault(text.lower(), text)
    return [first.get(text.lower(), text) for text in texts] if first else list(texts)


def texts_of_gaps(column: Any) -> list[str]:
    """The words, such as NA, that stand for gaps in a column; each once. Blank text is none.

    Args:
        column: as `read` takes it.
    """
    values = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in _values("", column))
    texts = dict.fromkeys(value.strip() for value in values if isinstance(value, str))
    return [text for text in texts if text and text in MISSING]


def about_gaps(columns: Mapping[str, Any]) -> str:
    """A sentence about the words that are taken for gaps; "" where there is none.

    Args:
        columns: as `read` takes them.
    """
    words = {name: texts_of_gaps(column) for name, column in columns.items()}
    if not any(words.values()):
        return ""
    shown = ", ".join(f"{' and '.join(map(repr, of_column))} in {name!r}" for name, of_column in words.items() if of_column)
    return f"Text taken for gaps: {shown}. Where it is a value, write it in another way."


def day_of(cell: Cell) -> float | None:
    """The days since 1970-01-01 of a date, of text in ISO format too; None where there is none.

    A time of day is a part of a day; a time with a zone is converted to UTC. A number is no date.

    Args:
        cell: a cell that is no gap, see `read`.
    """
    moment = _moment_of(cell)
    if moment is None:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return (moment - _ORIGIN) / timedelta(days=1)


def has_zone(cell: Cell) -> bool:
    """Whether a cell is a time with a zone, of text too.

    Args:
        cell: a cell that is no gap, see `read`.
    """
    moment = _moment_of(cell)
    return moment is not None and moment.tzinfo is not None


def _moment_of(cell: Cell) -> datetime | None:
    """The time of a date, or of text in ISO format; None where there is none."""
    if isinstance(cell, str) and number_of(cell) is None:
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            return None
    if not isinstance(cell, date):
        return None
    return cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)


def text_of(cell: Cell) -> str:
    """A cell as text: whole numbers without a point, so that 1 and 1.0 are "1".

    Args:
        cell: a cell that is no gap, see `read`.
    """
    if isinstance(cell, str | int):  # True is an int
        return str(cell)
    if isinstance(cell, date):
        return cell.isoformat().removesuffix("T00:00:00")  # pandas has no dates without a time
    number = float(cell)
    return str(int(number)) if number.is_integer() else repr(number)


def alike(text: str) -> str:
    """What all ways to write a number or a truth value have in common: "1" of "1.0", "01", "True" and "true".

    Args:
        text: the text of a cell.
    """
    if text.lower() in ("false", "true"):
        return str(int(text.lower() == "true"))
    number = number_of(text)
    return text if number is None or abs(number) >= _WHOLE else text_of(number)
