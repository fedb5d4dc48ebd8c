"""What `fit`, `evaluate` and `predict` make of arrays and of batches, up to the first step."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.layers import supports
from ssdgm_tf.models import batches
from ssdgm_tf.models.data_format import DataFormat
from tests.inputs.changes import EVALUATE, FIT, PREDICT, SHAPE, SIZE, Arrays, Input, clean

_HALF = SIZE // 2


@functools.cache
def data_format() -> DataFormat:
    """That of a model of the clean images. The graph of its checks is built once for each form of batch."""
    made = DataFormat({"x": nodes.Bernoulli(SHAPE).head}, {"y": nodes.OneHotCategorical(3).head})
    made.x_tensors = tf.function(made.x_tensors, autograph=False)
    made.y_tensors = tf.function(made.y_tensors, autograph=False)
    return made


def read(source: str, call: str, given: Input) -> Arrays:
    """The examples and labels that a step gets.

    Args:
        source: "arrays", "Dataset", "PyDataset" or "generator".
        call: "fit", "evaluate" or "predict".
        given: the input.

    Raises:
        ValueError: they are refused.
    """
    taken, (x, y) = data_format(), given.change(*clean(call))
    if source == "arrays":
        images = taken.x(x)["x"]
        return Arrays(images, None if call == PREDICT else taken.y(y, len(images))["y"])
    parts = _parts(x, None if call == PREDICT and given.of == "x" else y, given.weights)
    with supports.as_value_errors():
        opened = batches.Source(_MADE[source](parts), "steps", 2, only_x=call == PREDICT)
        with opened.own_errors():
            return _STEPS[call](opened, taken)


def _parts(x: Any, y: Any, weights: bool) -> list[tuple]:
    """Two batches of arrays, or none of no example."""
    if not len(x):
        return []
    arrays = (x,) if y is None else (x, y, np.ones(SIZE)) if weights else (x, y)
    return [tuple(array[at : at + _HALF] for array in arrays) for at in (0, _HALF)]


def _fit(opened: batches.Source, taken: DataFormat) -> Arrays:
    """The batches put together again; the unlabelled examples last."""
    found = list(batches.training(opened, taken, batches.streams_of(opened, taken)).take(2))
    pairs = [(part["labelled"][0]["x"], part["labelled"][1]["y"]) for part in found if "labelled" in part]
    rest = [part["unlabelled"]["x"] for part in found if "unlabelled" in part]
    return _joined(pairs + [(images, np.full(len(images), -1)) for images in rest])


def _evaluate(opened: batches.Source, taken: DataFormat) -> Arrays:
    batches.first_pair(opened, taken)
    return _joined([(x["x"], y["y"]) for x, y in batches.evaluation(opened, taken).take(2)])


def _predict(opened: batches.Source, taken: DataFormat) -> Arrays:
    return Arrays(np.concatenate([part["x"] for part in batches.prediction(opened, taken).take(2)]), None)


_STEPS = {FIT: _fit, EVALUATE: _evaluate, PREDICT: _predict}


def _joined(parts: list[tuple[Any, Any]]) -> Arrays:
    """Batches as one."""
    images, labels = zip(*parts, strict=True)
    return Arrays(np.concatenate(images), np.concatenate(labels))


def _dataset(parts: list[tuple]) -> tf.data.Dataset:
    if not parts:
        return tf.data.Dataset.from_tensors(np.zeros([1, *SHAPE], np.float32)).take(0)
    first, second = (tf.data.Dataset.from_tensors(tuple(map(np.asarray, part))) for part in parts)
    return first.concatenate(second)


class _Batches(keras.utils.PyDataset):
    def __init__(self, parts: list[tuple]) -> None:
        super().__init__()
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> tuple:
        return self.parts[index]


_MADE: dict[str, Callable[[list[tuple]], Any]] = {"Dataset": _dataset, "PyDataset": _Batches, "generator": iter}
