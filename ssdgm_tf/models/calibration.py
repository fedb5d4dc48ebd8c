"""Calibrated predictions of supervised classes. `calibrate` and `predict_sets` are methods of `GraphicalModel`."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from ssdgm_tf import choices, trust
from ssdgm_tf.models.data_format import num_examples, only_or_all
from ssdgm_tf.models.inference import in_batches
from ssdgm_tf.objectives.consistency import log_of
from ssdgm_tf.trust.scaling import METHODS

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What labels that training did not see say of the predictions of one class.

    Attributes:
        scaling: of the probabilities.
        scores: those of the true classes, `ssdgm_tf.trust.class_scores` of what the model predicts without the scaling, [N].
    """

    scaling: trust.Scaling
    scores: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, y: np.ndarray, method: str) -> "Calibration":
        """The calibration by the predictions for labelled examples.

        Args:
            probabilities: [N, K].
            y: labels 0..K-1, [N].
            method: one of `ssdgm_tf.trust.scaling.METHODS`.
        """
        of_labels = trust.class_scores(probabilities)[np.arange(len(y)), y]
        return cls(METHODS[method](probabilities, y), np.sort(of_labels))

    def scaled(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The scaled probabilities, [..., K], see `ssdgm_tf.trust.Scaling`.

        Args:
            probabilities: [..., K].
        """
        slope, offset, floor = (tf.cast(values, probabilities.dtype) for values in self.scaling)
        scaled = tf.nn.softmax(log_of(probabilities) * slope + offset)
        return (1 - floor) * scaled + floor / scaled.shape[-1]


def calibrate(
    model: "GraphicalModel",
    x: Any = None,
    y: Any = None,
    method: str = "temperature",
    predictions: Any = None,
) -> None:
    """Makes the probabilities of supervised classes say how often they are right, by labels that training did not see.

    From then on `predict`, `evaluate` and what is exported give the calibrated probabilities, and `predict_sets` works. Both
    are saved with the model; training it further ends them. The bounds, `encode` and all that is generated stay as they are.

    Where labels are too few to hold any out, cross-fit: hide a part of the labels, train, predict the examples whose labels
    were hidden, do so with each part, and give all these as `predictions`. `ssdgm-calibrate` does it with a run.

    Args:
        model: the model.
        x: examples whose labels training did not see, as in `fit`. None where `predictions` are given.
        y: their labels, as in `fit`; those without a label are not looked at. A variable without any keeps what it had.
        method: "temperature", one for all classes; or "vector", a slope and an offset for each class, which take more
            labels (see `ssdgm_tf.trust`).
        predictions: class probabilities [N, K], in place of what the model predicts for x; of several supervised variables
            {name: probabilities}. They must not be calibrated themselves.

    Raises:
        ValueError: no class that is supervised and has a label; another method; both or neither of x and predictions; bad
            values.
    """
    model.require_built()
    choices.check("method", method, METHODS)
    if (x is None) == (predictions is None):
        raise ValueError(
            "calibrate takes examples x, or predictions for them. "
            f"Received: {'neither' if x is None else 'both'} of x and predictions"
        )
    if not model.data_format.classes:
        raise ValueError(
            f"calibrate is for supervised classes. Received: {type(model).__name__}, which supervises "
            f"{', '.join(model.graph.supervised) or 'nothing'}"
        )
    if x is not None:
        x, labels = model.data_format.pair(x, y)
        found = _uncalibrated(model, x)
    else:
        found, labels = _given(model, predictions, y)
    made = {}
    for name in found:
        known = labels[name] >= 0
        if known.any():
            made[name] = Calibration.of(found[name][known], labels[name][known], method)
    if not made:
        raise ValueError(f"calibrate needs labels of {', '.join(model.data_format.classes)}. Received: none that is known")
    model.set_calibration(model.calibration | made)


def predict_sets(model: "GraphicalModel", x: Any, coverage: float = 0.9) -> Any:
    """The classes that each example may have: a set that holds the true one with a probability of at least `coverage`.

    The set has every class whose q(y|x) is large enough; `calibrate` has seen what is. The probability is over examples, and
    exact for any model, if those of `calibrate` and these come from one population (`ssdgm_tf.trust.threshold`); with
    predictions of other models, those of cross-fitting, it is approximate, and larger where training on all labels helps.
    Sets may hold several classes, and none, which says that no class fits.

    Args:
        model: the model, calibrated.
        x: as in `fit`.
        coverage: above 0 and below 1. With N labels in `calibrate` a set of less than all classes has at most N / (N + 1).

    Returns:
        bool [N, K]; of several supervised variables {name: sets} of those that are calibrated.

    Raises:
        ValueError: a model that is not calibrated, or a coverage outside (0, 1).
    """
    model.require_built()
    if not model.calibration:
        raise ValueError(f"Call calibrate() before predict_sets(). Received: {type(model).__name__}, not calibrated")
    found = _uncalibrated(model, model.data_format.x(x))
    made = {name: trust.sets(found[name], own.scores, coverage) for name, own in model.calibration.items()}
    return made if len(model.graph.supervised) > 1 else only_or_all(made)


def _uncalibrated(model: "GraphicalModel", x: dict) -> dict[str, np.ndarray]:
    """{name: probabilities [N, K]} of the supervised classes, without any scaling."""

    def predict(x: dict, *_: Any) -> dict[str, tf.Tensor]:
        means = model.uncalibrated_means(x)
        return {name: tf.cast(means[name], tf.float32) for name in model.data_format.classes}

    return in_batches(model, predict, x, {}, rows=model.num_prediction_samples)


def _given(model: "GraphicalModel", predictions: Any, y: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Checked predictions and labels of a user's, {name: array}."""
    classes = model.data_format.classes
    if not isinstance(predictions, Mapping):
        if len(model.graph.supervised) > 1:
            raise ValueError(f"predictions must be a dict of {sorted(classes)}. Received: {type(predictions).__name__}")
        predictions = {next(iter(classes)): predictions}
    if unknown := sorted(set(predictions) - set(classes)):
        raise ValueError(f"predictions may hold {sorted(classes)}. Received: {unknown}")
    found = {name: np.asarray(values, np.float64) for name, values in predictions.items()}
    size = num_examples(found)
    for name, values in found.items():
        if values.shape != (size, classes[name]):
            raise ValueError(f"predictions of {name} must have the shape {(size, classes[name])}. Received: {values.shape}")
        if not (np.all(values >= 0) and np.allclose(values.sum(axis=1), 1, atol=1e-3)):
            raise ValueError(
                f"predictions must be probabilities of the classes, which sum to 1. Received: others, of {name}"
            )
    return found, model.data_format.y(y, size)
