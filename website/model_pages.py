"""The parts of the pages of models that are not written by hand: docstrings and measured figures."""

import importlib
import re

from ssdgm_tf.models import zoo
from ssdgm_tf.tables import records, rendering
from ssdgm_tf.tables.definitions import TABLES, Row, Table
from website.reference import PACKAGE, ROOT, Reference

_STORY = re.compile(r"<!-- story: ([\w.]+) -->")
_MEASURED = re.compile(r"<!-- measured: (\w+) -->")
_HEADER = "| data | labels | model | published | measured | runs | minutes per run |\n|---|---|---|---|---|---|---|"


def filled_in(text: str, reference: Reference) -> str:
    """A page with its places filled in: `<!-- story: models.M2 -->` and `<!-- measured: m2 -->`.

    Args:
        text: the page.
        reference: the docstrings.
    """
    text = _STORY.sub(lambda place: _story(place.group(1), reference), text)
    return _MEASURED.sub(lambda place: measured(place.group(1)), text)


def _story(path: str, reference: Reference) -> str:
    """The docstring without its sections, and where these are."""
    return f"{reference.story(path)}\n\nArguments and methods: {{py:obj}}`{path} <{PACKAGE}.{path}>`."


def measured(model: str) -> str:
    """Published and measured figures of a model, a line for each row and number of labels that has either.

    Args:
        model: its name in configs, `config.model`.
    """
    lines = [text for table in TABLES.values() if table.home == table.name for text in _of_table(table, model)]
    if not lines:
        return "No table has an error of it yet."
    marked = (
        "\n\n† of an earlier engine or preset, and not measured again yet." if any("†" in line for line in lines) else ""
    )
    return "\n".join([_HEADER, *lines]) + marked + "\n\nSources of published figures: below each table."


def _of_table(table: Table, model: str) -> list[str]:
    rows = {name: row for name, row in table.rows.items() if row.runs_here and model in (_model(row), _below(row))}
    if not rows or not (ROOT / "results" / f"{table.name}.md").exists():  # one of a data set that is not at hand
        return []
    if table.columns:
        return [f"| [{table.title}](../../results/{table.name}.md) | | a column for each data set, in the table | | | | |"]
    every = rendering.lines(table, records.read_all(ROOT / "results" / table.name)[0])
    return [_line(table, line) for line in every if line.row.name in rows and (line.figures or line.spread()[0] is not None)]


def _model(row: Row) -> str:
    """The name of the model in the config of a row."""
    config = importlib.import_module(f"ssdgm_tf.configs.{row.preset}").get_config()
    return row.overrides.get("model", config.model)


def _below(row: Row) -> str | None:
    """The model whose features a baseline takes: M1."""
    return "vae" if row.uses == "m1" and _model(row) not in zoo.names() else None


def _line(table: Table, line: rendering.Line) -> str:
    measure = "" if len(table.measures) == 1 else f": {table.measures[line.measure]}"
    texts = rendering.texts(line, [each["source"] for each in line.figures], table.measures)
    published = "; ".join(rendering.figure(each["error"], each.get("spread")) for each in line.figures) or "–"
    cells = (
        texts["labels"],
        texts["model"] + measure,
        published,
        texts["measured"],
        texts["runs"],
        texts["minutes per run"],
    )
    return f"| [{table.title}](../../results/{table.name}.md) | " + " | ".join(cells) + " |"
