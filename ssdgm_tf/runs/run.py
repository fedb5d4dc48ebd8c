"""One run from config to report: data, model, training (resumed where it stopped), figures of merit, files."""

import importlib
import json
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import baselines, data, models
from ssdgm_tf.runs import build, checkpoints, labels_alone, report, strategies
from ssdgm_tf.runs.callbacks import Checkpoint, MetricsFile, ProgressBar
from ssdgm_tf.runs.environment import emulates, environment
from ssdgm_tf.errors import UserError
from ssdgm_tf.trainers.flags import presets
from ssdgm_tf.runs.workdir import Workdir, write_json

# Test images whose log-likelihood is estimated: enough for a mean, few enough to wait for.
_LIKELIHOOD_IMAGES = 500
# Steps of the labels-only network: it has learned all that a few thousand labels hold long before.
_MAX_LABELS_ONLY_STEPS = 3000
# Of the recognition networks of several variables, which are larger.
_MAX_JOINT_STEPS = 1000
_POSITIVE = ("epochs", "batch_size", "labelled_batch_size", "learning_rate", "num_importance_samples", "num_samples")
_OF_THE_DATA = ("data", "preprocessing", "num_validation")
# What a two-stage M1+M2 takes from its M1.
_INHERITED = ("hidden_units", "activation", "normalization", "likelihood", "likelihood_scale", "encoder", "decoder")
_SHOWN = {
    "bound_unlabelled": "bound",
    "classification_loss": "class. loss",
    "val_error": "error",
    "val_identity_error": "identity error",
    "val_lighting_degrees": "degrees",
    "val_count_error": "count error",
}


class Execution(NamedTuple):
    """How a run is carried out, which another start of it may do otherwise.

    Attributes:
        checkpoint_seconds: least time between two checkpoints, so that fast epochs are not spent on saving.
        strategy: of several devices or workers; None for one device.
        debug_nans: stop at the first term that is not finite.
    """

    checkpoint_seconds: float = 15.0
    strategy: tf.distribute.Strategy | None = None
    debug_nans: bool = False


def train(
    settings: dict,
    workdir: str,
    data_dir: str | None = None,
    download: bool = False,
    part_workdir: str | None = None,
    execution: Execution | None = None,
) -> dict:
    """Trains what `settings` say in `workdir`, or goes on where an earlier start of the same run stopped.

    Args:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}; see `ssdgm_tf.configs.common`.
        workdir: folder of the run.
        data_dir: folder of prepared TensorFlow Datasets, and of files that the config names relative to it.
        download: download the data set where it is not prepared.
        part_workdir: run of the M1 or the digit model that this one builds on; None to train it in `workdir`/m1 or
            `workdir`/digit_model, where the config builds on one.
        execution: how it is carried out; None for the defaults.

    Returns:
        The final figures, as in results.json; {} in a worker that is not the chief, which writes and measures nothing.

    Raises:
        UserError: a bad setting, missing data, a workdir of another run, a full disk, a worker that is gone, or what
            `execution.debug_nans` finds.
    """
    execution = execution or Execution()
    strategy = execution.strategy or tf.distribute.get_strategy()
    execution = execution._replace(strategy=strategy)
    try:
        return _train(settings, Workdir(workdir), data_dir, download, part_workdir, execution)
    except FloatingPointError as error:
        raise UserError(str(error)) from error
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        if strategies.is_lost_worker(error, strategy):
            raise UserError(
                "A step needs every worker: start the same command on all of them again, and it goes on from the last "
                f"checkpoint. Received: a worker that is gone ({str(error).splitlines()[0]})"
            ) from error
        if not checkpoints.is_disk_full(error):
            raise
        raise UserError(
            f"A run needs room on the disk: make some, and the same command goes on. Received: no space left in {workdir}, "
            "where the last checkpoint is whole"
        ) from error


