"""Measures the model of a run on its test set.

    ssdgm-evaluate --workdir=runs/m2_digits

It neither trains nor writes.
"""

from typing import Any

from absl import flags

from ssdgm_tf.trainers import flags as command

command.define_workdir()


def main() -> dict[str, Any]:
    """`ssdgm-evaluate`, after its flags are parsed."""
    values = flags.FLAGS
    folder = command.trained_run()
    settings = folder.load_config()
    config = settings["config"]
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import checkpoints, measuring, precision, wording
    from ssdgm_tf.runs.loading import check_schema, load_data

    precision.choose_products(settings["precision"])
    model = checkpoints.load(folder.model)
    dataset = load_data(config, values.data_dir, values.download, folder)
    check_schema(dataset, model, folder)
    found = measuring.measure(model, config, dataset)
    print(wording.summary(found, config))
    print(f"Measured: {folder.model}")
    return {"model": str(folder.model), "results": found}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
