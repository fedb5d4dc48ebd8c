"""One pass over a graph: values drawn, enumerated or held along the recognition model, scored under the generative one.

Values are [*states, S, B, *event]: an axis for the states of each enumerated variable (size 1 where a value does not depend
on it), one for the S samples (size 1 where nothing was drawn), one for the B examples (size 1 for a value that all share).
Terms come out as [K, S, B], the axes of states joined into one.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.engine.graph import Graph
from ssdgm_tf.layers.random_state import constant_noise
from ssdgm_tf.nodes import Deterministic, Estimator, Relaxed, ScoreFunction, StraightThrough
from ssdgm_tf.nodes.estimators import Axes, Draw


class Held(NamedTuple):
    """A variable that is given.

    Attributes:
        value: [B, *event]; any finite value where it is not given.
        mask: bool [B], the examples for which it is given; None for all of them.
    """

    value: tf.Tensor
    mask: tf.Tensor | None = None


class Site(NamedTuple):
    """The values, distributions and terms of one random variable in a pass.

    Attributes:
        value: [*states, S, B, *event].
        mask: whether the value was given: bool [B], or True or False for all examples.
        q: the recognition distribution given its parents' values; None for an observed variable.
        log_q: log q of the value, nats, [*states, S, B]; None for an observed variable.
        log_weight: log weight of its states, [*states, S, B]; None for weight 1.
        score: log probability of what was drawn without a reparameterised gradient, [*states, S, B]; or None.
        listed: the states that are summed and not drawn, bool [*states, 1, 1]; None where none is.
        baseline: the learned baseline of that score, [*states, S, B]; or None.
        p: the generative distribution given its parents' values.
        sizes_p: sizes of the axes of states and samples in log p.
        sizes_kl: sizes of the axes of states and samples in the KL.
    """

    value: tf.Tensor
    mask: tf.Tensor | bool
    q: tfd.Distribution | None = None
    log_q: tf.Tensor | None = None
    log_weight: tf.Tensor | None = None
    score: tf.Tensor | None = None
    listed: tf.Tensor | None = None
    baseline: tf.Tensor | None = None
    p: tfd.Distribution | None = None
    sizes_p: tuple[int, ...] = ()
    sizes_kl: tuple[int, ...] = ()


class Trace:
    """The sites of a pass, and their terms, [K, S, B] in nats.

    Args:
        graph: the graph.
        estimators: {name: estimator} of the pass.
        sites: {name: site} of every random variable.
        states: sizes of the axes of states.
    """

    def __init__(
        self, graph: Graph, estimators: Mapping[str, Estimator], sites: Mapping[str, Site], states: tuple[int, ...]
    ) -> None:
        self.graph, self.estimators, self.sites, self.states = graph, estimators, sites, states

    def log_p(self, name: str) -> tf.Tensor:
        """Log p of a variable's value given its parents in the generative model."""
        site = self.sites[name]
        return self.joined(_sized(self.graph.head_p(name).log_density(site.p, site.value), site.sizes_p))

    def log_q(self, name: str) -> tf.Tensor:
        """Log q of a variable's value given its parents in the recognition model."""
        return self.joined(self.sites[name].log_q)

    def log_ratio(self, name: str, analytic: bool = False) -> tf.Tensor:
        """The term of a variable in log p of everything minus log q of everything inferred.

        log p where it is given; log p - log q where it was inferred, or minus KL(q || p) where `analytic` is asked for and
        the graph and TFP allow it. Both have the same expectation; the second has no Monte-Carlo noise.
        """
        site = self.sites[name]
        if site.mask is True:
            return self.log_p(name)
        negative_kl = self._negative_kl(name) if analytic else None
        if site.mask is False:
            return self.log_p(name) - self.log_q(name) if negative_kl is None else negative_kl
        log_p = self.log_p(name)
        return tf.where(site.mask, log_p, log_p - self.log_q(name) if negative_kl is None else negative_kl)

    def _negative_kl(self, name: str) -> tf.Tensor | None:
        """Minus KL(q || p) of a variable; None where the graph does not allow it or TFP does not know it."""
        if not self.graph.has_analytic_kl(name) or isinstance(self.estimators[name], Relaxed | StraightThrough):
            return None
        site = self.sites[name]
        if site.log_weight is not None:
            return None  # its states are summed: log p - log q at each is exact already
        try:
            return -self.joined(_sized(self.graph.head_q(name).kl_divergence(site.q, site.p), site.sizes_kl))
        except NotImplementedError:
            return None

    def log_w(self) -> tf.Tensor:
        """Log importance weight: the sum over given supervised variables of log q at the given value."""
        total = tf.zeros([1, 1, 1], self._dtype)
        for name in self.given:
            mask, log_q = self.sites[name].mask, self.log_q(name)
            total += log_q if mask is True else tf.where(mask, log_q, tf.zeros_like(log_q))
        return total

    def log_weight(self) -> tf.Tensor:
        """Log weight of the states. The weights sum to 1 over K, for each sample and example."""
        weights = [self.sites[name].log_weight for name in self.graph.inferred]
        joined = [self.joined(weight) for weight in weights if weight is not None]
        return sum(joined[1:], joined[0]) if joined else tf.zeros([1, 1, 1], self._dtype)

    def scores(self) -> list[tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]]:
        """For every variable that needs the score function: log probability of its draw, its listed states, its baseline.

        Nats [K, S, B], repeated where joint states share a draw; bool [K, 1, 1], or None where no state is listed; the
        learned baseline, [K, S, B] or None.
        """
        sites = [self.sites[name] for name in self.graph.inferred if self.sites[name].score is not None]
        return [(self.joined(site.score), self._joined(site.listed), self._joined(site.baseline)) for site in sites]

    def log_q_of_draws(self, names: Iterable[str]) -> tf.Tensor | None:
        """Log probability of all that each sample drew for these variables and that carries no gradient, nats, [S, B].

        Every draw counts once, however many joint states share it. None where nothing was drawn so.

        Args:
            names: names of inferred variables.
        """
        axes = list(range(len(self.states)))
        scores = [self.sites[name].score for name in names if self.sites[name].score is not None]
        return sum(tf.reduce_sum(score, axis=axes) for score in scores) if scores else None

    @property
    def given(self) -> tuple[str, ...]:
        """The supervised variables that are given for some or all examples."""
        return tuple(name for name in self.graph.supervised if self.sites[name].mask is not False)

    def mean(self, name: str) -> tf.Tensor:
        """The mean of q of an inferred variable, averaged over its ancestors, [B, *event]."""
        return self._average(name, self.graph.head_q(name).mean(self.sites[name].q))

    def stddev(self, name: str) -> tf.Tensor:
        """The standard deviation of each element of an inferred variable, that of its ancestors included, [B, *event]."""
        head, q = self.graph.head_q(name), self.sites[name].q
        return tf.sqrt(self._average(name, head.variance(q) + (head.mean(q) - self.mean(name)) ** 2))

    def _average(self, name: str, values: tf.Tensor) -> tf.Tensor:
        """Sum over states, weighted by the ancestors of the variable, and mean over samples."""
        event_rank = len(self.graph.head_q(name).event_shape or ())
        weights = [self.sites[n].log_weight for n in self.graph.ancestors_q(name) if n in self.sites]
        for log_weight in weights:
            if log_weight is not None:
                weight = tf.exp(log_weight)
                values *= tf.reshape(weight, tf.concat([tf.shape(weight), [1] * event_rank], axis=0))
        values = tf.reduce_mean(values, axis=len(self.states))
        return tf.reduce_sum(values, axis=list(range(len(self.states))))

    def joined(self, term: tf.Tensor) -> tf.Tensor:
        """[*states, S, B] -> [K, S, B]; K = 1 where the term depends on no enumerated variable."""
        rank = len(self.states)
        if rank == 1:
            return term
        rest = tf.shape(term)[rank:]
        if term.shape[:rank].num_elements() == 1:
            return tf.reshape(term, tf.concat([[1], rest], axis=0))
        full = tf.broadcast_to(term, tf.concat([self.states, rest], axis=0))
        return tf.reshape(full, tf.concat([[-1], rest], axis=0))

    def _joined(self, term: tf.Tensor | None) -> tf.Tensor | None:
        return None if term is None else self.joined(term)

    @property
    def _dtype(self) -> str:
        return self.graph.head_p(self.graph.observed[0]).density_dtype


