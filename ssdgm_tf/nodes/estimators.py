"""Estimators of the expectation over a latent variable. Each node has its own.

Every estimator turns q(v | parents) into values on an axis of states or of samples, with two corrections:

- `log_weight`: the log weight of each state, as in E[f] = sum_k exp(log_weight_k) f_k;
- `score`: the log probability of draws that carry no reparameterised gradient, for the score-function term.

Values are [K, S, B, *event]: the joint states of what came before, those of the variable itself the fastest if it lists
them; samples; and examples. A value has size 1 on every axis that it does not depend on.
"""

import abc
from typing import Any, NamedTuple, Self

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf import choices, layers
from ssdgm_tf.layers.static_shape import with_static_shape
from ssdgm_tf.layers.stochastic import draws

_PACKAGE = "ssdgm_tf"


class Draw(NamedTuple):
    """The result of an estimator. Every field except `value` may be None.

    Attributes:
        value: [K, S, B, *event].
        log_q: log q of the value, nats, [K, S, B]; None if the head computes it from the value.
        log_weight: log weight of each state, [K, S, B]; None for a weight of 1.
        score: log probability of the draw, [K, S, B]; None if the gradient passes through the value.
        listed: bool [K, 1, 1], true for states that are summed and not drawn; None if every state is drawn.
    """

    value: tf.Tensor
    log_q: tf.Tensor | None = None
    log_weight: tf.Tensor | None = None
    score: tf.Tensor | None = None
    listed: tf.Tensor | None = None


class Axes(NamedTuple):
    """The axes of an estimator's samples and examples.

    Attributes:
        num_samples: S.
        has_samples: whether the distribution already has S samples, from its parents.
        common_noise: whether all examples share their noise, if the node can.
    """

    num_samples: int
    has_samples: bool
    common_noise: bool


class Estimator(abc.ABC):
    """Base of the estimators, which Keras can save."""

    name: str
    #: Whether it lists states.
    has_states = False
    #: Whether its values differ between samples and between examples.
    is_sampled = True

    @abc.abstractmethod
    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        """The values of the variable, with their corrections."""

    def num_states(self, head: layers.StochasticNode) -> int:
        """How many states it lists."""
        return 1

    def check(self, head: layers.StochasticNode) -> str | None:
        """Why the estimator cannot serve this head, or None."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The estimator that `get_config` describes."""
        return cls(**config)

    def __str__(self) -> str:
        return self.name


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Reparameterized(Estimator):
    """One draw per sample, through which the gradient passes: exact for continuous variables."""

    name = "reparameterized"

    def check(self, head: layers.StochasticNode) -> str | None:
        return None if head.is_reparameterized else f"draws of a {type(head).__name__} carry no gradient"

    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        return Draw(head.draws(q, axes.num_samples, seed, axes.common_noise))


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Enumerate(Estimator):
    """Every state, weighted by its probability: exact, at the cost of one evaluation per state."""

    name = "enumerate"
    has_states = True
    is_sampled = False

    def num_states(self, head: layers.StochasticNode) -> int:
        return _num_listed(head)

    def check(self, head: layers.StochasticNode) -> str | None:
        return _cannot_be_listed(head)

    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        log_q = _states_first(head.log_prob_of_states(q))
        return Draw(head.states()[:, None, None], log_q, log_weight=log_q)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class TopK(Estimator):
    """The k likeliest states exactly, and one drawn from the rest: unbiased (Liu et al. 2019).

        E[f] = sum_{v in top k} q(v) f(v) + (1 - q(top k)) E_{q(v | v not in top k)}[ f(v) ]

    Cheap where q is confident: k + 1 states are evaluated, however many there are.

    Args:
        k: number of states that are summed, at least 1.
    """

    name = "top_k"
    has_states = True

    def __init__(self, k: int = 1) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1. Received: k={k!r}")
        self.k = k

    def num_states(self, head: layers.StochasticNode) -> int:
        return min(self.k + 1, _num_listed(head))

    def check(self, head: layers.StochasticNode) -> str | None:
        return _cannot_be_listed(head)

    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        log_probs = head.log_prob_of_states(q)  # [K, S or 1, B, num_states]
        if axes.num_samples > 1 and not axes.has_samples:
            log_probs = tf.repeat(log_probs, axes.num_samples, axis=1)
        k = self.num_states(head) - 1
        top, index = tf.math.top_k(log_probs, k)
        # A comparison of indices is exact for ties; a threshold would not be.
        is_top = tf.reduce_any(index[..., None] == tf.range(head.num_states), axis=-2)
        rest = tf.where(is_top, tf.constant(-float("inf"), log_probs.dtype), log_probs)
        log_rest = tf.reduce_logsumexp(rest, axis=-1, keepdims=True)
        drawn = _drawn(rest, seed, axes.common_noise)[..., None]
        log_drawn = tf.gather(log_probs, drawn, batch_dims=drawn.shape.rank - 1)
        value = tf.gather(head.states(), tf.concat([index, drawn], axis=-1))
        score = tf.concat([tf.zeros_like(top), log_drawn - log_rest], axis=-1)
        return Draw(
            _states_first(value, len(head.known_event_shape)),
            _states_first(tf.concat([top, log_drawn], axis=-1)),
            _states_first(tf.concat([top, log_rest], axis=-1)),
            _states_first(score),
            tf.tile(tf.range(k + 1) < k, [top.shape[0]])[:, None, None],
        )

    def get_config(self) -> dict[str, Any]:
        return {"k": self.k}

    def __str__(self) -> str:
        return f"top_k(k={self.k})"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class ScoreFunction(Estimator):
    """One draw per sample, and the score-function gradient (Williams 1992): unbiased for every distribution.

        grad E[f] = E[ grad f + (f - baseline) grad log q(v) ]

    Args:
        baseline: "leave_one_out", the mean of f over the other samples (no baseline where S = 1; Mnih and Rezende 2016);
            "learned", a linear function of the node's features fitted to f (Mnih and Gregor 2014).
    """

    name = "score_function"

    def __init__(self, baseline: str = "leave_one_out") -> None:
        if baseline not in ("leave_one_out", "learned"):
            raise ValueError(f"baseline must be 'leave_one_out' or 'learned'. Received: baseline={baseline!r}")
        self.baseline = baseline

    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        value = tf.stop_gradient(head.draws(q, axes.num_samples, seed, axes.common_noise))
        log_q = head.log_density(q, value)
        return Draw(value, log_q, score=log_q)

    def get_config(self) -> dict[str, Any]:
        return {"baseline": self.baseline}

    def __str__(self) -> str:
        return f"score_function({self.baseline} baseline)"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Relaxed(Estimator):
    """One draw per sample of the relaxed variable (Gumbel-softmax; Maddison et al. 2017, Jang et al. 2017).

    The densities of the discrete variable are evaluated at the relaxed value, linear between the corners. At a temperature
    above 0 the result is biased and not a bound. As the temperature tends to 0 it tends to the exact bound, while the
    variance of its gradient rises.

    Args:
        temperature: positive; or a `keras.optimizers.schedules.LearningRateSchedule`, a pure function of the training step.
    """

    name = "relaxed"

    def __init__(self, temperature: float | keras.optimizers.schedules.LearningRateSchedule = 2 / 3) -> None:
        if not isinstance(temperature, keras.optimizers.schedules.LearningRateSchedule) and not temperature > 0:
            raise ValueError(f"temperature must be positive, or a schedule. Received: temperature={temperature!r}")
        self.temperature = temperature

    def check(self, head: layers.StochasticNode) -> str | None:
        ours = type(head).relaxed is not layers.StochasticNode.relaxed
        return None if ours else f"a {type(head).__name__} has no relaxation"

    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        temperature = self.temperature(step) if callable(self.temperature) else self.temperature
        return Draw(draws(head.relaxed(q, tf.cast(temperature, q.dtype)), axes.num_samples, seed))

    def get_config(self) -> dict[str, Any]:
        temperature = self.temperature
        if callable(temperature):
            temperature = keras.saving.serialize_keras_object(temperature)
        return {"temperature": temperature}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        temperature = config["temperature"]
        return cls(keras.saving.deserialize_keras_object(temperature) if isinstance(temperature, dict) else temperature)

    def __str__(self) -> str:
        shown = type(self.temperature).__name__ if callable(self.temperature) else f"{self.temperature:.3g}"
        return f"relaxed(temperature {shown})"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class StraightThrough(Estimator):
    """One exact draw per sample, with the gradient of its mean (Bengio et al. 2013).

    The bound is unbiased; its gradient is not.
    """

    name = "straight_through"

    def check(self, head: layers.StochasticNode) -> str | None:
        return None if head.num_states else f"a {type(head).__name__} is not a discrete variable whose states can be listed"

    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        mean = head.mean(q)
        draw = head.draws(q, axes.num_samples, seed, axes.common_noise)
        return Draw(tf.stop_gradient(draw) + mean - tf.stop_gradient(mean))


