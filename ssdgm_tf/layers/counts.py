"""Stochastic nodes of counts, unlimited and limited."""

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.categorical import OneHotCategoricalNode
from ssdgm_tf.layers.count_distributions import NegativeBinomial, ZeroInflated
from ssdgm_tf.layers.stochastic import StochasticNode, positive


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class PoissonNode(StochasticNode):
    """Poisson(log_rate = W inputs + b), independent over the event; draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.Whole()

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        return self._independent(tfd.Poisson(log_rate=self._reshape_to_event(parameters)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class NegativeBinomialNode(StochasticNode):
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
    """

    support = supports.Whole()
    parameters_per_element = 2

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        log_mean, raw_concentration = self._split(parameters, 2)
        return self._independent(NegativeBinomial(log_mean, positive(raw_concentration)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ZeroInflatedPoissonNode(StochasticNode):
    """0 with probability pi = sigmoid(l), else Poisson(log_rate = m), with m, l = W inputs + b; independent over the event.

        P(n) = pi [n = 0] + (1 - pi) Poisson(n)

    Draws are whole numbers and carry no gradient.

    Args:
        event_shape: shape of one draw, an integer or a tuple.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws.
        gaps: whether elements may be missing; see `StochasticNode`.
        kernel_regularizer: of the weights of the projection; see `StochasticNode`.
    """

    support = supports.Whole()
    parameters_per_element = 2

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        log_rate, logits = self._split(parameters, 2)
        return self._independent(ZeroInflated(logits, tfd.Poisson(log_rate=log_rate)))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ZeroInflatedNegativeBinomialNode(StochasticNode):
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
    """

    support = supports.Whole()
    parameters_per_element = 3

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        log_mean, raw_concentration, logits = self._split(parameters, 3)
        return self._independent(ZeroInflated(logits, NegativeBinomial(log_mean, positive(raw_concentration))))


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
