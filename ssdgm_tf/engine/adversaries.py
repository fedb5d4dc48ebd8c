"""The losses of a pass for a node with an adversarial divergence."""

import math
from typing import Any

import tensorflow as tf

from ssdgm_tf.engine.trace import Trace
from ssdgm_tf.layers.static_shape import with_static_shape


def losses(trace: Trace, name: str, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor] | None:
    """The losses of the discriminator and of q, without the weight, means over samples, nats, [B] each.

    Both are 0 for examples for which the variable is given. None where it is given for all.

    Args:
        trace: a pass of a training step.
        name: an inferred variable with a divergence, whose draws depend on no enumerated one and whose prior is a root.
        seed: a TFP seed of the draws of the prior.
    """
    site, graph = trace.sites[name], trace.graph
    if site.mask is True:
        return None
    draws = site.value[0]
    num_samples, size = tf.shape(draws)[0], tf.shape(draws)[1]
    prior: Any = graph.generative[name]
    of_prior = prior.head.sample(prior.root_distribution(), [num_samples, size], seed)
    width = math.prod(prior.head.known_event_shape)
    flat = [
        with_static_shape(tf.reshape(tf.cast(value, tf.float32), [-1, width]), [None, width]) for value in (draws, of_prior)
    ]
    found = []
    for loss in graph.divergences[name].losses_of(*flat):
        mean = tf.reduce_mean(tf.reshape(loss, [num_samples, size]), axis=0)
        found.append(mean if site.mask is False else tf.where(site.mask, tf.zeros_like(mean), mean))
    return found[0], found[1]
