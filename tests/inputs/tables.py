"""What becomes of each fault in a table of mixed columns: the page docs/inputs_of_tables.md."""

import contextlib
import io
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssdgm_tf import data
from ssdgm_tf.schema import Schema

PAGE = Path(__file__).parents[2] / "docs" / "inputs_of_tables.md"
TRAIN, PREDICT, CONFIG = "in training", "in a prediction", "with --config.schema"
ROWS = 60
_NUMBERS = "0.5,1.5,2.5,3.5,4.5".split(",")
_HEAD = """\
# What becomes of each table

An input below is a change of a table of 60 rows, `x` (numbers), `city` (five names), `visits` (counts) and `label` (two
classes). A column that is changed is called `c`. [inputs.md](inputs.md#tables) says what tables are.

"Kind" is what the column becomes, the rest what is printed or refused. `--config.bad_examples=drop` leaves out the rows that
an error names by their line. `ssdgm-predict` goes on after a bad row and lists it with the message. FILE stands for a path.

`python -m tests.inputs` writes this page, and a test compares it with what the package does.
"""

Table = dict[str, list[Any]]


class Case(NamedTuple):
    """A change of the clean table, or of its text.

    Attributes:
        change: of the table; None for none.
        text: from the text of the file to its content; None for none.
        options: of `data.load_table`.
        schema: of a schema of the clean table, as text; None where it is found.
    """

    change: Callable[[Table], Table] | None = None
    text: Callable[[str], str | bytes] | None = None
    options: Mapping[str, Any] = {}
    schema: Callable[[str], str] | None = None


