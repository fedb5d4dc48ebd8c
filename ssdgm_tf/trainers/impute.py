"""Fills in the gaps of a table with the model of a run.

    ssdgm-impute --workdir=runs/loans --input=loans.csv --output=filled.csv
    ssdgm-impute --workdir=runs/loans --input=loans.csv --output=filled.csv --draws=5

The output has the same columns and rows; only gaps change. A gap gets its mean given what is known of its row, or its
likeliest category. Targets are filled in too. With --draws=5 each gap gets a draw of its distribution, in five files:
filled_1.csv to filled_5.csv. What is computed from each of them then differs by as much as the gaps leave open (multiple
imputation).

Tables are .csv, .tsv or .parquet files, as of training: columns are found by name. Columns that the model does not know,
such as identifiers, stay as they are, and so do their gaps; a line says so. A category that training never saw stays, and
counts as not known. Numbers stay within the range of the training table, and have as many digits after the point. A row with
a cell that its column does not take, such as text for a number, stops the command, and nothing is written.
"""

from typing import Any

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.prediction_files import check_written
from ssdgm_tf.trainers import flags as command

flags.DEFINE_string("workdir", None, "Folder of a run of a table.", module_name=command.FILES)
flags.DEFINE_string("input", None, "The table, a .csv, .tsv or .parquet file.", module_name=command.FILES)
flags.DEFINE_string("output", None, "The table to write, .csv, .tsv or .parquet.", module_name=command.FILES)
flags.DEFINE_integer(
    "draws",
    0,
    "Number of draws of the gaps, one file each: OUTPUT_1, OUTPUT_2, ...; 0 for one file of means.",
    lower_bound=0,
    module_name=command.WHAT,
)
flags.DEFINE_integer(
    "num_samples", 100, "Importance samples of the unknown variables of a row.", lower_bound=1, module_name=command.WHAT
)
flags.DEFINE_integer("seed", 0, "Seed of the samples and draws.", module_name=command.WHAT)


def main() -> dict[str, Any]:
    """`ssdgm-impute`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    source, output = command.table_path("input"), command.table_path("output")
    if not source.is_file():
        raise UserError(f"--input must be a file. Received: no file {source}")
    numbers = range(1, values.draws + 1)
    outputs = [output.with_name(f"{output.stem}_{number}{output.suffix}") for number in numbers] or [output]
    check_written(outputs, source, folder.path)
    settings = folder.load_config()
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import precision, table_filling

    precision.choose_products(settings["precision"])
    output.parent.mkdir(parents=True, exist_ok=True)
    notes = table_filling.fill(folder, source, outputs, values.draws > 0, values.num_samples, values.seed)
    for note in notes:
        print(note)
    print(f"Filled in: {outputs[0]}" + (f" to {outputs[-1].name}" if len(outputs) > 1 else ""))
    return {"outputs": [str(path) for path in outputs], "notes": list(notes)}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
