"""What the columns of a table are, and the way from its cells to numbers [N, D] and back. NumPy only.

schema, notes = infer(table)  # inference.py
x = schema.encode(table)      # float32 [N, D], NaN for a gap
cells = schema.decode(x)      # {name: cells [N]}
"""

import dataclasses
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ssdgm_tf import choices
from ssdgm_tf.schema import cells
from ssdgm_tf.schema.column import DISCRETE, KINDS, Column

# The fields of a column in JSON, by whether it is discrete: those that it must have, and those that it may have.
_NEEDED = {True: ("name", "kind", "categories"), False: ("name", "kind", "loc", "scale")}
_OPTIONAL = {
    True: ("distribution", "other", "weight", "gaps", "shares"),
    False: ("distribution", "extent", "quantiles", "unit", "weight", "gaps"),
}
# What `describe` shows of the categories of a column: so many, and so much of each.
_SHOWN_CATEGORIES, _SHOWN_LETTERS = 4, 16


@dataclasses.dataclass(frozen=True)
class Schema:
    """The columns of a table, in the order of the array. `schema[name]` is a column; `len` and iteration are of columns.

    Args:
        columns: the columns, with names of their own.

    Raises:
        ValueError: no column, or two of one name.
    """

    columns: tuple[Column, ...]

    def __init__(self, columns: Iterable[Column]) -> None:
        object.__setattr__(self, "columns", tuple(columns))
        for column in self.columns:
            if not isinstance(column, Column):
                raise ValueError(f"A schema must hold columns, of the type Column. Received: {column!r}")
        if not self.columns:
            raise ValueError("A schema must hold at least one column. Received: none")
        cells.refuse_duplicates(list(self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            listed = ", ".join(map(repr, self.names))
            raise KeyError(f"A column must be one of {listed}. Received: {name!r}{choices.nearest(name, self.names)}")
        return found

    def encode(self, table: Any, *, unknown: str = "gap") -> np.ndarray:
        """The numbers of a table, one column for each of the schema: numbers in their own units, categories as their index.

        Columns are found by name, others are passed over. Numbers may be given as text, categories as text or numbers: the
        categories "1" and "True" are those of 1, 1.0, "1.0" and True. A gap, see `cells.read`, is NaN.

        Args:
            table: a mapping {name: cells}, a DataFrame of pandas or polars, or a structured array, of N rows.
            unknown: what becomes of a cell that is none of the categories where the column has no `other`, and of a column
                that the table lacks: "gap" (not observed, with a warning that says how many), or "error".

        Returns:
            float32 [N, D].

        Raises:
            ValueError: no table, columns of different lengths, two of one name or none of the schema; a cell that is no
                number, infinite in float32, no count or not positive where it must be; or what is unknown with "error".
        """
        if unknown not in ("gap", "error"):
            raise ValueError(f"unknown must be 'gap' or 'error'. Received: {unknown!r}")
        given = cells.columns_of(table)
        lacking = [column.name for column in self if column.name not in given]
        if len(lacking) == len(self) or (lacking and unknown == "error"):
            needed = "every column" if unknown == "error" else "a column"
            raise ValueError(f"A table must have {needed} of the schema. Received: one without {_listed(lacking)}")
        known = cells.read({name: given[name] for name in self.names if name in given})
        num_rows = len(next(iter(known.values())))
        x, notes = np.full((num_rows, len(self)), np.nan, np.float32), []
        for index, column in enumerate(self):
            if column.name in known:
                x[:, index] = column.encode(known[column.name])
                notes += _unknown(column, known[column.name], x[:, index], unknown)
        notes += [f"no column {_listed(lacking)}"] if lacking else []
        if notes:
            warnings.warn(f"Taken for gaps, as training or the table lacks them: {'; '.join(notes)}", stacklevel=2)
        return x

    def decode(self, x: ArrayLike) -> dict[str, np.ndarray]:
        """The cells of an array: the way back from `encode`.

        It is exact for categories, dates, counts below 2^24 and numbers of up to 6 digits: a number is the shortest decimal
        number that float32 does not tell from it. Times of day are exact to two minutes.

        Args:
            x: numbers [N, D] as `encode` gives them.

        Returns:
            {name: cells [N]}: numeric and positive float64, NaN for a gap; counts int64, or float64 where there is a gap;
            categories and dates objects, text and None for a gap.

        Raises:
            ValueError: another shape, a number that is no cell of its column, or a date beyond the year 9999.
        """
        x = np.asarray(x, np.float32)
        if x.ndim != 2 or x.shape[1] != len(self):
            raise ValueError(f"x must have the shape [N, {len(self)}], a column for each of the schema. Received: {x.shape}")
        return {column.name: column.decode(x[:, index]) for index, column in enumerate(self)}

    def to_json(self) -> str:
        """The schema as indented JSON, which `from_json` reads and a person can edit."""
        return json.dumps({"columns": [_fields(column) for column in self]}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """The schema in JSON: {"columns": [{"name": ..., "kind": ..., ...}, ...]}.

        A column needs its name, its kind, and its `categories`, or `loc` and `scale`. The other fields of `Column` have
        their defaults where they are left out.

        Args:
            text: the JSON.

        Raises:
            ValueError: no JSON, fields that are unknown or lacking, or a column that `Column` refuses.
        """
        try:
            read = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"A schema must be JSON. Received: text that is none ({error})") from error
        if not isinstance(read, dict) or list(read) != ["columns"] or not isinstance(read["columns"], list):
            raise ValueError(f'A schema must be {{"columns": [...]}} in JSON. Received: {text[:40]!r}')
        return cls(map(_column, read["columns"]))

    def describe(self) -> str:
        """The columns in words, one on each line: kind, distribution, range or categories, share of gaps."""
        rows = [("column", "kind", "distribution", "cells", "gaps")]
        rows += [(c.name, c.kind, c.distribution, _in_words(c), f"{c.gaps:.1%}") for c in self]
        widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def _unknown(column: Column, given: list[cells.Cell], x: np.ndarray, unknown: str) -> list[str]:
    """How many cells of a column are none of its categories, in words; nothing where there is none.

    Raises:
        ValueError: there is one, and `unknown` is "error".
    """
    rows = [int(row) for row in np.flatnonzero(np.isnan(x)) if given[row] is not None]
    if rows and unknown == "error":
        raise ValueError(
            f"A cell of column {column.name!r} must be one of {_listed(column.categories)}. "
            f"Received: {given[rows[0]]!r} in row {rows[0]}"
        )
    cells_are = "cell" if len(rows) == 1 else "cells"
    return [f"{len(rows)} {cells_are} of {column.name!r}, such as {given[rows[0]]!r}"] if rows else []


def _fields(column: Column) -> dict[str, Any]:
    """The fields of a column that its kind has, without those that are empty."""
    fields = dataclasses.asdict(column)
    shown = {name: fields[name] for name in _NEEDED[column.is_discrete] + _OPTIONAL[column.is_discrete]}
    return {name: value for name, value in shown.items() if value not in ("", ())}


def _column(fields: Any) -> Column:
    """The column of its fields in JSON.

    Raises:
        ValueError: fields that are unknown or lacking, or that `Column` refuses.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"A column in JSON must be an object of fields. Received: {fields!r}")
    possible = [field.name for field in dataclasses.fields(Column)]
    if strange := [name for name in fields if name not in possible]:
        raise ValueError(f"The fields of a column must be among {', '.join(possible)}. Received: {_listed(strange)}")
    kind = fields.get("kind")
    needed = _NEEDED[kind in DISCRETE] if kind in KINDS else ("name", "kind")
    if lacking := [name for name in needed if name not in fields]:
        raise ValueError(f"A column must have {', '.join(needed)}. Received: {fields!r} without {_listed(lacking)}")
    return Column(**fields)


def _in_words(column: Column) -> str:
    """The first categories of a column, or its range."""
    if column.is_discrete:
        shown = [text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}..." for text in column.categories]
        more = f", ... ({len(shown)})" if len(shown) > _SHOWN_CATEGORIES else ""
        return ", ".join(shown[:_SHOWN_CATEGORIES]) + more
    if column.unit:
        return " to ".join(map(column.date, column.extent))
    return " to ".join(f"{value:.7g}" for value in column.extent)


def _listed(names: Sequence[str]) -> str:
    """The first five names, in words."""
    return ", ".join(map(repr, names[:5])) + (f", ... ({len(names)})" if len(names) > 5 else "")
