"""The mathematics, as pure functions of tensors (no Keras, no state).

One convention holds everywhere. A term has the shape [K, S, B]: K states of the enumerated label (1 where the term does
not depend on it or the label is held), S Monte-Carlo samples (1 where nothing was drawn), B examples. Axes broadcast and
are never tiled. Every function returns nats per example; only its caller averages over a batch.

Names follow the papers: ``log_px`` is log p(x|y,z), ``log_py`` is log p(y), ``log_pz`` is log p(z), ``log_qz`` is
log q(z|x,y), ``log_qy`` is log q(y|x), ``kl_z`` is KL(q(z|x,y) || p(z)).
"""

from ssdgm_tf.objectives.bounds import (
    importance_weighted_bound,
    labelled_bound,
    log_importance_weight,
    unlabelled_bound,
)
from ssdgm_tf.objectives.semi_supervised import (
    ObjectiveWeights,
    adgm_weights,
    kingma_weights,
    labelled_objective,
    siddharth_weights,
    supervision_rate,
    total_objective,
)

__all__ = [
    "ObjectiveWeights",
    "adgm_weights",
    "importance_weighted_bound",
    "kingma_weights",
    "labelled_bound",
    "labelled_objective",
    "log_importance_weight",
    "siddharth_weights",
    "supervision_rate",
    "total_objective",
    "unlabelled_bound",
]
