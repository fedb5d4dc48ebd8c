"""Builds and compiles the model of a run from its settings."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from ssdgm_tf import baselines, choices
from ssdgm_tf.configs import common
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.errors import UserError
from ssdgm_tf.models import GraphicalModel, NamedModel, zoo
from ssdgm_tf.models.recipe import Recipe
from ssdgm_tf.runs import best_epoch, optimisation, precision, wording

_JIT_COMPILE = {"auto": "auto", "on": True, "off": False}


def model(settings: Mapping[str, Any], dataset: SemiSupervisedData, part: GraphicalModel | None = None) -> NamedModel:
    """The model that the settings describe, compiled. Its weights follow from the config's seed.

    Args:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}.
        dataset: its data set.
        part: the trained model that it builds on, or None.

    Raises:
        UserError: the model or its optimizer refuses a field.
    """
    config = settings["config"]
    choices.check("config.model", config["model"], sorted({*zoo.names(), *baselines.names.NAMES}), UserError)
    keras.utils.set_random_seed(config["seed"])
    if dataset.preprocessing is not None and config["likelihood"] != "normal":
        raise UserError(
            f"Examples that are {dataset.preprocessing.values} are real numbers: they need config.likelihood=normal. "
            f"Received: config.preprocessing={config['preprocessing']!r}, config.likelihood={config['likelihood']!r}"
        )
    try:
        if dataset.schema is not None and not zoo.find(config["model"]).takes_tables:
            raise ValueError(f"Tables of mixed columns need config.model=table. Received: config.model={config['model']!r}")
        fields = _Fields(config)
        made = zoo.find(config["model"]).build(Recipe(fields, dataset, precision.POLICIES[settings["precision"]], part))
        if part is None:  # else some fields are those of the part, whose own values stay
            _check_unused(fields, dataset)
        _check_variables(made, config, dataset)
        _check_labels_first(made, config, dataset)
        best_epoch.check(config, dataset)
        _check_bound_delay(made, config)
        if config["balance"]:
            made.class_to_balance()
        made.build(_input_shapes(made, dataset))
        made.compile(
            optimisation.optimizer(made, config, dataset),
            gamma=optimisation.gamma(config, dataset),
            classification_weight=config["classification_weight"],
            num_samples=config["num_samples"],
            labelled_bound=config["labelled_bound"],
            kl_weight=optimisation.kl_weight(made, config, dataset),
            bound_weight=optimisation.bound_weight(made, config, dataset),
            consistency=config["consistency"],
            jit_compile=_JIT_COMPILE[settings["jit_compile"]],
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    return made


class _Fields(Mapping[str, Any]):
    """The fields of a config, and which of them have been read."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.config[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.config)

    def __len__(self) -> int:
        return len(self.config)


def _check_unused(fields: _Fields, dataset: SemiSupervisedData) -> None:
    """Refuses fields that differ from their defaults and that no network or distribution of the model has read."""
    config = fields.config
    for name in common.changed_of_networks(config):
        if name not in fields.read:
            kinds = ", ".join(f"config.{kind}={config[kind]}" for kind in ("model", "classifier", "encoder", "decoder"))
            raise ValueError(
                f"config.{name} describes what this model does not have. "
                f"Received: config.{name}={config[name]!r}, {kinds}, examples of shape {dataset.x_train.shape[1:]}"
            )


def _check_variables(made: GraphicalModel, config: Mapping[str, Any], dataset: SemiSupervisedData) -> None:
    """Refuses a data set with labels of variables that the model does not have."""
    names = set(dataset.y_train) if isinstance(dataset.y_train, dict) else {"y"}
    of_model = {*made.graph.supervised, *made.graph.observed}
    if names - of_model and made.graph.supervised:
        raise ValueError(
            f"{wording.title(config)} takes labels of {', '.join(made.graph.supervised)}. "
            f"Received: {config['data']}, with labels of {', '.join(sorted(names))}"
        )


def _check_labels_first(made: GraphicalModel, config: Mapping[str, Any], dataset: SemiSupervisedData) -> None:
    num_labels = int(np.sum(dataset.is_labelled))
    if config["labels_first_steps"] and not (made.graph.supervised and num_labels):
        raise ValueError(
            "config.labels_first_steps needs a model that infers labels, and labels. "
            f"Received: config.labels_first_steps={config['labels_first_steps']}, {wording.title(config)}, "
            f"{num_labels} labels"
        )
    if not config["labels_spread"]:
        return
    if not config["labels_first_steps"]:
        raise ValueError("config.labels_spread needs config.labels_first_steps. Received: 0 of them")
    is_class = not isinstance(dataset.y_train, dict) and list(made.data_format.classes) == ["y"]
    if not is_class or dataset.schema is not None or dataset.has_gaps:
        raise ValueError(
            "config.labels_spread needs a class as the only label, and images, vectors or series without gaps. "
            f"Received: {wording.title(config)} on {config['data']}"
        )


def _check_bound_delay(made: GraphicalModel, config: Mapping[str, Any]) -> None:
    if config["bound_delay"] and not made.graph.supervised:
        raise ValueError(
            "config.bound_delay needs a model that infers labels. "
            f"Received: config.bound_delay={config['bound_delay']}, {wording.title(config)}"
        )


def _input_shapes(made: GraphicalModel, dataset: SemiSupervisedData) -> Any:
    x = (None, *dataset.x_train.shape[1:])
    return {"x": x, "y": (None,)} if "y" in made.graph.observed else x
