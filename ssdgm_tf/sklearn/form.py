"""Tables as users have them: data frames of pandas or polars, and arrays. Their columns, and new cells in their form."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Number
from typing import Any

import numpy as np

from ssdgm_tf.schema import Column, Schema, cells
from ssdgm_tf.schema.digits import ANY, decimals_of, rounded


def is_frame(table: Any) -> bool:
    """Whether a table is a DataFrame of pandas or polars."""
    return hasattr(table, "columns") and hasattr(table, "dtypes") and hasattr(table, "__getitem__")


def _is_pandas(frame: Any) -> bool:
    return hasattr(frame, "iloc")


def columns_of(table: Any, names: Sequence[str]) -> dict[str, list[cells.Cell]]:
    """The cells of a table, {name: cells [N]}, None for a gap.

    Args:
        table: a DataFrame, or an array [N, D].
        names: the names of its columns, in order.

    Raises:
        TypeError: a cell of an array that holds several values.
        ValueError: the same of a DataFrame, a duration or a complex number.
    """
    if is_frame(table):
        columns = [table.iloc[:, place] for place in range(len(names))] if _is_pandas(table) else table.get_columns()
        return cells.read(dict(zip(names, columns, strict=True)))
    if table.dtype == object:
        _refuse_containers(table, names)
    return cells.read({name: table[:, place] for place, name in enumerate(names)})


def _stored(table: Any) -> list[Any]:
    """The columns of a table, each indexed by the places of its rows."""
    if not is_frame(table):
        return list(table.T)
    return [table.iloc[:, place].array for place in range(table.shape[1])] if _is_pandas(table) else table.get_columns()


def _refuse_containers(array: np.ndarray, names: Sequence[str]) -> None:
    """Refuses cells of an array that hold several values.

    Raises:
        TypeError: there is one.
    """
    for row, of_row in enumerate(array):
        for name, cell in zip(names, of_row, strict=True):
            if hasattr(cell, "__len__") and not isinstance(cell, str | bytes):
                raise TypeError(
                    "A cell of the argument must be a string, a number, a date or a gap. "
                    f"Received: a {type(cell).__name__} in row {row} of column {name!r}"
                )


@dataclasses.dataclass(frozen=True)
class _Cells:
    """What the cells of a training column are.

    Attributes:
        sort: their type: str, int, float, bool, date or datetime.
        decimals: how many digits after the point its numbers have, see `decimals_of`.
        in_utc: whether they are times with a zone.
        words: {category: cell as the table has it} of a discrete column, such as an interval of pandas.
        rest: the cell of a new row where the schema leaves the column out: the only one that there was, or None.
    """

    sort: type
    decimals: int
    in_utc: bool
    words: Mapping[str, cells.Cell]
    rest: cells.Cell

    @classmethod
    def of(cls, given: Sequence[cells.Cell], stored: Sequence[Any], column: Column | None) -> "_Cells":
        """Those of a column.

        Args:
            given: its cells, see `cells.read`.
            stored: the same as the table has them.
            column: the column; None where the schema leaves it out.
        """
        known = [cell for cell in given if cell is not None]
        decimals = ANY if column is None else decimals_of(column, known)
        in_utc = any(isinstance(cell, datetime) and cell.tzinfo is not None for cell in known)
        words: dict[str, cells.Cell] = {}
        if column is not None and column.is_discrete:
            places, rows = np.unique(column.encode(list(given)), return_index=True)
            found = {
                column.categories[int(place)]: int(row) for place, row in zip(places, rows, strict=True) if place == place
            }
            words = {text: _as_stored(given[row], stored[row]) for text, row in found.items() if text != column.other}
        is_one = column is None and len(set(map(cells.text_of, known))) == 1
        rest = next(_as_stored(cell, stored[row]) for row, cell in enumerate(given) if cell is not None) if is_one else None
        return cls(_sort(known), decimals, in_utc, words, rest)

    def in_form(self, column: Column, x: np.ndarray) -> list[cells.Cell]:
        """The cells of numbers [N], as `Column.encode` gives them, in this form."""
        return [self._cell(column, decoded) for decoded in rounded(column, column.decode(x), self.decimals)]

    def _cell(self, column: Column, decoded: Any) -> cells.Cell:
        """What `Column.decode` made of a number, text of a category or a date or a number, in this form."""
        if column.is_discrete:
            return self.words[decoded] if decoded in self.words else self._number(cells.number_of(decoded), decoded)
        if column.unit:
            return decoded if self.sort is str else self._time(decoded)
        return self._number(float(decoded), decoded)

    def _number(self, number: float | None, decoded: Any) -> cells.Cell:
        if number is None:
            return decoded
        if self.sort is str:
            return cells.text_of(number)
        if self.sort is Decimal:
            return Decimal(cells.text_of(number))
        return self.sort(number) if self.sort in (int, float) else number

    def _time(self, text: str) -> date:
        time = datetime.fromisoformat(text)
        if self.sort is datetime:
            return time.replace(tzinfo=UTC) if self.in_utc else time
        return time.date()


def _as_stored(cell: cells.Cell, stored: Any) -> Any:
    """A cell, or what the table has where it is text: text with blanks around it, an interval, a time of day."""
    return stored if isinstance(cell, str) else cell


def _sort(known: Sequence[cells.Cell]) -> type:
    """The type that the cells have in common; str where there is none."""
    for sort, kinds in ((bool, bool), (int, int), (Decimal, Decimal), (float, Number), (datetime, datetime), (date, date)):
        if known and all(isinstance(cell, kinds) for cell in known):
            return sort
    return str


class Form:
    """The form of a training table, for new rows and for gaps that are filled.

    Args:
        table: the table, a DataFrame or an array [N, D].
        given: its cells, {name: cells [N]}, of all columns.
        schema: the columns that are learned.
    """

    def __init__(self, table: Any, given: Mapping[str, Sequence[cells.Cell]], schema: Schema) -> None:
        #: The table without its rows.
        self.empty: Any = table[:0].copy() if isinstance(table, np.ndarray) else table.head(0)
        learned = {column.name: column for column in schema}
        stored = dict(zip(given, _stored(table), strict=True))
        self.cells = {name: _Cells.of(column, stored[name], learned.get(name)) for name, column in given.items()}

    def rows(self, schema: Schema, x: np.ndarray) -> Any:
        """New rows as a table of this form.

        A column that the schema leaves out has the only cell that it had, or gaps.

        Args:
            schema: the columns of x.
            x: rows [N, D] of numbers, as `Schema.encode` gives them.
        """
        made = self._decoded(schema, x)
        columns = [made.get(name, [of.rest] * len(x)) for name, of in self.cells.items()]
        if not is_frame(self.empty):
            return _array(columns, self.empty.dtype)
        if not _is_pandas(self.empty):
            return type(self.empty)(dict(zip(self.empty.columns, columns, strict=True)), self.empty.schema, strict=False)
        frame = type(self.empty)({place: np.array([*column, None], object)[:-1] for place, column in enumerate(columns)})
        for place, dtype in enumerate(self.empty.dtypes):
            frame[place] = _as_dtype(frame[place], dtype)
        frame.columns = self.empty.columns
        return frame

    def filled(self, table: Any, given: Mapping[str, Sequence[cells.Cell]], schema: Schema, x: np.ndarray) -> Any:
        """A copy of a table with its gaps filled; all other cells are as they were.

        Args:
            table: a DataFrame, or an array [N, D], with the columns of this form in their order.
            given: its cells, {name: cells [N]}.
            schema: the columns of x.
            x: rows [N, D] without gaps, as `Schema.encode` gives them.
        """
        fillings: dict[int, dict[int, cells.Cell]] = {}
        for place, (name, of) in enumerate(self.cells.items()):
            gaps = [row for row, cell in enumerate(given[name]) if cell is None]
            if gaps and name in schema.names:
                fillings[place] = dict(zip(gaps, self._decoded(schema, x[gaps], name)[name], strict=True))
            elif gaps and of.rest is not None:
                fillings[place] = dict.fromkeys(gaps, of.rest)
        if isinstance(table, np.ndarray):
            return _filled_array(table, fillings)
        return _filled_pandas(table, fillings) if _is_pandas(table) else _filled_polars(table, fillings)

    def _decoded(self, schema: Schema, x: np.ndarray, only: str | None = None) -> dict[str, list[cells.Cell]]:
        """The cells of numbers in this form, {name: cells [N]} of all columns of the schema or of one."""
        made = {}
        for place, column in enumerate(schema):
            if only in (None, column.name):
                made[column.name] = self.cells[column.name].in_form(column, x[:, place])
        return made


def _array(columns: Sequence[Sequence[cells.Cell]], dtype: np.dtype) -> np.ndarray:
    """An array [N, D] of columns, of the dtype where it can hold them: integers have no gaps, and become float64."""
    array = np.empty((len(columns[0]), len(columns)), object)
    for place, column in enumerate(columns):
        array[:, place] = column
    if dtype.kind in "biu" and any(cell is None for cell in array.flat):
        return array.astype(np.float64)
    return array.astype(str if dtype.kind == "U" else dtype)


def _as_dtype(column: Any, dtype: Any) -> Any:
    """A column of pandas with objects as one of the dtype; where that cannot hold them, of the dtype that they suggest."""
    try:
        return column.astype(dtype)
    except (TypeError, ValueError):
        return column.infer_objects()


def _filled_array(array: np.ndarray, fillings: Mapping[int, Mapping[int, cells.Cell]]) -> np.ndarray:
    if array.dtype.kind == "U":
        return _filled_array(array.astype(object), fillings).astype(str)
    array = array.copy()
    for place, of_column in fillings.items():
        for row, cell in of_column.items():
            array[row, place] = cell
    return array


def _filled_pandas(frame: Any, fillings: Mapping[int, Mapping[int, cells.Cell]]) -> Any:
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    made = {}
    for place, column in enumerate(columns):
        if place in fillings:
            objects = column.astype(object).copy()
            objects.iloc[list(fillings[place])] = np.array([*fillings[place].values(), None], object)[:-1]
            column = _as_dtype(objects, column.dtype)
        made[place] = column
    copy = type(frame)(made, index=frame.index, copy=True)
    copy.columns = frame.columns
    return copy


def _filled_polars(frame: Any, fillings: Mapping[int, Mapping[int, cells.Cell]]) -> Any:
    made = []
    for place, column in enumerate(frame.get_columns()):
        if place in fillings:
            values = column.to_list()
            for row, cell in fillings[place].items():
                values[row] = cell
            column = type(column)(column.name, values, dtype=column.dtype, strict=False)
        made.append(column)
    return type(frame)(made)
