"""How an expectation over a latent variable is estimated, chosen per node.

Every estimator turns q(v | parents) into values on an axis of states or of samples, with two corrections:

- `log_weight`: how much each state counts, as in E[f] = sum_k exp(log_weight_k) f_k;
- `score`: the log probability of what was drawn without a reparameterised gradient, for the score-function term.

Axes: values are [*states, S, B, *event], with one axis of states for each variable that has any (size 1 for the others).
"""

import abc
from typing import NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf import layers
from ssdgm_tf.layers.stochastic import draws

tfd = tfp.distributions

_PACKAGE = "ssdgm_tf"


class Draw(NamedTuple):
    """What an estimator makes of a distribution; every field but `value` may be None.

    Attributes:
        value: [*states, S, B, *event].
        log_q: log q of the value, nats, [*states, S, B]; None where the head computes it from the value.
        log_weight: log weight of each state, [*states, S, B]; None for weight 1.
        score: log probability of the draw, [*states, S, B]; None where the gradient passes through the value.
        listed: bool [*states, 1, 1], which states are summed and not drawn; None where none is.
    """

    value: tf.Tensor
    log_q: tf.Tensor | None = None
    log_weight: tf.Tensor | None = None
    score: tf.Tensor | None = None
    listed: tf.Tensor | None = None


class Axes(NamedTuple):
    """Where an estimator's states and samples go.

    Attributes:
        state_axis: the axis of this variable's states.
        num_state_axes: how many axes of states there are; the axis of samples follows them.
        num_samples: S.
        has_samples: does the distribution have S samples already, of its parents?
        common_noise: do all examples share their noise, where the node can?
    """

    state_axis: int
    num_state_axes: int
    num_samples: int
    has_samples: bool
    common_noise: bool


class Estimator(abc.ABC):
    """Base of the estimators: objects that Keras can save."""

    name: str
    #: Does it list states along an axis of its own?
    has_states = False
    #: Do its values differ by sample and example?
    is_sampled = True

    @abc.abstractmethod
    def draw(self, head: layers.StochasticNode, q: tfd.Distribution, axes: Axes, seed: tf.Tensor, step: tf.Tensor) -> Draw:
        """The values of the variable, with their corrections."""

    def num_states(self, head: layers.StochasticNode) -> int:
        """Size of its axis of states."""
        return 1

    def check(self, head: layers.StochasticNode) -> str | None:
        """Why the estimator cannot serve this head, or None."""
        return None

    def get_config(self) -> dict:
        """What makes the estimator again."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The estimator that `get_config` describes."""
        return cls(**config)

    def __str__(self):
        return self.name


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Reparameterized(Estimator):
    """One draw per sample whose gradient passes through it: exact for continuous variables."""

    name = "reparameterized"

    def check(self, head):
        return None if head.is_reparameterized else f"draws of a {type(head).__name__} carry no gradient"

    def draw(self, head, q, axes, seed, step):
        return Draw(head.draws(q, axes.num_samples, seed, axes.common_noise))


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Enumerate(Estimator):
    """Every state, weighted by its probability: exact, at the cost of one evaluation per state."""

    name = "enumerate"
    has_states = True
    is_sampled = False

    def num_states(self, head):
        return head.num_states

    def check(self, head):
        return _cannot_be_listed(head)

    def draw(self, head, q, axes, seed, step):
        log_q = _states_to_axis(head.log_prob_of_states(q), axes)
        shape = [1] * (axes.num_state_axes + 2)
        shape[axes.state_axis] = head.num_states
        return Draw(tf.reshape(head.states(), [*shape, *head.event_shape]), log_q, log_weight=log_q)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class TopK(Estimator):
    """The k likeliest states exactly, and one drawn from the rest: unbiased (Liu et al. 2019).

        E[f] = sum_{v in top k} q(v) f(v) + (1 - q(top k)) E_{q(v | v not in top k)}[ f(v) ]

    Cheap where q is confident: k + 1 states are evaluated, however many there are.

    Args:
        k: how many states are summed, at least 1.
    """

    name = "top_k"
    has_states = True

    def __init__(self, k: int = 1):
        if k < 1:
            raise ValueError(f"k must be at least 1. Received: k={k!r}")
        self.k = k

    def num_states(self, head):
        return min(self.k + 1, head.num_states)

    def check(self, head):
        return _cannot_be_listed(head)

    def draw(self, head, q, axes, seed, step):
        log_probs = head.log_prob_of_states(q)  # [*states, S or 1, B, num_states]
        if axes.num_samples > 1 and not axes.has_samples:
            log_probs = tf.repeat(log_probs, axes.num_samples, axis=axes.num_state_axes)
        k = self.num_states(head) - 1
        top, index = tf.math.top_k(log_probs, k)
        # A fresh axis of candidates keeps this exact for ties, which a threshold would not.
        is_top = tf.reduce_any(index[..., None] == tf.range(head.num_states), axis=-2)
        rest = tf.where(is_top, tf.constant(-float("inf"), log_probs.dtype), log_probs)
        log_rest = tf.reduce_logsumexp(rest, axis=-1, keepdims=True)
        shape = tf.shape(rest[..., :1, :] if axes.common_noise else rest)
        gumbel = -tf.math.log(-tf.math.log(_uniform(shape, seed, rest.dtype)))
        drawn = tf.argmax(rest + gumbel, axis=-1, output_type=tf.int32)[..., None]
        log_drawn = tf.gather(log_probs, drawn, batch_dims=drawn.shape.rank - 1)
        value = tf.gather(head.states(), tf.concat([index, drawn], axis=-1))
        event_rank = len(head.event_shape)
        score = tf.concat([tf.zeros_like(top), log_drawn - log_rest], axis=-1)
        return Draw(
            _last_to_axis(value, axes.state_axis, event_rank),
            _states_to_axis(tf.concat([top, log_drawn], axis=-1), axes),
            _states_to_axis(tf.concat([top, log_rest], axis=-1), axes),
            _states_to_axis(score, axes),
            _states_to_axis(tf.reshape(tf.range(k + 1) < k, [1] * (axes.num_state_axes + 2) + [k + 1]), axes),
        )

    def get_config(self):
        return {"k": self.k}

    def __str__(self):
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

    def __init__(self, baseline: str = "leave_one_out"):
        if baseline not in ("leave_one_out", "learned"):
            raise ValueError(f"baseline must be 'leave_one_out' or 'learned'. Received: baseline={baseline!r}")
        self.baseline = baseline

    def draw(self, head, q, axes, seed, step):
        value = tf.stop_gradient(head.draws(q, axes.num_samples, seed, axes.common_noise))
        log_q = head.log_density(q, value)
        return Draw(value, log_q, score=log_q)

    def get_config(self):
        return {"baseline": self.baseline}

    def __str__(self):
        return f"score_function({self.baseline} baseline)"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Relaxed(Estimator):
    """One draw per sample of the relaxed variable (Gumbel-softmax; Maddison et al. 2017, Jang et al. 2017).

    The densities of the discrete variable are evaluated at the relaxed value, linear between the corners. Biased, and no
    bound at a temperature above 0; tends to the exact one as the temperature tends to 0, while the variance of its gradient
    rises.

    Args:
        temperature: positive; or a `keras.optimizers.schedules.LearningRateSchedule`, a pure function of the training step.
    """

    name = "relaxed"

    def __init__(self, temperature=2 / 3):
        if not isinstance(temperature, keras.optimizers.schedules.LearningRateSchedule) and not temperature > 0:
            raise ValueError(f"temperature must be positive, or a schedule. Received: temperature={temperature!r}")
        self.temperature = temperature

    def check(self, head):
        ours = type(head).relaxed is not layers.StochasticNode.relaxed
        return None if ours else f"a {type(head).__name__} has no relaxation"

    def draw(self, head, q, axes, seed, step):
        temperature = self.temperature(step) if callable(self.temperature) else self.temperature
        return Draw(draws(head.relaxed(q, tf.cast(temperature, q.dtype)), axes.num_samples, seed))

    def get_config(self):
        temperature = self.temperature
        if callable(temperature):
            temperature = keras.saving.serialize_keras_object(temperature)
        return {"temperature": temperature}

    @classmethod
    def from_config(cls, config):
        temperature = config["temperature"]
        return cls(keras.saving.deserialize_keras_object(temperature) if isinstance(temperature, dict) else temperature)

    def __str__(self):
        shown = type(self.temperature).__name__ if callable(self.temperature) else f"{self.temperature:.3g}"
        return f"relaxed(temperature {shown})"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class StraightThrough(Estimator):
    """One exact draw per sample, with the gradient of its mean (Bengio et al. 2013).

    The bound is unbiased, its gradient is not.
    """

    name = "straight_through"

    def check(self, head):
        return None if head.num_states else f"a {type(head).__name__} is not a discrete variable of listed states"

    def draw(self, head, q, axes, seed, step):
        mean = head.mean(q)
        draw = head.draws(q, axes.num_samples, seed, axes.common_noise)
        return Draw(tf.stop_gradient(draw) + mean - tf.stop_gradient(mean))