def clean() -> Table:
    """The clean table."""
    generator = np.random.default_rng(0)
    return {
        "x": np.round(generator.normal(size=ROWS), 2).tolist(),
        "city": generator.choice(["Bern", "Kyiv", "Lima", "Oslo", "Pune"], ROWS).tolist(),
        "visits": [0, *generator.negative_binomial(1, 0.1, ROWS - 1).tolist()],
        "label": ["bad", "good"] * (ROWS // 2),
    }


def column(make: Callable[[int], Any]) -> Callable[[Table], Table]:
    """The table with a column `c`, of a function of the row."""
    return lambda table: table | {"c": [make(row) for row in range(ROWS)]}


def cell(name: str, value: Any) -> Callable[[Table], Table]:
    """The table with another cell in its fourth row."""
    return lambda table: table | {name: [value if row == 3 else old for row, old in enumerate(table[name])]}


def target(make: Callable[[int], Any]) -> Callable[[Table], Table]:
    """The table with other labels."""
    return lambda table: table | {"label": [make(row) for row in range(ROWS)]}


def _positive(text: str) -> str:
    """A schema whose `x` is positive, of moments that are found in the table."""
    read = json.loads(text)
    read["columns"][0] = {"name": "x", "kind": "positive"}
    return json.dumps(read)


CASES: dict[str, dict[str, Case]] = {
    TRAIN: {
        "a column of one value": Case(column(lambda row: "same")),
        "a column of one number, with gaps": Case(column(lambda row: "" if row % 2 else 3)),
        "a column of gaps": Case(column(lambda row: "NA")),
        "identifiers": Case(column(lambda row: f"id-{row}")),
        "an index 0, 1, 2, ...": Case(column(lambda row: row)),
        "numbers and text": Case(column(lambda row: "unknown" if row % 7 == 0 else row % 5)),
        "dates": Case(column(lambda row: f"2024-01-{1 + row % 28:02}")),
        "dates that are not in ISO format": Case(column(lambda row: f"{1 + row % 28}.1.2024")),
        "dates, and text among them": Case(
            column(lambda row: "unknown" if row == 7 else f"2024-{1 + row % 2:02}-{1 + row % 28:02}")
        ),
        "times with a zone": Case(column(lambda row: f"2024-01-{1 + row % 28:02}T10:00+02:00")),
        "times of day": Case(column(lambda row: f"{row % 24}:30")),
        "True and False": Case(column(lambda row: str(row % 3 == 0))),
        "True, true, FALSE and false": Case(column(lambda row: ("True", "true", "FALSE", "false")[row % 4])),
        "NA, Namibia's code, among names of countries": Case(column(lambda row: ("DE", "FR", "NA")[row % 3])),
        "numbers with leading zeros": Case(column(lambda row: f"{row % 20:03}")),
        "percentages": Case(column(lambda row: f"{row % 20} %")),
        "another whole number in each row": Case(column(lambda row: 1000 + 7 * row % 61)),
        "whole numbers from 1 to 5": Case(column(lambda row: 1 + row % 5)),
        "negative whole numbers": Case(column(lambda row: row % 30 - 15)),
        "10,000 categories": Case(
            lambda table: (
                {name: of * 200 for name, of in table.items()} | {"c": [f"word {row % 10_000}" for row in range(200 * ROWS)]}
            )
        ),
        "decimal commas": Case(column(lambda row: f"{row},5")),
        "an infinite cell": Case(cell("x", "inf")),
        "an infinite cell, dropped": Case(cell("x", "1e400"), options={"bad_examples": "drop"}),
        "two columns of one name": Case(text=lambda text: text.replace("x,city", "city,city", 1)),
        "a column without a name": Case(text=lambda text: text.replace("visits,", ",", 1)),
        "a delimiter at the end of every line": Case(text=lambda text: text.replace("\n", ",\n")),
        "a row of too few cells": Case(text=lambda text: text.replace(",bad\n", "\n", 1)),
        "a row of too few cells, dropped": Case(
            text=lambda text: text.replace(",bad\n", "\n", 1), options={"bad_examples": "drop"}
        ),
        "quotes that do not close on their line": Case(text=lambda text: text.replace("Bern", '"Be\nrn"', 1)),
        "text that is not UTF-8": Case(text=lambda text: text.replace("Bern", "Zürich", 1).encode("latin-1")),
        "no header": Case(text=lambda text: text.partition("\n")[2]),
        "a header only": Case(text=lambda text: text.partition("\n")[0] + "\n"),
        "an empty file": Case(text=lambda text: ""),
        "an image": Case(text=lambda text: b"\x89PNG\r\n\x1a\n" + bytes(200)),
        "an Excel workbook": Case(text=lambda text: b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml" + bytes(200)),
        "a Parquet file": Case(text=lambda text: b"PAR1" + bytes(200)),
        "JSON": Case(text=lambda text: '{"x": 1, "label": "bad"}\n' * 30),
        "no target column": Case(lambda table: {name: of for name, of in table.items() if name != "label"}),
        "a target without labels": Case(target(lambda row: "")),
        "a target of one class": Case(target(lambda row: "good" if row % 3 == 0 else "")),
        "a class of one row": Case(target(lambda row: "rare" if row == 5 else "good" if row % 2 else "bad")),
        "a target of numbers": Case(target(lambda row: row * 1.5)),
        "a target of few whole numbers": Case(target(lambda row: row % 5)),
        "a target of numbers and text": Case(target(lambda row: "x" if row == 5 else row % 3)),
        "an infinite target": Case(target(lambda row: "inf" if row == 5 else row * 1.5)),
        "None among the labels": Case(target(lambda row: ("None", "mild", "severe")[row % 3])),
        "labels with leading zeros": Case(target(lambda row: f"0{1 + row % 2}")),
        "every column a target": Case(options={"target": "x,city,visits,label"}),
    },
    CONFIG: {
        "a count that is negative": Case(cell("visits", -2), schema=lambda text: text),
        "a count that is fractional": Case(cell("visits", 2.5), schema=lambda text: text),
        "text for a number": Case(cell("x", "many"), schema=lambda text: text),
        "a number that is not positive, where the kind is": Case(schema=_positive),
        "a new category": Case(cell("city", "Rome"), schema=lambda text: text),
        "a column that the table lacks": Case(schema=lambda text: text.replace('"visits"', '"nights"')),
        "an unknown kind": Case(schema=lambda text: text.replace('"count"', '"integer"')),
        "no JSON": Case(schema=lambda text: text[:-5]),
        "a label that is none of the classes": Case(cell("label", "ugly"), schema=lambda text: text),
        "a column that is left out": Case(column(lambda row: row % 3), schema=lambda text: text),
    },
    PREDICT: {
        "a new category": Case(cell("city", "Rome")),
        "a new column": Case(column(lambda row: row)),
        "a missing column": Case(lambda table: {name: of for name, of in table.items() if name != "visits"}),
        "no column of the model": Case(lambda table: {"other": table["x"]}),
        "a gap": Case(cell("visits", "")),
        "text for a number": Case(cell("x", "many")),
        "an infinite cell": Case(cell("x", "inf")),
        "a negative count": Case(cell("visits", -2)),
        "a fractional count": Case(cell("visits", 2.5)),
        "a decimal comma": Case(cell("x", "0,5")),
        "a row of too few cells": Case(text=lambda text: text.replace(",bad\n", "\n", 1)),
        "an image": Case(text=lambda text: b"\x89PNG\r\n\x1a\n" + bytes(200)),
    },
}


def outcome(kind: str, name: str) -> str:
    """What becomes of a case, in words.

    Args:
        kind: one of the keys of `CASES`.
        name: of the case.
    """
    case = CASES[kind][name]
    with tempfile.TemporaryDirectory() as folder:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            try:
                said = _read(kind, case, Path(folder))
            except (ValueError, OSError) as error:
                said = f"refused: {error}"
        notes = [line for line in printed.getvalue().splitlines() if _is_note(line)]
        return _stable(" / ".join([*notes, said] if said else notes) or "nothing is said", folder)


def _read(kind: str, case: Case, folder: Path) -> str:
    table = clean()
    changed = case.change(table) if case.change else table
    text = _text(changed)
    content = case.text(text) if case.text else text
    (folder / "table.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    options = dict(case.options)
    if kind != TRAIN:
        (folder / "clean.csv").write_text(_text(table))
        with contextlib.redirect_stdout(io.StringIO()):
            known = data.load_table(folder / "clean.csv", "label")
    if kind == PREDICT:
        return _predicted(folder / "table.csv", known.schema)
    if case.schema:
        from ssdgm_tf.schema import to_document

        (folder / "schema.json").write_text(case.schema(to_document(known.schema, known.targets)))
        options["schema"] = folder / "schema.json"
    made = data.load_table(folder / "table.csv", options.pop("target", "" if case.schema else "label"), **options)
    total = len(made.x_train) + len(made.x_test)
    if "c" in made.schema.names:
        of_c = made.schema["c"]
        return f"Kind: {of_c.kind}" + (f", {len(of_c.categories)} categories." if of_c.is_discrete else ".")
    if made.targets.schema.names == ("label",) and case.change and "label" in changed and changed["label"] != table["label"]:
        return f"Target: {made.targets.schema['label'].kind}."
    return f"{total} rows." if case.text or options else ""


def _predicted(path: Path, schema: Schema) -> str:
    examples = data.Examples(str(path), (len(schema),), "float32", schema=schema)
    bad = [f"bad row {one.name}: {one.reason}" for *_, of_batch in examples.batches(50) for one in of_batch]
    return " / ".join([*examples.notes, *bad])


def _is_note(line: str) -> bool:
    """Whether a line is a sentence on the input, and not of the table of columns."""
    return bool(
        re.match(
            r"(Column|Target) '|Text taken|Bad examples|Columns left out|An index|Without|.*[Tt]aken for gaps|.*are as ",
            line,
        )
    )


def _text(table: Table) -> str:
    lines = [
        ",".join(f'"{cell}"' if "," in str(cell) else str(cell) for cell in row) for row in zip(*table.values(), strict=True)
    ]
    return "\n".join([",".join(table), *lines]) + "\n"


def _stable(message: str, folder: str) -> str:
    message = " ".join(message.replace(f"{folder}/", "").split())
    return re.sub(r"\b(table|clean)\.csv\b|\bschema\.json\b", "FILE", message)


def text() -> str:
    """The page."""
    lines = [_HEAD]
    for kind, cases in CASES.items():
        lines += [f"## {kind[:1].upper()}{kind[1:]}", "", "| input | what becomes of it |", "|---|---|"]
        lines += [f"| {name} | {_escaped(outcome(kind, name))} |" for name in cases]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def read() -> dict[tuple[str, str], str]:
    """{(kind, name): what the page says}."""
    found, kind = {}, ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            kind = line[3:4].lower() + line[4:]
        cells = line.split(" | ") if line.startswith("| ") else []
        if len(cells) == 2 and cells[0] != "| input":
            found[kind, cells[0][2:]] = re.sub(r"\\(.)", r"\1", cells[1].removesuffix(" |"))
    return found


def _escaped(message: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", message)
