"""What is not known of the observed variables, given what is known: means and draws, weighted by importance.

    r_ks = w_ks / sum w,    log w_ks = log p(x_known, u_ks) - log q(u_ks | x_known) + log weight of the state k

over the joint states k of enumerated variables and the samples s of a pass (Mattei and Frellsen 2019, section 2.3). Exact in
the limit of many samples.
"""

import tensorflow as tf

from ssdgm_tf.engine.site import Conditional
from ssdgm_tf.engine.trace import Trace


def means(trace: Trace) -> dict[str, tf.Tensor]:
    """The mean of every observed variable that has gaps, given what is known, {name: [B, *event_shape]}.

        E[x | known] = sum_ks r_ks E[x | u_ks]

    Args:
        trace: a pass of S samples.
    """
    log_w = _log_w(trace)
    share = tf.nn.softmax(tf.reshape(log_w, [-1, tf.shape(log_w)[2]]), axis=0)
    found = {}
    for name, p in _with_gaps(trace).items():

        def average(values: tf.Tensor, p: Conditional = p) -> tf.Tensor:
            values = _over_all(trace, p, values, log_w)
            of_each = tf.reshape(share, tf.concat([tf.shape(share), [1] * (values.shape.rank - 2)], axis=0))
            return tf.reduce_sum(of_each * values, axis=0)

        found[name] = p.head.mean_over(p.distribution, average)
    return found


def draws(trace: Trace, num_draws: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Draws of every observed variable that has gaps, given what is known, {name: [D, B, *event_shape]}.

    Each chooses a state and a sample by r_ks (sampling importance resampling, Rubin 1987), then draws from p(x | u_ks). The
    choice is the same for all observed variables.

    Args:
        trace: a pass of S samples, many more than D.
        num_draws: D.
        seed: a TFP seed.
    """
    log_w = _log_w(trace)
    flat = tf.reshape(log_w, [-1, tf.shape(log_w)[2]])
    chosen = tf.random.stateless_categorical(tf.transpose(flat), num_draws, seed)  # [B, D]
    found = {}
    for index, (name, p) in enumerate(_with_gaps(trace).items()):
        of_all = tf.transpose(_over_all(trace, p, p.parameters, log_w), [1, 0, 2])
        distribution = p.head.make_distribution(tf.transpose(tf.gather(of_all, chosen, batch_dims=1), [1, 0, 2]))
        found[name] = p.head.sample(distribution, [], tf.random.experimental.stateless_fold_in(seed, index + 1))
    return found


def _log_w(trace: Trace) -> tf.Tensor:
    """Log importance weights, nats [K, S, B]."""
    names = [*trace.graph.observed, *trace.graph.inferred]
    return sum((trace.log_ratio(name) for name in names), trace.log_weight())


def _with_gaps(trace: Trace) -> dict[str, Conditional]:
    """{name: distribution in the generative model} of the observed variables whose elements may be missing.

    Raises:
        ValueError: one depends on nothing, so that what is known says nothing of it.
    """
    found = {name: trace.generative(name) for name in trace.graph.observed if trace.sites[name].is_known is not None}
    if roots := [name for name, p in found.items() if p.parameters is None]:
        raise ValueError(f"Missing elements are inferred from what their variable depends on. Received: {roots}, roots")
    return found


def _over_all(trace: Trace, p: Conditional, values: tf.Tensor, log_w: tf.Tensor) -> tf.Tensor:
    """Values [K of the scope of `p`, S or 1, B, ...] over all joint states and samples, [K S, B, ...]."""
    values = trace.states.broadcastable(values, p.scope, trace.states.all)
    sizes, rest = tf.shape(log_w), tf.shape(values)[3:]
    whole = tf.broadcast_to(values, tf.concat([sizes, rest], axis=0))
    return tf.reshape(whole, tf.concat([[-1], sizes[2:], rest], axis=0))
