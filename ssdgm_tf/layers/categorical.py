"""One-hot categorical stochastic nodes: exact draws with straight-through gradients, and the Gumbel-softmax relaxation."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf.layers.stochastic import StochasticNode

tfd = tfp.distributions


class ClassVectorNode(StochasticNode):
    """What nodes over classes share: an event that is a vector of `num_classes`, and a uniform prior at parameters 0."""

    priors = ("uniform",)

    def __init__(self, num_classes: int, prior: str | None = None, seed: int | None = None, **kwargs):
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2. Received: num_classes={num_classes!r}")
        super().__init__(num_classes, prior=prior, seed=seed, **kwargs)
        self.num_classes = num_classes

    def make_prior(self):
        return self.make_distribution(tf.zeros([self.num_classes], self.density_dtype))

    def get_config(self):
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

    def make_distribution(self, parameters):
        return tfd.OneHotCategorical(logits=parameters, dtype=parameters.dtype)

    def draw(self, distribution):
        probs = distribution.probs_parameter()
        return super().draw(distribution) + (probs - tf.stop_gradient(probs))


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RelaxedOneHotCategoricalNode(ClassVectorNode):
    """Gumbel-softmax: RelaxedOneHotCategorical(temperature, logits = W inputs + b); draws are reparameterised.

        draw = softmax((logits + Gumbel noise) / temperature)      Maddison et al. 2017, Jang et al. 2017

    Args:
        num_classes: number of classes K, at least 2.
        temperature: positive; draws tend to one-hot vectors as it tends to 0.
        prior: None, or "uniform" for the relaxed uniform distribution of the same temperature. This KL has no closed
            form: log q - log p at the draw itself is added, an unbiased estimate.
        seed: integer seed of the node's draws.
    """

    def __init__(
        self, num_classes: int, temperature: float = 2 / 3, prior: str | None = None, seed: int | None = None, **kwargs
    ):
        super().__init__(num_classes, prior=prior, seed=seed, **kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature must be positive. Received: temperature={temperature!r}")
        self.temperature = temperature

    def make_distribution(self, parameters):
        return tfd.RelaxedOneHotCategorical(tf.constant(self.temperature, parameters.dtype), logits=parameters)

    def draw_and_kl(self, distribution):
        # In log space: near a corner of the simplex the density of the draw itself overflows float32.
        log_draw = distribution.distribution.sample(seed=self.next_seed())
        log_q = distribution.distribution.log_prob(log_draw)
        log_p = self.make_prior().distribution.log_prob(log_draw)
        return tf.exp(log_draw), log_q - log_p

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
