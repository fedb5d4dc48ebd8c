"""Virtual adversarial training: predictions do not change where an example moves in the worst direction."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf.consistency.passes import Passes
from ssdgm_tf.consistency.term import Term
from ssdgm_tf.layers import supports
from ssdgm_tf.objectives import consistency

# Its own part of the seed of a step: a pass folds small numbers into it.
_OWN = 20_180
# The length of a move in units of the spread of the examples, and of the first one in units of that length.
_LENGTH, _FIRST = 1 / 7, 0.1
# Gradients of sure predictions are small for float16; the length of the move does not depend on it.
_LARGE = 2.0**10


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class VirtualAdversarial(Term):
    """Virtual adversarial training (Miyato et al. 2018, equations 5 to 12).

        KL(q(y|x) || q(y|x + r)),    r = epsilon g / |g|,    g = grad_d KL(q(y|x) || q(y|x + xi d)),    d random, |d| = 1

    The target is held. Noise, moves and dropout in q(y|x) are those of the step's own pass. All observed variables move
    together; a missing element stays missing.

    Args:
        weight: see `Term`.
        variables: see `Term`.
        epsilon: the length of the move, in the units of x. None for a seventh of the spread of the step's examples, the root
            mean square of their distance from their mean; of MNIST that is about 1. On several devices each takes its own
            examples, at least two.
        xi: the length of the move that finds the direction; None for a tenth of epsilon. Below about a thousandth of the
            length of an example float32 has too few digits: centre data that are far from 0.
        num_iterations: steps of power iteration.

    Raises:
        ValueError: a length that is not above 0, or no iteration.
    """

    name = "virtual_adversarial"

    def __init__(
        self,
        weight: float = 1.0,
        variables: str | tuple[str, ...] | list[str] | None = None,
        epsilon: float | None = None,
        xi: float | None = None,
        num_iterations: int = 1,
    ) -> None:
        super().__init__(weight, variables)
        for argument, value in (("epsilon", epsilon), ("xi", xi)):
            if value is not None and not value > 0:
                raise ValueError(f"{argument} must be greater than 0. Received: {argument}={value!r}")
        if num_iterations < 1:
            raise ValueError(f"num_iterations must be at least 1. Received: num_iterations={num_iterations!r}")
        self.epsilon, self.xi, self.num_iterations = epsilon, xi, num_iterations

    def check(self, classes: Mapping[str, int], observed: Mapping[str, Any], priors: Mapping[str, bool]) -> None:
        super().check(classes, observed, priors)
        for name, head in observed.items():
            if not isinstance(head.observed_support, supports.UnitInterval | supports.Positive) and (
                type(head.observed_support) is not supports.Support
            ):
                raise ValueError(
                    "consistency='virtual_adversarial' moves real numbers; for tables, counts and classes take 'views'. "
                    f"Received: {name!r}, which must {head.observed_support.rule}"
                )

    def loss(self, passes: Passes, variables: tuple[str, ...]) -> tf.Tensor:
        target = {name: tf.stop_gradient(passes.log_q(name)) for name in variables}

        def divergence(move: Mapping[str, tf.Tensor]) -> tf.Tensor:
            moved = passes.log_q_of({name: passes.x[name] + move[name] for name in move}, variables, same_noise=True)
            return tf.add_n([consistency.divergence(target[name], moved[name]) for name in variables])

        move = {
            name: tf.random.stateless_normal(
                tf.shape(value), tf.random.experimental.stateless_fold_in(passes.seed, _OWN + place), dtype=value.dtype
            )
            for place, (name, value) in enumerate(passes.x.items())
        }
        epsilon = _LENGTH * spread(passes.x) if self.epsilon is None else self.epsilon
        xi = _FIRST * epsilon if self.xi is None else self.xi
        for _ in range(self.num_iterations):
            move = of_length(xi, move, passes.x)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(move)
                total = _LARGE * tf.reduce_sum(divergence(move))
            gradients = tape.gradient(total, move, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            move = {name: tf.stop_gradient(gradient) for name, gradient in gradients.items()}
        return divergence(of_length(epsilon, move, passes.x))

    def get_config(self) -> dict[str, Any]:
        own = {"epsilon": self.epsilon, "xi": self.xi, "num_iterations": self.num_iterations}
        return super().get_config() | own


def spread(x: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The root mean square of the distance of examples from their mean, a scalar; missing elements are left out.

        sqrt(sum_d mean_b (x_bd - mean_b x_bd)^2)

    Args:
        x: {variable: values [B, *event]}, NaN for a missing element.
    """
    return tf.sqrt(tf.add_n([tf.reduce_sum(_variances(value)) for value in x.values()]))


def _variances(value: tf.Tensor) -> tf.Tensor:
    """The variance over the examples of each element, [*event]; 0 where all are missing."""
    value = tf.cast(value, tf.float32)
    seen = ~tf.math.is_nan(value)
    count = tf.reduce_sum(tf.cast(seen, tf.float32), axis=0)

    def mean(of: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(tf.reduce_sum(tf.where(seen, of, tf.zeros_like(of)), axis=0), count)

    return mean((value - mean(value)) ** 2)


def of_length(length: float | tf.Tensor, move: Mapping[str, tf.Tensor], x: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A move of each example of this length over all variables, 0 where an element is missing.

    Args:
        length: the length.
        move: {variable: direction [B, *event]}.
        x: {variable: values}, NaN for a missing element.
    """
    kept = {name: tf.where(tf.math.is_nan(x[name]), tf.zeros_like(value), value) for name, value in move.items()}
    # Divided by the largest element first, whose square may be too small for float32.
    flat = [tf.reshape(value, [tf.shape(value)[0], -1]) for value in kept.values()]
    joined = tf.concat(flat, axis=1)
    largest = tf.reduce_max(tf.abs(joined), axis=1, keepdims=True)
    norm = largest * tf.norm(tf.math.divide_no_nan(joined, largest), axis=1, keepdims=True)
    factor = tf.math.divide_no_nan(tf.cast(length, norm.dtype), norm)[:, 0]
    return {name: value * tf.reshape(factor, [-1, *[1] * (value.shape.rank - 1)]) for name, value in kept.items()}
