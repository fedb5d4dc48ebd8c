"""Trains a model and writes its report.

    ssdgm-train --config=m2_digits --workdir=runs/m2_digits
    ssdgm-train --config=m2_mnist:labels=100,seed=0 --config.latent_dim=64 --workdir=runs/m2_mnist

The same command again resumes the run, and one with more --config.epochs, or a larger --budget, goes on with it.
"""

import re
from pathlib import Path
from typing import Any

from absl import flags

from ssdgm_tf.errors import UserError
from ssdgm_tf.trainers import flags as command

command.define_training()


def main() -> dict[str, Any] | None:
    """`ssdgm-train`, after its flags are parsed."""
    values = flags.FLAGS
    config = values.config.to_dict()
    data_name = re.sub(r"\W+", "-", config["data"])
    workdir = values.workdir or f"runs/{config['model']}_{data_name}_{config['labels']}_{config['seed']}"
    settings = {"config": config, "precision": values.precision, "jit_compile": values.jit_compile}

    # Mistakes that need no TensorFlow are refused before its import.
    from ssdgm_tf import data
    from ssdgm_tf.runs.workdir import Workdir

    Workdir(workdir).check(settings)
    if values.labels:
        Workdir(workdir).check_labels(Path(values.labels), settings)
    try:
        data.require(config["data"], values.data_dir, values.download, config["resize"])
        data.parse_preprocessing(config["preprocessing"])
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error

    budget = command.budget()
    if values.strategy != "none" and values.jit_compile == "on":
        raise UserError(
            "XLA compiles a step whose variables are on one device: with --strategy, --jit_compile must be off or auto. "
            f"Received: --strategy={values.strategy} --jit_compile=on"
        )
    if values.debug_nans and values.jit_compile == "on":
        raise UserError(
            "--debug_nans needs a step without XLA: --jit_compile must be off or auto. Received: --jit_compile=on"
        )
    command.import_tensorflow_quietly()
    from ssdgm_tf.runs import run, strategies, training, wording

    strategy = strategies.make(values.strategy)
    results = run.train(
        settings,
        workdir,
        values.data_dir,
        values.download,
        values.part,
        training.Execution(values.checkpoint_seconds, strategy, values.debug_nans, budget),
        values.labels,
    )
    if not strategies.is_chief(strategy):
        print(f"This worker is done; the chief writes the results in {workdir}")
        return None
    print(wording.summary(results, config))
    page = Path(workdir) / "report.html"
    print(f"Results in {workdir}: open {page}" if page.exists() else f"Results in {workdir}/results.json")
    return {"workdir": str(workdir), "report": str(page) if page.exists() else None, "results": results}


def cli() -> None:
    """The console script."""
    command.run(main, __doc__)


if __name__ == "__main__":
    cli()
