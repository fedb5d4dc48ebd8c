"""Which examples are of none of the kinds that a model knows. The functions are methods of `GraphicalModel`."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from ssdgm_tf import rows
from ssdgm_tf.engine import trace, trace_bounds
from ssdgm_tf.layers import StochasticNode
from ssdgm_tf.layers.supports import Support
from ssdgm_tf.models.data_format import num_examples
from ssdgm_tf.models.inference import in_batches
from ssdgm_tf.objectives.consistency import entropy, log_of
from ssdgm_tf.trust.novelty import FEWEST, Novelty

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

#: The most examples that are learned from, and their bytes as float32: what is learned stays in the file of the model.
MOST, _MOST_BYTES = 10_000, 2**25
# Of the draws behind the statistics, which all examples share; and how many there are.
_SEED, _NUM_SAMPLES = (20_210_914, 24), 5


def fit_novelty(model: "GraphicalModel", x: Any, held_out: Any = None, *, seed: int = 0) -> None:
    """Learns what known examples are like, so that `novelty` can say which ones are not.

    Each example is described by what the model says of it (every term of the bound U(x), and of every supervised class the
    entropy and the energy of q(y|x), Liu et al. 2020) and by what principal components and nearest neighbours say without
    the model. How far it is from its fifth nearest known example, in these numbers, estimates their density (compare
    Morningstar et al. 2021). Images are compared in histograms of values and differences too, their texture; the novelty is
    the larger of both. It is saved with the model; training it further ends it.

    Args:
        model: the model.
        x: at least 100 examples of the known kinds, as in `fit`; up to 10,000, and 32 MB, are taken at random.
        held_out: at least 100 further examples, which training did not see, drawn as new ones are; up to 10,000 are taken at
            random. The rates of false alarms are of these, and hold. With None they are of a fifth of x: they hold if
            training did not see x, and are larger than stated if it did, because the model is surer of what it has seen.
        seed: of which are taken for what.

    Raises:
        ValueError: bad values, or too few examples.

    Warns:
        UserWarning: examples whose bound is not finite are left out.
    """
    model.require_built()
    if held_out is None:
        learn(model, *describe(model, x, MOST, seed), seed=seed)
        return
    others = _some(model.data_format.x(held_out), MOST, seed)
    found = Novelty.without_scores(*describe(model, x, MOST, seed), _image_shape(model), seed)
    model.known_examples = found.with_scores(_scores(model, found, others))


def describe(model: "GraphicalModel", x: Any, most: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`described` of up to so many examples, drawn by a seed.

    Args:
        model: the model.
        x: as in `fit`.
        most: the largest number of examples.
        seed: of the draw.
    """
    x = model.data_format.x(x)
    size = sum(4 * math.prod(values.shape[1:]) for values in x.values())
    taken = _some(x, min(most, max(FEWEST, _MOST_BYTES // size)), seed)
    return in_batches(model, lambda x, *_: described(model, x), taken, {}, rows=_NUM_SAMPLES)


def learn(model: "GraphicalModel", shown: np.ndarray, statistics: np.ndarray, *, seed: int = 0) -> None:
    """`fit_novelty` of examples that are described already, by this model or, to cross-fit, by others like it.

    Args:
        model: the model.
        shown: the examples as `describe` has them, [N, D].
        statistics: what the models say of them, [N, J].
        seed: see `fit_novelty`.
    """
    model.known_examples = Novelty.of(shown, statistics, _image_shape(model), seed)


def novelty(model: "GraphicalModel", x: Any) -> np.ndarray:
    """How unlike the examples of `fit_novelty` examples are: the larger, the less alike. No unit.

    Args:
        model: the model, after `fit_novelty`.
        x: as in `fit`.

    Returns:
        float32 [N].

    Raises:
        ValueError: bad values, or no `fit_novelty` before.
    """
    return _scores(model, known_examples(model), model.data_format.x(x))


def is_novel(model: "GraphicalModel", x: Any, false_alarms: float = 0.05) -> np.ndarray:
    """Whether an example is of none of the known kinds, at a stated rate of false alarms.

    Args:
        model: the model, after `fit_novelty`.
        x: as in `fit`.
        false_alarms: the share of examples of the known kinds that are called novel. At least 1 / (C + 1), where C is the
            number of held-out examples of `fit_novelty`, or a fifth of its x.

    Returns:
        bool [N].

    Raises:
        ValueError: bad values, no `fit_novelty` before, a rate outside (0, 1), or one that takes more known examples.
    """
    if not 0 < false_alarms < 1:
        raise ValueError(f"false_alarms must be above 0 and below 1. Received: false_alarms={false_alarms!r}")
    known = known_examples(model)
    if false_alarms < known.least_rate:
        raise ValueError(
            f"With {len(known.scores)} known examples to compare with, false_alarms must be at least "
            f"{known.least_rate:.3g}. Received: false_alarms={false_alarms!r}"
        )
    return known.p_value(novelty(model, x)).numpy() <= false_alarms


def known_examples(model: "GraphicalModel") -> Novelty:
    """What `fit_novelty` learned.

    Args:
        model: the model.

    Raises:
        ValueError: it was not called.
    """
    model.require_built()
    if model.known_examples is None:
        raise ValueError(f"Call fit_novelty() before novelty(). Received: {type(model).__name__} without known examples")
    return model.known_examples


def described(model: "GraphicalModel", x: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """What is compared of a batch: the observed variables as networks see them, [B, D], and statistics, [B, J]; float32.

    Args:
        model: the model.
        x: {name: tensor} of the observed variables.
    """
    held = model.data_format.held(x)
    shown = []
    for name, head in model.data_format.observed.items():
        values = tf.cast(_shown_support(head).network_input(held[name].value), tf.float32)
        shown.append(tf.reshape(values, [tf.shape(values)[0], -1]))
    return tf.concat(shown, axis=1), tf.stack(_statistics(model, held), axis=1)


def _scores(model: "GraphicalModel", known: Novelty, x: dict[str, Any]) -> np.ndarray:
    """The scores of examples in the form of `data_format`, float32 [N]."""
    return in_batches(model, lambda x, *_: known.score(*described(model, x)), x, {}, rows=_NUM_SAMPLES)


def _some(x: dict[str, Any], most: int, seed: int) -> dict[str, Any]:
    """Up to so many examples, drawn by a seed, in their order."""
    order = np.sort(np.random.default_rng(seed).permutation(num_examples(x))[:most])
    return {name: rows.take(values, order) for name, values in x.items()}


def _image_shape(model: "GraphicalModel") -> tuple[int, ...] | None:
    """The shape of the first observed variable as networks see it, if it is an image; else None."""
    head = next(iter(model.data_format.observed.values()))
    shape = _shown_support(head).network_shape(head.known_event_shape)
    return tuple(shape) if len(shape) == 3 else None


def _shown_support(head: StochasticNode) -> Support:
    """The support that says what networks see of an observed variable."""
    return head.support.with_gaps() if head.gaps else head.support


def _statistics(model: "GraphicalModel", held: dict) -> list[tf.Tensor]:
    """What the model says of examples, [B] each, float32."""
    one_pass = trace.run(model.graph, held, _NUM_SAMPLES, _SEED, model.step, exact=True, common_noise=True)
    found = list(trace_bounds.bound(one_pass, "evidence_lower_bound").terms.values())
    for name in model.data_format.classes:
        found.append(entropy(log_of(one_pass.mean(name))))
        q = one_pass.sites[name].q
        if q is not None and (logits := getattr(q.distribution, "logits", None)) is not None:
            found.append(-tf.reduce_mean(tf.reduce_logsumexp(logits, axis=-1), axis=(0, 1)))
    return [tf.cast(values, tf.float32) for values in found]
