"""Predicts the examples of a folder or file, and finds those unlike the training data and those to label next.

    ssdgm-predict --model=runs/m2_digits --input=photos/ --output=predictions.csv
    ssdgm-predict --model=served/m2_digits --input=new.npz --output=predictions.csv --top_uncertain=100

For each example it writes the likeliest class, the entropy of the classes (nats), their probabilities, its novelty, which is
larger for examples less like the training data, and novelty_p_value: the share of known examples that are as novel. To call
those with at most 0.05 "none of these" gives 5 % of false alarms, after ssdgm-calibrate or with a validation set of 100
examples; otherwise more, because training saw the known ones. A model of fewer than 100 examples has no novelty.

Bad examples are skipped and listed, with a reason, in predictions_errors.csv beside predictions.csv. In names of files a
byte that is no UTF-8 is written as \\xNN.

The input is a folder of images, an .npz file with an array x, an .npy file, a .mat file with an array X or x, or a text
table, .csv or .tsv, with an example on each line, separated by commas, semicolons or tabs. Images are uint8, or numbers in
[0, 1]. A table of images holds the one or the other, as the whole file says: bytes if its values are whole and some are
above 1. The first row of a table is a header if none of its cells is a number or stands for no value (empty, NA), or if they
are 0, 1, 2, ... in order, as pandas writes the columns of an array. An index that pandas writes first, under an empty name,
is left out. Where the training table and this one have headers, columns are found by their names, and others are left out.
Numbers have a decimal point.

A model of time series takes arrays [N, T, C], or [N, T] of one channel. If it was trained with gaps, NaN is a gap.

A model of a table of mixed columns takes a .csv, .tsv or .parquet file with gaps. Columns are found by name, and others are
left out. An empty cell is a gap. So are a category that training never saw and a column that the file lacks; a line says how
many there are. A row with a cell that its column does not take, such as text for a number, is a bad example. For a number
it writes the mean and the standard deviation, in the units of the column. Of several targets the columns begin with the
target's name.
"""

import tempfile
from pathlib import Path
from typing import Any

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.prediction_files import PredictionFiles
from ssdgm_tf.trainers import flags as command

flags.DEFINE_string(
    "model", None, "Folder of a finished run, or a SavedModel that ssdgm-export wrote.", module_name=command.FILES
)
flags.DEFINE_string(
    "input",
    None,
    "Folder of images, or an .npz, .npy, .mat, .csv, .tsv or .parquet file of examples.",
    module_name=command.FILES,
)
flags.DEFINE_string(
    "output",
    "predictions.csv",
    "The table of predictions; its errors go to predictions_errors.csv beside it.",
    module_name=command.FILES,
)
flags.DEFINE_integer(
    "top_uncertain",
    0,
    "Also write this many examples, those with the largest entropy, to predictions_top_uncertain.csv.",
    lower_bound=0,
    module_name=command.WHAT,
)


def main() -> dict[str, Any]:
    """`ssdgm-predict`, after its flags are parsed."""
    values = flags.FLAGS
    for name in ("model", "input"):
        if values[name].value is None:
            raise UserError(f"--{name} must be given. Received: none")
    tables, model = PredictionFiles.of(values.output), Path(values.model)
    is_run = (model / "config.json").exists()
    if not is_run and not (model / "saved_model.pb").exists():
        raise UserError(f"--model must be a run, or a SavedModel of ssdgm-export. Received: {model}")
    tables.check(Path(values.input), model)
    command.import_tensorflow_quietly()
    from ssdgm_tf import data
    from ssdgm_tf.runs import precision, prediction_table, saved_run
    from ssdgm_tf.runs.workdir import Workdir

    precision.choose_products(Workdir(model).load_config()["precision"] if is_run else "float32")
    with tempfile.TemporaryDirectory() as folder:
        if is_run:
            exported = Path(folder) / "model"
            saved_run.export(Workdir(model), exported, verbose=False)
        predictor = prediction_table.Predictor(exported if is_run else model)
        try:
            examples = data.Examples(
                values.input,
                predictor.shape,
                predictor.dtype,
                predictor.resizes,
                predictor.input_columns,
                predictor.schema,
                predictor.limits,
            )
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from error
        for note in examples.notes:
            print(note)
        if "novelty" not in predictor.loaded.signatures:
            print(
                "The model has no novelty: it learned from fewer than 100 examples, or was exported without fit_novelty()."
            )
        try:
            number, num_bad = prediction_table.write(predictor, examples, tables, values.top_uncertain)
        except OSError as error:
            raise UserError(f"--output must be where files can be written. Received: {values.output} ({error})") from error
    bad = f", {num_bad} bad examples in {tables.errors}" if num_bad else ""
    print(f"{number} predictions in {tables.predictions}{bad}")
    errors = str(tables.errors) if num_bad else None
    return {"predictions": str(tables.predictions), "examples": number, "bad_examples": num_bad, "errors": errors}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
