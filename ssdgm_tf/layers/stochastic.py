"""The base of stochastic nodes: a projection, a distribution, a draw, and a KL term if a prior is named."""

import abc
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import kernels, supports
from ssdgm_tf.layers.precision import cast_weight
from ssdgm_tf.layers.random_state import SavedRandomState
from ssdgm_tf.layers.static_shape import with_static_shape
from ssdgm_tf.layers.types import Shape

#: The expectation over the components of a mixture.
Average = Callable[[tf.Tensor], tf.Tensor]

POSITIVE_MINIMUM = 1e-4
# softplus(_POSITIVE_OFFSET) = 1.
_POSITIVE_OFFSET = 0.5413248546129181


class StochasticNode(SavedRandomState, abc.ABC):
    """A random variable given its inputs: a dense projection to the parameters of a TFP distribution.

    `node(inputs)` is one draw, a tensor, both in training and in inference. So a node works in Sequential and functional
    models, under `fit`, XLA and mixed precision. `node.distribution(inputs)` is the TFP object, for densities, means and
    many draws; it takes values, not `keras.Input`, because Keras passes only tensors between layers.

    Densities are float32 under every mixed-precision policy (float64 under "float64"); a draw has the compute dtype.

    Args:
        event_shape: shape of one draw, an integer or a tuple; None in a graphical model to take the shape of the data.
        prior: None, or the name of a fixed prior p, one of `priors`. With a prior, every call adds KL(q||p), averaged over
            the leading axes, in nats per example, to the model's loss.
        seed: integer seed of the node's own random stream, whose state is saved with the model.
        gaps: for an observed variable of a graphical model, whether elements of an example may be missing (NaN): then the
            networks of its children see beside the values which of them are known. None to take it from the first data, or
            False where the model is built before.
        kernel_regularizer: Keras regularizer of the weights of the projection; None for none.

    Call arguments:
        inputs: a tensor [..., features].

    Returns:
        A draw [..., *event_shape].
    """

    #: The names that `prior` takes in this class.
    priors: tuple[str, ...] = ()
    #: The name or unit of `error`, as metrics show it.
    error_name = "mae"

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        prior: str | None = None,
        seed: int | None = None,
        gaps: bool | None = None,
        kernel_regularizer: str | keras.regularizers.Regularizer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.event_shape = None if event_shape is None else _event_shape(event_shape)
        if prior is not None and prior not in self.priors:
            raise ValueError(
                f"{type(self).__name__} takes a prior of None or one of {self.priors}. Received: prior={prior!r}"
            )
        self.prior = prior
        self.gaps = gaps
        self._make_random_state(seed)

    @property
    def support(self) -> supports.Support:
        """The values that the variable may take."""
        return supports.Support()

    @property
    def observed_support(self) -> supports.Support:
        """The values that are taken for observations: more, where the node scores values between those of its support."""
        return self.support

    def advice(self, value: np.ndarray) -> str:
        """What to do about observed values whose size hinders training; empty if there is nothing.

        Args:
            value: checked values [N, *event_shape], some of them if there are many.
        """
        return self.observed_support.advice(value)

    @property
    def known_event_shape(self) -> tuple[int, ...]:
        """The shape of one draw.

        Raises:
            ValueError: it was left to a graphical model, and none has set it.
        """
        if self.event_shape is None:
            raise ValueError(
                f"Outside a graphical model a {type(self).__name__} needs its event_shape. Received: event_shape=None"
            )
        return self.event_shape

    @property
    def parameters_per_element(self) -> int:
        """How many numbers parameterise one element of an event."""
        return 1

    @property
    def num_parameters(self) -> int:
        """Width of the projection: how many numbers parameterise one event."""
        return self.parameters_per_element * self._event_size

    @property
    def num_states(self) -> int | None:
        """How many values the variable can take; None if they cannot be listed."""
        return None

    @property
    def has_independent_elements(self) -> bool:
        """Whether the elements of an event are independent given the inputs, so that any of them may be missing."""
        return True

    @property
    def element_weights(self) -> np.ndarray | None:
        """The weight that the log density of each element has in training, [*event_shape]; None where all are 1."""
        return None

    @property
    def is_reparameterized(self) -> bool:
        """Whether draws carry a gradient to the parameters."""
        distribution = self.make_distribution(tf.zeros([self.num_parameters], self.density_dtype))
        return distribution.reparameterization_type == tfd.FULLY_REPARAMETERIZED

    @property
    def has_moments(self) -> bool:
        """Whether its mean and its standard deviation are known and finite, so that it can be predicted."""
        distribution = self.make_distribution(tf.zeros([self.num_parameters], self.density_dtype))
        try:
            moments = self.mean(distribution), self.variance(distribution)
        except NotImplementedError:
            return False
        return all(bool(tf.reduce_all(tf.math.is_finite(moment))) for moment in moments)

    @abc.abstractmethod
    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """The distribution with the given parameters [..., num_parameters] and this node's event shape."""

    def make_prior(self) -> tfd.Distribution:
        """The distribution that `prior` names, without batch axes. A class with `priors` overrides it."""
        raise NotImplementedError(f"{type(self).__name__} has no priors.")

    def states(self) -> tf.Tensor:
        """Every value that the variable can take, [num_states, *event_shape]."""
        raise ValueError(f"{type(self).__name__} has no finite list of values.")

    def log_prob_of_states(self, distribution: tfd.Distribution) -> tf.Tensor:
        """Log probability of every state, nats, [..., num_states]."""
        batch_rank = distribution.batch_shape.rank
        states = self.states()[(slice(None), *[None] * batch_rank)]
        return tf.transpose(self.log_density(distribution, states), [*range(1, batch_rank + 1), 0])

    def relaxed(self, distribution: tfd.Distribution, temperature: tf.Tensor) -> tfd.Distribution:
        """A reparameterised distribution that tends to `distribution` as its temperature tends to 0."""
        raise ValueError(f"{type(self).__name__} has no relaxation.")

    def build_own_weights(self) -> None:
        """Makes the parameters that do not depend on the inputs, of a node that has some and has not made them yet."""

    def build(self, input_shape: Shape) -> None:
        self.build_own_weights()
        self.projection = keras.layers.Dense(
            self.num_parameters, kernel_regularizer=self.kernel_regularizer, dtype=self.dtype_policy, name="parameters"
        )
        self.projection.build(input_shape)

    def distribution(self, inputs: tf.Tensor | np.ndarray) -> tfd.Distribution:
        """The TFP distribution given `inputs`; builds the node at its first use.

        Args:
            inputs: a tensor or array [..., features].

        Raises:
            ValueError: `inputs` is symbolic (a `keras.Input` or computed from one).
        """
        if isinstance(inputs, keras.KerasTensor):
            raise ValueError(
                "distribution() needs values, because Keras passes only tensors between layers: call the node for a draw, "
                f"or call distribution() inside a train_step or on arrays. Received: inputs={inputs}"
            )
        return self.make_distribution(self.parameters_of(inputs))

    def parameters_of(self, inputs: tf.Tensor | np.ndarray) -> tf.Tensor:
        """The parameters of the distribution given `inputs`, [..., num_parameters], in the dtype of densities.

        Args:
            inputs: a tensor or array [..., features].
        """
        inputs = tf.cast(inputs, self.compute_dtype)
        if not self.built:
            self.build(inputs.shape)
        # As a matrix of rows, for which TensorFlow adds the bias within the product.
        kernel, bias = (cast_weight(w, self.compute_dtype) for w in (self.projection.kernel, self.projection.bias))
        rows = tf.nn.bias_add(tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), kernel), bias)
        shape = [*inputs.shape[:-1], self.num_parameters]
        parameters = tf.reshape(rows, tf.concat([tf.shape(inputs)[:-1], shape[-1:]], axis=0))
        return tf.cast(with_static_shape(parameters, shape), self.density_dtype)

    def log_prob(self, inputs: tf.Tensor | np.ndarray, value: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Log density of `value` given `inputs`, nats, [...]: `distribution(inputs).log_prob(value)`.

        Args:
            inputs: a tensor [..., features].
            value: a tensor [..., *event_shape] whose leading axes broadcast with those of `inputs`.
        """
        return self.log_density(self.distribution(inputs), value)

    def log_density(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        """Log density of `value` under a distribution that this node made, nats."""
        return distribution.log_prob(tf.cast(value, self.density_dtype))

    def log_density_of_elements(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        """Log density of each element under a distribution of independent elements that this node made, nats.

        Args:
            distribution: the distribution.
            value: [..., *event_shape], in the dtype of densities.

        Returns:
            [..., *event_shape].
        """
        return distribution.distribution.log_prob(value)

    def stands_in(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        """Values of finite density and gradient, which stand in for missing elements where the others are scored.

        Args:
            distribution: a distribution of independent elements that this node made.
            value: [..., *event_shape], in the dtype of densities.
        """
        return self.support.inner_point(value)

    def log_density_of_known(
        self, distribution: tfd.Distribution, value: tf.Tensor, is_known: tf.Tensor, weights: np.ndarray | None = None
    ) -> tf.Tensor:
        """Log density of the elements that are known, nats, [...]; the others add nothing.

            log p(v_known | inputs) = sum_{d known} log p(v_d | inputs)

        Exact: the elements are independent given the inputs, so the integral over the missing ones is 1.

        Args:
            distribution: a distribution of independent elements that this node made.
            value: [..., *event_shape]; anything, NaN too, where it is not known.
            is_known: bool, which broadcasts with `value`.
            weights: factors of the terms of the sum, [*event_shape]; None for 1.
        """
        value = tf.cast(value, self.density_dtype)
        stands_in = self.stands_in(distribution, value)
        terms = self.log_density_of_elements(distribution, tf.where(is_known, value, stands_in))
        if weights is not None:
            terms *= tf.constant(weights, terms.dtype)
        event_axes = list(range(-len(self.known_event_shape), 0))
        return tf.reduce_sum(tf.where(is_known, terms, tf.zeros_like(terms)), axis=event_axes)

    def mean(self, distribution: tfd.Distribution) -> tf.Tensor:
        """The mean of a distribution that this node made, [..., *event_shape]."""
        return distribution.mean()

    def mean_over(self, distribution: tfd.Distribution, average: Average) -> tf.Tensor:
        """The mean of a mixture of distributions that this node made, [B, *event_shape].

        Args:
            distribution: the components, of batch shape [K, S, B].
            average: the expectation over the components: [K, S, B, *event_shape] -> [B, *event_shape].
        """
        return average(self.mean(distribution))

    def stddev_over(self, distribution: tfd.Distribution, average: Average) -> tf.Tensor:
        """The standard deviation of each element of a mixture, [B, *event_shape].

        Args:
            distribution: see `mean_over`.
            average: see `mean_over`.
        """
        apart = self.mean(distribution) - self.mean_over(distribution, average)
        return tf.sqrt(average(self.variance(distribution) + apart**2))

    def kl_divergence(self, q: tfd.Distribution, p: tfd.Distribution) -> tf.Tensor:
        """KL(q || p) of a distribution q that this node made, nats, [...].

        Raises:
            NotImplementedError: it has no closed form here.
        """
        return tfd.kl_divergence(q, p)

    def draws(
        self, distribution: tfd.Distribution, num_samples: int, seed: tf.Tensor, common_noise: bool = False
    ) -> tf.Tensor:
        """Draws of a distribution of batch shape [K, S or 1, B], [K, S, B, *event_shape].

        Each is drawn independently from the distribution at its position.

        Args:
            distribution: one that this node made.
            num_samples: S.
            seed: a TFP seed.
            common_noise: whether all states and examples share their noise, a constant of the graph. The draws of one
                example then do not depend on the rest of its batch. Nodes of Gaussians, of directions of length 3 and of
                classes do so; others draw for each example.
        """
        return self.support.inward(draws(distribution, num_samples, seed))

    def sample(self, distribution: tfd.Distribution, sample_shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        """Draws of a distribution that this node made, none of them on the edge of the support.

        Args:
            distribution: the distribution.
            sample_shape: the leading axes of the draws.
            seed: a TFP seed.

        Returns:
            [*sample_shape, ..., *event_shape].
        """
        return self.support.inward(distribution.sample(sample_shape, seed=seed))

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        """The variance of each element of the event, [..., *event_shape]."""
        return distribution.variance()

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        distribution = self.distribution(inputs)
        if self.prior is None:
            return tf.cast(self.draw(distribution), self.compute_dtype)
        draw, kl = self.draw_and_kl(distribution)
        self.add_loss(tf.reduce_mean(kl))
        return tf.cast(draw, self.compute_dtype)

    def draw(self, distribution: tfd.Distribution) -> tf.Tensor:
        """One draw, differentiable where a gradient (exact or straight-through) exists."""
        return self.sample(distribution, (), self.next_seed())

    def draw_and_kl(self, distribution: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor]:
        """One draw, and KL(distribution || prior) in nats: analytic unless the subclass says otherwise."""
        return self.draw(distribution), self.kl_divergence(distribution, self.make_prior())

    def error(self, prediction: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """The error of a predicted mean [..., *event_shape], [...]: the mean absolute error over the elements."""
        event_axes = list(range(-len(self.known_event_shape), 0))
        return tf.reduce_mean(tf.abs(prediction - value), axis=event_axes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], *self.known_event_shape)

    def get_config(self) -> dict[str, Any]:
        own = {"event_shape": self.event_shape, "prior": self.prior, "seed": self.seed, "gaps": self.gaps}
        regularizer = self.kernel_regularizer and keras.regularizers.serialize(self.kernel_regularizer)
        return {**super().get_config(), **own, "kernel_regularizer": regularizer}

    @property
    def density_dtype(self) -> str:
        """The dtype of parameters and densities."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    @property
    def _event_size(self) -> int:
        return math.prod(self.known_event_shape)

    def _split(self, parameters: tf.Tensor, num: int) -> list[tf.Tensor]:
        """[..., num * event_size] as `num` tensors [..., *event_shape]."""
        return [self._reshape_to_event(part) for part in tf.split(parameters, num, axis=-1)]

    def _independent(self, distribution: tfd.Distribution) -> tfd.Distribution:
        """Turns a distribution of scalars [..., *event_shape] into one of events."""
        return tfd.Independent(distribution, len(self.known_event_shape))

    def _reshape_to_event(self, flat: tf.Tensor) -> tf.Tensor:
        """[..., event_size] -> [..., *event_shape], keeping the static shape."""
        event_shape = self.known_event_shape
        if len(event_shape) == 1:
            return flat
        shaped = tf.reshape(flat, tf.concat([tf.shape(flat)[:-1], event_shape], axis=0))
        return with_static_shape(shaped, [*flat.shape[:-1], *event_shape])


def draws(distribution: tfd.Distribution, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
    """Independent draws of a distribution of batch shape [K, S or 1, B], [K, S, B, *event]."""
    axis = distribution.batch_shape.rank - 2
    if num_samples == 1 or distribution.batch_shape[axis] != 1:
        return distribution.sample(seed=seed)
    values = tf.squeeze(distribution.sample(num_samples, seed=seed), axis=axis + 1)
    order = list(range(values.shape.rank))
    return tf.transpose(values, [*order[1 : axis + 1], 0, *order[axis + 1 :]])


@kernels.kernel()
def positive(raw: tf.Tensor) -> tf.Tensor:
    """softplus(raw + 0.5413) + 1e-4: never 0, and about 1 at raw = 0, where a new node starts."""
    return kernels.softplus(raw + _POSITIVE_OFFSET) + POSITIVE_MINIMUM


def raw_of_positive(value: float) -> float:
    """The inverse of `positive`, for a value above POSITIVE_MINIMUM."""
    excess = value - POSITIVE_MINIMUM
    return excess + math.log(-math.expm1(-excess)) - _POSITIVE_OFFSET


def _event_shape(event_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = (event_shape,) if isinstance(event_shape, int) else tuple(int(size) for size in event_shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"event_shape must be a positive integer or a tuple of them. Received: event_shape={event_shape!r}")
    return shape
