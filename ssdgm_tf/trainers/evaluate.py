"""Measures the model of a run on its test set.

    ssdgm-evaluate --workdir=runs/m2_digits

It trains nothing and writes nothing.
"""

from absl import flags

from ssdgm_tf.trainers import flags as command

command.define_workdir()


def main() -> None:
    """`ssdgm-evaluate`, after its flags are parsed."""
    values = flags.FLAGS
    if values.workdir is None:
        raise command.UserError("--workdir must name the folder of a run. Received: none")

    from ssdgm_tf.trainers.workdir import Workdir

    folder = Workdir(values.workdir)
    config = folder.load_config()["config"]

    if folder.results.exists() and not folder.model.exists():
        raise command.UserError(f"A baseline keeps no model to evaluate. Received: {folder.path}; see its results.json")
    command.import_tensorflow_quietly()
    from ssdgm_tf.trainers import run

    model = run.load_model(folder.model)
    dataset = run.load_data(config, values.data_dir, values.download)
    print(run.summary(run.measure(model, config, dataset), config))
    print(f"Measured: {folder.model}")


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
