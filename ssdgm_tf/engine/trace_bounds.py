"""From a trace to its bound: the objective, its terms, and the surrogate that completes its gradient."""

from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from ssdgm_tf import objectives
from ssdgm_tf.engine.trace import Trace

#: The bounds of examples without labels.
UNLABELLED = ("evidence_lower_bound", "importance_weighted")
#: The bounds of examples with labels; "conditional" is the evidence lower bound with the labels held.
LABELLED = ("conditional", "importance", "importance_weighted")


class Bound(NamedTuple):
    """A bound, its terms, and the objective that training maximises; each [B], nats.

    Attributes:
        bound: the bound.
        warmed: the bound with its KL terms weighted and free bits granted, which training maximises.
        surrogate: zeros whose gradient completes that of `warmed`.
        terms: {name: expected log_ratio of each variable}; their sum is the evidence lower bound.
    """

    bound: tf.Tensor
    warmed: tf.Tensor
    surrogate: tf.Tensor
    terms: dict[str, tf.Tensor]


def bound(trace: Trace, kind: str, kl_weight: float | tf.Tensor = 1.0, free_bits: float = 0.0) -> Bound:
    """The bound of a trace.

    Args:
        trace: the pass.
        kind: one of `UNLABELLED` or `LABELLED`.
        kl_weight: weight of the log-ratios of latent variables (those never given), in `warmed` only.
        free_bits: nats below which the mean KL of a latent variable is not reduced, in `warmed` only (Kingma et al. 2016,
            equation 15).
    """
    graph = trace.graph
    # At the draws themselves where weights depend on them; else KL in closed form where there is one.
    analytic = kind in ("evidence_lower_bound", "conditional")
    names = [*graph.observed, *graph.inferred]
    ratios = {name: trace.log_ratio(name, analytic) for name in names}
    log_weight = trace.log_weight()
    total = _sum(ratios.values())
    warmed = total
    if not isinstance(kl_weight, float) or kl_weight != 1.0:
        warmed = _sum(kl_weight * ratio if name in graph.latent else ratio for name, ratio in ratios.items())
    terms = {name: objectives.evidence_lower_bound(ratio, log_weight) for name, ratio in ratios.items()}
    value = _evaluate(trace, kind, total, log_weight)
    result = value if warmed is total else _evaluate(trace, kind, warmed, log_weight)
    for name in graph.latent if free_bits else ():
        scaled = kl_weight * terms[name]
        result += tf.where(tf.reduce_mean(scaled) < -free_bits, tf.zeros_like(scaled), -free_bits - scaled)
    return Bound(value, result, _surrogate(trace, kind, warmed, log_weight), terms)


def _evaluate(trace: Trace, kind: str, log_ratio: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    if kind == "importance":
        scores = [score - tf.stop_gradient(score) for score, *_ in trace.scores()]
        return objectives.importance_bound(log_ratio, trace.log_w(), _sum([log_weight, *scores]))
    if kind == "importance_weighted":
        return objectives.importance_weighted_bound(log_ratio, log_weight)
    return objectives.evidence_lower_bound(log_ratio, log_weight)


def _surrogate(trace: Trace, kind: str, log_ratio: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """Zeros with the gradient of draws that carry none; "importance" has it in its weights."""
    surrogates = [tf.zeros_like(log_ratio[0, 0])]
    for log_q, listed, baseline in trace.scores() if kind != "importance" else ():
        if kind == "importance_weighted":
            surrogates.append(objectives.importance_weighted_surrogate(log_ratio, log_weight, log_q))
            continue
        surrogates.append(objectives.score_surrogate(log_ratio, log_weight, log_q, listed, baseline))
        if baseline is not None:
            surrogates.append(objectives.baseline_surrogate(log_ratio, log_weight, log_q, baseline))
    return _sum(surrogates)


def _sum(terms: Iterable[tf.Tensor]) -> tf.Tensor:
    first, *rest = terms
    return sum(rest, first)
