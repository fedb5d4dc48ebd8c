"""The cells of a table (row, label count, seed): their selection, configs, folders and commands."""

import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ssdgm_tf import choices, durations
from ssdgm_tf.tables.definitions import TABLES, Row, Table


@dataclass(frozen=True)
class Cell:
    """One run of a table.

    Attributes:
        table: name of the table whose folder holds the run.
        row: name of its row.
        labels: its label count; None for a row without labels.
        seed: its seed.
    """

    table: str
    row: str
    labels: int | None
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder and of its results file."""
        labels = "" if self.labels is None else f"_labels{self.labels}"
        return f"{self.row}{labels}_seed{self.seed}"


@dataclass(frozen=True)
class Options:
    """Where cells run and how.

    Attributes:
        workdir: folder of the runs, WORKDIR/TABLE/CELL.
        results: folder of the results files, RESULTS/TABLE/CELL.json.
        data_dir: folder of the data sets; None for the default.
        download: download data sets that are not prepared.
        precision: the flag of ssdgm-train.
        jit_compile: the flag of ssdgm-train.
        budget: seconds of training of each model; None for no limit.
    """

    workdir: Path
    results: Path
    data_dir: str | None = None
    download: bool = False
    precision: str = "float32"
    jit_compile: str = "auto"
    budget: float | None = None

    def run_folder(self, cell: Cell) -> Path:
        """The folder of a cell's run."""
        return self.workdir / cell.table / cell.name

    def results_file(self, cell: Cell) -> Path:
        """The results file of a cell."""
        return self.results / cell.table / f"{cell.name}.json"


def find_table(name: str) -> Table:
    """The table of a name.

    Args:
        name: one of `TABLES`.

    Raises:
        ValueError: an unknown name.
    """
    choices.check("--table", name, TABLES)
    return TABLES[name]


def select(table: Table, rows: list[str], labels: list[str], seeds: str) -> list[Cell]:
    """The cells that the flags ask for, label count by label count, so that a column is complete before the next.

    Args:
        table: the table.
        rows: names of rows, or of lines that show several; empty for all.
        labels: label counts; empty for all.
        seeds: numbers and ranges, such as "0-2,5".

    Raises:
        ValueError: an unknown row or label count, a row that does not run here, or seeds of another form.
    """
    names = [name for row in rows for name in _rows(table, row)]
    if elsewhere := [name for name in names if not table.rows[name].runs_here]:
        raise ValueError(f"A system that is not here has published figures only. Received: --rows={elsewhere[0]}")
    counts = [_label_count(table, text) for text in labels] or table.labels
    chosen = [row for row in (table.rows[name] for name in names or table.rows) if row.runs_here]
    numbers = parse_seeds(seeds)
    cells = [_cell(table, row, count, seed) for count in counts for row in chosen for seed in numbers]
    return list(dict.fromkeys(cells))


def _rows(table: Table, name: str) -> list[str]:
    """The rows of a name: one row, or those of a line that shows several.

    Raises:
        ValueError: there is none.
    """
    found = [name] if name in table.rows else [row.name for row in table.rows.values() if row.group == name]
    if not found:
        groups = dict.fromkeys(row.group for row in table.rows.values())
        more = f", each with a column of {', '.join(table.columns)}" if table.columns else ""
        raise ValueError(
            f"--rows must be rows of {table.name}: {', '.join(groups)}{more}. "
            f"Received: {name!r}{choices.nearest(name, groups)}"
        )
    return found


def _cell(table: Table, row: Row, labels: int, seed: int) -> Cell:
    return Cell(table.home, row.name, labels if row.labelled else None, seed)


def _label_count(table: Table, text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text) or int(text) not in table.labels:
        known = ", ".join(map(str, table.labels))
        raise ValueError(f"--labels must be label counts of {table.name}: {known}. Received: {text!r}")
    return int(text)


def parse_seeds(text: str) -> list[int]:
    """`"0-2,5"` as [0, 1, 2, 5].

    Args:
        text: numbers and ranges, separated by commas; a range includes its end.

    Raises:
        ValueError: another form, or a range that ends before it starts.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"--seeds must be numbers and ranges, such as 0-2 or 0,3. Received: {text!r}")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(seeds))


def needed(table: Table, cell: Cell) -> Cell | None:
    """The cell whose run `cell` builds on, or None.

    Args:
        table: the table of the cell.
        cell: any of its cells.
    """
    uses = table.rows[cell.row].uses
    return Cell(cell.table, uses, None, cell.seed) if uses else None


def config(table: Table, cell: Cell) -> dict:
    """The config of a cell's run, built as ssdgm-train builds it.

    Args:
        table: the table of the cell.
        cell: any of its cells.

    Raises:
        ValueError: the preset does not exist, or refuses its arguments or the fields that the row overrides.
    """
    row = table.rows[cell.row]
    try:
        fields = importlib.import_module(f"ssdgm_tf.configs.{row.preset}").get_config(_argument(cell))
        fields.update_from_flattened_dict(row.overrides)
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"A cell's config must be valid. Received: {cell.table}/{cell.name}, with the preset {row.preset} ({reason})"
        ) from error
    return fields.to_dict()


def _argument(cell: Cell) -> str:
    """The text after the colon of --config=PRESET:..."""
    labels = "" if cell.labels is None else f"labels={cell.labels},"
    return f"{labels}seed={cell.seed}"


def command(table: Table, cell: Cell, options: Options) -> list[str]:
    """The command line that trains a cell.

    Args:
        table: the table of the cell.
        cell: any of its cells.
        options: where and how.
    """
    row = table.rows[cell.row]
    words = [sys.executable, "-m", "ssdgm_tf.trainers.train", f"--config={row.preset}:{_argument(cell)}"]
    words += [f"--config.{name}={value}" for name, value in row.overrides.items()]
    words += [f"--workdir={options.run_folder(cell)}"]
    if below := needed(table, cell):
        words.append(f"--part={options.run_folder(below)}")
    if options.data_dir is not None:
        words.append(f"--data_dir={options.data_dir}")
    if options.download:
        words.append("--download")
    if options.budget is not None and not row.is_baseline:
        words.append(f"--budget={durations.in_words(options.budget)}")
    return [*words, f"--precision={options.precision}", f"--jit_compile={options.jit_compile}"]