def _train(settings, folder, data_dir, download, part_workdir, execution):
    config, is_chief = settings["config"], strategies.is_chief(execution.strategy)
    for name in _POSITIVE:
        if not config[name] > 0:
            raise UserError(f"config.{name} must be positive. Received: config.{name}={config[name]!r}")
    if config["labels_first_steps"] < 0:
        raise UserError(
            "config.labels_first_steps must not be negative. "
            f"Received: config.labels_first_steps={config['labels_first_steps']!r}"
        )
    _check_part(config, part_workdir)
    if build.is_baseline(config) and execution.strategy.num_replicas_in_sync > 1:
        raise UserError(f"A baseline is fitted on one device: --strategy must be none. Received: {config['model']}")
    folder.check(settings)
    if (results := folder.load_results()) is not None and (build.is_baseline(config) or folder.report.exists()):
        print(f"The run in {folder.path} is finished; nothing to train.")
        return results
    dataset = load_data(config, data_dir, download)
    if emulates(settings["precision"]):
        print(f"This processor has no instructions for {settings['precision']}: float32 is faster here.")
    kind, part, part_file = build.part(config), None, None
    # The labels-only networks of a resumed run are those of a new model, and need its digit model.
    is_new = not checkpoints.exist(folder.model)
    if kind and (kind == "digit_model" or is_new):
        if not build.is_baseline(config) and is_new:
            build.model(settings, dataset)  # what is wrong with the config is found before its part is trained
        part, part_file = _trained_part(settings, folder, part_workdir, data_dir, download, execution)
    if build.is_baseline(config):
        folder.claim(settings)
        results = measure_baseline(config, dataset, part)
    else:
        with execution.strategy.scope():
            model = build.model(settings, dataset, part) if is_new else checkpoints.load(folder.model)
        if is_chief:
            folder.claim(settings)
            folder.save_data(dataset.raw_shape, dataset.class_names, dataset.preprocessing)
        fit(model, config, dataset, folder, execution)
        if not is_chief:
            return {}
        if model.is_distributed:
            model = checkpoints.load(folder.model)  # measured on one device
        results = measure(model, config, dataset) | compare(model, settings, dataset, part_file)
        results |= {"training_seconds": folder.load_metrics()[-1]["seconds"]}
    if kind:
        results |= {f"{kind}_seconds": json.loads(folder.part_results(kind).read_text())["training_seconds"]}
        results["training_seconds"] += results[f"{kind}_seconds"]
    results |= {"environment": environment()}
    write_json(folder.results, results)
    if not build.is_baseline(config):
        report.write(model, dataset, settings, results, folder)
    return results


def _check_part(config: dict, part_workdir: str | None) -> None:
    """Whether the config may build on a trained model, and names one where it must."""
    joint = "config.m1 is for m1m2 and baselines; the joint M1+M2 is m1m2 without it."
    rules = {
        "m1": (config["model"] == "m1m2" or build.is_baseline(config), joint),
        "digit_model": (config["model"] == "multi_digit", "config.digit_model is for multi_digit."),
    }
    for kind, (is_allowed, rule) in rules.items():
        name = config[kind]
        if name and not is_allowed:
            raise UserError(f"{rule} Received: config.model={config['model']!r}, config.{kind}={name!r}")
        if name and name not in presets():
            raise UserError(f"config.{kind} must be one of {', '.join(presets())}. Received: config.{kind}={name!r}")
    if part_workdir and not build.part(config):
        raise UserError(
            "--m1 and --digit_model need a config that builds on such a run. "
            f"Received: config.model={config['model']!r}, config.m1='', config.digit_model=''"
        )


def _trained_part(settings, folder, part_workdir, data_dir, download, execution) -> tuple[models.GraphicalModel, Path]:
    """The model that a config builds on and its file: trained in the run's folder, or of another run; notes its figures."""
    config = settings["config"]
    kind = build.part(config)
    part_folder = Workdir(part_workdir or folder.path / kind)
    fields = importlib.import_module(f"ssdgm_tf.configs.{config[kind]}").get_config().to_dict() | {"seed": config["seed"]}
    if kind == "m1":
        fields |= {"labels": 0} | {name: config[name] for name in _OF_THE_DATA}
    own = {**settings, "config": fields}
    if part_folder.config.exists():  # its own command line may have changed it
        own = part_folder.load_config()
    _check_fit(config, own["config"], part_folder)
    if strategies.is_multi_worker(execution.strategy) and not part_folder.results.exists():
        raise UserError(
            "On several workers the model that a run builds on must be finished: train it first, and give it by "
            f"--{kind}. Received: {part_folder.path}, without results.json"
        )
    is_chief = strategies.is_chief(execution.strategy)
    if is_chief:
        folder.claim(settings)
    results = train(own, part_folder.path, data_dir, download, None, execution)
    part = checkpoints.load(part_folder.model)
    if kind == "m1" and not isinstance(part, models.VAE):
        raise UserError(f"--m1 must be a run of M1. Received: {part_folder.path}, of a {type(part).__name__}")
    if is_chief:
        write_json(folder.part_results(kind), results)
    return part, part_folder.model


