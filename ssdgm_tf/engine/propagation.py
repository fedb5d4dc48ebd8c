"""Means and draws along either model of a graph, outside a pass. Inference, generation and export use them.

Values are tensors [B, *event_shape] here; there are no axes of states. Functions of a graph, its built nodes and values.
"""

from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.engine.graph import Graph
from ssdgm_tf.engine.site import Held
from ssdgm_tf.layers import StochasticNode
from ssdgm_tf.nodes import Deterministic, RandomVariable

# The position of a variable in the recognition model, its head, its distribution, and what is given of it.
_Choose = Callable[[int, StochasticNode, tfd.Distribution, Held | None], tf.Tensor]


def means(graph: Graph, held: Mapping[str, Held]) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """The mean of every inferred variable, each given the means of its parents and the likeliest state of discrete ones.

    Args:
        graph: the graph.
        held: {name: Held} of the observed variables and of any others that are given.

    Returns:
        {name: mean, or class probabilities}, and {name: the point that other variables are conditioned on}.
    """
    found = {}

    def likeliest(index: int, head: StochasticNode, q: tfd.Distribution, given: Held | None) -> tf.Tensor:
        found[graph.order_q[index]] = _where_known(given, head.mean(q))
        if not head.num_states:
            return head.mean(q)
        return tf.gather(head.states(), tf.argmax(head.log_prob_of_states(q), axis=-1))

    points = _along_q(graph, held, likeliest)
    return found, points


def draws(graph: Graph, held: Mapping[str, Held], num_samples: int, seed: tf.Tensor) -> dict[str, tf.Tensor]:
    """Draws from the recognition model, {name: [S, B, *event_shape]}.

    Args:
        graph: the graph.
        held: as in `means`.
        num_samples: S.
        seed: a TFP seed.
    """

    def draw(index: int, head: StochasticNode, q: tfd.Distribution, given: Held | None) -> tf.Tensor:
        shape = [num_samples] if q.batch_shape.rank == 1 else []
        return head.sample(q, shape, tf.random.experimental.stateless_fold_in(seed, index))

    return _along_q(graph, held, draw)


def decode(graph: Graph, points: Mapping[str, tf.Tensor], x: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The mean of each observed variable given its parents, {name: [B, *event_shape]}.

    Args:
        graph: the graph.
        points: {name: value} of the variables that are inferred; the others take their means.
        x: {name: value} of the observed variables, for those that depend on each other; one left out takes its mean there.
    """
    values, found = {**points, **x}, {}
    for name in graph.order_p:
        if name not in graph.observed and not makes_observed(graph, name):
            continue
        node = graph.generative[name]
        parents = [values[parent] for parent in node.parents]
        if isinstance(node, Deterministic):
            values[name] = node.value(parents)
        elif name in graph.observed:
            mean = _mean(node, parents)
            found[name] = tf.broadcast_to(mean, tf.shape(values[name])) if name in values else mean
            values.setdefault(name, found[name])
        elif name not in values:
            values[name] = _mean(node, parents)
    return found


def generate(
    graph: Graph, given: Mapping[str, tf.Tensor], num_examples: int | tf.Tensor, seed: tf.Tensor, draws_all: bool = False
) -> dict[str, tf.Tensor]:
    """Values from the prior down: latent variables that are not given are drawn, of the observed ones each takes its mean.

    Args:
        graph: the graph.
        given: {name: value [B, *event_shape]}. Only variables that the observed ones depend on are drawn.
        num_examples: B, an integer or a scalar tensor.
        seed: a TFP seed.
        draws_all: whether the observed variables are drawn too.

    Returns:
        {name: value} of every variable that was given, drawn or computed.
    """
    values, needed = dict(given), _needed(graph, given)
    for index, name in enumerate(graph.order_p):
        if name in values or name not in needed:
            continue
        node = graph.generative[name]
        parents = [values[parent] for parent in node.parents]
        if isinstance(node, Deterministic):
            values[name] = node.value(parents)
        elif not (draws_all or makes_observed(graph, name)):
            values[name] = _mean(node, parents)
        else:
            distribution = node.distribution(parents)
            shape = [] if distribution.batch_shape.rank else [num_examples]
            values[name] = node.head.sample(distribution, shape, tf.random.experimental.stateless_fold_in(seed, index))
    return values


def makes_observed(graph: Graph, name: str) -> bool:
    """Whether an observed variable depends on it in the generative model."""
    return not graph.descendants_p(name).isdisjoint(graph.observed)


def direct_parents(graph: Graph) -> tuple[str, ...]:
    """The random variables that the observed ones depend on, with nothing random in between, parents first."""
    found = set()

    def add(name: str) -> None:
        for parent in graph.generative[name].parents:
            if isinstance(graph.generative[parent], Deterministic):
                add(parent)
            else:
                found.add(parent)

    for name in graph.observed:
        add(name)
    return tuple(name for name in graph.order_p if name in found)


def _along_q(graph: Graph, held: Mapping[str, Held], choose: _Choose) -> dict[str, tf.Tensor]:
    """{name: value} of every inferred variable, parents first: where it is given, that; elsewhere the choice."""
    values = {name: held[name].value for name in graph.observed}
    for index, name in enumerate(graph.order_q):
        node = graph.recognition[name]
        parents = [values[parent] for parent in node.parents]
        if isinstance(node, Deterministic):
            values[name] = node.value(parents)
            continue
        q = node.distribution(parents) if parents else node.root_distribution([tf.shape(values[graph.observed[0]])[0]])
        chosen = choose(index, node.head, q, held.get(name))
        values[name] = _where_known(held.get(name), chosen)
    return {name: values[name] for name in graph.inferred}


def _needed(graph: Graph, given: Iterable[str]) -> set[str]:
    """The observed variables and their ancestors, except ancestors of given variables only."""
    given = set(given)
    needed: set[str] = set()
    waiting = [name for name in graph.observed if name not in given]
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += [parent for parent in graph.generative[name].parents if parent not in given | needed]
    return needed


def _mean(node: RandomVariable, parents: list[tf.Tensor]) -> tf.Tensor:
    return node.head.mean(node.distribution(parents))


def _where_known(held: Held | None, value: tf.Tensor) -> tf.Tensor:
    """The given value where there is one, else `value`."""
    if held is None:
        return value
    if held.mask is None:
        return tf.cast(held.value, value.dtype)
    mask = tf.reshape(held.mask, [-1, *[1] * (len(held.value.shape) - 1)])
    return tf.where(mask, tf.cast(held.value, value.dtype), value)
