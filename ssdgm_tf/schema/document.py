"""The schema of a table and its targets as one text that people can edit: schema.json of a run. NumPy only."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ssdgm_tf.schema import cells
from ssdgm_tf.schema.column import DISCRETE, KINDS, Column, scored
from ssdgm_tf.schema.schema import Schema
from ssdgm_tf.schema.targets import Targets

_KEYS = ("columns", "targets")


def to_document(schema: Schema, targets: Targets) -> str:
    """{"columns": [...], "targets": [...]} in JSON, each column as in `Schema.to_json`.

    Args:
        schema: the columns that are known of every row, or missing.
        targets: the columns to predict.
    """
    parts = zip(_KEYS, (schema, targets.schema), strict=True)
    whole = {key: json.loads(part.to_json())["columns"] for key, part in parts}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def from_document(text: str, table: Mapping[str, Any] | None = None) -> tuple[Schema, Targets]:
    """The way back from `to_document`.

    Args:
        text: the JSON. `loc`, `scale` and `categories` of a column may be left out where there is a table.
        table: {name: cells} of the training table, from which what is left out is found; None for none.

    Raises:
        ValueError: no such JSON, a column that is refused or not in the table, or one that is also a target.
    """
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"A schema must be JSON. Received: text that is none ({error})") from error
    if not isinstance(read, dict) or sorted(read) != sorted(_KEYS) or not all(isinstance(v, list) for v in read.values()):
        raise ValueError(f'A schema must be {{"columns": [...], "targets": [...]}} in JSON. Received: {text[:40]!r}')
    parts = [[_completed(fields, table) for fields in read[key]] for key in _KEYS]
    schema, target = (Schema.from_json(json.dumps({"columns": part})) for part in parts)
    if both := sorted(set(schema.names) & set(target.names)):
        raise ValueError(f"A column must be among the columns or among the targets. Received: {both[0]!r} among both")
    return schema, Targets(target)


def with_moments(column: Column, given: Any) -> Column:
    """The column with `loc` and `scale` of other cells; as it is for categories, and where these cells do not differ.

    Args:
        column: a column.
        given: numbers [N] as `Column.encode` gives them, NaN for a gap.
    """
    if column.is_discrete:
        return column
    values = np.asarray(given, np.float64)
    known = scored(column.kind, values[~np.isnan(values)])
    if not known.size or not known.std() > 0:
        return column
    return dataclasses.replace(column, loc=float(known.mean()), scale=float(known.std()))


def _completed(fields: Any, table: Mapping[str, Any] | None) -> Any:
    """The fields of a column with the moments or categories that are left out, from its cells.

    Raises:
        ValueError: the table lacks the column, or cells that the kind does not take.
    """
    if table is None or not isinstance(fields, dict) or "name" not in fields:
        return fields
    name, kind = fields["name"], fields.get("kind")
    if name not in table:
        shown = ", ".join(map(repr, list(table)[:8]))
        raise ValueError(f"A schema must name columns of the table, such as {shown}. Received: {name!r}")
    needed = ("categories",) if kind in DISCRETE else ("loc", "scale")
    if kind not in KINDS or all(field in fields for field in needed):
        return fields
    known = [cell for cell in cells.read({name: table[name]})[name] if cell is not None]
    if kind in DISCRETE:
        texts = {cells.text_of(cell) for cell in known}
        return {"categories": sorted(texts, key=_in_order)} | fields
    options = {field: fields[field] for field in ("unit",) if field in fields}
    found = with_moments(Column(name, kind, **options), Column(name, kind, **options).encode(known))
    return {"loc": found.loc, "scale": found.scale} | fields


def _in_order(text: str) -> tuple[float, str]:
    """Numbers by size, then text."""
    number = cells.number_of(text)
    return (math.inf, text) if number is None else (number, text)
