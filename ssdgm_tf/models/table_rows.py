"""Rows that a model of a table draws, and what it predicts, {variable: ...} for one target as for several."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf.engine import propagation
from ssdgm_tf.models.data_format import event
from ssdgm_tf.models.named_model import NamedModel

# Rows that are drawn, and predicted, at once.
_BLOCK, _PREDICTED = 2000, 500


def draw(
    model: NamedModel, num_rows: int, given: Mapping[str, Any] | None = None, seed: int | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Rows and targets of the generative model; what is not given is drawn.

    Args:
        model: a `Table`.
        num_rows: N.
        given: {variable: its value}: a class 0..K-1, or a standardised number.
        seed: integer; the same seed gives the same rows. None for the model's own stream.

    Returns:
        Rows [N, D] as `Schema.decode` takes them, and {variable: values} as `Targets.decode` does.
    """
    heads, rows, found = model.data_format.supervised, [], []
    key = model.seed_of(seed)
    for index, start in enumerate(tqdm(range(0, num_rows, _BLOCK), desc="drawing rows", delay=2, leave=False)):
        size = min(_BLOCK, num_rows - start)
        values = {
            name: event(heads[name], _repeated(value, size, is_class=name in model.data_format.classes))
            for name, value in (given or {}).items()
        }
        one = tf.random.experimental.stateless_fold_in(key, index)
        made = propagation.generate(model.graph, values, size, one, draws_all=True)
        rows.append(np.asarray(made["x"], np.float32))
        found.append({name: _value(made[name], name in model.data_format.classes) for name in heads})
    return np.concatenate(rows), {name: np.concatenate([part[name] for part in found]) for name in heads}


def predictions(model: NamedModel, x: np.ndarray) -> dict[str, Any]:
    """What `predict` gives, by variable: probabilities [N, K], or {"mean": [N], "stddev": [N]} of a standardised number.

    Args:
        model: a `Table`.
        x: rows [N, D].
    """
    made = model.predict(x, batch_size=_PREDICTED, verbose=0)
    of_each = made if len(model.graph.supervised) > 1 else {model.graph.supervised[0]: made}
    return {
        name: value if name in model.data_format.classes else {key: array.reshape(-1) for key, array in value.items()}
        for name, value in of_each.items()
    }


def draw_targets(predicted: Mapping[str, Any], generator: np.random.Generator) -> dict[str, np.ndarray]:
    """A draw of every target from what is predicted of it, {variable: values} as `Targets.decode` takes them.

    Args:
        predicted: see `predictions`.
        generator: of the draws.
    """
    drawn = {}
    for name, of_one in predicted.items():
        if isinstance(of_one, dict):
            drawn[name] = of_one["mean"] + of_one["stddev"] * generator.standard_normal(len(of_one["mean"]))
        else:
            below = np.cumsum(of_one, axis=1) < generator.random(len(of_one))[:, None] * of_one.sum(axis=1, keepdims=True)
            drawn[name] = np.minimum(below.sum(axis=1), of_one.shape[1] - 1)
    return drawn


def points(predicted: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The likeliest class or the mean of every target, {variable: values} as `Targets.decode` takes them.

    Args:
        predicted: see `predictions`.
    """
    return {
        name: of_one["mean"] if isinstance(of_one, dict) else np.argmax(of_one, axis=1) for name, of_one in predicted.items()
    }


def _repeated(value: Any, size: int, is_class: bool) -> np.ndarray:
    return np.full(size, value, np.int32) if is_class else np.full((size, 1), value, np.float32)


def _value(drawn: tf.Tensor, is_class: bool) -> np.ndarray:
    array = np.asarray(drawn)
    return np.argmax(array, axis=-1) if is_class else array.astype(np.float32).reshape(-1)
