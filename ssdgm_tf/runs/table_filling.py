"""Tables that a model of a table fills in or makes: `ssdgm-impute` and `ssdgm-generate`."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ssdgm_tf import models
from ssdgm_tf.data import table_files, tables
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import table_rows
from ssdgm_tf.runs import checkpoints
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.schema import DAYS, Column, cells
from ssdgm_tf.schema.digits import ANY, rounded


def fill(folder: Workdir, source: Path, outputs: Sequence[Path], is_drawn: bool, num_samples: int, seed: int) -> list[str]:
    """Writes a table again with its gaps filled in; every other cell is as it was.

    A gap gets its mean or likeliest category given what is known of the row; or a draw, one for each output. So do targets.
    Numbers stay within the range of the training table, and have as many digits after the point.

    Args:
        folder: the run.
        source: the table, .csv, .tsv or .parquet.
        outputs: the files to write, one, or one for each draw.
        is_drawn: whether gaps get draws.
        num_samples: importance samples.
        seed: of the draws.

    Returns:
        Sentences: how many gaps were filled in, and what stays a gap.

    Raises:
        UserError: not a run of a table, or a table that it does not take.
    """
    model, decimals = _load(folder)
    try:
        file = table_files.open_table(source)
        block = table_files.read_all(file)
        for place, reason in block.bad.items():
            raise ValueError(f"{reason}, in {file.row} {place} of {source}")
        columns = [*model.options.columns(), *model.targets.schema]
        for row, reason in tables.refused(columns, block.columns):
            raise ValueError(f"{reason}, in {file.row} {block.ids[row]} of {source}")
        x, notes = tables.encoded_with_notes(model.options.columns(), block.columns)
        y = model.targets.encode(block.columns)
        read = cells.read(block.columns)
    except ValueError as error:
        raise UserError(str(error)) from error
    gaps = {name: [row for row, cell in enumerate(of_column) if cell is None] for name, of_column in read.items()}
    for index, made in enumerate(_filled(model, x, y, len(outputs) if is_drawn else None, num_samples, seed)):
        fillings = {}
        for column in columns:
            if rows := gaps.get(column.name):
                values = rounded(column, made[column.name], decimals.get(column.name, ANY))
                fillings[column.name] = {row: values[row] for row in rows}
        _write(file, outputs[index], block, fillings)
    names = {column.name for column in columns}
    filled = sum(len(rows) for name, rows in gaps.items() if name in names)
    left = {name: len(rows) for name, rows in gaps.items() if rows and name not in names}
    stays = [f"{number} gaps of {name!r} stay: the model does not know the column." for name, number in left.items()]
    return [*file.notes, *notes, *stays, f"{filled} gaps filled in."]


def make(folder: Workdir, output: Path, num_rows: int, where: Sequence[str], seed: int) -> None:
    """Writes rows that the model draws, with its columns and targets; see `fill` for their numbers.

    Args:
        folder: the run.
        output: the file, .csv, .tsv or .parquet.
        num_rows: number of rows.
        where: "TARGET=VALUE" each: what the rows have in common.
        seed: of the draws.

    Raises:
        UserError: not a run of a table, or a target or value that it does not have.
    """
    model, decimals = _load(folder)
    given = _given(model, where)
    x, y = table_rows.draw(model, num_rows, given, seed)
    made = model.options.columns().decode(x) | model.targets.decode(y)
    columns: dict[str, Sequence[Any]] = {}
    for column in (*model.options.columns(), *model.targets.schema):
        columns[column.name] = rounded(column, made[column.name], decimals.get(column.name, ANY))
        if column.unit:
            columns[column.name] = [_moment(column, text) for text in made[column.name]]  # dates have types in Parquet
    table_files.write_table(output, columns)


def _load(folder: Workdir) -> tuple[models.Table, dict[str, int]]:
    """The model of a run, and the digits after the point of its columns.

    Raises:
        UserError: another model.
    """
    model = checkpoints.load(folder.model)
    if not isinstance(model, models.Table):
        raise UserError(
            f"--workdir must be a run of a table, as of --config=table. Received: {folder.path}, of a {type(model).__name__}"
        )
    names = [*model.options.columns().names, *model.targets.schema.names]
    return model, dict(zip(names, folder.load_data().decimals, strict=False))


def _filled(
    model: models.Table, x: np.ndarray, y: dict[str, np.ndarray], num_draws: int | None, num_samples: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """{column: cells [N]} of the table with its gaps filled in: once, or for each draw."""
    found = model.impute(x, y, num_samples=num_samples, num_draws=num_draws, seed=seed)
    if num_draws is None:
        return [model.options.columns().decode(found["x"]) | model.targets.decode({name: found[name] for name in y})]
    generator, made = np.random.default_rng(seed), []
    for rows in found["x"]:
        drawn = table_rows.draw_targets(table_rows.predictions(model, rows), generator)
        made.append(model.options.columns().decode(rows) | model.targets.decode(drawn))
    return made


def _moment(column: Column, text: str) -> date:
    """A date in ISO format as one of Python."""
    return date.fromisoformat(text) if column.unit == DAYS else datetime.fromisoformat(text)


def _write(file: table_files.TableFile, output: Path, block: table_files.Block, fillings: dict[str, dict[int, Any]]) -> None:
    """Writes a table in the form of a file, if the suffix is of its kind; else in that of the suffix."""
    is_parquet = isinstance(file, table_files.ParquetTable)
    if (output.suffix.lower() in table_files.PARQUET) == is_parquet:
        file.write_filled(output, block, fillings)
    else:
        table_files.write_table(output, table_files.filled(block.columns, fillings))


def _given(model: models.Table, where: Sequence[str]) -> dict[str, Any]:
    """{variable: value} of conditions.

    Raises:
        UserError: no target, or a value that it does not take.
    """
    names = model.targets.schema.names
    given: dict[str, Any] = {}
    for condition in where:
        target = next((name for name in sorted(names, key=len, reverse=True) if condition.startswith(f"{name}=")), None)
        if target is None:
            shown = ", ".join(names)
            raise UserError(f"--where must be TARGET=VALUE, of a target, which are {shown}. Received: {condition!r}")
        value = condition.removeprefix(f"{target}=")
        variable = next(name for name, column in model.targets.variables.items() if column.name == target)
        try:
            encoded = model.targets.encode({target: [value]})[variable]
        except ValueError as error:
            raise UserError(str(error)) from error
        if not tables.is_known(encoded)[0]:
            raise UserError(f"--where must give a value of a target. Received: {condition!r}")
        given[variable] = encoded.reshape(-1)[0]
    return given
