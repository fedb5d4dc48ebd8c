"""One-hot categorical stochastic nodes: exact draws with straight-through gradients, and the Gumbel-softmax relaxation."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.random_state import constant_noise
from ssdgm_tf.layers.stochastic import StochasticNode

_SMALLEST = 1e-30
# The size of the largest event whose states are listed.
_MAX_ENUMERATED_ELEMENTS = 6


class ClassVectorNode(StochasticNode):
    """Base of nodes over classes: the event is a vector of length `num_classes`, and parameters 0 give the uniform prior."""

    priors = ("uniform",)
    has_independent_elements = False

    def __init__(self, num_classes: int, prior: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2. Received: num_classes={num_classes!r}")
        super().__init__(num_classes, prior=prior, seed=seed, **kwargs)
        self.num_classes = num_classes

    def make_prior(self) -> tfd.Distribution:
        return self.make_distribution(tf.zeros([self.num_classes], self.density_dtype))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class OneHotCategoricalNode(ClassVectorNode):
    """OneHotCategorical(logits = W inputs + b); draws are exactly one-hot, with straight-through gradients.

        draw = one_hot(k) + (probs - stop_gradient(probs)),   k ~ Categorical(probs)      Bengio et al. 2013

    Args:
        num_classes: number of classes K, at least 2.
        prior: None, or "uniform": adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    error_name = "error"

    @property
    def support(self) -> supports.Support:
        return supports.Classes(self.num_classes)

    @property
    def num_states(self) -> int | None:
        return self.num_classes

    def states(self) -> tf.Tensor:
        return tf.eye(self.num_classes, dtype=self.density_dtype)

    def log_prob_of_states(self, distribution: tfd.Distribution) -> tf.Tensor:
        return tf.nn.log_softmax(distribution.logits_parameter())

    def relaxed(self, distribution: tfd.Distribution, temperature: tf.Tensor) -> tfd.Distribution:
        return tfd.RelaxedOneHotCategorical(temperature, logits=distribution.logits_parameter())

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        return distribution.probs_parameter()

    def error(self, prediction: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        wrong = tf.argmax(prediction, axis=-1) != tf.argmax(value, axis=-1)
        return tf.cast(wrong, prediction.dtype)

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.OneHotCategorical(logits=parameters, dtype=parameters.dtype)

    def draws(
        self, distribution: tfd.Distribution, num_samples: int, seed: tf.Tensor, common_noise: bool = False
    ) -> tf.Tensor:
        if not common_noise:
            return super().draws(distribution, num_samples, seed)
        logits = distribution.logits_parameter()
        with constant_noise():
            shape = [*[1] * (logits.shape.rank - 3), num_samples, 1, self.num_classes]
            uniform = tf.random.stateless_uniform(shape, seed, minval=1e-7, dtype=logits.dtype)
            gumbel = -tf.math.log(-tf.math.log(uniform))
        return tf.one_hot(tf.argmax(logits + gumbel, axis=-1), self.num_classes, dtype=logits.dtype)

    def draw(self, distribution: tfd.Distribution) -> tf.Tensor:
        probs = self.mean(distribution)
        return super().draw(distribution) + (probs - tf.stop_gradient(probs))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class CategoricalNode(StochasticNode):
    """Categorical(logits = W inputs + b) over 0, 1, ..., num_classes - 1, independent over the event.

    For several whole-number variables at once, such as pixels of a few levels; draws carry no gradient. For a class label
    that other nodes depend on, use `OneHotCategoricalNode`: its values suit a network.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        num_classes: number of values that each element can take, at least 2.
        prior: None, or "uniform": adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("uniform",)

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        num_classes: int,
        prior: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2. Received: num_classes={num_classes!r}")
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        self.num_classes = num_classes

    @property
    def support(self) -> supports.Support:
        return supports.Whole(self.num_classes - 1)

    @property
    def parameters_per_element(self) -> int:
        return self.num_classes

    @property
    def num_states(self) -> int | None:
        return self.num_classes**self._event_size if self._event_size <= _MAX_ENUMERATED_ELEMENTS else None

    def states(self) -> tf.Tensor:
        grid = tf.meshgrid(*[tf.range(self.num_classes)] * self._event_size, indexing="ij")
        flat = tf.stack([tf.reshape(axis, [-1]) for axis in grid], axis=-1)
        return self._reshape_to_event(tf.cast(flat, self.density_dtype))

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        logits = tf.stack(self._split(parameters, self.num_classes), axis=-1)
        return self._independent(tfd.Categorical(logits=logits, dtype=logits.dtype))

    def make_prior(self) -> tfd.Distribution:
        zeros = tf.zeros((*self.known_event_shape, self.num_classes), self.density_dtype)
        return self._independent(tfd.Categorical(logits=zeros, dtype=zeros.dtype))

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        probs = _probabilities(distribution.distribution.logits)
        return tf.linalg.matvec(probs, tf.range(self.num_classes, dtype=probs.dtype))

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        probs = _probabilities(distribution.distribution.logits)
        apart = tf.range(self.num_classes, dtype=probs.dtype) - self.mean(distribution)[..., None]
        return tf.reduce_sum(probs * apart**2, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RelaxedOneHotCategoricalNode(ClassVectorNode):
    """Gumbel-softmax: RelaxedOneHotCategorical(temperature, logits = W inputs + b); draws are reparameterised.

        draw = softmax((logits + Gumbel noise) / temperature)      Maddison et al. 2017, Jang et al. 2017

    Args:
        num_classes: number of classes K, at least 2.
        temperature: positive; draws tend to one-hot vectors as it tends to 0.
        prior: None, or "uniform" for the relaxed uniform distribution of the same temperature. The KL has no closed form:
            the model's loss gets an unbiased estimate, log q - log p at the draw.
        seed: integer seed of the node's draws.
    """

    def __init__(
        self, num_classes: int, temperature: float = 2 / 3, prior: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(num_classes, prior=prior, seed=seed, **kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature must be positive. Received: temperature={temperature!r}")
        self.temperature = temperature

    support = supports.Simplex()

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return tfd.RelaxedOneHotCategorical(tf.constant(self.temperature, parameters.dtype), logits=parameters)

    def log_density(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        # A draw may round to the edge of the simplex, where the density is not defined.
        return distribution.log_prob(tf.maximum(tf.cast(value, self.density_dtype), _SMALLEST))

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        # The mean at temperature 0; at others it has no closed form.
        return tf.nn.softmax(distribution.distribution.logits_parameter())

    def draw_and_kl(self, distribution: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor]:
        # In log space: near a corner of the simplex the density of the draw itself overflows float32.
        log_draw = distribution.distribution.sample(seed=self.next_seed())
        log_q = distribution.distribution.log_prob(log_draw)
        log_p = self.make_prior().distribution.log_prob(log_draw)
        return tf.exp(log_draw), log_q - log_p

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


def _probabilities(logits: tf.Tensor) -> tf.Tensor:
    """The probabilities of classes along the last axis; TensorFlow's softmax takes five axes at most on some processors."""
    return tf.exp(logits - tf.reduce_logsumexp(logits, axis=-1, keepdims=True))
