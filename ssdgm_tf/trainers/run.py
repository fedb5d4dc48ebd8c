"""One run from config to report: data, model, training (resumed where it stopped), figures of merit, files."""

import importlib
import time
from pathlib import Path

import keras
import numpy as np

from ssdgm_tf import baselines, data, models
from ssdgm_tf.trainers import build, report
from ssdgm_tf.trainers.callbacks import Checkpoint, MetricsFile, ProgressBar
from ssdgm_tf.trainers.environment import environment
from ssdgm_tf.trainers.flags import UserError
from ssdgm_tf.trainers.workdir import Workdir, write_json

# Test images whose log-likelihood is estimated: enough for a mean, few enough to wait for.
_LIKELIHOOD_IMAGES = 500
# Steps of the labels-only network: it has learned all that a few thousand labels hold long before.
_MAX_LABELS_ONLY_STEPS = 3000
_POSITIVE = ("epochs", "batch_size", "labelled_batch_size", "learning_rate", "num_importance_samples", "num_samples")
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
    folder.check(settings)
    if (results := folder.load_results()) is not None:
        print(f"The run in {folder.path} is finished; nothing to train.")
        return results
    dataset = load_data(config, data_dir, download)
    m1 = m1_results = None
    if config["m1"]:
        m1_folder = Workdir(m1_workdir or folder.path / "m1")
        m1_results = _train_m1(settings, m1_folder, data_dir, download)
        m1 = load_model(m1_folder.model)
    if build.is_baseline(config):
        folder.claim(settings)
        results = measure_baseline(config, dataset, m1)
    else:
        model = load_model(folder.model) if folder.model.exists() else build.model(settings, dataset, m1)
        folder.claim(settings)
        fit(model, config, dataset, folder)
        results = measure(model, config, dataset) | measure_labels_only(config, dataset, num_steps=int(model.step))
        results |= {"training_seconds": folder.load_metrics()[-1]["seconds"]}
    if m1_results is not None:
        results |= {"m1_seconds": m1_results["training_seconds"]}
        results["training_seconds"] += m1_results["training_seconds"]
    results |= {"environment": environment()}
    if not build.is_baseline(config):
        report.write(model, dataset, settings, results, folder)
    write_json(folder.results, results)
    return results


def _train_m1(settings, folder, data_dir, download) -> dict:
    """Trains the M1 that a config builds on, on the same data; or finds it trained."""
    config = settings["config"]
    fields = importlib.import_module(f"ssdgm_tf.configs.{config['m1']}").get_config().to_dict()
    fields |= {name: config[name] for name in ("data", "preprocessing", "num_validation", "seed")}
    if folder.config.exists():  # its own command line may have changed it
        fields = fields | folder.load_config()["config"]
    for name in ("data", "preprocessing", "num_validation"):
        if fields[name] != config[name]:
            raise UserError(
                f"M1 must have seen the same data. Received: config.{name}={config[name]!r}, where {folder.path} has "
                f"{fields[name]!r}"
            )
    return train({**settings, "config": fields}, folder.path, data_dir, download)


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
    initial_epoch = int(model.step) // build.steps_per_epoch(config, dataset)
    print(f"Training on {config['data']}; the learning curve is of the {monitored} set ({len(y_monitored)} images).")
    if initial_epoch:
        print(f"Resuming after epoch {initial_epoch} of {config['epochs']}.")
    if initial_epoch >= config["epochs"]:
        return
    title = type(model).__name__
    has_labels = bool(model.graph.supervised)
    model.fit(
        dataset.x_train,
        dataset.y_train if has_labels else None,
        batch_size=config["batch_size"],
        labelled_batch_size=config["labelled_batch_size"],
        epochs=config["epochs"],
        initial_epoch=initial_epoch,
        seed=config["seed"],
        validation_data=(x_monitored, y_monitored if has_labels else None),
        validation_batch_size=500,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_begin=lambda logs: print(f"{title}: {model.objective_scale}")),
            ProgressBar("training", _SHOWN, initial_epoch),
            MetricsFile(folder.metrics, [row for row in folder.load_metrics() if row["epoch"] <= initial_epoch]),
            Checkpoint(folder.model),
            keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        ],
    )


def measure(model: models.GraphicalModel, config: dict, dataset: data.SemiSupervisedData) -> dict:
    """The model's figures on the test set: every metric of `evaluate`, and the importance-weighted log-likelihood."""
    y = dataset.y_test if model.graph.supervised else None
    metrics = model.evaluate(dataset.x_test, y, batch_size=500, verbose=0, return_dict=True)
    x = dataset.x_test[:_LIKELIHOOD_IMAGES]
    log_px = model.log_likelihood(x, num_samples=config["num_importance_samples"], seed=config["seed"])
    return {name: float(value) for name, value in metrics.items()} | {
        "log_likelihood": float(np.mean(log_px)),
        "log_likelihood_images": len(x),
        "log_likelihood_samples": config["num_importance_samples"],
        "test_images": len(dataset.y_test),
    }


def measure_labels_only(config: dict, dataset: data.SemiSupervisedData, num_steps: int) -> dict:
    """Test errors of what the labelled examples give alone; none for a model that sees no labels."""
    if not build.is_labelled(config, dataset).any():
        return {}
    estimators = {
        "labels_only_error": build.labels_only(config, dataset.num_classes, min(num_steps, _MAX_LABELS_ONLY_STEPS)),
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
    estimator.fit(x_train, dataset.y_train)
    seconds = time.monotonic() - start
    error = 1 - estimator.score(x_test, dataset.y_test)
    return {"error": float(error), "test_images": len(dataset.y_test), "training_seconds": round(seconds, 2)}


def summary(results: dict, config: dict) -> str:
    """The last lines that a command prints."""
    errors = {
        "error": build.title(config),
        "labels_only_error": "labels only, same network",
        "nearest_neighbour_error": "nearest neighbour",
    }
    lines = [f"{config['data']}, {config['labels']} labels, seed {config['seed']}: {results['test_images']} test images"]
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
