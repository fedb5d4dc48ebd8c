"""The description of a named model that a run needs. Every file of the zoo ends with its `EXPERIMENT`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models import figures
from ssdgm_tf.models.figures import Captioned
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.named_model import NamedModel
from ssdgm_tf.models.recipe import Recipe

_Config = Mapping[str, Any]
_Figures = Callable[[GraphicalModel, SemiSupervisedData, np.ndarray, int], dict[str, Captioned]]
# Fields of a config about the data.
_DATA = ("data", "preprocessing", "num_validation", "resize")


@dataclass(frozen=True)
class Part:
    """A trained model that a run builds on.

    Attributes:
        field: the field of the config that names the preset of the part. Its folder and its results have this name too.
        inherits: the fields of the part's config that follow from those of the whole.
        requires: the fields that the config of a finished part must have.
        rule: the rule that `requires` stands for, in words.
        kind: the models that can be the part, in words.
        is_suitable: whether a loaded model can be the part.
    """

    field: str
    inherits: Callable[[_Config], dict[str, Any]]
    requires: Callable[[_Config], dict[str, Any]]
    rule: str
    kind: str
    is_suitable: Callable[[GraphicalModel], bool]


def same_fields(*names: str) -> Callable[[_Config], dict[str, Any]]:
    """A function from a config to some of its fields.

    Args:
        *names: the fields.
    """
    return lambda config: {name: config[name] for name in names}


#: A model of the same images without labels, M1, whose latent variable stands for the images.
FEATURES = Part(
    field="m1",
    inherits=lambda config: {"labels": 0} | same_fields(*_DATA, "bad_examples")(config),
    requires=same_fields(*_DATA, "seed"),
    rule="A run has the data and the seed of its M1",
    kind="a model without labels, M1",
    is_suitable=lambda model: model.graph.observed == ("x",) and not model.graph.supervised and len(model.graph.latent) == 1,
)


# Fields of a config about its labels.
_LABELS = ("labels", "supervised", "target", "image_shape", "labelled_twice", "labelled_only")
#: A model of the same examples and labels that infers one class, `y`, from x and from nothing that is drawn.
LABELLER = Part(
    field="labeller",
    inherits=same_fields(*_DATA, *_LABELS, "bad_examples"),
    requires=same_fields(*_DATA, *_LABELS, "seed"),
    rule="A run has the data, the labels and the seed of its labeller",
    kind="a model that infers y from x alone",
    is_suitable=lambda model: (
        model.graph.observed == ("x",)
        and list(model.data_format.classes) == list(model.graph.supervised) == ["y"]
        and model.recognition["y"].parents == ("x",)
    ),
)


@dataclass(frozen=True)
class Experiment:
    """How a named model is made from a config and a data set, and what a run measures and draws of it.

    Attributes:
        model: the class.
        make: from a recipe to a model; None for the class with its own arguments and all options.
        builds_on: the trained model that it may build on; None for none.
        takes_tables: whether its data are tables of mixed columns, which `data.load_table` reads.
        takes_classifier: whether a network of the image, `config.classifier`, may stand in q(y|...).
        uses_labels: whether training uses any label.
        comparisons: names of the comparisons on the same labels, see `ssdgm_tf.runs.comparisons`.
        shown: the metrics of the validation set that the progress bar shows.
        figures: from the model, its data set, indices of test examples in the order to show, and a seed to figures.
    """

    model: type[NamedModel]
    make: Callable[[Recipe], NamedModel] | None = None
    builds_on: Part | None = None
    takes_tables: bool = False
    takes_classifier: bool = True
    uses_labels: bool = True
    comparisons: tuple[str, ...] = ("network", "nearest_neighbour")
    shown: tuple[str, ...] = ("error",)
    figures: _Figures = figures.of_classes

    def part_of(self, config: _Config) -> Part | None:
        """The trained model that a config builds on; None where the field for it is empty.

        Args:
            config: the fields.
        """
        return self.builds_on if self.builds_on is not None and config.get(self.builds_on.field) else None

    def build(self, recipe: Recipe) -> NamedModel:
        """The model that a recipe describes.

        Args:
            recipe: the config and the data set.

        Raises:
            ValueError: a field that the model refuses.
        """
        config = recipe.config
        if not self.takes_classifier and config["classifier"] != "dense":
            raise ValueError(
                f"{config['model']} has no classifier: config.classifier must be 'dense'. "
                f"Received: config.classifier={config['classifier']!r}"
            )
        if self.make is not None:
            return self.make(recipe)
        arguments = recipe.own_arguments(self.model) | recipe.label_options() | recipe.image_options()
        return self.model(**arguments, seed=config["seed"])