def run(
    graph: Graph,
    held: Mapping[str, Held],
    num_samples: int,
    seed: tf.Tensor,
    step: tf.Tensor,
    training: bool = False,
    exact: bool = False,
    predicting: bool = False,
) -> Trace:
    """One pass: the recognition model, and the generative one scored at its values.

    Args:
        graph: the graph, its nodes built.
        held: {name: Held} of every observed variable and of the supervised ones that are given.
        num_samples: S.
        seed: int32 [2]; the draws are a pure function of it. Two integers where `predicting`.
        step: the training step, for schedules.
        training: whether this is a training step.
        exact: draw relaxed variables instead of relaxing them, for a true bound.
        predicting: whether only the recognition model is wanted. Then the sites have no p, and all examples share their
            noise, so that the prediction of one example does not depend on the others.
    """
    estimators = graph.estimators
    if exact:
        estimators = {name: ScoreFunction() if isinstance(e, Relaxed) else e for name, e in estimators.items()}
    run = _Pass(graph, estimators, held, num_samples, seed, step, training, predicting)
    for name in graph.observed:
        run.hold(name)
    for name in graph.order_q:
        run.infer(name)
    for name in () if predicting else graph.order_p:
        run.score(name)
    return Trace(graph, estimators, run.sites, run.states)


