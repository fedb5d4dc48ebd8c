"""One run from config to report: data, model, training (resumed where it stopped), figures of merit, files."""

import importlib
import json
import time
import warnings
from pathlib import Path

import keras
import numpy as np

from ssdgm_tf import baselines, data, models
from ssdgm_tf.trainers import build, report
from ssdgm_tf.trainers.callbacks import Checkpoint, MetricsFile, ProgressBar
from ssdgm_tf.trainers.environment import environment
from ssdgm_tf.trainers.flags import UserError, presets
from ssdgm_tf.trainers.workdir import Workdir, write_json

# Test images whose log-likelihood is estimated: enough for a mean, few enough to wait for.
_LIKELIHOOD_IMAGES = 500
# Steps of the labels-only network: it has learned all that a few thousand labels hold long before.
_MAX_LABELS_ONLY_STEPS = 3000
_POSITIVE = ("epochs", "batch_size", "labelled_batch_size", "learning_rate", "num_importance_samples", "num_samples")
_OF_THE_DATA = ("data", "preprocessing", "num_validation")
# What a two-stage M1+M2 takes from its M1.
_INHERITED = ("hidden_units", "activation", "normalization", "likelihood", "likelihood_scale", "encoder", "decoder")
_SHOWN = {"bound_unlabelled": "bound", "classification_loss": "class. loss", "val_error": "error"}


def train(
    settings: dict, workdir: str, data_dir: str | None = None, download: bool = False, m1_workdir: str | None = None
) -> dict:
    """Trains what `settings` say in `workdir`, or goes on where an earlier start of the same run stopped.

    Args:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}; see `ssdgm_tf.configs.common`.
        workdir: folder of the run.
        data_dir: folder of prepared TensorFlow Datasets, and of files that the config names relative to it.
        download: download the data set where it is not prepared.
        m1_workdir: run of the M1 that this one builds on; None to train it in `workdir`/m1, where the config builds on one.

    Returns:
        The final figures, as in results.json.

    Raises:
        UserError: a bad setting, missing data, or a workdir of another run.
    """
    config, folder = settings["config"], Workdir(workdir)
    for name in _POSITIVE:
        if not config[name] > 0:
            raise UserError(f"config.{name} must be positive. Received: config.{name}={config[name]!r}")
    if config["labels_first_steps"] < 0:
        raise UserError(
            "config.labels_first_steps must not be negative. "
            f"Received: config.labels_first_steps={config['labels_first_steps']!r}"
        )
    _check_m1(config, m1_workdir)
    folder.check(settings)
    if (results := folder.load_results()) is not None and (build.is_baseline(config) or folder.report.exists()):
        print(f"The run in {folder.path} is finished; nothing to train.")
        return results
    dataset = load_data(config, data_dir, download)
    m1 = None
    if config["m1"] and not folder.model.exists():
        if not build.is_baseline(config):
            build.model(settings, dataset)  # what is wrong with the config is found before M1 is trained
        m1 = _trained_m1(settings, folder, m1_workdir, data_dir, download)
    if build.is_baseline(config):
        folder.claim(settings)
        results = measure_baseline(config, dataset, m1)
    else:
        model = load_model(folder.model) if folder.model.exists() else build.model(settings, dataset, m1)
        folder.claim(settings)
        fit(model, config, dataset, folder)
        results = measure(model, config, dataset) | measure_labels_only(model, config, dataset)
        results |= {"training_seconds": folder.load_metrics()[-1]["seconds"]}
    if config["m1"]:
        results |= {"m1_seconds": json.loads(folder.m1_results.read_text())["training_seconds"]}
        results["training_seconds"] += results["m1_seconds"]
    results |= {"environment": environment()}
    write_json(folder.results, results)
    if not build.is_baseline(config):
        report.write(model, dataset, settings, results, folder)
    return results


def _check_m1(config: dict, m1_workdir: str | None) -> None:
    """Whether the config may build on an M1, and names one where it must."""
    may = config["model"] == "m1m2" or build.is_baseline(config)
    if config["m1"] and not may:
        raise UserError(
            "config.m1 is for m1m2 and baselines; the joint M1+M2 is m1m2 without it. "
            f"Received: config.model={config['model']!r}, config.m1={config['m1']!r}"
        )
    if m1_workdir and not config["m1"]:
        raise UserError("--m1 needs a config that builds on an M1. Received: config.m1=''")
    if config["m1"] and config["m1"] not in presets():
        raise UserError(f"config.m1 must be one of {', '.join(presets())}. Received: config.m1={config['m1']!r}")


