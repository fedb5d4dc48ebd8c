"""Distributions of single counts that TFP lacks, or whose draws XLA does not compile there."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import kernels
from ssdgm_tf.layers.scalar_distribution import ScalarDistribution


class NegativeBinomial(ScalarDistribution):
    """A count of a given mean and a variance above it: a Poisson variable whose rate is a gamma variable.

        P(n) = Gamma(n + c) / (Gamma(c) n!) (c / (c + mu))^c (mu / (c + mu))^n,    mu = exp(log_mean)

        variance = mu + mu^2 / c

    As the concentration c grows, it tends to a Poisson distribution. It is TFP's distribution computed in float64, whatever
    its dtype, with draws that XLA compiles. They are exact and carry no gradient.

    Args:
        log_mean: a tensor, which broadcasts with `concentration`.
        concentration: a positive tensor of the same dtype.
        name: of its operations.
    """

    def __init__(self, log_mean: tf.Tensor, concentration: tf.Tensor, name: str = "NegativeBinomial") -> None:
        self.log_mean = tf.convert_to_tensor(log_mean)
        self.concentration = tf.convert_to_tensor(concentration, self.log_mean.dtype)
        parameters = {"log_mean": self.log_mean, "concentration": self.concentration}
        super().__init__(parameters, self.log_mean.dtype, name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return {"log_mean": tfp.util.ParameterProperties(), "concentration": tfp.util.ParameterProperties()}

    def _mean(self) -> tf.Tensor:
        return tf.broadcast_to(tf.exp(self.log_mean), self.batch_shape_tensor())

    def _variance(self) -> tf.Tensor:
        mean = tf.exp(self.log_mean)
        return mean * (1 + mean / self.concentration)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        return _log_probability(self.log_mean, self.concentration, value)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        rate_seed, count_seed = tfp.random.split_seed(seed, salt="NegativeBinomial")
        # In float64: TFP's test of a proposed rate has no digits left in float32 where the concentration is large.
        log_mean, c = (tf.cast(tf.stop_gradient(p), tf.float64) for p in (self.log_mean, self.concentration))
        log_rate = tfd.ExpGamma(c, log_rate=tf.math.log(c) - log_mean).sample(n, seed=rate_seed)
        return tf.cast(tfd.Poisson(log_rate=log_rate).sample(seed=count_seed), self.dtype)


class ZeroInflated(ScalarDistribution):
    """A count that is 0 with an extra probability pi, whatever the distribution p of counts.

        P(0) = pi + (1 - pi) p(0),    P(n) = (1 - pi) p(n),    pi = sigmoid(logits)

        mean = (1 - pi) mu,    variance = (1 - pi) (v + pi mu^2),    of the mean mu and the variance v of p

    Lambert 1992, "Zero-inflated Poisson regression". Draws carry no gradient.

    Args:
        logits: a tensor, which broadcasts with the batch of `counts`.
        counts: a distribution of single counts, of the same dtype.
        name: of its operations.
    """

    def __init__(self, logits: tf.Tensor, counts: tfd.Distribution, name: str = "ZeroInflated") -> None:
        self.logits = tf.convert_to_tensor(logits, counts.dtype)
        self.counts = counts
        super().__init__({"logits": self.logits, "counts": counts}, counts.dtype, name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return {"logits": tfp.util.ParameterProperties(), "counts": tfp.util.BatchedComponentProperties()}

    def _mean(self) -> tf.Tensor:
        return tf.sigmoid(-self.logits) * self.counts.mean()

    def _variance(self) -> tf.Tensor:
        within, between = self.counts.variance(), tf.sigmoid(self.logits) * self.counts.mean() ** 2
        return tf.sigmoid(-self.logits) * (within + between)

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        counted = tf.math.log_sigmoid(-self.logits) + self.counts.log_prob(value)
        return tf.where(value == 0, tfp.math.log_add_exp(tf.math.log_sigmoid(self.logits), counted), counted)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        zero_seed, count_seed = tfp.random.split_seed(seed, salt="ZeroInflated")
        shape = self.batch_shape_tensor()
        # In float64, whose uniform numbers tell a probability of 1e-9 from 0.
        logits = tf.broadcast_to(tf.cast(tf.stop_gradient(self.logits), tf.float64), shape)
        is_zero = tfd.Bernoulli(logits=logits, dtype=tf.bool).sample(n, seed=zero_seed)
        counts = tfd.BatchBroadcast(self.counts, shape).sample(n, seed=count_seed)
        return tf.stop_gradient(tf.where(is_zero, tf.zeros_like(counts), counts))


@kernels.kernel(num_parameters=2)
def _log_probability(log_mean: tf.Tensor, concentration: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Log probability of a negative binomial variable, nats; see `NegativeBinomial`."""
    # Large terms of both signs leave no digits of it in float32.
    m, c, n = (tf.cast(argument, tf.float64) for argument in (log_mean, concentration, value))
    return tf.cast(tfd.NegativeBinomial(c, logits=m - tf.math.log(c)).log_prob(n), log_mean.dtype)
