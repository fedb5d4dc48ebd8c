"""Whether a record is of today's engine and of today's preset."""

import json
from typing import Any

from ssdgm_tf import data
from ssdgm_tf.configs.common import model_config
from ssdgm_tf.engine_version import ENGINE
from ssdgm_tf.tables import records
from ssdgm_tf.tables.cells import Cell, config
from ssdgm_tf.tables.definitions import Row, Table

# Versions of the package without a number of the engine that computed as engine 1 does, and a revision that did so for the
# rows that were measured at it: the figures of `tests/golden.py` are the same there, but for the draws of random views.
_OF_ENGINE_1 = "0.2.0", ("ef99e38",)


def engine_of(results: dict[str, Any], revision: str | None) -> int:
    """The engine that a model was trained by; 0 where none was kept.

    Args:
        results: the results of its run.
        revision: see `records.git_revision`.
    """
    environment = results.get("environment", {})
    if "engine" in environment:
        return environment["engine"]
    version, revisions = _OF_ENGINE_1
    is_first = environment.get("ssdgm_tf", "").startswith(version) or (revision or "").startswith(revisions)
    return int(is_first)


def changed_fields(table: Table, record: dict[str, Any]) -> list[str]:
    """The fields of a record's config that its preset has otherwise today.

    Args:
        table: the table of its row.
        record: see `records.collect`.

    Raises:
        ValueError: the preset is gone, or refuses the row.
    """
    now = records.without_folders(json.loads(json.dumps(config(table, _cell(record)))))
    ran = json.loads(json.dumps(model_config().to_dict())) | record["config"]  # older records lack newer fields
    for fields in (now, ran):
        fields["preprocessing"] = data.of_images(fields["preprocessing"])  # the data of the tables are images
    if now["epochs"] == 0:  # left to the data
        now["epochs"] = ran["epochs"]
    return [name for name in now if ran.get(name) != now[name]]


def is_of_engine(row: Row, results: dict[str, Any], revision: str | None) -> bool:
    """Whether a run is of today's engine. Baselines have none, but for those on M1.

    Args:
        row: its row.
        results: see `engine_of`.
        revision: see `engine_of`.
    """
    has_none = row.is_baseline and row.uses is None
    return has_none or engine_of(results, revision) == ENGINE


def is_today(table: Table, record: dict[str, Any]) -> bool:
    """Whether a record is of today's preset and, where it has an engine, of today's.

    Args:
        table: the table of its row.
        record: see `records.collect`.
    """
    row = table.rows[record["row"]]
    return is_of_engine(row, record["results"], record["revision"]) and not changed_fields(table, record)


def _cell(record: dict[str, Any]) -> Cell:
    return Cell(record["table"], record["row"], record["labels"], record["seed"])
