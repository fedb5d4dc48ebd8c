"""Stochastic nodes of counts, unlimited and limited."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.categorical import OneHotCategoricalNode
from ssdgm_tf.layers.count_distributions import NegativeBinomial, ZeroInflated
from ssdgm_tf.layers.stochastic import StochasticNode, positive


class CountNode(StochasticNode):
    """The base of counts without a limit, whose first parameters are the logarithms of their means, or of their rates.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        target_sum: what networks of children see: None for log(1 + n) of a count n; a number t for log(1 + t n / N), where N
            is the sum of the known counts of the example, so that its size is not seen.

    Raises:
        ValueError: a `target_sum` that is not positive.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        prior: None = None,
        seed: int | None = None,
        gaps: bool | None = None,
        target_sum: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, prior, seed, gaps, **kwargs)
        if target_sum is not None and not target_sum > 0:
            raise ValueError(f"target_sum must be None or a positive number. Received: target_sum={target_sum!r}")
        self.target_sum = target_sum

    @property
    def support(self) -> supports.Support:
        return supports.Whole(target_sum=self.target_sum, event_rank=len(self.event_shape or (1,)))

    def with_exposure(self, parameters: tf.Tensor, log_exposure: tf.Tensor) -> tf.Tensor:
        """The parameters with a number added to the log mean of every count.

        Args:
            parameters: [..., num_parameters].
            log_exposure: [..., 1]; leading axes broadcast.
        """
        log_mean, rest = tf.split(parameters, [self._event_size, -1], axis=-1)
        return tf.concat([log_mean + log_exposure, rest + tf.zeros_like(log_exposure)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_sum": self.target_sum}


class OverdispersedNode(CountNode):
    """The base of counts whose variance exceeds their mean by mean^2 / c, for a concentration c of each element.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        target_sum: what networks of children see; see `CountNode`.
        shared_concentration: whether the concentration of an element is a weight of the node, the same for all inputs, and
            not a function of them.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int] | None,
        prior: None = None,
        seed: int | None = None,
        gaps: bool | None = None,
        target_sum: float | None = None,
        shared_concentration: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, prior, seed, gaps, target_sum, **kwargs)
        self.shared_concentration = shared_concentration
        self._raw_concentration: keras.Variable | None = None

    @property
    def parameters_per_element(self) -> int:
        return 1 if self.shared_concentration else 2

    def build_own_weights(self) -> None:
        if self.shared_concentration and self._raw_concentration is None:
            shape = self.known_event_shape
            self._raw_concentration = self.add_weight(
                shape=shape, initializer="zeros", dtype=self.density_dtype, name="concentration"
            )

    def _counts(self, log_mean: tf.Tensor, raw_concentration: tf.Tensor | None = None) -> NegativeBinomial:
        """The distribution of each element; without a raw concentration with the shared one."""
        if raw_concentration is None:
            self.build_own_weights()
            own = tf.cast(tf.convert_to_tensor(self._raw_concentration), log_mean.dtype)
            raw_concentration = own[(None,) * (log_mean.shape.rank - own.shape.rank)]
        return NegativeBinomial(log_mean, positive(raw_concentration))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shared_concentration": self.shared_concentration}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class PoissonNode(CountNode):
    """Poisson(log_rate = W inputs + b), independent over the event; draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
        target_sum: what networks of children see; see `CountNode`.
    """

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return self._independent(tfd.Poisson(log_rate=self._reshape_to_event(parameters)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class NegativeBinomialNode(OverdispersedNode):
    """NegativeBinomial(mean mu = exp(m), concentration c = positive(r)), with m, r = W inputs + b.

        variance = mu + mu^2 / c,    positive(r) = softplus(r + 0.5413) + 1e-4, about 1 in a new node

    Independent over the event. For counts that vary more than those of a Poisson variable, such as those of genes in cells
    or of words in texts. Draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
        target_sum: what networks of children see; see `CountNode`.
        shared_concentration: whether the concentration of an element is a weight of the node, the same for all inputs, and
            not a function of them.
    """

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return self._independent(self._counts(*self._split(parameters, self.parameters_per_element)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ZeroInflatedPoissonNode(CountNode):
    """0 with probability pi = sigmoid(l), else Poisson(log_rate = m), with m, l = W inputs + b; independent over the event.

        P(n) = pi [n = 0] + (1 - pi) Poisson(n)

    Draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
        target_sum: what networks of children see; see `CountNode`.
    """

    parameters_per_element = 2

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        log_rate, logits = self._split(parameters, 2)
        return self._independent(ZeroInflated(logits, tfd.Poisson(log_rate=log_rate)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ZeroInflatedNegativeBinomialNode(OverdispersedNode):
    """0 with probability pi = sigmoid(l), else a negative binomial count, with m, r, l = W inputs + b.

        P(n) = pi [n = 0] + (1 - pi) NegativeBinomial(n; mean exp(m), concentration positive(r))

    Independent over the event; see `NegativeBinomialNode`. The likelihood of gene counts in Lopez et al. 2018, "Deep
    generative modeling for single-cell transcriptomics". Draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
        target_sum: what networks of children see; see `CountNode`.
        shared_concentration: whether the concentration of an element is a weight of the node, the same for all inputs, and
            not a function of them.
    """

    @property
    def parameters_per_element(self) -> int:
        return super().parameters_per_element + 1

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        *of_counts, logits = self._split(parameters, self.parameters_per_element)
        return self._independent(ZeroInflated(logits, self._counts(*of_counts)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class OneMoreNode(OneHotCategoricalNode):
    """A count in 0..K, one-hot: the answers yes to "is there one more?", each Bernoulli(logit l_k), before the first no.

        P(count = n) = prod_{k <= n} sigmoid(l_k) * (1 - sigmoid(l_{n+1}))      the last factor only where n < K

        l_1..l_K = W inputs + b

    The number of digits in the recurrent recognition model of Siddharth et al. 2017, section 4.3. Draws have
    straight-through gradients, like those of `OneHotCategoricalNode`.

    Args:
        num_classes: K + 1, at least 2.
        prior: None, or "uniform" over the counts: adds the analytic KL to the model's loss.
        seed: integer seed of the node's draws.
    """

    @property
    def num_parameters(self) -> int:
        return self.num_classes - 1

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        yes = tf.cumsum(tf.math.log_sigmoid(parameters), axis=-1)
        no = tf.math.log_sigmoid(-parameters)
        zero = tf.zeros_like(parameters[..., :1])
        log_probs = tf.concat([zero, yes], axis=-1) + tf.concat([no, zero], axis=-1)
        return tfd.OneHotCategorical(logits=log_probs, dtype=log_probs.dtype)

    def make_prior(self) -> tfd.Distribution:
        zeros = tf.zeros([self.num_classes], self.density_dtype)
        return tfd.OneHotCategorical(logits=zeros, dtype=zeros.dtype)