def _check_fit(config: dict, own: dict, part_folder: Workdir) -> None:
    """Whether the config of a model that another builds on suits that one."""
    if config["digit_model"]:
        wanted = {"data": config["data"].removeprefix("canvases:"), "preprocessing": "none"}
        rule = "A digit model is of the images that are on the canvases, in [0, 1]"
    else:
        shared = (*_OF_THE_DATA, "seed", *(_INHERITED if config["model"] == "m1m2" else ()))
        wanted = {name: config[name] for name in shared}
        rule = "A run has the data, the seed and the networks of its M1"
    if differing := [name for name, value in wanted.items() if json.dumps(own[name]) != json.dumps(value)]:
        name = differing[0]
        raise UserError(f"{rule}. Received: config.{name}={config[name]!r}, where {part_folder.path} has {own[name]!r}")


def load_data(config: dict, data_dir: str | None, download: bool) -> data.SemiSupervisedData:
    """The data set that the config names.

    Raises:
        UserError: it is not there, or the labels asked for cannot be drawn from it.
    """
    try:
        dataset = data.load(
            config["data"],
            config["labels"],
            config["seed"],
            config["num_validation"],
            data_dir,
            download,
            config["preprocessing"],
            config["bad_examples"],
        )
        dataset = dataset.only(tuple(config["supervised"].split(","))) if config["supervised"] else dataset
        return dataset.with_labelled_twice() if config["labelled_twice"] else dataset
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def fit(
    model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData, folder: Workdir, execution: Execution
) -> None:
    """Trains `model` to the end of the config's epochs, from where its step counter says that it is."""
    x_monitored, y_monitored, monitored = dataset.monitored
    model.debug_nans = execution.debug_nans
    model.jit_compile = model.jit_compile and not execution.debug_nans
    seconds = labels_first(model, config, dataset)
    initial_epoch = (model.num_steps - config["labels_first_steps"]) // build.steps_per_epoch(model, config, dataset)
    print(f"Training on {config['data']}; the learning curve is of the {monitored} set ({len(x_monitored)} images).")
    if initial_epoch:
        print(f"Resuming after epoch {initial_epoch} of {config['epochs']}.")
    is_chief = strategies.is_chief(model.distribute_strategy)
    if initial_epoch >= config["epochs"]:
        if is_chief:
            checkpoints.save(model, folder.model)  # it may come from the checkpoint before a damaged one
        return
    title = type(model).__name__
    rows = [row for row in folder.load_metrics() if row["epoch"] <= initial_epoch]
    writers = [
        MetricsFile(folder.metrics, rows, seconds),
        Checkpoint(folder.model, execution.checkpoint_seconds),
        keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
    ]
    model.fit(
        *build.training_examples(model, dataset),
        batch_size=config["batch_size"],
        labelled_batch_size=config["labelled_batch_size"],
        epochs=config["epochs"],
        initial_epoch=initial_epoch,
        seed=config["seed"],
        validation_data=build.examples(model, x_monitored, y_monitored),
        validation_batch_size=500,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_begin=lambda logs: print(f"{title}: {model.objective_scale}")),
            ProgressBar("training", _SHOWN, initial_epoch),
            *(writers if is_chief else ()),
        ],
    )
    if skipped := sum(row["skipped_steps"] for row in folder.load_metrics()):
        print(f"{skipped:g} steps had gradients that were not finite, and were left out; --debug_nans says where.")


def labels_first(model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData) -> float:
    """The first steps of a run, on the labelled examples alone, where the config has any and they are not done yet.

    A q(y|x) that begins right confirms fewer errors (results/tries.md). The objective is that of `fit` with these examples.

    Returns:
        The seconds that they took.
    """
    steps = config["labels_first_steps"] - model.num_steps
    if steps <= 0:
        return 0.0
    x, y = dataset.labelled
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No unlabelled example")
        size = config["labelled_batch_size"]
        progress = [ProgressBar("labels first", {"classification_loss": "class. loss"})]
        model.fit(
            x, y, size, labelled_batch_size=size, steps_per_epoch=steps, seed=config["seed"], verbose=0, callbacks=progress
        )
    return time.monotonic() - start