class _Pass:
    """The values and sites of a pass that is under way; see `run`."""

    def __init__(
        self,
        graph: Graph,
        estimators: Mapping[str, Estimator],
        held: Mapping[str, Held],
        num_samples: int,
        seed: tf.Tensor,
        step: tf.Tensor,
        training: bool,
        common_noise: bool,
    ) -> None:
        self.graph, self.estimators, self.held = graph, estimators, held
        self.num_samples, self.seed, self.step, self.training = num_samples, seed, step, training
        self.common_noise = common_noise
        unknown = [name for name in graph.inferred if name not in held or held[name].mask is not None]
        #: The axis of each variable that has states.
        self.axes = {name: i for i, name in enumerate(n for n in unknown if estimators[n].has_states)}
        sizes = [estimators[name].num_states(graph.head_q(name)) for name in self.axes]
        self.states = tuple(sizes) or (1,)
        self.values: dict[str, tf.Tensor] = {}
        self.sites: dict[str, Site] = {}
        #: Sizes of the axes of states and of samples of each value, 1 where it does not depend on one.
        self.sizes: dict[str, tuple[int, ...]] = {}

    def hold(self, name: str) -> None:
        """Takes a value that is given for every example."""
        self.values[name] = _behind_axes(self.held[name].value, len(self.states) + 1)
        self.sizes[name] = (1,) * (len(self.states) + 1)
        self.sites[name] = Site(self.values[name], True)

    def infer(self, name: str) -> None:
        """The value of a recognition node: held, drawn, enumerated, or computed."""
        node = self.graph.recognition[name]
        parents = [self.values[parent] for parent in node.parents]
        sizes = self._sizes_of(node.parents)
        if isinstance(node, Deterministic):
            self.values[name], self.sizes[name] = node.value(parents, self.training), sizes
            return
        q, baseline = node.distribution_and_baseline(parents, self.training)
        given = self.held.get(name)
        if given is not None and given.mask is None:
            self.hold(name)
            log_q = _sized(node.head.log_density(q, self.values[name]), sizes)
            self.sites[name] = Site(self.values[name], True, q, log_q)
            return
        if not node.parents:
            q = node.root_distribution([*[1] * (len(self.states) + 1), self._batch_size()])
        estimator = self.estimators[name]
        axes = Axes(self.axes.get(name, 0), len(self.states), self.num_samples, sizes[-1] > 1, self.common_noise)
        with constant_noise(self.common_noise):
            seed = tf.random.experimental.stateless_fold_in(self.seed, self.graph.order_q.index(name))
        draw = estimator.draw(node.head, q, axes, seed, self.step)
        if given is not None:
            draw = _hold_some(draw, given, axes, estimator)
        own = [1] * len(sizes)
        if estimator.has_states:
            own[axes.state_axis] = estimator.num_states(node.head)
        if estimator.is_sampled:
            own[-1] = self.num_samples
        # Enumerated states are the same whatever came before; a draw is not.
        self.sizes[name] = _largest(sizes, tuple(own)) if estimator.is_sampled else tuple(own)
        self.values[name] = _sized(draw.value, self.sizes[name])
        log_q = node.head.log_density(q, draw.value) if draw.log_q is None else draw.log_q
        log_q = _sized(log_q, _largest(sizes, tuple(own)))
        mask = False if given is None else given.mask
        self.sites[name] = Site(self.values[name], mask, q, log_q, draw.log_weight, draw.score, draw.listed, baseline)

    def score(self, name: str) -> None:
        """The generative distribution of a variable at its parents' values, or the value of a deterministic node."""
        node = self.graph.generative[name]
        parents = [self.values[parent] for parent in node.parents]
        if isinstance(node, Deterministic):
            self.values[name], self.sizes[name] = node.value(parents, self.training), self._sizes_of(node.parents)
        else:
            q_parents = self.graph.recognition[name].parents if name in self.graph.recognition else ()
            self.sites[name] = self.sites[name]._replace(
                p=node.distribution(parents, self.training),
                sizes_p=self._sizes_of((name, *node.parents)),
                sizes_kl=self._sizes_of((*q_parents, *node.parents)),
            )

    def _sizes_of(self, names: Iterable[str]) -> tuple[int, ...]:
        """Sizes of the axes of states and samples of a value that depends on these variables."""
        return _largest((1,) * (len(self.states) + 1), *(self.sizes[name] for name in names))

    def _batch_size(self) -> tf.Tensor:
        return tf.shape(self.held[self.graph.observed[0]].value)[0]


