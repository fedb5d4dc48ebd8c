"""One run from config to report: data, model, training (resumed where it stopped), figures of merit, files."""

from pathlib import Path

import keras
import numpy as np

from ssdgm_tf import data, models
from ssdgm_tf.models import streams
from ssdgm_tf.trainers import baselines, report
from ssdgm_tf.trainers.callbacks import Checkpoint, MetricsFile, ProgressBar
from ssdgm_tf.trainers.environment import environment
from ssdgm_tf.trainers.flags import UserError
from ssdgm_tf.trainers.workdir import Workdir, write_json

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_JIT_COMPILE = {"auto": "auto", "on": True, "off": False}
# Test images whose log-likelihood is estimated: enough for a mean, few enough to wait for.
_LIKELIHOOD_IMAGES = 500
_POSITIVE = ("epochs", "batch_size", "labelled_batch_size", "learning_rate", "num_importance_samples", "num_samples")
_SHOWN = {"bound_unlabelled": "bound", "classification_loss": "class. loss", "val_error": "error"}


def train(settings: dict, workdir: str, data_dir: str | None = None, download: bool = False) -> dict:
    """Trains what `settings` say in `workdir`, or goes on where an earlier start of the same run stopped.

    Args:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}; see `ssdgm_tf.configs.common`.
        workdir: folder of the run.
        data_dir: folder of prepared TensorFlow Datasets.
        download: download the data set where it is not prepared.

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
    model = load_model(folder.model) if folder.model.exists() else make_model(settings, dataset.num_classes)
    folder.claim(settings)
    fit(model, config, dataset, folder)
    results = measure(model, config, dataset) | measure_baselines(config, dataset, num_steps=int(model.step))
    results |= {"training_seconds": folder.load_metrics()[-1]["seconds"], "environment": environment()}
    report.write(model, dataset, settings, results, folder)
    write_json(folder.results, results)
    return results


def load_data(config: dict, data_dir: str | None, download: bool) -> data.SemiSupervisedData:
    """The data set that the config names.

    Raises:
        UserError: it is not there, or the labels asked for cannot be drawn from it.
    """
    try:
        return data.load(config["data"], config["labels"], config["seed"], config["num_validation"], data_dir, download)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error


def make_model(settings: dict, num_classes: int) -> models.M2:
    """The model that the settings describe, compiled, with weights that follow from the config's seed.

    Raises:
        UserError: a field that the model or its optimizer refuses.
    """
    config = settings["config"]
    if config["model"] != "m2":
        raise UserError(f"config.model must be 'm2'. Received: config.model={config['model']!r}")
    keras.utils.set_random_seed(config["seed"])
    try:
        model = models.M2(
            num_classes=num_classes,
            latent_dim=config["latent_dim"],
            hidden_units=config["hidden_units"],
            activation=config["activation"],
            likelihood=config["likelihood"],
            likelihood_scale=config["likelihood_scale"],
            seed=config["seed"],
            dtype=_POLICIES[settings["precision"]],
        )
        model.compile(
            keras.optimizers.Adam(config["learning_rate"], weight_decay=config["weight_decay"] or None),
            gamma=config["gamma"],
            classification_weight=config["classification_weight"],
            num_samples=config["num_samples"],
            jit_compile=_JIT_COMPILE[settings["jit_compile"]],
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    return model


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


def fit(model: models.M2, config: dict, dataset: data.SemiSupervisedData, folder: Workdir) -> None:
    """Trains `model` to the end of the config's epochs, from where its step counter says that it is."""
    x_monitored, y_monitored, monitored = dataset.monitored
    steps = streams.steps_per_epoch(dataset.y_train >= 0, config["batch_size"], config["labelled_batch_size"])
    initial_epoch = int(model.step) // steps
    print(f"Training on {config['data']}; the learning curve is of the {monitored} set ({len(y_monitored)} images).")
    if initial_epoch:
        print(f"Resuming after epoch {initial_epoch} of {config['epochs']}.")
    if initial_epoch >= config["epochs"]:
        return
    model.fit(
        dataset.x_train,
        dataset.y_train,
        batch_size=config["batch_size"],
        labelled_batch_size=config["labelled_batch_size"],
        epochs=config["epochs"],
        initial_epoch=initial_epoch,
        seed=config["seed"],
        validation_data=(x_monitored, y_monitored),
        validation_batch_size=500,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_begin=lambda logs: print(f"M2: {model.objective_scale}")),
            ProgressBar("training", _SHOWN, initial_epoch),
            MetricsFile(folder.metrics, [row for row in folder.load_metrics() if row["epoch"] <= initial_epoch]),
            Checkpoint(folder.model),
            keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        ],
    )


def measure(model: models.M2, config: dict, dataset: data.SemiSupervisedData) -> dict:
    """The model's figures on the test set: every metric of `evaluate`, and the importance-weighted log-likelihood."""
    metrics = model.evaluate(dataset.x_test, dataset.y_test, batch_size=500, verbose=0, return_dict=True)
    x = dataset.x_test[:_LIKELIHOOD_IMAGES]
    log_px = model.log_likelihood(x, num_samples=config["num_importance_samples"], seed=config["seed"])
    return {name: float(value) for name, value in metrics.items()} | {
        "log_likelihood": float(np.mean(log_px)),
        "log_likelihood_images": len(x),
        "log_likelihood_samples": config["num_importance_samples"],
        "test_images": len(dataset.y_test),
    }


def measure_baselines(config: dict, dataset: data.SemiSupervisedData, num_steps: int) -> dict:
    """Test errors of what the labelled examples give alone."""
    x, y = dataset.labelled
    return {
        "labels_only_error": baselines.labels_only_error(
            x,
            y,
            dataset.x_test,
            dataset.y_test,
            num_classes=dataset.num_classes,
            hidden_units=config["hidden_units"],
            activation=config["activation"],
            learning_rate=config["learning_rate"],
            num_steps=num_steps,
            seed=config["seed"],
        ),
        "nearest_neighbour_error": baselines.nearest_neighbour_error(x, y, dataset.x_test, dataset.y_test),
    }


def summary(results: dict, config: dict) -> str:
    """The last lines that a command prints."""
    errors = {
        "M2": "error",
        "labels only, same network": "labels_only_error",
        "nearest neighbour": "nearest_neighbour_error",
    }
    lines = [f"{config['data']}, {config['labels']} labels, seed {config['seed']}: {results['test_images']} test images"]
    lines += [f"  test error  {title:<28}{100 * results[key]:7.2f} %" for title, key in errors.items() if key in results]
    lines += [
        f"  test bound  U(x)                        {results['bound_unlabelled']:7.2f} nats",
        f"  log p(x) >= {results['log_likelihood_samples']:>4} samples, {results['log_likelihood_images']:>4} images   "
        f"{results['log_likelihood']:7.2f} nats",
        f"  ECE         of q(y|x)                   {results['ece']:8.3f}",
    ]
    return "\n".join(lines)
