"""The page docs/inputs_table.md."""

import itertools
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ssdgm_tf.errors import UserError
from tests.inputs import calls, files
from tests.inputs.changes import BATCHES, CALLS, FILES, FIT, INPUTS, PREDICT, SOURCES, Arrays, Input, clean

PAGE = Path(__file__).parents[2] / "docs" / "inputs_table.md"
SAME, NONE, LIES = "same", "-", "as it lies"
#: What no cell may begin with: a difference that nothing tells of, and an error that is not of this package.
ANOTHER, STRANGER = "ANOTHER RESULT", "STRANGER: "
# How files are called in the messages of the page.
_NAMES = {
    r"\b(train|test)_[xy]\.npy(?= \(|, which|$)|\bnew_x\.npy\b": "FILE",
    r"\b(train|test)_([xy])\.npy\b": r"\2 of FILE",
    r"\bX of (?=train|test)": "x of ",
    r"\b(train|test|new)\.(npz|mat|csv)\b": "FILE",
    r"\b(photos/(train|test)|new)/[\w/]*\.(png|tif)\b": "FILE",
    r"\bphotos/(train|test)\b": "photos/PART",
    r"\bown/1\.0\.0 (train|test)\b": "FOLDER PART",
    r"\bown/1\.0\.0\b": "FOLDER",
    r"\bnew$": "FOLDER",
}
#: {(kind, input, call): cell} of a source.
Column = dict[tuple[str, str, str], str]
_MESSAGE = re.compile(r'^<a id="m\d+"></a>(\d+)\. (.*)$', re.MULTILINE)
_HEAD = """\
# What becomes of each input

An input below is a change of clean data: twelve 6x5 images of bytes / 255 in three classes, some of them without a label.
[inputs.md](inputs.md) describes what is accepted.

- A **number** leads to the message of the refusal. "A class more" is no refusal: a label of a table, or the name of a
  folder, is that of a class.
- **same**: a step gets the examples and labels that are meant.
- **as it lies**: the values are taken in the order of the file, because nothing tells another one: the columns of a training
  table are the pixels in their order. Test tables and tables to predict are read by the names of those columns.
- **-**: there is no such thing. Files of text and images have no axes, dtype and order in memory; a folder and records count
  their classes and have one label for each image; TensorFlow refuses to make some data sets; `predict` takes no labels,
  and `ssdgm-predict` no records.

| row | arrays and batches | files |
|---|---|---|
| fit | `fit` | training examples of `ssdgm-train` |
| evaluate | `evaluate` and `validation_data` | test examples of `ssdgm-train` |
| predict | `predict` | `ssdgm-predict`, which goes on after a bad example, and lists it with the message |

Batches are of six examples; the faults of a single example are in the second one. `fit` splits batches by their labels, and
training shuffles the images of a folder: there the same examples with the same labels come in another order. In messages
FILE and FOLDER stand for a path, and PART for train or test.

`python -m tests.inputs` writes this page, and a test compares it with what the package does.
"""


def column(source: str, of: tuple[str, ...] = CALLS) -> Column:
    """What becomes of every input that comes from a source.

    Args:
        source: one of `SOURCES`.
        of: the calls, some of `CALLS`.
    """
    return {
        (kind, name, call): cell(source, call, given)
        for kind, inputs in INPUTS.items()
        for name, given in inputs.items()
        for call in given.calls
        if call in of
    }


def cell(source: str, call: str, given: Input) -> str:
    """What becomes of an input: `SAME`, `NONE`, `LIES`, or a message.

    Args:
        source: one of `SOURCES`.
        call: one of `CALLS`.
        given: the input.
    """
    is_unread = source == "records" and call == PREDICT and given.of != "beside"
    if source not in given.sources or is_unread:
        return NONE
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            in_files = source in FILES
            made = files.read(source, call, given, Path(folder)) if in_files else calls.read(source, call, given)
        except (ValueError, UserError, FileNotFoundError) as error:
            return _stable(str(error), folder)
        except files.MoreClasses as error:
            return str(error)
        except Exception as error:
            return f"{STRANGER}{type(error).__name__}: {error}"
    is_in_order = call == PREDICT or (source != "folder" and not (call == FIT and source in BATCHES))
    x, y = given.stands_for(*clean(call))
    wanted = Arrays(x, None if call == PREDICT else y)
    if _alike(made, wanted, is_in_order):
        return SAME
    return LIES if given.lies and _alike(made, wanted._replace(x=given.lies(x)), is_in_order) else ANOTHER


def _alike(made: Arrays, wanted: Arrays, is_in_order: bool) -> bool:
    """Whether examples and labels are equal; in any order, if asked for."""

    def rows(arrays: Arrays) -> np.ndarray:
        x = np.reshape(arrays.x, (len(arrays.x), -1))
        table = x if arrays.y is None else np.column_stack([x, np.ravel(arrays.y)])
        return table if is_in_order else table[np.lexsort(np.round(table, 4).T)]

    return np.shape(made.x) == np.shape(wanted.x) and np.allclose(rows(made), rows(wanted), atol=1e-6, equal_nan=True)


def _stable(message: str, folder: str) -> str:
    """A message with the same names on every machine, and for all files of a kind."""
    message = " ".join(message.replace(f"{os.path.realpath(folder)}/", "").replace(f"{folder}/", "").split())
    for name, shown in _NAMES.items():
        message = re.sub(name, shown, message)
    return message


def text(columns: Mapping[str, Column]) -> str:
    """The page.

    Args:
        columns: {source: what became of the inputs from it}, of all sources.
    """
    numbers: dict[str, int] = {}
    lines = [_HEAD]
    for kind, inputs in INPUTS.items():
        lines += [
            f"## {kind[:1].upper()}{kind[1:]}",
            "",
            f"| input | | {' | '.join(SOURCES)} |",
            "|---" * (2 + len(SOURCES)) + "|",
        ]
        for name, given in inputs.items():
            cells = {
                call: [_shown(columns[source][kind, name, call], numbers) for source in SOURCES] for call in given.calls
            }
            for row, (of_row, group) in enumerate(itertools.groupby(given.calls, cells.__getitem__)):
                lines.append(f"| {'' if row else name} | {', '.join(group)} | {' | '.join(of_row)} |")
        lines.append("")
    lines += ["## Messages", ""]
    lines += [f'<a id="m{number}"></a>{number}. {_escaped(message)}\n' for message, number in numbers.items()]
    return "\n".join(lines).rstrip("\n") + "\n"


def _shown(found: str, numbers: dict[str, int]) -> str:
    """A cell of the page; a message is numbered."""
    if found in (SAME, NONE, LIES):
        return found
    number = numbers.setdefault(found, len(numbers) + 1)
    return f"[{number}](#m{number})"


def _escaped(message: str) -> str:
    """A message as a line of Markdown."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", message)


def read() -> dict[str, Column]:
    """{source: what becomes of every input from it, as the page says}."""
    written, columns = PAGE.read_text(), {source: Column() for source in SOURCES}
    messages = {f"[{number}](#m{number})": message for number, message in _MESSAGE.findall(written)}
    kind = name = ""
    for line in written.splitlines():
        if line.startswith("## "):
            kind = line[3:].lower() if line[3:] != "NaN" else "NaN"
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 2 + len(SOURCES) and cells[1]:
            name = cells[0] or name
            for source, cell in zip(SOURCES, cells[2:], strict=True):
                found = re.sub(r"\\(.)", r"\1", messages.get(cell, cell))
                columns[source] |= {(kind, name, call): found for call in cells[1].split(", ")}
    return columns
