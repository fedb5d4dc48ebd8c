"""Records of today's presets and engine."""

import json

from ssdgm_tf.engine_version import ENGINE
from ssdgm_tf.tables import cells
from ssdgm_tf.tables.cells import Cell


def record(table, row, labels, seed, minutes=10.0, engine=ENGINE, config=None, **results):
    """A record without its metrics; `config` has fields that differ from the preset's."""
    fields = json.loads(json.dumps(cells.config(table, Cell(table.home, row, labels, seed)))) | (config or {})
    made = {"table": table.home, "row": row, "labels": labels, "seed": seed, "minutes": minutes, "config": fields}
    return made | {"revision": "0", "results": {"environment": {"engine": engine}, **results}}
