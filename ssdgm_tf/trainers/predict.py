"""Predicts the examples of a folder or file, and finds those unlike the training data and those to label next.

    ssdgm-predict --model=runs/m2_digits --input=photos/ --output=predictions.csv
    ssdgm-predict --model=served/m2_digits --input=new.npz --output=predictions.csv --top_uncertain=100

For each example it writes the likeliest class, the entropy of the classes (nats), their probabilities, and ood_score: minus
the importance-weighted bound on log p(x) in nats. The score is larger for examples less like the training data; compare it
with that of known examples. Unreadable examples are skipped and listed in errors.csv beside the output.
"""

import tempfile
from pathlib import Path

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.trainers import flags as command

flags.DEFINE_string(
    "model", None, "Folder of a finished run, or a SavedModel that ssdgm-export wrote.", module_name=command.__name__
)
flags.DEFINE_string(
    "input",
    None,
    "Folder of images; .npz file with an array x; or .csv file with one example per row.",
    module_name=command.__name__,
)
flags.DEFINE_string("output", "predictions.csv", "The table of predictions.", module_name=command.__name__)
flags.DEFINE_integer(
    "top_uncertain",
    0,
    "Also write this many examples, those with the largest entropy, to top_uncertain.csv.",
    module_name=command.__name__,
)
flags.DEFINE_integer(
    "num_samples", 10, "Importance samples of the bound on log p(x).", lower_bound=1, module_name=command.__name__
)
flags.DEFINE_integer("seed", 0, "Seed of the importance samples.", module_name=command.__name__)


def main() -> None:
    """`ssdgm-predict`, after its flags are parsed."""
    values = flags.FLAGS
    for name in ("model", "input"):
        if values[name].value is None:
            raise UserError(f"--{name} must be given. Received: none")
    if not values.output.endswith(".csv"):
        raise UserError(f"--output must be a .csv file. Received: {values.output}")
    model, output = Path(values.model), Path(values.output)
    is_run = (model / "config.json").exists()
    if not is_run and not (model / "saved_model.pb").exists():
        raise UserError(f"--model must be a run, or a SavedModel of ssdgm-export. Received: {model}")
    command.import_tensorflow_quietly()
    from ssdgm_tf import data
    from ssdgm_tf.runs import prediction_table, saved_run
    from ssdgm_tf.runs.workdir import Workdir

    with tempfile.TemporaryDirectory() as folder:
        if is_run:
            exported = Path(folder) / "model"
            saved_run.export(Workdir(model), exported, verbose=False)
        predictor = prediction_table.Predictor(exported if is_run else model, values.num_samples, values.seed)
        try:
            examples = data.Examples(values.input, predictor.shape)
        except (FileNotFoundError, ValueError) as error:
            raise UserError(str(error)) from error
        number, num_bad = prediction_table.write(predictor, examples, output, values.top_uncertain)
    errors = output.with_name(prediction_table.ERRORS)
    print(f"{number} predictions in {output}" + (f", {num_bad} bad examples in {errors}" if num_bad else ""))


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
