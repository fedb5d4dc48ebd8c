"""Pseudo-labels: what q(y|x) is sure of in one view of an example holds in another."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import choices, keras_internals, layers
from ssdgm_tf.consistency.passes import Passes
from ssdgm_tf.consistency.term import Term, check_averages
from ssdgm_tf.engine import counted
from ssdgm_tf.layers.random_state import seeds_of
from ssdgm_tf.objectives import consistency

#: Ways to choose the examples that count.
SELECTIONS = ("fixed", "free_match", "soft_match")


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Views(Term):
    """Pseudo-labels of a weak view for a strong view (Sohn et al. 2020, FixMatch).

        - w(x) log q(y = k | strong(x)),    k = argmax q(y|x)

    The weak view costs nothing: it is the pass that the bound is of, with the moves and noise that q(y|.) has in its own
    network. The strong view is a layer in front of it.

    Args:
        weight: see `Term`.
        variables: see `Term`.
        strong: a Keras layer from examples [B, *event] of the only observed variable to others. None for `Cutout` of images,
            with other colours where there are three channels and the network does not change them itself (`RandomColours`),
            and with large moves and bends where it does not move images itself (`RandomAffine`); and for `RandomSwap` of
            vectors, rows of tables, and series.
        threshold: of "fixed": an example counts, w = 1, where max q is at least this.
        selection: "fixed"; "free_match" (Wang et al. 2023): a threshold for each class, which follows the confidence and the
            shares of the classes; "soft_match" (Chen et al. 2023): weights that fall below the mean confidence.
        decay: of the running means of the last two, from step to step. The papers, of a million steps, have 0.999.
        averaged: whether pseudo-labels come from the running average of the weights, which an optimizer with `use_ema=True`
            keeps (a mean teacher, Tarvainen and Valpola 2017); this costs another pass.

    Raises:
        ValueError: a threshold or decay outside (0, 1), or an unknown selection.
    """

    name = "views"

    def __init__(
        self,
        weight: float = 1.0,
        variables: str | tuple[str, ...] | list[str] | None = None,
        strong: keras.layers.Layer | None = None,
        threshold: float = 0.95,
        selection: str = "fixed",
        decay: float = 0.99,
        averaged: bool = False,
    ) -> None:
        super().__init__(weight, variables)
        for argument, value in (("threshold", threshold), ("decay", decay)):
            if not 0 < value < 1:
                raise ValueError(f"{argument} must lie between 0 and 1. Received: {argument}={value!r}")
        choices.check("selection", selection, SELECTIONS)
        self.strong, self.threshold, self.selection = strong, threshold, selection
        self.decay, self.averaged = decay, averaged
        self._view: Any = strong  # the default is made by `build`
        self._running: dict[str, dict[str, keras.Variable]] = {}

    def check(self, classes: Mapping[str, int], observed: Mapping[str, Any], priors: Mapping[str, bool]) -> None:
        super().check(classes, observed, priors)
        if len(observed) > 1:
            raise ValueError(f"consistency='views' takes one observed variable. Received: {', '.join(observed)}")

    @property
    def mixes_examples(self) -> bool:
        return self.selection != "fixed"

    def check_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        if self.averaged:
            check_averages("averaged=True", optimizer)

    def build(
        self,
        classes: Mapping[str, int],
        shapes: Mapping[str, tuple[int, ...]],
        sublayers: Sequence[keras.layers.Layer] = (),
    ) -> None:
        (shape,) = shapes.values()
        self._view = strong_view(shape, sublayers) if self.strong is None else self.strong
        self._running = {}
        if self.selection != "fixed":
            for name in self.of(classes):
                number = classes[name]
                starts = {"level": 1 / number, "spread": 1.0, "shares": np.full([number], 1 / number)}
                self._running[name] = {
                    key: keras.Variable(start, dtype="float32", trainable=False) for key, start in starts.items()
                }
        self.states = {f"{name}_{key}": variable for name, of in self._running.items() for key, variable in of.items()}
        seeds = [state for layer in keras_internals.sublayers(self._view) for state in seeds_of(layer)]
        self.states |= {f"seed_{i}": state for i, state in enumerate(seeds)}

    def loss(self, passes: Passes, variables: tuple[str, ...]) -> tf.Tensor:
        (observed, x), *_ = passes.x.items()
        weak = passes.log_q_of(passes.x, variables, same_noise=True, averaged=True) if self.averaged else None
        changed = passes.log_q_of({observed: self._view(x, training=True)}, variables)
        total = []
        for name in variables:
            target = tf.stop_gradient(passes.log_q(name) if weak is None else weak[name])
            total.append(consistency.pseudo_label(target, changed[name], self._weight_of(name, target)))
        return tf.add_n(total)

    def _weight_of(self, name: str, log_p: tf.Tensor) -> tf.Tensor:
        """How much each example counts, [B]; the running means take a step."""
        probs = tf.exp(log_p)
        confidence = tf.reduce_max(probs, axis=-1)
        if self.selection == "fixed":
            return tf.cast(confidence >= self.threshold, log_p.dtype)
        running = self._running[name]
        mean = counted.mean(confidence)
        level = self._follow(running["level"], mean)
        if self.selection == "soft_match":
            spread = self._follow(running["spread"], counted.mean((confidence - mean) ** 2))
            return consistency.soft_match_weight(confidence, level, spread)
        shares = self._follow(running["shares"], counted.mean(probs))
        thresholds = consistency.free_match_thresholds(level, shares)
        return tf.cast(confidence >= tf.gather(thresholds, tf.argmax(log_p, axis=-1)), log_p.dtype)

    def _follow(self, running: keras.Variable, value: tf.Tensor) -> tf.Tensor:
        """The running mean after a step; that before it, where the step's is not finite."""
        before = tf.convert_to_tensor(running)
        new = self.decay * before + (1 - self.decay) * tf.cast(value, tf.float32)
        new = tf.where(tf.math.is_finite(new), new, before)
        running.assign(new)
        return tf.cast(new, value.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"threshold": self.threshold, "selection": self.selection, "decay": self.decay, "averaged": self.averaged}
        return super().get_config() | own | {"strong": keras.saving.serialize_keras_object(self.strong)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Views":
        return cls(**config | {"strong": keras.saving.deserialize_keras_object(config["strong"])})


def strong_view(shape: tuple[int, ...], sublayers: Sequence[keras.layers.Layer] = ()) -> keras.layers.Layer:
    """The default strong view of examples.

    Args:
        shape: that of one: an image (H, W, C), a series (T, C) or a vector (D,).
        sublayers: those of the network. What it changes at random itself, the view leaves alone: two moves together take a
            digit for another, and colours need no second change.
    """
    if len(shape) != 3:
        return layers.RandomSwap(dtype="float32")
    pixels = 3 * min(shape[:2]) / 28  # as far in small images as in those of 28x28
    changes: list[keras.layers.Layer] = [layers.RandomAffine(pixels, 20.0, 0.25, 0.25, pixels, dtype="float32")]
    if shape[-1] == 3:
        changes.append(layers.RandomColours(dtype="float32"))
    others = (change for change in changes if not any(isinstance(layer, type(change)) for layer in sublayers))
    return keras.Sequential([*others, layers.Cutout(dtype="float32")])
