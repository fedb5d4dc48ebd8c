"""Stochastic nodes of angles and of unit vectors."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from numpy.typing import ArrayLike
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.random_state import constant_noise
from ssdgm_tf.layers.static_shape import with_static_shape
from ssdgm_tf.layers.stochastic import POSITIVE_MINIMUM, Average, StochasticNode, positive, raw_of_positive


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class VonMisesNode(StochasticNode):
    """VonMises(loc, concentration = |(a, b)|): an angle in [-pi, pi), independent over the event; reparameterised.

        (a, b) = W inputs + c,    loc = atan2(b, a),    concentration = sqrt(a^2 + b^2) + 1e-4

    With two numbers per angle the mean moves around the circle without a jump.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None, or "uniform" for the uniform distribution on the circle: adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.Angles()
    error_name = "degrees"
    priors = ("uniform",)
    parameters_per_element = 2

    def mean_over(self, distribution: tfd.Distribution, average: Average) -> tf.Tensor:
        # The direction of the mean vector: +-3.14 have the mean pi and not 0.
        loc, length = distribution.distribution.loc, 1 - _missing_length(distribution.distribution.concentration)
        return tf.atan2(average(length * tf.sin(loc)), average(length * tf.cos(loc)))

    def stddev_over(self, distribution: tfd.Distribution, average: Average) -> tf.Tensor:
        """The circular standard deviation sqrt(-2 log R) of a mixture, in radians; R is the length of its mean vector."""
        loc, missing = distribution.distribution.loc, _missing_length(distribution.distribution.concentration)
        half_turn = tf.sin((loc - self.mean_over(distribution, average)) / 2)
        # 1 - R as a sum of positive terms: the difference itself has no digits left where R is close to 1.
        missing = average(missing + 2 * (1 - missing) * half_turn**2)
        return tf.sqrt(-2 * tf.math.log1p(-tf.minimum(missing, 1 - 1e-6)))  # opposite angles may round to more than 1

    def error(self, prediction: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        turn = tf.abs(tf.math.floormod(prediction - value + math.pi, 2 * math.pi) - math.pi)
        return tf.reduce_mean(turn, axis=list(range(-len(self.known_event_shape), 0))) * (180 / math.pi)

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        a, b = self._split(parameters, 2)
        # The 1e-12 keeps the gradients of both functions finite at a = b = 0.
        return self._independent(tfd.VonMises(tf.atan2(b, a + 1e-12), tf.sqrt(a**2 + b**2 + 1e-12) + 1e-4))

    def make_prior(self) -> tfd.Distribution:
        zeros = tf.zeros(self.known_event_shape, self.density_dtype)
        return self._independent(tfd.VonMises(zeros, zeros))


def _missing_length(concentration: tf.Tensor) -> tf.Tensor:
    """1 - A(k), where A(k) = I1(k) / I0(k) is the length of the mean vector of a von Mises distribution."""
    large = tf.maximum(concentration, 20.0)
    # Abramowitz and Stegun 1965, 9.7.1: the difference itself would cancel.
    series = 1 / (2 * large) + 1 / (8 * large**2) + 1 / (8 * large**3) + 25 / (128 * large**4) + 13 / (32 * large**5)
    small = tf.minimum(concentration, 20.0)
    return tf.where(concentration < 20, 1 - tf.math.bessel_i1e(small) / tf.math.bessel_i0e(small), series)


class _DirectionNode(StochasticNode):
    """Base of nodes of unit vectors."""

    support = supports.Directions()
    error_name = "degrees"
    has_independent_elements = False

    def __init__(self, dim: int, prior: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        if not 2 <= dim <= 5:
            raise ValueError(f"dim must lie in 2..5. Received: dim={dim!r}")
        super().__init__(dim, prior=prior, seed=seed, **kwargs)
        self.dim = dim

    def error(self, prediction: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        # The mean of directions points the right way but is shorter than 1.
        cosine = tf.reduce_sum(tf.math.l2_normalize(prediction, axis=-1) * tf.math.l2_normalize(value, axis=-1), axis=-1)
        return tf.acos(tf.clip_by_value(cosine, -1.0, 1.0)) * (180 / math.pi)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "dim": self.dim}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class VonMisesFisherNode(_DirectionNode):
    """VonMisesFisher(mean_direction = v / |v|, concentration = positive(r)), with v, r = W inputs + b.

    Draws are unit vectors, such as the direction of a light. Those of length 3 are reparameterised; TFP draws the others by
    rejection, and their gradient is not exact.

    Args:
        dim: length of the vector, 2 to 5, the lengths that TFP supports.
        prior: None, or "uniform" for the uniform distribution on the sphere: adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    priors = ("uniform",)

    @property
    def num_parameters(self) -> int:
        return self.dim + 1

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        direction, raw_concentration = parameters[..., :-1], parameters[..., -1]
        return _VonMisesFisher(tf.math.l2_normalize(direction, axis=-1), positive(raw_concentration))

    @property
    def is_reparameterized(self) -> bool:
        return self.dim == 3

    def draws(
        self, distribution: tfd.Distribution, num_samples: int, seed: tf.Tensor, common_noise: bool = False
    ) -> tf.Tensor:
        if not (common_noise and self.is_reparameterized):
            return super().draws(distribution, num_samples, seed)
        with constant_noise():
            u, turn = _uniforms([*[1] * (distribution.batch_shape.rank - 2), num_samples, 1], seed, self.density_dtype)
        return distribution.at(u, turn)

    def make_prior(self) -> tfd.Distribution:
        return tfd.SphericalUniform(self.dim, dtype=self.density_dtype)

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        return _variance(distribution)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class VonMisesFisherMixtureNode(_DirectionNode):
    """sum_k w_k VonMisesFisher(mean_direction_k, concentration_k): a unit vector near one of several.

        mean_direction_k = v_k / |v_k|,    concentration_k = positive(r_k),    w = softmax(logits)
        v [K, dim], r [K], logits [K] = W inputs + b

    As a prior it says that directions come in clusters, such as the lamps of a studio; `parameters` gives such a prior.
    Draws carry no gradient.

    Args:
        dim: length of the vector, 2 to 5, the lengths that TFP supports.
        num_components: K.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
    """

    def __init__(self, dim: int, num_components: int, prior: None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(dim, prior=prior, seed=seed, **kwargs)
        if num_components < 1:
            raise ValueError(f"num_components must be at least 1. Received: num_components={num_components!r}")
        self.num_components = num_components

    @staticmethod
    def parameters(mean_directions: ArrayLike, concentration: float) -> np.ndarray:
        """The parameters of a mixture with equal weights and concentrations, for the `prior` of a root.

        Args:
            mean_directions: [K, dim], none of length 0.
            concentration: that of every component; if large, about 1 / (standard deviation in radians)^2.

        Raises:
            ValueError: a direction of length 0, or a concentration that is not positive.
        """
        directions = np.asarray(mean_directions, np.float64)
        if directions.ndim != 2 or not np.all(np.linalg.norm(directions, axis=-1) > 0):
            raise ValueError(f"mean_directions must be [K, dim], none of length 0. Received: {mean_directions!r}")
        if not concentration > POSITIVE_MINIMUM:
            raise ValueError(f"concentration must be above {POSITIVE_MINIMUM}. Received: concentration={concentration!r}")
        raw = np.full(len(directions), raw_of_positive(concentration))
        return np.concatenate([directions.ravel(), raw, np.zeros(len(directions))])

    @property
    def num_parameters(self) -> int:
        return self.num_components * (self.dim + 2)

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        sizes = [self.num_components * self.dim, self.num_components, self.num_components]
        directions, raw_concentrations, logits = tf.split(parameters, sizes, axis=-1)
        shape = tf.concat([tf.shape(parameters)[:-1], [self.num_components, self.dim]], axis=0)
        directions = tf.reshape(directions, shape)
        directions = with_static_shape(directions, [*parameters.shape[:-1], self.num_components, self.dim])
        components = _VonMisesFisher(tf.math.l2_normalize(directions, axis=-1), positive(raw_concentrations))
        return tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components)

    def variance(self, distribution: tfd.Distribution) -> tf.Tensor:
        components, weights = distribution.components_distribution, distribution.mixture_distribution.probs_parameter()
        apart = components.mean() - distribution.mean()[..., None, :]
        return tf.reduce_sum(weights[..., None] * (_variance(components) + apart**2), axis=-2)

    def draw(self, distribution: tfd.Distribution) -> tf.Tensor:
        # TFP passes the gradient to the chosen component but not to the choice.
        return tf.stop_gradient(super().draw(distribution))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_components": self.num_components}


class _VonMisesFisher(tfd.VonMisesFisher):
    """TFP's distribution, with draws of length 3 whose gradient stays finite where the concentration is high.

    TFP computes the cosine w of the angle to the mean and then sqrt(1 - w^2), whose gradient is infinite once w rounds to 1;
    here t = 1 - w is computed directly.
    """

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        if self.event_shape[-1] != 3:
            return super()._sample_n(n, seed=seed)
        return self.at(*_uniforms(tf.concat([[n], self.batch_shape_tensor()], axis=0), seed, self.dtype))

    def at(self, u: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
        """The draws [..., 3] of numbers `u` in (0, 1) and angles `turn` around the mean, which broadcast with the batch."""
        t = -tf.math.log1p(u * tf.math.expm1(-2 * self.concentration)) / self.concentration
        radius = tf.sqrt(tf.maximum(t * (2 - t), 1e-20))
        around_first_axis = tf.stack([1 - t, radius * tf.cos(turn), radius * tf.sin(turn)], axis=-1)
        return self._rotate(around_first_axis, mean_direction=self.mean_direction)


def _variance(distribution: tfd.VonMisesFisher) -> tf.Tensor:
    """The variance of each element of a direction; TFP's loses every digit where the concentration is high."""
    dim = distribution.event_shape[-1]
    k = distribution.concentration[..., None]
    along, across = _variances_of_three(k) if dim == 3 else _variances(k, dim)
    return across + (along - across) * distribution.mean_direction**2


def _variances_of_three(k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Variances of a direction of length 3, concentration k: along its mean 1/k^2 - 1/sinh(k)^2, across (coth k - 1/k)/k."""
    large = tf.maximum(k, 0.3)
    e = tf.exp(-2 * large)
    along = tf.where(k < 0.3, 1 / 3 - k**2 / 15 + 2 * k**4 / 189, 1 / large**2 - 4 * e / (1 - e) ** 2)
    return along, tf.where(k < 0.3, 1 / 3 - k**2 / 45 + 2 * k**4 / 945, ((1 + e) / (1 - e) - 1 / large) / large)


def _variances(k: tf.Tensor, dim: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Variances of a direction, concentration k: along its mean A'(k), across A(k) / k, with A = I_{dim/2} / I_{dim/2-1}."""
    length = tfp.math.bessel_iv_ratio(tf.cast(dim / 2, k.dtype), k)
    across = length / k
    large, n = tf.maximum(k, 50.0), dim - 1
    # The derivative of the asymptotic series of A; 1 - A^2 cancels.
    series = n / (2 * large**2) - n * (n - 2) / (4 * large**3) - 3 * n * (n - 2) / (8 * large**4)
    return tf.where(k < 50, 1 - length**2 - n * across, series), across


def _uniforms(shape: Sequence[int] | tf.Tensor, seed: tf.Tensor, dtype: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Numbers strictly between 0 and 1, and angles."""
    angle_seed, turn_seed = tfp.random.split_seed(seed)
    u = tf.random.stateless_uniform(shape, angle_seed, minval=1e-7, maxval=1.0 - 1e-7, dtype=dtype)
    return u, tf.random.stateless_uniform(shape, turn_seed, maxval=2 * math.pi, dtype=dtype)
