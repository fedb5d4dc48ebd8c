"""Examples of a data set in the form that a model's `fit` and `evaluate` take."""

from typing import TYPE_CHECKING, Any

from ssdgm_tf.data import SemiSupervisedData

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel


def examples(model: "GraphicalModel", x: Any, y: Any) -> tuple[Any, Any]:
    """(x, y) of a data set as the model takes them: labels may be inferred, always given, or not part of the model.

    Args:
        model: the model.
        x: images.
        y: their labels, or {name: labels}.
    """
    if "y" in model.graph.observed:
        return {"x": x, "y": y}, None
    if isinstance(y, dict):  # a test set may know more variables than the model has
        y = {name: values for name, values in y.items() if name in model.graph.supervised}
    return x, (y if model.graph.supervised else None)


def training_examples(model: "GraphicalModel", dataset: SemiSupervisedData) -> tuple[Any, Any]:
    """The training examples of a data set; only the labelled ones where the labels are always given.

    Args:
        model: the model.
        dataset: its data set.
    """
    return examples(model, *(dataset.labelled if "y" in model.graph.observed else (dataset.x_train, dataset.y_train)))
