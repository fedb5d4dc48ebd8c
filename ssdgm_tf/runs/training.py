"""The training of a run: first the steps on the labels only, then `fit` with checkpoints, metrics and a progress bar."""

import math
import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from ssdgm_tf import baselines, data, rows
from ssdgm_tf.models import GraphicalModel, zoo
from ssdgm_tf.models.examples import examples, training_examples
from ssdgm_tf.runs import best_epoch, checkpoints, optimisation, strategies
from ssdgm_tf.runs.averages import AveragedValidation
from ssdgm_tf.runs.callbacks import Budget, Checkpoint, MetricsFile, ProgressBar
from ssdgm_tf.runs.workdir import Workdir

# Metrics beside the progress bar, and their short names.
_SHOWN = {"bound_unlabelled": "bound", "classification_loss": "class. loss"}


class Execution(NamedTuple):
    """How a run is carried out. A resumed run may choose differently.

    Attributes:
        checkpoint_seconds: shortest time between two checkpoints, so that fast epochs are not spent on saving.
        strategy: for several devices or workers; None for one device.
        debug_nans: whether to stop at the first term that is not finite.
        budget: seconds of training, over all starts of the run; None for no limit. The run ends after the last epoch that
            they allow. A run that it builds on has no budget.
    """

    checkpoint_seconds: float = 15.0
    strategy: tf.distribute.Strategy | None = None
    debug_nans: bool = False
    budget: float | None = None

    @property
    def devices(self) -> tf.distribute.Strategy:
        """The strategy, or TensorFlow's current one where it is None."""
        return self.strategy or tf.distribute.get_strategy()


def fit(
    model: GraphicalModel,
    config: Mapping[str, Any],
    dataset: data.SemiSupervisedData,
    folder: Workdir,
    execution: Execution,
) -> GraphicalModel:
    """Trains a model to the end of the config's epochs, or of a budget, from the step that its counter has reached.

    Args:
        model: the model, compiled.
        config: the fields.
        dataset: the data set.
        folder: the folder of the run.
        execution: how the run is carried out.

    Returns:
        The model that remains: with config.keep="best" another one, whose weights are those of the best epoch.
    """
    x_monitored, y_monitored, monitored = dataset.monitored
    model.debug_nans = execution.debug_nans
    model.jit_compile = model.jit_compile and not execution.debug_nans
    seconds = labels_first(model, config, dataset)
    initial_epoch = epochs_done(model, config, dataset, folder)
    print(f"Training on {config['data']}; the learning curve shows the {monitored} set ({len(x_monitored)} {dataset.noun}).")
    if initial_epoch:
        print(f"Resuming after epoch {initial_epoch} of {config['epochs']}.")
    is_chief = strategies.is_chief(model.distribute_strategy)
    done = [row for row in folder.load_metrics() if row["epoch"] <= initial_epoch]
    budget = _budget(execution, done, seconds)
    if initial_epoch >= config["epochs"] or (done and not budget.allows_another):
        if is_chief:
            checkpoints.save(model, folder.model)  # it may have been loaded from the previous checkpoint
        return _remaining(model, config, folder)
    model.known_examples = None  # the run learns them anew after it
    title = type(model).__name__
    shown = _SHOWN | {f"val_{name}": name.replace("_", " ") for name in zoo.find(config["model"]).shown}
    writers = [
        *([best_epoch.BestEpoch(folder)] if config["keep"] == "best" else []),
        MetricsFile(folder.metrics, done, seconds),
        Checkpoint(folder.model, execution.checkpoint_seconds),
        keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
    ]
    model.fit(
        *training_examples(model, dataset),
        batch_size=config["batch_size"],
        labelled_batch_size=config["labelled_batch_size"],
        balance=config["balance"],
        epochs=config["epochs"],
        initial_epoch=initial_epoch,
        seed=config["seed"],
        validation_data=examples(model, x_monitored, y_monitored),
        validation_batch_size=rows.batch_size(x_monitored.shape, 500),
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_begin=lambda logs: print(f"{title}: {model.objective_scale}")),
            ProgressBar("training", shown, initial_epoch),
            AveragedValidation(),
            *(writers if is_chief else ()),
            budget,
        ],
    )
    if skipped := sum(row["skipped_steps"] for row in folder.load_metrics()):
        print(f"{skipped:g} steps had gradients that were not finite, and were skipped; --debug_nans finds the cause.")
    return _remaining(model, config, folder)


