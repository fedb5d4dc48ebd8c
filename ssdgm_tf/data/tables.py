"""Tables of mixed columns as data sets: `--config.data=csv:FILE` or `parquet:FILE` of `config.model=table`; DataFrames."""

import dataclasses
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssdgm_tf.data import table_files
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.assembly import listed, report_label_noise
from ssdgm_tf.data.splits import draw_labels, draw_rows, hide_labels, hold_out, hold_out_test
from ssdgm_tf.schema import Column, Schema, Targets, cells, infer, infer_targets, with_moments
from ssdgm_tf.schema.digits import ANY, decimals_of
from ssdgm_tf.schema.document import from_document

_DEFAULT_TARGET = "label"

Values = dict[str, np.ndarray]


class _Part(NamedTuple):
    """A table as it was given.

    Attributes:
        columns: {name: cells}.
        ids: what each row is called, in messages: the number of its line, or its place from 0.
        name: the file, or "the table".
        row: "line" or "row".
    """

    columns: Mapping[str, Any]
    ids: Sequence[str]
    name: str
    row: str

    def only(self, kept: Sequence[int]) -> "_Part":
        """The table of some of its rows."""
        read = cells.read(self.columns)
        columns = {name: [of_column[row] for row in kept] for name, of_column in read.items()}
        return self._replace(columns=columns, ids=[self.ids[row] for row in kept])


class Refused(NamedTuple):
    """A row with a cell that its column does not take.

    Attributes:
        row: its place, from 0.
        reason: why, without the row.
    """

    row: int
    reason: str


def load_table(
    train: Any,
    target: str | Sequence[str] = "",
    test: Any = None,
    *,
    num_labels: int = 0,
    seed: int = 0,
    num_validation: int = 0,
    bad_examples: str = "stop",
    schema: str | Path = "",
) -> SemiSupervisedData:
    """A table of mixed columns with gaps, and its targets, as a data set for `models.Table`.

    The first row of a text file has the names of the columns. What the columns are is found in the training table by
    `ssdgm_tf.schema.infer`, what the targets are by `infer_targets`, and both are printed. Columns that are left out there
    are not learned. `loc` and `scale` are then those of the training rows, of a target those of the labels that are shown.

    An empty cell of a target is no label. Of one table a fifth is the test set, drawn by the seed: of each class where one
    class is the target, else of the rows with any target. The training rows are shuffled by the seed.

    Args:
        train: a .csv, .tsv or .parquet file; or a mapping {name: cells} or a DataFrame of pandas or polars.
        target: the target columns: a name, names separated by commas or in a list, or the index of one column, from 0, or
            from -1 backwards; "" for the column "label", or for the targets of `schema`.
        test: the test table, in the same form, or None.
        num_labels: number of rows whose targets are shown: of one class as equal per class as possible, else drawn among
            the rows with any target; 0 for all.
        seed: seed of the split and of the label draw.
        num_validation: number of training rows with a target held out of training: the last in the (shuffled) order.
        bad_examples: "stop" at a row that is none, or has a cell that its column does not take; or "drop" such rows and
            print how many there were.
        schema: a file in the form of a run's schema.json, which says what the columns are; "" to find it in the table.

    Raises:
        FileNotFoundError: no such schema.
        ValueError: a table in another form, an unclear target, a bad row with "stop", or too few rows with a target.
    """
    parts = [_read(table, bad_examples) for table in (train, test) if table is not None]
    first = parts[0]
    names = _target_names(target, first) if target or not schema else ()
    if schema:
        described = _from_file(Path(schema), first, names)
        _report_left_out(first, *described)
        parts = [_without_refused(part, _of(described), bad_examples) for part in parts]
    else:
        # Infinite numbers would stop `infer`.
        parts[0] = first = _without_refused(first, _numeric(first), bad_examples)
        described = _found(first, names)
        parts = [first, *(_without_refused(part, _of(described), bad_examples) for part in parts[1:])]
    columns, targets = described
    _check_test(parts, columns, targets)
    encoded = [(_encoded(columns, part), _labels(targets, part)) for part in parts]
    return _assembled(encoded, parts, columns, targets, num_labels, seed, num_validation, refines=not schema)


