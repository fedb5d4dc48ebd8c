"""The mathematics, as pure functions of tensors (no Keras, no state).

One convention holds everywhere. A term has the shape [K, S, B]: K joint states of the enumerated variables (1 where the term
does not depend on them or they are held), S Monte Carlo samples (1 where nothing was drawn), B examples. Axes broadcast and
are never tiled. Bounds are in nats per example; the caller averages them over the batch.

Names follow the papers: x is observed, y is supervised (given for some examples), u stands for all latent variables.
``log_ratio`` is log p of all variables minus log q of those that are not given; ``log_w`` is the log importance weight of
the given variables, ``log_z`` the log of its mean; ``log_weight`` is the log weight of each state.
"""

from ssdgm_tf.objectives.bounds import (
    evidence_lower_bound,
    importance_bound,
    importance_weighted_bound,
    log_normaliser,
)
from ssdgm_tf.objectives.score_function import (
    baseline_surrogate,
    importance_surrogate,
    importance_weighted_surrogate,
    score_surrogate,
)
from ssdgm_tf.objectives.semi_supervised import (
    ObjectiveWeights,
    adgm_weights,
    gamma_of_rate,
    kingma_weights,
    labelled_objective,
    siddharth_weights,
    supervision_rate,
    total_objective,
)

__all__ = [
    "ObjectiveWeights",
    "adgm_weights",
    "baseline_surrogate",
    "evidence_lower_bound",
    "gamma_of_rate",
    "importance_bound",
    "importance_surrogate",
    "importance_weighted_bound",
    "importance_weighted_surrogate",
    "kingma_weights",
    "labelled_objective",
    "log_normaliser",
    "score_surrogate",
    "siddharth_weights",
    "supervision_rate",
    "total_objective",
]
