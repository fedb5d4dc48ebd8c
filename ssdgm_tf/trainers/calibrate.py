"""Makes the probabilities of a run say how often they are right, and its sets and its novelty hold what they promise.

    ssdgm-calibrate --workdir=runs/m2_digits
    ssdgm-calibrate --workdir=runs/m2_mnist --by=validation

Labels that training saw say nothing of that. So by default the run is cross-fitted: its training examples are cut into
parts, and for each part a model like that of the run is trained without it, in folds/ of the run's folder. Each part takes
about as long as the run did. The same command again resumes it. Where the run has a validation set with labels that may be
used, --by=validation takes these, and trains nothing.

The model, results.json and report.html of the run are written anew; its weights stay as they are.
"""

from typing import Any

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.names import CALIBRATIONS, LABEL_SOURCES
from ssdgm_tf.trainers import flags as command

command.define_workdir()
flags.DEFINE_enum("by", "folds", LABEL_SOURCES, "Where the labels come from.", module_name=command.WHAT)
flags.DEFINE_integer("folds", 5, "Parts of the training examples, with --by=folds.", module_name=command.WHAT)
flags.DEFINE_enum(
    "method",
    "temperature",
    CALIBRATIONS,
    "One temperature for all classes, or a slope and an offset for each, which take more labels.",
    module_name=command.WHAT,
)


def main() -> dict[str, Any]:
    """`ssdgm-calibrate`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    if folder.load_results() is None:
        raise UserError(f"A run can be calibrated when it is finished. Received: {folder.path}, without results.json")
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import run

    before, after = run.calibrate(folder, values.data_dir, values.download, values.by, values.folds, values.method)
    titles = {
        "ece": "calibration error of q(y|x)",
        "set_coverage": "sets of 90 % that hold the class",
        "set_size": "classes in a set",
        "false_alarms": "false alarms at 5 %",
    }
    for name in after:
        for end, title in titles.items():
            if name.endswith(end) and isinstance(after[name], float):
                of = name.removesuffix(end).strip("_")
                was = f"{before[name]:.4f}" if name in before else "none"
                print(f"  {f'{of} ' if of else ''}{title:<34}{was:>8} -> {after[name]:.4f}")
    print(f"Measured on test examples. The run in {folder.path} is calibrated; report: {folder.report}")
    return {"workdir": str(folder.path), "report": str(folder.report), "before": before, "after": after}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