def _trained_m1(settings, folder, m1_workdir, data_dir, download) -> models.VAE:
    """The M1 that a config builds on: trained in the run's folder, or the one of another run; its figures are noted."""
    config = settings["config"]
    m1_folder = Workdir(m1_workdir or folder.path / "m1")
    fields = importlib.import_module(f"ssdgm_tf.configs.{config['m1']}").get_config().to_dict()
    fields |= {"labels": 0} | {name: config[name] for name in (*_OF_THE_DATA, "seed")}
    own = {**settings, "config": fields}
    if m1_folder.config.exists():  # its own command line may have changed it
        own = m1_folder.load_config()
    shared = (*_OF_THE_DATA, "seed", *(_INHERITED if config["model"] == "m1m2" else ()))
    if differing := [name for name in shared if json.dumps(own["config"][name]) != json.dumps(config[name])]:
        name = differing[0]
        raise UserError(
            f"A run has the data, the seed and the networks of its M1. Received: config.{name}={config[name]!r}, where "
            f"{m1_folder.path} has {own['config'][name]!r}"
        )
    folder.claim(settings)
    results = train(own, m1_folder.path, data_dir, download)
    m1 = load_model(m1_folder.model)
    if not isinstance(m1, models.VAE):
        raise UserError(f"--m1 must be a run of M1. Received: {m1_folder.path}, of a {type(m1).__name__}")
    write_json(folder.m1_results, results)
    return m1


def load_data(config: dict, data_dir: str | None, download: bool) -> data.SemiSupervisedData:
    """The data set that the config names.

    Raises:
        UserError: it is not there, or the labels asked for cannot be drawn from it.
    """
    try:
        return data.load(
            config["data"],
            config["labels"],
            config["seed"],
            config["num_validation"],
            data_dir,
            download,
            config["preprocessing"],
        )
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def load_model(path: Path) -> keras.Model:
    """A saved model.

    Raises:
        UserError: the file is not there, is truncated, or holds no model of this package.
    """
    try:
        model = keras.models.load_model(path)
    except Exception as error:  # Keras raises whatever its zip, HDF5 or JSON reader does
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"The model must be a .keras file that ssdgm_tf saved. Received: {path} ({reason})") from error
    if not isinstance(model, models.SemiSupervisedModel):
        raise UserError(f"The model must be one of ssdgm_tf. Received: {path}, a {type(model).__name__}")
    return model


def fit(model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData, folder: Workdir) -> None:
    """Trains `model` to the end of the config's epochs, from where its step counter says that it is."""
    x_monitored, y_monitored, monitored = dataset.monitored
    seconds = labels_first(model, config, dataset)
    initial_epoch = (int(model.step) - config["labels_first_steps"]) // build.steps_per_epoch(model, config, dataset)
    print(f"Training on {config['data']}; the learning curve is of the {monitored} set ({len(y_monitored)} images).")
    if initial_epoch:
        print(f"Resuming after epoch {initial_epoch} of {config['epochs']}.")
    if initial_epoch >= config["epochs"]:
        return
    title = type(model).__name__
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
            MetricsFile(folder.metrics, [row for row in folder.load_metrics() if row["epoch"] <= initial_epoch], seconds),
            Checkpoint(folder.model),
            keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        ],
    )


def labels_first(model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData) -> float:
    """The first steps of a run, on the labelled examples alone, where the config has any and they are not done yet.

    A q(y|x) that begins right confirms fewer errors (results/tries.md). The objective is that of `fit` with these examples.

    Returns:
        The seconds that they took.
    """
    steps = config["labels_first_steps"] - int(model.step)
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
    some, _ = build.examples(model, dataset.x_test[:_LIKELIHOOD_IMAGES], dataset.y_test[:_LIKELIHOOD_IMAGES])
    log_px = model.log_likelihood(some, num_samples=config["num_importance_samples"], seed=config["seed"])
    return {name: float(value) for name, value in metrics.items()} | {
        "log_likelihood": float(np.mean(log_px)),
        "log_likelihood_images": len(log_px),
        "log_likelihood_samples": config["num_importance_samples"],
        "test_images": len(dataset.y_test),
    }


def measure_labels_only(model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData) -> dict:
    """Test errors of what the labelled examples give alone, in as many steps; none for a model that infers no label."""
    if not model.graph.supervised or not np.any(dataset.y_train >= 0):
        return {}
    num_steps = min(int(model.step), _MAX_LABELS_ONLY_STEPS)
    estimators = {
        "labels_only_error": build.labels_only(config, dataset.num_classes, num_steps),
        "nearest_neighbour_error": baselines.NearestNeighbours(num_neighbours=1),
    }
    x, y = dataset.labelled
    return {name: 1 - estimator.fit(x, y).score(dataset.x_test, dataset.y_test) for name, estimator in estimators.items()}


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
    errors = {
        "error": build.title(config),
        "labels_only_error": "network, labels only",
        "nearest_neighbour_error": "nearest neighbour",
    }
    lines = [f"{config['data']}, {build.labels(config)}, seed {config['seed']}: {results['test_images']} test images"]
    lines += [f"  test error  {title:<28}{100 * results[key]:7.2f} %" for key, title in errors.items() if key in results]
    if "bound_unlabelled" in results:
        lines += [
            f"  test bound  U(x)                        {results['bound_unlabelled']:7.2f} nats",
            f"  log p(x) >= {results['log_likelihood_samples']:>4} samples, {results['log_likelihood_images']:>4} images   "
            f"{results['log_likelihood']:7.2f} nats",
        ]
    if "ece" in results:
        lines.append(f"  ECE         of q(y|x)                   {results['ece']:8.3f}")
    return "\n".join(lines)