_BY_NAME: dict[str, type[Estimator]] = {
    cls.name: cls for cls in (Enumerate, TopK, ScoreFunction, Relaxed, StraightThrough, Reparameterized)
}


def get(identifier: str | Estimator | None) -> Estimator | None:
    """The estimator of that name with its defaults. An estimator or None is returned unchanged.

    Raises:
        ValueError: an unknown name.
    """
    if identifier is None or isinstance(identifier, Estimator):
        return identifier
    choices.check("estimator", identifier, sorted(_BY_NAME))
    return _BY_NAME[identifier]()


def _cannot_be_listed(head: layers.StochasticNode) -> str | None:
    return None if head.num_states else f"the states of a {type(head).__name__} cannot be listed"


def _num_listed(head: layers.StochasticNode) -> int:
    num_states = head.num_states
    if num_states is None:
        raise ValueError(f"The estimator needs a head whose states can be listed. Received: a {type(head).__name__}")
    return num_states


def _states_first(values: tf.Tensor, event_rank: int = 0) -> tf.Tensor:
    """[K, S, B, num_states, *event] -> [K * num_states, S, B, *event]."""
    shape = values.shape
    moved = tf.transpose(values, [0, 3, 1, 2, *range(4, 4 + event_rank)])
    flat = tf.reshape(moved, tf.concat([[shape[0] * shape[3]], tf.shape(moved)[2:]], axis=0))
    return with_static_shape(flat, [shape[0] * shape[3], *shape[1:3], *shape[4:]])


def _drawn(log_probs: tf.Tensor, seed: tf.Tensor, common_noise: bool) -> tf.Tensor:
    """The index of one state drawn from each row of log probabilities (up to a constant), by Gumbel noise; int32 [...]."""
    shape = tf.shape(log_probs[..., :1, :] if common_noise else log_probs)
    gumbel = -tf.math.log(-tf.math.log(_uniform(shape, seed, log_probs.dtype)))
    return tf.argmax(log_probs + gumbel, axis=-1, output_type=tf.int32)


def _uniform(shape: tf.Tensor, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Uniform numbers strictly between 0 and 1."""
    tiny = 1e-7 if dtype == tf.float32 else 1e-15
    return tf.random.stateless_uniform(shape, seed, minval=tiny, maxval=1.0 - tiny, dtype=dtype)
