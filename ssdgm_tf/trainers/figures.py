"""Redraws every figure and the report of a finished run.

    ssdgm-figures --workdir=runs/m2_digits

It trains nothing: it uses the saved model.
"""

from typing import Any

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.trainers import flags as command

command.define_workdir()


def main() -> dict[str, Any]:
    """`ssdgm-figures`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    settings, results = folder.load_config(), folder.load_results()
    if results is None:
        raise UserError(f"A run has figures when it is finished. Received: {folder.path}, without results.json")
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import checkpoints, precision, report
    from ssdgm_tf.runs.loading import check_schema, load_data

    precision.choose_products(settings["precision"])
    model = checkpoints.load(folder.model)
    dataset = load_data(settings["config"], values.data_dir, values.download, folder)
    check_schema(dataset, model, folder)
    report.write(model, dataset, settings, results, folder)
    print(f"Figures in {folder.figures}: open {folder.report}")
    return {"figures": str(folder.figures), "report": str(folder.report)}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
