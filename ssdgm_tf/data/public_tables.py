"""Public tables with few labels: `--config.data=tables:NAME`."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.names import resolve
from ssdgm_tf.data.splits import hidden_elements, hide_labels
from ssdgm_tf.schema import Schema, Targets, class_target, infer

_FOLDER, _DESCRIPTIONS = "tables", "tables.json"
_NAME = re.compile(r"(\w+)(?:,hidden=(0?\.\d+))?")
# Columns that say what is known only later, name a row, or repeat another column.
_LEFT_OUT = {
    "adult": ("split", "education-num"),
    "bank_marketing": ("duration",),
    "cylinder_bands": ("timestamp", "cylinder_number", "customer"),
    "horse_colic": ("outcome",),
    "mammographic": ("BI-RADS",),
}
_SMALLEST_CLASS, _MOST_ROWS = 20, 5000
_TEST_SHARE, _FEWEST_LABELS = 0.3, 2


class Described(NamedTuple):
    """A table and what its description says of it.

    Attributes:
        cells: {column: cells, text or None [N]}, columns of numbers first.
        kinds: {column: "numeric" or "categorical"}.
        target: name of the target column.
        labels: classes of the rows as text, [N].
        classes: the classes, in the order in which they occur.
    """

    cells: dict[str, list[str | None]]
    kinds: dict[str, str]
    target: str
    labels: list[str]
    classes: tuple[str, ...]

    def rows(self, indices: np.ndarray, hidden: np.ndarray | None = None) -> dict[str, list[str | None]]:
        """Some rows, {column: cells}.

        Args:
            indices: their indices.
            hidden: cells that become gaps, bool [N, D], a column for each of `cells`; None for none.
        """
        taken = {}
        for place, (name, cells) in enumerate(self.cells.items()):
            is_hidden = np.zeros(len(cells), bool) if hidden is None else hidden[:, place]
            taken[name] = [None if is_hidden[index] else cells[index] for index in indices]
        return taken


def load_public_table(
    path: str, num_labels: int, seed: int, num_validation: int = 0, data_dir: str | None = None
) -> SemiSupervisedData:
    """A public table: `--config.data=tables:NAME`, or `tables:NAME,hidden=0.3` with a share of its cells made gaps.

    Three tenths of the rows of each class, drawn by the seed, are the test set. Each class has num_labels // K labels, but
    at least two: K classes of a table may so have a few labels less or more than `num_labels` together. The training rows
    with a label come first. The schema is that of the training rows, whose kinds are those that the description names.
    Hidden cells are of all rows, and drawn by the seed.

    Args:
        path: NAME, of the files tables/NAME.csv and tables/tables.json; or "NAME,hidden=SHARE", of a share below 1.
        num_labels: number of labels shown; 0 for all.
        seed: seed of the split, of the label draw, and of the hidden cells.
        num_validation: number of training rows held out of training, before labels are drawn: the last in the order of the
            split.
        data_dir: folder that holds `tables`; None for the current one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another form of path, a table without description, or too few rows of a class.
    """
    from sklearn.model_selection import train_test_split  # slow to import

    name, share = _parse(path)
    table = read_table(name, data_dir)
    y = np.array([table.classes.index(label) for label in table.labels], np.int32)
    hidden = hidden_elements((len(y), len(table.cells)), share, seed) if share else None
    train, test = train_test_split(np.arange(len(y)), test_size=_TEST_SHARE, random_state=seed, stratify=y)
    if not 0 <= num_validation < len(train):
        raise ValueError(
            f"num_validation must lie in 0..{len(train) - 1}, to leave a training row. Received: {num_validation}"
        )
    train, validation = np.split(train, [len(train) - num_validation])
    train, num_shown = _labelled_first(train, y, len(table.classes), num_labels, seed)
    targets = Targets(Schema([class_target(table.target, table.classes)]))
    schema, notes = infer(table.rows(train, hidden), kinds=table.kinds)
    for note in notes:
        print(note)
    x_train, x_test, x_validation = (schema.encode(table.rows(part, hidden)) for part in (train, test, validation))
    return SemiSupervisedData(
        x_train=x_train,
        y_train=hide_labels(y[train], np.arange(num_shown)),
        x_test=x_test,
        y_test=y[test],
        x_validation=x_validation,
        y_validation=y[validation],
        num_classes=len(table.classes),
        class_names=table.classes,
        columns=schema.names,
        schema=schema,
        targets=targets,
    )


def find_public_table(path: str, data_dir: str | None = None) -> Path:
    """The file of the table that `path` names. Does not open it.

    Args:
        path: as `load_public_table` takes it.
        data_dir: folder that holds `tables`; None for the current one.

    Raises:
        FileNotFoundError: no such file, or no description.
        ValueError: another form of path.
    """
    folder, (name, _) = resolve(_FOLDER, data_dir), _parse(path)
    for file in (folder / f"{name}.csv", folder / _DESCRIPTIONS):
        if not file.is_file():
            raise FileNotFoundError(
                f"tables:NAME must name a table in the folder tables of --data_dir, beside {_DESCRIPTIONS}. "
                f"Received: no file {file}"
            )
    return folder / f"{name}.csv"


def read_table(name: str, data_dir: str | None = None) -> Described:
    """The rows of a table that are learned from, and what its description says.

    Left out are classes of fewer than 20 rows, and columns without any known cell or that are no features. Of more than
    5,000 rows it is a sample of 5,000, the same for every seed.

    Args:
        name: the table.
        data_dir: folder that holds `tables`; None for the current one.

    Raises:
        FileNotFoundError: no such file, or no description.
        ValueError: a table without description.
    """
    file = find_public_table(name, data_dir)
    descriptions = json.loads((file.parent / _DESCRIPTIONS).read_text(encoding="utf-8"))
    if name not in descriptions:
        raise ValueError(f"A table must be described in {_DESCRIPTIONS}. Received: {name!r}")
    target, kinds = descriptions[name]["target"], descriptions[name]["columns"]
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    counts = Counter(row[target] for row in rows)
    rows = [row for row in rows if row[target] and counts[row[target]] >= _SMALLEST_CLASS]
    if len(rows) > _MOST_ROWS:
        rows = [rows[index] for index in np.random.RandomState(0).choice(len(rows), _MOST_ROWS, replace=False)]
    columns = [column for column in kinds if column != target and column not in _LEFT_OUT.get(name, ())]
    columns = [column for column in columns if kinds[column] == "categorical" or any(row[column] for row in rows)]
    columns.sort(key=lambda column: kinds[column] != "numeric")  # numbers first
    labels = [row[target] for row in rows]
    return Described(
        cells={column: [row[column] or None for row in rows] for column in columns},
        kinds={column: kinds[column] for column in columns},
        target=target,
        labels=labels,
        classes=tuple(dict.fromkeys(labels)),
    )


def _parse(path: str) -> tuple[str, float]:
    """The name of a table and its share of hidden cells.

    Raises:
        ValueError: another form.
    """
    found = _NAME.fullmatch(path)
    if found is None:
        raise ValueError(
            f"A table must be tables:NAME, or tables:NAME,hidden=SHARE with a share such as 0.3. Received: 'tables:{path}'"
        )
    return found[1], float(found[2] or 0)


def _labelled_first(
    train: np.ndarray, y: np.ndarray, num_classes: int, num_labels: int, seed: int
) -> tuple[np.ndarray, int]:
    """The training rows with those that show their label first, class by class, and the number of these.

    Raises:
        ValueError: too few rows of a class.
    """
    if not num_labels:
        return train, len(train)
    generator, of_each = np.random.default_rng(seed), max(_FEWEST_LABELS, num_labels // num_classes)
    shown = []
    for label in range(num_classes):
        members = np.flatnonzero(y[train] == label)
        if len(members) < of_each:
            raise ValueError(
                f"num_labels={num_labels} takes {of_each} labels of each class. Received: {len(members)} training rows of "
                f"class {label}"
            )
        shown.append(generator.permutation(members)[:of_each])
    first = np.concatenate(shown)
    return np.concatenate([train[first], np.delete(train, first)]), len(first)