def _budget(execution: Execution, done: list[dict[str, Any]], before: float) -> Budget:
    """The budget of a run, with the time that it has used.

    Args:
        execution: has the limit, if there is one.
        done: the metrics of the epochs that are done.
        before: seconds that the run took before its first epoch.
    """
    ends = [0.0, *(row["seconds"] for row in done)]
    seconds = math.inf if execution.budget is None else execution.budget
    return Budget(seconds, ends[-1], ends[-1] - ends[-2]) if done else Budget(seconds, before)


def _remaining(model: GraphicalModel, config: Mapping[str, Any], folder: Workdir) -> GraphicalModel:
    """The model that remains after training, the chief's on the disk too."""
    if config["keep"] != "best" or not strategies.is_chief(model.distribute_strategy):
        return model
    best_epoch.take(folder)
    if model.is_distributed:  # to load it would wait for the other workers; the run does so on one device
        return model
    return checkpoints.load(folder.model)


def ending(config: Mapping[str, Any], folder: Workdir, budget: float | None) -> dict[str, Any]:
    """How the training of a run ended, for its results.

    Args:
        config: the fields.
        folder: the folder of the run.
        budget: of the run, in seconds, or None.

    Returns:
        {name: figure}: `training_seconds`; `epochs_trained` and `budget_seconds` where a budget ended it before
        config.epochs; `epoch_kept` with config.keep="best".
    """
    rows = folder.load_metrics()
    found = {"training_seconds": rows[-1]["seconds"]}
    if budget is not None and rows[-1]["epoch"] < config["epochs"]:
        found |= {"epochs_trained": rows[-1]["epoch"], "budget_seconds": budget}
    if config["keep"] == "best" and (best := best_epoch.kept(folder)):
        found |= {"epoch_kept": best["epoch"]}
    return found


def epochs_done(model: GraphicalModel, config: Mapping[str, Any], dataset: data.SemiSupervisedData, folder: Workdir) -> int:
    """The epochs that a model has been trained for, as metrics.jsonl says by its step.

    Labels that come later change the steps of an epoch, so that steps alone do not say it; they do where the file is gone.

    Args:
        model: the model.
        config: the fields.
        dataset: the data set.
        folder: the folder of the run.
    """
    rows = [row for row in folder.load_metrics() if row["step"] <= model.num_steps]
    if rows:
        return rows[-1]["epoch"]
    return max(0, model.num_steps - config["labels_first_steps"]) // optimisation.steps_per_epoch(model, config, dataset)


def labels_first(model: GraphicalModel, config: Mapping[str, Any], dataset: data.SemiSupervisedData) -> float:
    """Takes the config's first steps on the labelled examples only, unless they are already done.

    With `config.labels_spread` examples with spread labels are among them, in steps of `config.batch_size`. A q(y|x) that
    starts well confirms fewer of its errors (results/tries.md). The objective is that of `fit` on these examples; without
    `config.classification_weight`, log q(y|x) weighs 0.1 there.

    Args:
        model: the model, compiled.
        config: the fields.
        dataset: the data set.

    Returns:
        The seconds that the steps took.
    """
    steps = config["labels_first_steps"] - model.num_steps
    if steps <= 0:
        return 0.0
    start = time.monotonic()
    size = config["labelled_batch_size"]
    if config["labels_spread"]:
        print("Labels spread along a graph of neighbours.")
        given: Any = dataset.y_train
        dataset = dataset._replace(y_train=baselines.spread_labels(dataset.x_train, given, seed=config["seed"]))
        size = config["batch_size"]
    x, y = dataset.labelled
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No unlabelled example")
        progress = [ProgressBar("labels first", {"classification_loss": "class. loss"})]
        options = {"balance": config["balance"], "seed": config["seed"], "verbose": 0, "callbacks": progress}
        model.fit(x, y, size, labelled_batch_size=size, steps_per_epoch=steps, **options)
    return time.monotonic() - start