def refused(columns: Sequence[Column], table: Mapping[str, Any]) -> list[Refused]:
    """The rows of a table with a cell that its column does not take, in order, one reason for each.

    Args:
        columns: the columns; those that the table lacks are passed over.
        table: {name: cells}.

    Raises:
        ValueError: a cell that is no cell of a table, such as a list.
    """
    found: dict[int, str] = {}
    for column in columns:
        if column.name not in table:
            continue
        of_column = cells.read({column.name: table[column.name]})[column.name]
        try:
            column.encode(of_column)
        except ValueError:
            for row, cell in enumerate(of_column):
                try:
                    column.encode([cell])
                except ValueError as error:
                    found.setdefault(row, str(error).replace(" in row 0 of column", " in column"))
    return [Refused(row, found[row]) for row in sorted(found)]


def encoded_with_notes(schema: Schema, table: Mapping[str, Any]) -> tuple[np.ndarray, list[str]]:
    """The numbers of a table, and what of it was taken for gaps, in sentences.

    Args:
        schema: the columns.
        table: {name: cells}, as `Schema.encode` takes it.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = schema.encode(table)
    return x, [str(warning.message) for warning in caught]


def target_names(target: str, names: Sequence[str], where: str) -> tuple[str, ...]:
    """The target columns that a config names.

    Args:
        target: see `load_table`.
        names: the columns of the table.
        where: the table, for messages.

    Raises:
        ValueError: a name that is no column, or that is there twice.
    """
    wanted = target or _DEFAULT_TARGET
    if wanted in names:
        return (wanted,)
    parts = [part.strip() for part in wanted.split(",")]
    found = tuple(_one_target(part, names) for part in parts)
    if "" in found:
        shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
        raise ValueError(
            "target must name columns of the table, separated by commas. "
            f"Received: {parts[found.index('')]!r}, and {where} with the columns {shown}"
        )
    if len(set(found)) < len(found):
        raise ValueError(f"target must name each column once. Received: {target!r}")
    return found


def _one_target(part: str, names: Sequence[str]) -> str:
    """The column of a name or an index; "" for none."""
    if part in names:
        return part
    if re.fullmatch(r"-?\d+", part) and -len(names) <= int(part) < len(names):
        return names[int(part)]
    return ""


def _target_names(target: str | Sequence[str], part: _Part) -> tuple[str, ...]:
    if isinstance(target, str):
        return target_names(target, list(part.columns), part.name)
    for name in target:
        target_names(name, [*part.columns], part.name)
    return tuple(target)


def _read(table: Any, bad_examples: str) -> _Part:
    """A table as columns. Prints what was left out, and how many rows were bad.

    Raises:
        ValueError: a bad row that stops, or no good one.
    """
    if not isinstance(table, str | Path):
        columns = cells.columns_of(table)
        size = len(next(iter(cells.read(columns).values())))
        return _Part(columns, range_of(size), "the table", "row")
    file = table_files.open_table(Path(table))
    for note in file.notes:
        print(note)
    block = table_files.read_all(file)
    part = _Part(block.columns, block.ids, str(file.path), file.row)
    if block.bad:
        place, reason = next(iter(block.bad.items()))
        if bad_examples == "stop" or not block.ids:
            raise ValueError(f"{reason}, in {file.row} {place} of {file.path}")
        total = len(block.ids) + len(block.bad)
        print(
            f"Bad examples dropped: {len(block.bad)} of {total} in {file.path.name}, {listed(list(block.bad))} ({file.row}s)"
        )
    table_files.refuse_commas(block.columns, part.name)
    return part


def range_of(size: int) -> list[str]:
    """The places of rows as text, from 0."""
    return list(map(str, range(size)))


def _numeric(part: _Part) -> list[Column]:
    """Columns of numbers only, as numeric ones, which take no infinite number."""
    found = []
    for name, of_column in cells.read(part.columns).items():
        known = {cell for cell in of_column if cell is not None}
        if known and all(cells.number_of(cell) is not None for cell in known):
            found.append(Column(name, "numeric"))
    return found


def _of(described: tuple[Schema, Targets]) -> list[Column]:
    return [*described[0], *described[1].schema]


def _without_refused(part: _Part, columns: Sequence[Column], bad_examples: str) -> _Part:
    """The table without the rows that its columns do not take.

    Raises:
        ValueError: there is one, with "stop", or there are no others.
    """
    found = refused(columns, part.columns)
    if not found:
        return part
    if bad_examples == "stop" or len(found) == len(part.ids):
        raise ValueError(f"{found[0].reason}, in {part.row} {part.ids[found[0].row]} of {part.name}")
    rows = [row for row, _ in found]
    ids = [part.ids[row] for row in rows]
    print(f"Bad examples dropped: {len(rows)} of {len(part.ids)} in {part.name}, {listed(ids)} ({part.row}s)")
    bad = set(rows)
    return part.only([row for row in range(len(part.ids)) if row not in bad])


def _found(part: _Part, names: tuple[str, ...]) -> tuple[Schema, Targets]:
    """The columns and the targets of a training table, which are printed."""
    targets = infer_targets(part.columns, names)
    schema, notes = infer(part.columns, exclude=names)
    targets = Targets(Schema(_with_gaps(column, part) for column in targets.schema))
    print(f"Columns of {part.name}, {len(part.ids)} rows:\n{schema.describe()}")
    print(f"Targets:\n{targets.schema.describe()}")
    known = cells.read({name: part.columns[name] for name in names})
    for column in targets.schema:
        given = [cell for cell in known[column.name] if cell is not None]
        if column.is_discrete and len(column.categories) > 2 and all(cells.number_of(cell) is not None for cell in given):
            notes.append(
                f"Target {column.name!r} has {len(column.categories)} different whole numbers, which are taken for classes. "
                'For a number to predict, give it the kind "numeric" in a schema.'
            )
    if about_gaps := cells.about_gaps({name: part.columns[name] for name in names}):
        notes.append(f"{about_gaps} Rows without a target count as unlabelled.")
    for note in notes:
        print(note)
    return schema, targets


def _with_gaps(column: Column, part: _Part) -> Column:
    """A target with the share of rows where it is not known."""
    known = is_known(next(iter(Targets(Schema([column])).encode(part.columns).values())))
    return dataclasses.replace(column, gaps=float(1 - known.mean()))


def _from_file(path: Path, part: _Part, names: tuple[str, ...]) -> tuple[Schema, Targets]:
    """The columns and targets that a file says.

    Raises:
        FileNotFoundError: no file.
        ValueError: another form, or other targets than are asked for.
    """
    if not path.is_file():
        raise FileNotFoundError(f"schema must name a file, such as the schema.json of a run. Received: no file {path}")
    try:
        schema, targets = from_document(path.read_text(encoding="utf-8"), part.columns)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{error}, in {path}") from error
    if names and set(names) != set(targets.schema.names):
        raise ValueError(
            "The targets of a schema must be those of the config, or config.target must be ''. "
            f"Received: {', '.join(names)}, where {path} has {', '.join(targets.schema.names)}"
        )
    numbers = [f"{len(of)} {what}{'s' * (len(of) > 1)}" for of, what in ((schema, "column"), (targets.schema, "target"))]
    print(f"{' and '.join(numbers)} of {part.name} are as {path} says.")
    return schema, targets


def _report_left_out(part: _Part, schema: Schema, targets: Targets) -> None:
    left_out = [name for name in part.columns if name not in (*schema.names, *targets.schema.names)]
    if left_out:
        print(f"Columns left out, which the schema does not name: {', '.join(map(repr, left_out[:8]))}")


def _check_test(parts: list[_Part], schema: Schema, targets: Targets) -> None:
    """Refuses a test table that lacks columns of the training table, or every target."""
    for part in parts[1:]:
        if lacking := [name for name in schema.names if name not in part.columns]:
            raise ValueError(
                f"The test table must have the columns of the training table. Received: {part.name} without {lacking[0]!r}"
            )
        if not set(targets.schema.names) & set(part.columns):
            raise ValueError(f"The test table must have a target. Received: {part.name} without {targets.schema.names[0]!r}")


def _encoded(schema: Schema, part: _Part) -> np.ndarray:
    """The numbers of a table; prints what became a gap."""
    x, notes = encoded_with_notes(schema, part.columns)
    for note in notes:
        print(f"{part.name}: {note}")
    return x


def _labels(targets: Targets, part: _Part) -> Values:
    """The values of the targets; prints how many are not known."""
    values = targets.encode(part.columns)
    for name, column in targets.variables.items():
        known = is_known(values[name])
        if unknown := int(np.sum(~known)):
            print(f"Without {column.name!r}: {unknown} of {len(known)} rows of {part.name}")
    return values


def is_known(values: np.ndarray) -> np.ndarray:
    """Whether each value of a target is known, bool [N].

    Args:
        values: classes [N], -1 for none, or numbers [N, 1], NaN for none.
    """
    return values >= 0 if values.dtype.kind == "i" else ~np.isnan(values[:, 0])


def _assembled(
    encoded: list[tuple[np.ndarray, Values]],
    parts: list[_Part],
    schema: Schema,
    targets: Targets,
    num_labels: int,
    seed: int,
    num_validation: int,
    refines: bool,
) -> SemiSupervisedData:
    """The data set of a training and maybe a test table."""
    only = next(iter(targets.variables.values())) if len(targets.schema) == 1 else None
    is_class = only is not None and only.is_discrete
    names = only.categories if only is not None else ()
    (x, y), *others = encoded
    # What the draws go by: the class, or whether a row has any target.
    if is_class:
        of_draws = y["y"]
        report_label_noise(x, of_draws, f"the rows of {parts[0].name}")
    else:
        of_draws = np.where(np.any([is_known(values) for values in y.values()], axis=0), 0, -1)
    if others:
        train, test = np.arange(len(x)), None
        if not np.any([is_known(values) for values in others[0][1].values()]):
            raise ValueError(f"The test table must hold known targets. Received: {parts[1].name} without any")
    else:
        train, test = hold_out_test(of_draws, np.random.default_rng(seed), names if is_class else ())
    kept, held_out = hold_out(of_draws[train], num_validation)
    train, validation = train[kept], train[held_out]
    if is_class:
        shown = draw_labels(of_draws[train], num_labels, len(names), seed)
    else:
        shown = draw_rows(of_draws[train] >= 0, num_labels, seed)
    if refines:
        schema = Schema(with_moments(column, x[train, place]) for place, column in enumerate(schema))
        targets, y, others = _restandardised(targets, y, others, train[shown])

    def labels(values: Values, rows: Any) -> Any:
        taken = {name: value[rows] for name, value in values.items()}
        return taken["y"] if is_class else taken

    x_test, y_test = others[0] if others else (x[test], {name: value[test] for name, value in y.items()})
    y_train = {name: hide_labels(value[train], shown) for name, value in y.items()}
    return SemiSupervisedData(
        x_train=x[train],
        y_train=labels(y_train, slice(None)),
        x_test=x_test,
        y_test=labels(y_test, slice(None)),
        x_validation=x[validation],
        y_validation=labels(y, validation),
        num_classes=len(names) if is_class else 1,
        class_names=tuple(names) if is_class else (),
        columns=schema.names,
        schema=schema,
        targets=targets,
        decimals=tuple(_decimals(column, parts[0]) for column in (*schema, *targets.schema)),
        ids=tuple(f"{parts[0].row} {parts[0].ids[index]}" for index in train),
    )


def _decimals(column: Column, part: _Part) -> int:
    """The digits after the point of a column, see `decimals_of`."""
    if column.name not in part.columns:
        return ANY
    return decimals_of(column, cells.read({column.name: part.columns[column.name]})[column.name])


def _restandardised(
    targets: Targets, y: Values, others: list[tuple[np.ndarray, Values]], shown: np.ndarray
) -> tuple[Targets, Values, list[tuple[np.ndarray, Values]]]:
    """The targets with the moments of the labels that are shown, and all values standardised by them.

    Raises:
        ValueError: the shown labels of a number are all the same.
    """
    refined = {}
    for name, column in targets.variables.items():
        values = y[name][shown]
        if not column.is_discrete:
            known = values[~np.isnan(values)]
            if not (known.size and known.std() > 0):
                raise ValueError(
                    f"The training rows must show two values or more of a target. Received: {column.name!r} with "
                    f"{known.size} shown, {len(np.unique(known))} of them different"
                )
            mean, scale = float(known.mean(dtype=np.float64)), float(known.std(dtype=np.float64))
            column = dataclasses.replace(column, loc=column.loc + column.scale * mean, scale=column.scale * scale)
        refined[name] = column

    def again(values: Values) -> Values:
        return {
            name: value
            if refined[name].is_discrete
            else ((value * before.scale + before.loc - refined[name].loc) / refined[name].scale).astype(np.float32)
            for (name, before), value in zip(targets.variables.items(), values.values(), strict=True)
        }

    return Targets(Schema(refined.values())), again(y), [(x, again(values)) for x, values in others]
