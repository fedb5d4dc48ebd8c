"""The optimizer of a run, and the schedules and weights that follow from its config and data set."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ssdgm_tf import objectives
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.models.examples import training_examples
from ssdgm_tf.models.order import steps_per_epoch as steps_of_pass

_Config = Mapping[str, Any]
# The fewest and the most epochs of a config that leaves them open.
_EPOCHS = 5, 1000
# The weight of bounds that are let in late: too little for q(y|x) to follow, enough for Adam.
_EARLY_BOUND = 1e-3


def optimizer(model: GraphicalModel, config: _Config, dataset: SemiSupervisedData) -> keras.optimizers.Optimizer:
    """Adam, with the learning rate or the schedule of the config, and with its running average of the weights.

    Args:
        model: the model, built.
        config: the fields.
        dataset: the data set.

    Raises:
        ValueError: an unknown schedule, a momentum that Keras refuses, or one beside steps on the labels first.
    """
    if config["ema_momentum"] is not None and config["labels_first_steps"]:
        raise ValueError(
            "config.ema_momentum averages from the first step on, and takes no config.labels_first_steps. "
            f"Received: {config['labels_first_steps']} of them"
        )
    averages = {} if config["ema_momentum"] is None else {"use_ema": True, "ema_momentum": config["ema_momentum"]}
    return keras.optimizers.Adam(
        _learning_rate(model, config, dataset),
        **averages,
        weight_decay=config["weight_decay"] or None,
        global_clipnorm=config["global_clipnorm"],
    )


def reschedule(model: GraphicalModel, config: _Config, dataset: SemiSupervisedData, done: int) -> None:
    """Gives the optimizer of a loaded model the schedule of the config, whose epochs may have grown.

    Args:
        model: the model, compiled.
        config: the fields.
        dataset: the data set.
        done: the epochs that it has been trained for. They may have had more steps than those to come.
    """
    if config["learning_rate_schedule"] != "constant":
        adam: Any = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of a loss scale
        taken = max(0, model.num_steps - config["labels_first_steps"])
        surplus = taken - done * steps_per_epoch(model, config, dataset)
        adam.learning_rate = _learning_rate(model, config, dataset, surplus)


def _learning_rate(model: GraphicalModel, config: _Config, dataset: SemiSupervisedData, surplus: int = 0) -> Any:
    """The rate, or its schedule: a linear rise over the labels-first steps or an epoch, then a cosine over the epochs.

    `surplus` steps have been taken beyond those that the epochs that are done have today.
    """
    rate = config["learning_rate"]
    if config["learning_rate_schedule"] == "constant":
        return rate
    if config["learning_rate_schedule"] != "cosine":
        raise ValueError(
            "config.learning_rate_schedule must be 'constant' or 'cosine'. "
            f"Received: config.learning_rate_schedule={config['learning_rate_schedule']!r}"
        )
    steps = steps_per_epoch(model, config, dataset)
    schedule, rise = keras.optimizers.schedules.CosineDecay, config["labels_first_steps"] or steps
    return schedule(0.1 * rate, config["epochs"] * steps + surplus, alpha=0.01, warmup_target=rate, warmup_steps=rise)


def kl_weight(
    model: GraphicalModel, config: _Config, dataset: SemiSupervisedData
) -> keras.optimizers.schedules.LearningRateSchedule | None:
    """The weight of the KL terms: a linear rise from 0 to 1 over the warm-up epochs; None for 1.

    Args:
        model: the model.
        config: the fields.
        dataset: the data set.
    """
    if not config["warmup_epochs"]:
        return None
    steps = _steps_until(config["warmup_epochs"], model, config, dataset)
    return keras.optimizers.schedules.PolynomialDecay(0.0, steps, 1.0)


def bound_weight(
    model: GraphicalModel, config: _Config, dataset: SemiSupervisedData
) -> keras.optimizers.schedules.LearningRateSchedule | None:
    """The weight of the bounds: a thousandth for the first share `bound_delay` of the epochs, then 1; None for 1.

    Args:
        model: the model.
        config: the fields.
        dataset: the data set.

    Raises:
        ValueError: a share outside [0, 1), or one of a single epoch.
    """
    if not config["bound_delay"]:
        return None
    steps = _steps_until(_epochs_before_the_bound(config), model, config, dataset)
    return keras.optimizers.schedules.PiecewiseConstantDecay([steps], [_EARLY_BOUND, 1.0])


def _epochs_before_the_bound(config: _Config) -> int:
    """How many epochs the bound waits: at least one, and it has at least one itself."""
    share, epochs = config["bound_delay"], config["epochs"]
    if not 0 < share < 1 or epochs < 2:
        raise ValueError(
            "config.bound_delay must be a share of two epochs or more, at least 0 and less than 1. "
            f"Received: config.bound_delay={share} of {epochs} epochs"
        )
    return min(max(round(share * epochs), 1), epochs - 1)


def _steps_until(epochs: int, model: GraphicalModel, config: _Config, dataset: SemiSupervisedData) -> int:
    """The training steps by the end of some epochs, with those on the labels first."""
    return config["labels_first_steps"] + epochs * steps_per_epoch(model, config, dataset)


def gamma(config: _Config, dataset: SemiSupervisedData) -> float | None:
    """The gamma of the config, or the gamma that its supervision rate gives.

    Args:
        config: the fields.
        dataset: the data set.

    Raises:
        ValueError: a rate outside 0 to 1.
    """
    rate = config["supervision_rate"]
    if rate is None:
        return config["gamma"]
    if not 0 < rate < 1:
        raise ValueError(f"config.supervision_rate must lie between 0 and 1. Received: config.supervision_rate={rate}")
    num_labels = int(np.sum(dataset.is_labelled))
    return objectives.gamma_of_rate(rate, len(dataset.x_train) - num_labels, max(num_labels, 1))


def epochs_for(config: _Config, dataset: SemiSupervisedData) -> int:
    """The epochs of a config that leaves them open: those of about `target_steps` steps, at least 5 and at most 1,000.

    Args:
        config: the fields.
        dataset: the data set.
    """
    steps = steps_of_pass(dataset.is_labelled, config["batch_size"], config["labelled_batch_size"])
    return int(min(max(config["target_steps"] // steps, _EPOCHS[0]), _EPOCHS[1]))


def steps_per_epoch(model: GraphicalModel, config: _Config, dataset: SemiSupervisedData) -> int:
    """Steps of an epoch of the config on the data set.

    Args:
        model: the model.
        config: the fields.
        dataset: the data set.
    """
    x, y = training_examples(model, dataset)
    size = len(x["x"] if isinstance(x, dict) else x)
    is_labelled = np.zeros(size, bool) if y is None else dataset.is_labelled
    return steps_of_pass(is_labelled, config["batch_size"], config["labelled_batch_size"])
