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


def of_each_class(model: "GraphicalModel", predicted: Any) -> dict[str, Any]:
    """{supervised class: its values} of what `predict` or `predict_sets` gave.

    Args:
        model: the model.
        predicted: the values, where one variable is supervised; {name: values} of several.
    """
    by_name = predicted if len(model.graph.supervised) > 1 else dict.fromkeys(model.graph.supervised, predicted)
    return {name: by_name[name] for name in model.data_format.classes if name in by_name}


def prefix_of(model: "GraphicalModel", name: str) -> str:
    """How the names of figures of a supervised variable begin; "" where it is the only one.

    Args:
        model: the model.
        name: the variable.
    """
    return f"{name}_" if len(model.graph.supervised) > 1 else ""


def training_examples(model: "GraphicalModel", dataset: SemiSupervisedData) -> tuple[Any, Any]:
    """The training examples of a data set; only the labelled ones where the labels are always given.

    Args:
        model: the model.
        dataset: its data set.
    """
    return examples(model, *(dataset.labelled if "y" in model.graph.observed else (dataset.x_train, dataset.y_train)))