def _hold_some(draw: Draw, given: Held, axes: Axes, estimator: Estimator) -> Draw:
    """A draw in which the examples of the mask have the given value, at weight 1."""
    num_axes = axes.num_state_axes + 1
    value = _behind_axes(given.value, num_axes)
    mask = _behind_axes(given.mask, num_axes)
    event_mask = tf.reshape(mask, [*mask.shape[:-1], -1, *[1] * (value.shape.rank - mask.shape.rank)])
    if draw.log_weight is not None and not estimator.is_sampled:
        # All states stay, because all examples share their values; the given one has all the weight.
        event_axes = list(range(num_axes + 1, value.shape.rank))
        is_given = tf.reduce_all(tf.equal(tf.cast(value, draw.value.dtype), draw.value), axis=event_axes)
        one = tf.math.log(tf.cast(is_given, draw.log_weight.dtype))
        return draw._replace(log_weight=tf.where(mask, one, draw.log_weight))
    held = Draw(tf.where(event_mask, tf.cast(value, draw.value.dtype), draw.value))
    if draw.score is not None:
        held = held._replace(score=tf.where(mask, tf.zeros_like(draw.score), draw.score), listed=draw.listed)
    if draw.log_weight is not None:
        size = draw.log_weight.shape[axes.state_axis]
        first = tf.math.log(tf.one_hot(0, size, dtype=draw.log_weight.dtype))
        shape = [1] * draw.log_weight.shape.rank
        shape[axes.state_axis] = size
        held = held._replace(log_weight=tf.where(mask, tf.reshape(first, shape), draw.log_weight))
    return held


def _largest(*sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Element by element: the sizes that these broadcast to."""
    return tuple(max(parts) for parts in zip(*sizes, strict=True))


def _sized(tensor: tf.Tensor, sizes: tuple[int, ...]) -> tf.Tensor:
    """The tensor with its leading static sizes set. Some functions of TFP lose them, and later steps rely on them."""
    tensor.set_shape([*sizes, *tensor.shape[len(sizes) :]])
    return tensor


def _behind_axes(value: tf.Tensor, num_axes: int) -> tf.Tensor:
    """[B, ...] -> [1, ..., 1, B, ...]."""
    return value[(tf.newaxis,) * num_axes]
