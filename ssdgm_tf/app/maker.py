"""The maker: a control for each variable that examples begin with, and the example that their positions make."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ssdgm_tf.engine import propagation
from ssdgm_tf.layers.supports import Classes, Directions
from ssdgm_tf.models import GraphicalModel

# Draws of the prior that quantiles are of, and the most sliders of a variable.
_DRAWS, _MOST = 2000, 24


class Maker:
    """Makes examples of labels and of quantiles of the prior.

    A variable that nothing comes before in the generative model has a control; those that come after take their means.

    Args:
        model: the trained model.
        means: {variable: [N, ...]} that `encode` infers of some examples: style dimensions that vary more come first.

    Attributes:
        controls: of each variable {"name", "kind": "class", "direction" or "numbers", and "classes": K, or "order": the
            elements that have sliders, those that matter most first}.
    """

    def __init__(self, model: GraphicalModel, means: Mapping[str, np.ndarray]) -> None:
        self.model = model
        graph = model.graph
        self.names = [
            name
            for name in graph.order_p
            if name not in graph.observed and propagation.makes_observed(graph, name) and not graph.generative[name].parents
        ]
        self._heads = {name: graph.generative[name].head for name in self.names}
        drawn = {name: self._draws(name) for name in self.names}
        self._sorted = {name: np.sort(values, axis=0) for name, values in drawn.items()}
        self.controls = [self._control(name, means) for name in self.names]
        # One trace for any number of examples, and before anybody waits for it.
        signature = {
            name: tf.TensorSpec((None, *head.known_event_shape), head.density_dtype) for name, head in self._heads.items()
        }
        self._decode = tf.function(lambda values: propagation.decode(graph, values, {}), input_signature=[signature])
        self.make({})

    def make(self, positions: Mapping[str, Any], vary: str | None = None) -> np.ndarray:
        """The example of some positions, in the form of training.

        Args:
            positions: {variable: class, direction [3] or quantiles [D] in [0, 1]}; those left out are at class 0, or in the
                middle.
            vary: a class that takes all its values; None for none.

        Returns:
            [1, *event], or [K, *event] where a class varies. Of several observed variables the first.

        Raises:
            ValueError: a position of another form.
        """
        number = 1
        if vary is not None:
            support = self._heads[vary].support if vary in self._heads else None
            if not isinstance(support, Classes):
                raise ValueError(f"What varies must be a class with a control. Received: {vary!r:.100}")
            number = support.num_classes
        values = {}
        for name in self.names:
            value = self._value(name, positions.get(name))
            if name == vary:
                value = np.eye(number, dtype=np.float32)
            dtype = self._heads[name].density_dtype
            values[name] = tf.constant(np.broadcast_to(value, (number, *value.shape[1:])), dtype)
        return np.asarray(next(iter(self._decode(values).values())))

    def positions(self, means: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Where the controls stand for an example: the way back from `make`.

        Args:
            means: {variable: [1, ...]} that `encode` infers of it.
        """
        found: dict[str, Any] = {}
        for control in self.controls:
            name = control["name"]
            value = np.asarray(means[name][0], np.float32)
            if control["kind"] == "class":
                found[name] = int(np.argmax(value))
            elif control["kind"] == "direction":
                found[name] = [round(float(v), 4) for v in value]
            else:
                flat, ordered = value.reshape(-1), self._sorted[name]
                ranks = [np.searchsorted(ordered[:, d], flat[d]) / len(ordered) for d in range(len(flat))]
                found[name] = [round(float(rank), 4) for rank in ranks]
        return found

    def _draws(self, name: str) -> np.ndarray:
        node = self.model.graph.generative[name]
        prior = node.root_distribution([_DRAWS])
        drawn = node.head.sample(prior, [] if prior.batch_shape.rank else [_DRAWS], tf.constant([0, 1]))
        return np.asarray(drawn, np.float32).reshape(_DRAWS, -1)

    def _control(self, name: str, means: Mapping[str, np.ndarray]) -> dict[str, Any]:
        head = self._heads[name]
        if isinstance(head.support, Classes):
            return {"name": name, "kind": "class", "classes": int(head.support.num_classes)}
        if isinstance(head.support, Directions) and self._sorted[name].shape[1] == 3:
            return {"name": name, "kind": "direction"}
        spread = np.asarray(means[name], np.float32).reshape(len(means[name]), -1).std(axis=0)
        order = np.argsort(-spread, kind="stable")[:_MOST]
        return {"name": name, "kind": "numbers", "size": len(spread), "order": [int(d) for d in order]}

    def _value(self, name: str, position: Any) -> np.ndarray:
        """The value [1, *event] of a position.

        Raises:
            ValueError: a position of another form.
        """
        head, ordered = self._heads[name], self._sorted[name]
        if isinstance(head.support, Classes):
            chosen = 0 if position is None else position
            if type(chosen) is not int or not 0 <= chosen < head.support.num_classes:
                raise ValueError(f"{name} must be a class 0..{head.support.num_classes - 1}. Received: {position!r:.100}")
            return np.eye(head.support.num_classes, dtype=np.float32)[chosen][None]
        size = ordered.shape[1]
        is_direction = isinstance(head.support, Directions) and size == 3
        wanted = np.asarray(([0, 0, 1] if is_direction else [0.5] * size) if position is None else position, np.float32)
        if wanted.shape != (size,) or not np.all(np.isfinite(wanted)):
            raise ValueError(f"{name} must have {size} finite numbers. Received: {position!r:.100}")
        if is_direction:
            wanted = wanted / max(float(np.linalg.norm(wanted)), 1e-6)
        else:
            places = np.clip(wanted, 0, 1) * (len(ordered) - 1)
            wanted = np.array([np.interp(places[d], np.arange(len(ordered)), ordered[:, d]) for d in range(size)])
        return wanted.astype(np.float32).reshape(1, *head.known_event_shape)
