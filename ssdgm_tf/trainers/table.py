"""Rebuilds a published table cell by cell: published figures beside measured ones.

    ssdgm-table --table=kingma_mnist --rows=m2,adgm --labels=100,1000 --seeds=0-2
    ssdgm-table --render

Each cell (row, label count, seed) is a run of ssdgm-train in WORKDIR/TABLE/CELL, and ends as RESULTS/TABLE/CELL.json. The
same command again skips finished cells and resumes interrupted ones.
"""

import signal
import sys
from pathlib import Path
from typing import Any

from absl import flags

from ssdgm_tf import files
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.names import PRECISIONS
from ssdgm_tf.tables import TABLES, cells, rendering, running
from ssdgm_tf.trainers import flags as command

flags.DEFINE_string("table", None, f"One of {', '.join(TABLES)}.", module_name=command.WHAT)
flags.DEFINE_list("rows", [], "Rows of the table, such as m2,adgm; by default all.", module_name=command.WHAT)
flags.DEFINE_list("labels", [], "Label counts of the table, such as 100,1000; by default all.", module_name=command.WHAT)
flags.DEFINE_string("seeds", "0", "Seeds of the label draws, such as 0-2 or 0,3.", module_name=command.WHAT)
flags.DEFINE_string(
    "results", "results", "Folder of the results files and of the rendered tables.", module_name=command.FILES
)
flags.DEFINE_bool("render", False, "Only write the tables of --results, and its README.md.", module_name=command.WHAT)
flags.DEFINE_enum("precision", "float32", PRECISIONS, "As in ssdgm-train.", module_name=command.MACHINE)
flags.DEFINE_enum("jit_compile", "auto", ["auto", "on", "off"], "As in ssdgm-train.", module_name=command.MACHINE)
command.define_budget("each run; one that a smaller budget ended goes on")
command.define_workdir()
flags.FLAGS["workdir"].help = "Folder of the runs, WORKDIR/TABLE/CELL."
flags.FLAGS.set_default("workdir", "runs/tables")


def main() -> dict[str, Any]:
    """`ssdgm-table`, after its flags are parsed."""
    values = flags.FLAGS
    if values.render:
        texts = rendering.documents(Path(values.results))
        _write(texts)
        return {"written": [str(path) for path in texts]}
    options = cells.Options(
        workdir=Path(values.workdir),
        results=Path(values.results),
        data_dir=values.data_dir,
        download=values.download,
        precision=values.precision,
        jit_compile=values.jit_compile,
        budget=command.budget(),
    )
    try:
        table = cells.find_table(values.table)
        asked = cells.select(table, values.rows, values.labels, values.seeds)
        todo, damaged = running.plan(table, asked, options)
        running.check(table, [*asked, *todo], todo, options)
    except (ValueError, FileNotFoundError) as error:
        raise UserError(str(error)) from error
    for reason in damaged:
        print(f"{reason}. It is run again.", file=sys.stderr)
    if not values.quiet:
        print(f"{table.name}: {len(asked)} cells asked for, {len(todo)} to run", file=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    launch = running.launch_unseen if values.quiet else running.launch_process
    failed = running.run(
        table, todo, options, launch, after=lambda: _write(rendering.table_documents(table, options.results))
    )
    texts = rendering.table_documents(table, options.results)
    _write(texts)
    page, sheet = texts
    print(f"{texts[page]}\nThe table is in {page} and {sheet}", flush=True)
    if failed:
        names = ", ".join(cell.name for cell in failed)
        logs = options.workdir / table.home
        raise UserError(f"{len(failed)} of {len(todo)} cells failed: {names}. See log.txt in their folders in {logs}")
    return {"cells": [cell.name for cell in asked], "run": [cell.name for cell in todo], "written": [str(page), str(sheet)]}


def _write(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.whole(path) as partial:
            partial.write_text(text)


def _interrupt(signal_number, frame):
    raise KeyboardInterrupt


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
