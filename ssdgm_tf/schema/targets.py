"""The target columns of a table as the supervised variables of a model, and back. NumPy only."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ssdgm_tf.schema import cells
from ssdgm_tf.schema.column import Column
from ssdgm_tf.schema.schema import Schema

NO_LABEL = -1
"""The number of a class that stands for "no label"."""
# Whole numbers of more distinct values than these are a number to predict, not classes.
_MOST_CLASSES = 20
# Names that a model of a table has for other variables.
_TAKEN = ("x", "z", "features")


@dataclasses.dataclass(frozen=True)
class Targets:
    """The columns to predict: each a class (binary or categorical) or a number (numeric).

    A class is a label 0..K-1 of its categories, -1 for none. A number is standardised, (cell - loc) / scale, NaN for none.

    Args:
        schema: the target columns.

    Raises:
        ValueError: a column of another kind, or a class with fewer than two categories.
    """

    schema: Schema

    def __post_init__(self) -> None:
        for column in self.schema:
            if column.kind not in ("binary", "categorical", "numeric"):
                raise ValueError(
                    "A target must be binary, categorical or numeric. "
                    f"Received: the column {column.name!r} of kind {column.kind!r}"
                )

    @cached_property
    def variables(self) -> dict[str, Column]:
        """{name of the variable in a model: its column}: "y" of one target; else the columns' names as identifiers."""
        if len(self.schema) == 1:
            return {"y": next(iter(self.schema))}
        found: dict[str, Column] = {}
        for column in self.schema:
            name = re.sub(r"\W", "_", column.name)
            name = name if name.isidentifier() else f"y_{name}"
            while name in found or name in _TAKEN:
                name += "_"
            found[name] = column
        return found

    def encode(self, table: Any) -> dict[str, np.ndarray]:
        """The values of every variable: a class int32 [N], a number float32 [N, 1].

        Args:
            table: as `Schema.encode` takes it; a column that it lacks is known for no row.

        Raises:
            ValueError: as `Schema.encode`; or a label that is no category of a class.
        """
        given = cells.columns_of(table)
        size = len(next(iter(given.values())))
        present = {column.name: given[column.name] for column in self.schema if column.name in given}
        read = cells.read(present) if present else {}
        found: dict[str, np.ndarray] = {}
        for name, column in self.variables.items():
            known = read.get(column.name, [None] * size)
            if column.is_discrete:
                known = cells.each(lambda cell: None if _is_no_label(cell, column) else cell, known)  # noqa: B023
            x = column.encode(known)
            if strange := [cell for cell, value in zip(known, x, strict=True) if cell is not None and np.isnan(value)]:
                shown = ", ".join(map(repr, column.categories[:10]))
                raise ValueError(f"Labels of {column.name!r} must be among {shown}. Received: {strange[0]!r}")
            if column.is_discrete:
                found[name] = np.where(np.isnan(x), NO_LABEL, x).astype(np.int32)
            else:
                found[name] = ((x - column.loc) / column.scale).astype(np.float32)[:, None]
        return found

    def decode(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The cells of values of the variables, {column: cells [N]}; the way back from `encode`.

        Args:
            values: {variable: class [N], -1 for none; or standardised number [N, 1] or [N], NaN for none}.
        """
        found: dict[str, np.ndarray] = {}
        for name, value in values.items():
            column = self.variables[name]
            if column.is_discrete:
                labels = np.asarray(value, np.float32)
                x = np.where(labels == NO_LABEL, np.nan, labels)
            else:
                x = np.ravel(value) * column.scale + column.loc
            found[column.name] = column.decode(np.asarray(x, np.float32))
        return found


def infer_targets(table: Any, names: Iterable[str]) -> Targets:
    """What the target columns of a table are: text is a class, and so are up to 20 different whole numbers; else a number.

    Where a number has a leading zero, such as "01", all are text. A gap is "no label", and so is -1 among whole numbers
    that are otherwise at least 0.

    Args:
        table: as `Schema.encode` takes it.
        names: the target columns.

    Raises:
        ValueError: a column that the table lacks, with no known cell, with text beside numbers that are no classes, or with
            one class only.
    """
    given = cells.columns_of(table)
    names = list(names)
    if lacking := [name for name in names if name not in given]:
        shown = ", ".join(map(repr, list(given)[:8]))
        raise ValueError(f"target must name columns of the table. Received: {lacking[0]!r}, and the columns {shown}")
    read = cells.read({name: given[name] for name in names})
    return Targets(Schema(_target(name, column) for name, column in read.items()))


def class_target(name: str, classes: Iterable[Any]) -> Column:
    """The target column of given classes.

    Args:
        name: the name of the column.
        classes: the classes, in order.

    Raises:
        ValueError: fewer than two.
    """
    texts = tuple(cells.text_of(label) for label in classes)
    if len(texts) < 2:
        raise ValueError(
            f"A target must have two classes or more. Received: {name!r} with {', '.join(map(repr, texts)) or 'none'}"
        )
    return Column(name, "binary" if len(texts) == 2 else "categorical", texts)


def number_target(name: str, known: np.ndarray, gaps: float = 0.0) -> Column:
    """The target column of numbers.

    Args:
        name: the name of the column.
        known: the known numbers, [M].
        gaps: the share of rows without one.

    Raises:
        ValueError: fewer than two different numbers.
    """
    distinct = np.unique(known)
    if len(distinct) < 2:
        shown = ", ".join(map(str, distinct)) or "none"
        raise ValueError(f"A target must take two values or more. Received: {name!r} with {shown}")
    extent = (float(known.min()), float(known.max()))
    return Column(name, "numeric", loc=float(known.mean()), scale=float(known.std()), gaps=gaps, extent=extent)


def _target(name: str, given: list[cells.Cell]) -> Column:
    """The target column of its cells."""
    known = [cell for cell in given if cell is not None]
    numbers = cells.each(cells.number_of, known)
    are_codes = None not in numbers and any(map(cells.is_code, known))
    if None in numbers or all(isinstance(cell, bool) for cell in known) or are_codes:
        of_labels = [cell for cell, number in zip(known, numbers, strict=True) if not are_codes or number != NO_LABEL]
        return class_target(name, sorted(set(cells.spelled_once(list(map(cells.text_of, of_labels))))))
    values = np.array(numbers, np.float64)
    whole = values[values != NO_LABEL] if values.size and (values >= NO_LABEL).all() else values
    distinct = np.unique(whole)
    if (whole == np.trunc(whole)).all() and len(distinct) <= _MOST_CLASSES:
        return class_target(name, distinct.tolist())
    Column(name, "numeric").encode(given)  # refuses infinite numbers, with their row
    return number_target(name, values, 1 - len(known) / len(given))


def _is_no_label(cell: cells.Cell, column: Column) -> bool:
    """Whether a cell of a class says "no label"."""
    return cell is None or (cells.number_of(cell) == NO_LABEL and cells.text_of(NO_LABEL) not in column.categories)
