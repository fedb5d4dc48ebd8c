"""Rules for which example to label next: scores of examples, pure functions of arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors

from ssdgm_tf import choices

# Neighbours that say how typical an example is; the most examples that are clustered, and the most clusters.
_NEIGHBOURS, _CLUSTERED, _MOST_CLUSTERS = 20, 20_000, 500
# Candidates for each example that `uncertain` chooses; the labels for each class until which "mixed" chooses typical ones;
# the most examples whose draws are compared.
_UNCERTAIN, _TYPICAL_FIRST, _COMPARED = 20, 2, 2000


class Predicted(NamedTuple):
    """What a model says of examples.

    Attributes:
        q: the probabilities q(y|x), [N, K].
        places: in a latent space, [N, D].
        draws_of: takes the places of some examples, [n], and gives [S, n, K]: their probabilities given each draw of what
            comes before y.
    """

    q: np.ndarray
    places: np.ndarray
    draws_of: Callable[[np.ndarray], np.ndarray]


def entropy(q: np.ndarray) -> np.ndarray:
    """The entropy of q(y|x), - sum_k q_k log q_k; nats, [N].

    Args:
        q: probabilities, [N, K].
    """
    return -np.sum(q * np.log(np.maximum(q, 1e-30)), axis=-1)


def margin(q: np.ndarray) -> np.ndarray:
    """Minus the difference of the two largest probabilities, [N].

    Args:
        q: probabilities, [N, K].
    """
    ordered = np.sort(q, axis=-1)
    return ordered[:, -2] - ordered[:, -1]


def disagreement(draws: np.ndarray) -> np.ndarray:
    """How much draws of what comes before y disagree (BALD, Houlsby et al. 2011): H[E q] - E H[q]; nats, [N].

    Args:
        draws: probabilities given each draw, [S, N, K].
    """
    return entropy(draws.mean(axis=0)) - entropy(draws).mean(axis=0)


def typical(places: np.ndarray, is_labelled: np.ndarray, number: int, seed: int = 0) -> list[int]:
    """Typical examples of parts of the data that have no label yet (TypiClust, Hacohen et al. 2022).

    The examples are cut into as many clusters as there are labels and examples to choose, at most 500. Those with the fewest
    labels come first, then the largest, and of each the example whose nearest neighbours are nearest.

    Args:
        places: of the examples in a latent space, [N, D].
        is_labelled: whether each has a label, or was put off, bool [N].
        number: how many are chosen.
        seed: of the clusters.

    Returns:
        Up to `number` indices, the best first.
    """
    order = np.random.default_rng(seed).permutation(len(places))
    chosen = np.sort(order[np.argsort(~is_labelled[order], kind="stable")][:_CLUSTERED])
    x, taken = places[chosen], is_labelled[chosen]
    if taken.all():
        return []
    clusters = min(int(taken.sum()) + number, len(x), _MOST_CLUSTERS)
    of = MiniBatchKMeans(clusters, n_init=1, batch_size=4096, random_state=seed).fit_predict(x)
    sizes, held = np.bincount(of, minlength=clusters), np.bincount(of, taken, minlength=clusters)
    found: list[int] = []
    for cluster in np.lexsort((-sizes, held)):
        members = np.flatnonzero((of == cluster) & ~taken)
        if len(found) == number or not len(members):
            continue
        near = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(members))).fit(x[members])
        distances = near.kneighbors(x[members])[0].mean(axis=1)
        found.append(int(chosen[members[np.argmin(distances)]]))
    return found


def uncertain(q: np.ndarray, places: np.ndarray, is_labelled: np.ndarray, number: int, seed: int = 0) -> list[int]:
    """Examples of large entropy that differ from each other.

    The most uncertain ones, twenty for each that is chosen, are cut into as many clusters as are chosen, and the most
    uncertain of each cluster is taken (compare Citovsky et al. 2021).

    Args:
        q: probabilities, [N, K].
        places: of the examples in a latent space, [N, D].
        is_labelled: whether each has a label, or was put off, bool [N].
        number: how many are chosen.
        seed: of the clusters.

    Returns:
        Up to `number` indices, the most uncertain first.
    """
    score = np.where(is_labelled, -np.inf, entropy(q))
    some = np.argsort(-score, kind="stable")[: min(_UNCERTAIN * number, int(np.sum(~is_labelled)))]
    if len(some) <= number:
        return [int(index) for index in some]
    of = KMeans(number, n_init=4, random_state=seed).fit_predict(places[some])
    # The first of each cluster, in the order of the scores.
    return [int(some[k]) for k in np.sort(np.unique(of, return_index=True)[1])]


#: All rules, the default first.
RULES = ("mixed", "spread", "entropy", "margin", "disagreement", "random")


def next_examples(rule: str, number: int, known: Predicted | None, is_labelled: np.ndarray, seed: int = 0) -> list[int]:
    """The examples to label next, the best first.

    Args:
        rule: "mixed" (`typical` up to two labels for each class, then `uncertain`), "spread" (`typical`), "entropy",
            "margin", "disagreement" (of 2,000 examples by chance) or "random".
        number: how many.
        known: what a model says of the examples; "random" needs none.
        is_labelled: whether each example has a label, or was put off, bool [N]; none of these is chosen.
        seed: of chance, and of clusters.

    Returns:
        Up to `number` indices.

    Raises:
        ValueError: an unknown rule, or one that needs a model and has none.
    """
    choices.check("rule", rule, RULES)
    shuffled = np.argsort(-np.random.default_rng(seed).random(len(is_labelled)))
    unlabelled = shuffled[~is_labelled[shuffled]]
    if rule == "random" or not len(unlabelled):
        return [int(index) for index in unlabelled[:number]]
    if known is None:
        raise ValueError(f"Only random needs no model. Received: rule={rule!r}, without what a model says")
    is_early = is_labelled.sum() < _TYPICAL_FIRST * known.q.shape[-1]
    if rule == "spread" or (rule == "mixed" and is_early):
        return typical(known.places, is_labelled, number, seed)
    if rule == "mixed":
        return uncertain(known.q, known.places, is_labelled, number, seed)
    if rule == "disagreement":
        unlabelled = unlabelled[:_COMPARED]
        score = disagreement(known.draws_of(unlabelled))
    else:
        score = {"entropy": entropy, "margin": margin}[rule](known.q[unlabelled])
    return [int(index) for index in unlabelled[np.argsort(-score, kind="stable")[:number]]]