def measure(model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData) -> dict:
    """The model's figures on the test set: every metric of `evaluate`, and the importance-weighted log-likelihood."""
    test = build.examples(model, dataset.x_test, dataset.y_test)
    metrics = model.evaluate(*test, batch_size=500, verbose=0, return_dict=True)
    x, y = dataset.x_test, dataset.y_test
    # No several variables are always given, so that their labels play no part here.
    some, _ = build.examples(model, x[:_LIKELIHOOD_IMAGES], None if isinstance(y, dict) else y[:_LIKELIHOOD_IMAGES])
    log_px = model.log_likelihood(some, num_samples=config["num_importance_samples"], seed=config["seed"])
    return {name: float(value) for name, value in metrics.items()} | {
        "log_likelihood": float(np.mean(log_px)),
        "log_likelihood_images": len(log_px),
        "log_likelihood_samples": config["num_importance_samples"],
        "test_images": len(dataset.x_test),
    }


def compare(model: models.GraphicalModel, settings: dict, dataset: data.SemiSupervisedData, part_file: Path | None) -> dict:
    """Test errors of what the labelled examples give alone; none for a model that infers no label.

    Args:
        model: the trained one.
        settings: its settings.
        dataset: its data set.
        part_file: of the trained model that it builds on; None for none.

    Returns:
        {"labels_only_" or "nearest_neighbour_" and the name of the error: its mean}.
    """
    if not model.graph.supervised or not np.any(dataset.is_labelled):
        return {}
    if not isinstance(dataset.y_train, dict):
        num_steps = min(model.num_steps, _MAX_LABELS_ONLY_STEPS)
        estimators = {
            "labels_only_error": build.labels_only(settings["config"], dataset.num_classes, num_steps),
            "nearest_neighbour_error": baselines.NearestNeighbours(num_neighbours=1),
        }
        x, y = dataset.labelled
        return {name: 1 - made.fit(x, y).score(dataset.x_test, dataset.y_test) for name, made in estimators.items()}
    # From the file, for the trained one holds the layers of the model that it builds on, and may have trained them further.
    alone = build.model(settings, dataset, part_file and checkpoints.load(part_file))
    labels_alone.fit(alone, *dataset.labelled, min(model.num_steps, _MAX_JOINT_STEPS), settings["config"])
    test = build.examples(model, dataset.x_test, dataset.y_test)
    errors = labels_alone.errors(alone, *test)
    nearest = labels_alone.nearest_neighbour_errors(model, dataset.labelled, test)
    return {f"labels_only_{name}": error for name, error in errors.items()} | {
        f"nearest_neighbour_{name}": error for name, error in nearest.items()
    }


def measure_baseline(config: dict, dataset: data.SemiSupervisedData, m1: models.VAE | None) -> dict:
    """The test error of the baseline that the config names, on pixels or on M1's features, and its seconds."""
    x_train, x_test = dataset.x_train, dataset.x_test
    if m1 is not None:
        x_train, x_test = m1.encode(x_train)["z"], m1.encode(x_test)["z"]
    estimator = baselines.make(config["model"], dataset.num_classes, config["seed"])
    print(f"Fitting {config['model']} on {len(x_train)} examples, {int(np.sum(dataset.y_train >= 0))} of them labelled.")
    start = time.monotonic()
    try:
        estimator.fit(x_train, dataset.y_train)
    except ValueError as error:
        raise UserError(f"{config['model']} does not take these data: {error}") from error
    seconds = time.monotonic() - start
    error = 1 - estimator.score(x_test, dataset.y_test)
    return {"error": float(error), "test_images": len(dataset.y_test), "training_seconds": round(seconds, 2)}


def summary(results: dict, config: dict) -> str:
    """The last lines that a command prints."""
    lines = [f"{config['data']}, {build.labels(config)}, seed {config['seed']}: {results['test_images']} test images"]
    titles = {"": build.title(config), "labels_only_": "network, labels only", "nearest_neighbour_": "nearest neighbour"}
    for name, of_whom in build.compared(results).items():
        for prefix, error in of_whom.items():
            number, _, unit = build.with_unit(name, error).partition(" ")
            lines.append(f"  test {name.replace('_', ' '):<17}{titles[prefix]:<24}{number:>7} {unit}".rstrip())
    if "bound_unlabelled" in results:
        lines += [
            f"  test bound  U(x)                        {results['bound_unlabelled']:7.2f} nats",
            f"  log p(x) >= {results['log_likelihood_samples']:>4} samples, {results['log_likelihood_images']:>4} images   "
            f"{results['log_likelihood']:7.2f} nats",
        ]
    if "ece" in results:
        lines.append(f"  ECE         of q(y|x)                   {results['ece']:8.3f}")
    return "\n".join(lines)