_BY_NAME = {cls.name: cls for cls in (Enumerate, TopK, ScoreFunction, Relaxed, StraightThrough, Reparameterized)}


def get(identifier: str | Estimator | None) -> Estimator | None:
    """The estimator of a name, with its defaults; an estimator, or None, as it is.

    Raises:
        ValueError: an unknown name.
    """
    if identifier is None or isinstance(identifier, Estimator):
        return identifier
    if identifier not in _BY_NAME:
        raise ValueError(f"estimator must be one of {sorted(_BY_NAME)}. Received: estimator={identifier!r}")
    return _BY_NAME[identifier]()


def _cannot_be_listed(head: layers.StochasticNode) -> str | None:
    return None if head.num_states else f"the states of a {type(head).__name__} cannot be listed"


def _states_to_axis(terms: tf.Tensor, axes: Axes) -> tf.Tensor:
    """[*states, S, B, num_states] -> [*states, S, B], the variable's own axis (of size 1 before) now of size num_states."""
    return _last_to_axis(terms, axes.state_axis, 0)


def _last_to_axis(values: tf.Tensor, axis: int, event_rank: int) -> tf.Tensor:
    """Moves the axis before the event to `axis`, in place of the axis of size 1 there."""
    squeezed = tf.squeeze(values, axis=axis)
    rank = squeezed.shape.rank
    order = [i for i in range(rank) if i != rank - 1 - event_rank]
    return tf.transpose(squeezed, [*order[:axis], rank - 1 - event_rank, *order[axis:]])


def _uniform(shape, seed, dtype):
    """Uniform numbers in (0, 1), neither end included."""
    tiny = 1e-7 if dtype == tf.float32 else 1e-15
    return tf.random.stateless_uniform(shape, seed, minval=tiny, maxval=1.0 - tiny, dtype=dtype)
