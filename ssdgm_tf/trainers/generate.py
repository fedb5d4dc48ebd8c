"""Writes rows that the model of a table draws.

    ssdgm-generate --workdir=runs/loans --rows=1000 --output=synthetic.csv
    ssdgm-generate --workdir=runs/loans --rows=1000 --where status=bad --output=bad.csv

The rows have the columns of the model, then its targets; no gaps. Columns that training left out, such as identifiers, are
not among them. --where holds a target at a value, and may be given for each target; the others are drawn. Numbers stay
within the range of the training table, and have as many digits after the point. Rare categories that training merged are
"other". The same seed writes the same rows.
"""

from typing import Any

from absl import flags

from ssdgm_tf.runs.prediction_files import check_written
from ssdgm_tf.trainers import flags as command

flags.DEFINE_string("workdir", None, "Folder of a run of a table.", module_name=command.FILES)
flags.DEFINE_integer("rows", 1000, "Number of rows.", lower_bound=1, module_name=command.WHAT)
flags.DEFINE_multi_string("where", [], "TARGET=VALUE, once for each target that is held", module_name=command.WHAT)
flags.DEFINE_string("output", None, "The table to write, .csv, .tsv or .parquet.", module_name=command.FILES)
flags.DEFINE_integer("seed", 0, "Seed of the draws.", module_name=command.WHAT)


def main() -> dict[str, Any]:
    """`ssdgm-generate`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    output = command.table_path("output")
    check_written([output], None, folder.path)
    settings = folder.load_config()
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import precision, table_filling

    precision.choose_products(settings["precision"])
    output.parent.mkdir(parents=True, exist_ok=True)
    table_filling.make(folder, output, values.rows, values.where, values.seed)
    print(f"{values.rows} rows in {output}")
    return {"rows": values.rows, "output": str(output)}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
