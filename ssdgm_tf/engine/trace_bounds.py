"""From a trace to its bound: the objective, its terms, and the surrogate that completes its gradient."""

from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from ssdgm_tf import objectives
from ssdgm_tf.engine import counted
from ssdgm_tf.engine.trace import Trace

#: The bounds of examples without labels.
UNLABELLED = ("evidence_lower_bound", "importance_weighted")
#: The bounds of examples with labels; "conditional" is the evidence lower bound with the labels held.
LABELLED = ("conditional", "importance", "importance_weighted")


class Bound(NamedTuple):
    """A bound, its terms, and the objective that training maximises; each [B], nats.

    Attributes:
        bound: the bound.
        warmed: the bound with its KL terms and the elements of observed variables weighted, free bits granted, and without
            the log-ratios that a divergence stands for, which training maximises.
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
    replaced = graph.divergences
    ratios = {name: trace.log_ratio(name, analytic) for name in names}
    log_weight = trace.log_weight()
    total = _sum(ratios.values())
    warmed = total
    if replaced or not isinstance(kl_weight, float) or kl_weight != 1.0:
        kept = {name: ratio for name, ratio in ratios.items() if name not in replaced}
        warmed = _sum(kl_weight * ratio if name in graph.latent else ratio for name, ratio in kept.items())
    weighted = [term for name in graph.observed if (term := trace.weighting(name, ratios[name])) is not None]
    warmed = _sum([warmed, *weighted]) if weighted else warmed
    terms = {name: objectives.evidence_lower_bound(ratio, log_weight) for name, ratio in ratios.items()}
    value = _evaluate(trace, kind, total, log_weight)
    result = value if warmed is total else _evaluate(trace, kind, warmed, log_weight)
    for name in (name for name in graph.latent if free_bits and name not in replaced):
        scaled = kl_weight * terms[name]
        is_free = counted.mean(scaled) >= -free_bits
        result += tf.where(is_free, -free_bits - scaled, tf.zeros_like(scaled))
        # What costs nothing is no reason to draw otherwise.
        warmed -= tf.where(is_free, kl_weight * ratios[name], tf.zeros_like(ratios[name]))
    return Bound(value, result, _surrogate(trace, kind, warmed, log_weight), terms)


def log_label(trace: Trace) -> tuple[tf.Tensor, tf.Tensor]:
    """Log q(y|x) of the given variables, nats [B], and zeros whose gradient completes its own, [B].

    Args:
        trace: the pass.
    """
    log_w, log_weight = trace.log_w(), trace.log_weight()
    ancestors = set().union(*(trace.graph.ancestors_q(name) for name in trace.given))
    log_q = trace.log_q_of_draws(name for name in trace.graph.inferred if name in ancestors)
    value = objectives.log_normaliser(log_w, log_weight)
    if log_q is None:
        return value, tf.zeros_like(value)
    return value, objectives.importance_weighted_surrogate(log_w, log_weight, log_q)


def _evaluate(trace: Trace, kind: str, log_ratio: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    if kind == "importance":
        return objectives.importance_bound(log_ratio, trace.log_w(), log_weight)
    if kind == "importance_weighted":
        return objectives.importance_weighted_bound(log_ratio, log_weight)
    return objectives.evidence_lower_bound(log_ratio, log_weight)


def _surrogate(trace: Trace, kind: str, log_ratio: tf.Tensor, log_weight: tf.Tensor) -> tf.Tensor:
    """Zeros with the gradient of draws that carry none."""
    surrogates = [tf.zeros_like(log_ratio[0, 0])]
    if kind in ("importance", "importance_weighted"):
        of_samples = trace.log_q_of_draws(trace.graph.inferred)
        if of_samples is None:
            return surrogates[0]
        if kind == "importance":
            return objectives.importance_surrogate(log_ratio, trace.log_w(), log_weight, of_samples)
        return objectives.importance_weighted_surrogate(log_ratio, log_weight, of_samples)
    for log_q, listed, baseline in trace.scores():
        surrogates.append(objectives.score_surrogate(log_ratio, log_weight, log_q, listed, baseline))
        if baseline is not None:
            surrogates.append(objectives.baseline_surrogate(log_ratio, log_weight, log_q, baseline))
    return _sum(surrogates)


def _sum(terms: Iterable[tf.Tensor]) -> tf.Tensor:
    first, *rest = terms
    return sum(rest, first)
