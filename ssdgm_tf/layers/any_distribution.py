"""Stochastic node of any other distribution of TensorFlow Probability."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers.stochastic import StochasticNode


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class DistributionNode(StochasticNode):
    """distribution_fn(W inputs + b): any TFP distribution, given a function from its parameters to it.

    Draws carry a gradient where the distribution is reparameterised.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        num_parameters: how many numbers `distribution_fn` takes per event.
        distribution_fn: a function from a float tensor [..., num_parameters] to a TFP distribution of batch shape [...] and
            event shape `event_shape`. To save the node, register it with `keras.saving.register_keras_serializable`.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.

    Raises:
        ValueError: at the first use, if the distribution has another event shape.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_parameters: int,
        distribution_fn: Callable[[tf.Tensor], tfd.Distribution],
        prior: None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, prior=prior, seed=seed, **kwargs)
        if num_parameters < 1:
            raise ValueError(f"num_parameters must be at least 1. Received: num_parameters={num_parameters!r}")
        self._num_parameters = num_parameters
        self.distribution_fn = distribution_fn

    @property
    def num_parameters(self) -> int:
        return self._num_parameters

    @property
    def has_independent_elements(self) -> bool:
        made = self.make_distribution(tf.zeros([self.num_parameters], self.density_dtype))
        return isinstance(made, tfd.Independent) and made.distribution.event_shape.rank == 0

    def stands_in(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        """A draw, because nothing is known of the support; see `StochasticNode.stands_in`."""
        return tf.stop_gradient(distribution.sample(seed=(0, 0)))

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        distribution = self.distribution_fn(parameters)
        if not distribution.event_shape.is_compatible_with(self.known_event_shape):
            raise ValueError(
                f"distribution_fn must return a distribution of event shape {self.event_shape}. "
                f"Received: {distribution.name} of event shape {tuple(distribution.event_shape)}"
            )
        return distribution

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_parameters": self.num_parameters,
            "distribution_fn": keras.saving.serialize_keras_object(self.distribution_fn),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        function = keras.saving.deserialize_keras_object(config["distribution_fn"])
        return cls(**{**config, "distribution_fn": function})
