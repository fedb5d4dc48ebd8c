"""One pass over a graph: values drawn, enumerated or held along the recognition model, scored under the generative one.

Values are [K, S, B, *event]: an axis for the joint states of the enumerated variables that a value depends on, its scope
(size 1 for none), one for the S samples (size 1 where nothing was drawn), one for the B examples (size 1 for a value that
all share). Terms come out as [K, S, B], over the joint states of all enumerated variables.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from ssdgm_tf.engine.graph import Graph
from ssdgm_tf.engine.joint_states import JointStates, Scope
from ssdgm_tf.engine.site import Conditional, Extent, Held, Site, log_density, sized
from ssdgm_tf.layers.random_state import constant_noise
from ssdgm_tf.layers.types import Align
from ssdgm_tf.nodes import Deterministic, Estimator, RandomVariable, Relaxed, ScoreFunction, StraightThrough
from ssdgm_tf.nodes.estimators import Axes, Draw


class Trace:
    """The sites of a pass, and their terms, [K, S, B] in nats.

    Args:
        graph: the graph.
        estimators: {name: estimator} of the pass.
        sites: {name: site} of every random variable.
        states: the joint states of the pass.
    """

    def __init__(
        self, graph: Graph, estimators: Mapping[str, Estimator], sites: Mapping[str, Site], states: JointStates
    ) -> None:
        self.graph, self.estimators, self.sites, self.states = graph, estimators, sites, states

    def generative(self, name: str) -> Conditional:
        """The distribution of a variable given its parents in the generative model."""
        return _known(self.sites[name].p)

    def weighting(self, name: str, log_p: tf.Tensor) -> tf.Tensor | None:
        """What the weights of the elements of an observed variable add to its log p in training; None where all are 1.

            sum_{d known} (weight_d - 1) log p(x_d | parents)

        Args:
            name: an observed variable.
            log_p: its `log_p`, of which it is a multiple where all weights are the same.
        """
        weights = self.generative(name).head.element_weights
        if weights is None:
            return None
        is_one = np.all(weights == weights.flat[0])
        return (float(weights.flat[0]) - 1) * log_p if is_one else self.log_p(name, weights - 1)

    def log_p(self, name: str, weights: np.ndarray | None = None) -> tf.Tensor:
        """Log p of a variable's value given its parents in the generative model.

        Args:
            name: the variable.
            weights: factors of the log densities of its elements, [*event]; None for 1.
        """
        site = self.sites[name]
        term = log_density(self.states, self.generative(name), site.value, site.extent, site.is_known, weights)
        return self.joined(*term)

    def log_q(self, name: str) -> tf.Tensor:
        """Log q of a variable's value given its parents in the recognition model."""
        site = self.sites[name]
        return self.joined(site.log_q, site.scope)

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
        q, p = _known(site.q), _known(site.p)
        scope = self.states.union(q.scope, p.scope)
        try:
            kl = q.head.kl_divergence(q.over(self.states, scope), p.over(self.states, scope))
        except NotImplementedError:
            return None
        kl = sized(kl, self.states.size(scope), max(q.extent.num_samples, p.extent.num_samples))
        return -self.joined(kl, scope)

    def log_w(self) -> tf.Tensor:
        """Log importance weight: the sum over given supervised variables of log q at the given value."""
        total = tf.zeros([1, 1, 1], self._dtype)
        for name in self.given:
            mask, log_q = self.sites[name].mask, self.log_q(name)
            total += log_q if mask is True else tf.where(mask, log_q, tf.zeros_like(log_q))
        return total

    def log_weight(self) -> tf.Tensor:
        """Log weight of the states. The weights sum to 1 over K, for each sample and example."""
        sites = [self.sites[name] for name in self.graph.inferred if self.sites[name].log_weight is not None]
        joined = [self.joined(site.log_weight, site.scope) for site in sites]
        return sum(joined[1:], joined[0]) if joined else tf.zeros([1, 1, 1], self._dtype)

    def scores(self) -> list[tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None]]:
        """For every variable that needs the score function: log probability of its draw, its listed states, its baseline.

        Nats [K, S, B], repeated where joint states share a draw; bool [K, 1, 1], or None where no state is listed; the
        learned baseline, [K, S, B] or None.
        """
        sites = [self.sites[name] for name in self.graph.inferred if self.sites[name].score is not None]
        return [
            (
                self.joined(site.score, site.scope),
                None if site.listed is None else self.joined(site.listed, site.scope),
                None if site.baseline is None else self.joined(site.baseline, site.scope),
            )
            for site in sites
        ]

    def log_q_of_draws(self, names: Iterable[str]) -> tf.Tensor | None:
        """Log probability of all that each sample drew for these variables and that carries no gradient, nats, [S, B].

        Every draw counts once, however many joint states share it. None where nothing was drawn so.

        Args:
            names: names of inferred variables.
        """
        scores = [self.sites[name].score for name in names if self.sites[name].score is not None]
        return sum(tf.reduce_sum(score, axis=0) for score in scores) if scores else None

    @property
    def given(self) -> tuple[str, ...]:
        """The supervised variables that are given for some or all examples."""
        return tuple(name for name in self.graph.supervised if self.sites[name].mask is not False)

    def mean(self, name: str) -> tf.Tensor:
        """The mean of q of an inferred variable, averaged over its ancestors, [B, *event]."""
        q = _known(self.sites[name].q)
        return q.head.mean_over(q.distribution, lambda values: self._average(name, values))

    def stddev(self, name: str) -> tf.Tensor:
        """The standard deviation of each element of an inferred variable, that of its ancestors included, [B, *event]."""
        q = _known(self.sites[name].q)
        return q.head.stddev_over(q.distribution, lambda values: self._average(name, values))

    def _average(self, name: str, values: tf.Tensor) -> tf.Tensor:
        """[K, S, B, *event] of the parents of a variable -> [B, *event]: the sum over states, weighted by its ancestors, and
        the mean over samples.
        """
        scope = _known(self.sites[name].q).scope
        ancestors = [self.sites[n] for n in self.graph.ancestors_q(name) if n in self.sites]
        weighted = [site for site in ancestors if site.log_weight is not None]
        target = self.states.union(scope, *(site.scope for site in weighted))
        if weighted:
            log_weight = sum(self.states.expand(site.log_weight, site.scope, target) for site in weighted)
            weight = tf.reshape(log_weight, [*log_weight.shape[:2], -1, *[1] * (values.shape.rank - 3)])
            values = tf.exp(weight) * self.states.broadcastable(values, scope, target)
        return tf.reduce_sum(tf.reduce_mean(values, axis=1), axis=0)

    def joined(self, term: tf.Tensor, scope: Scope) -> tf.Tensor:
        """A term [K of its scope, S, B] over all joint states; K = 1 where it depends on no enumerated variable."""
        return self.states.broadcastable(term, scope, self.states.all)

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
    predicted: Sequence[str] = (),
    common_noise: bool | None = None,
) -> Trace:
    """One pass: the recognition model, and the generative one scored at its values.

    Args:
        graph: the graph, its nodes built.
        held: {name: Held} of every observed variable and of the supervised ones that are given.
        num_samples: S.
        seed: int32 [2]; the draws are a pure function of it. Two integers where there is something `predicted`.
        step: the training step, for schedules.
        training: whether this is a training step.
        exact: draw relaxed variables instead of relaxing them, for a true bound.
        predicted: the inferred variables that are wanted, if only they are. Then the pass ends with them and what comes
            before them in q, and the sites have no p.
        common_noise: whether all examples share their noise, so that the prediction of one does not depend on the others;
            None for whether something is predicted.
    """
    common_noise = bool(predicted) if common_noise is None else common_noise
    estimators = graph.estimators
    if exact:
        estimators = {name: ScoreFunction() if isinstance(e, Relaxed) else e for name, e in estimators.items()}
    run = _Pass(graph, estimators, held, num_samples, seed, step, training, common_noise)
    for name in graph.observed:
        run.hold(name)
    wanted = graph.ancestors_q(*predicted).union(predicted) if predicted else graph.order_q
    for name in graph.order_q:
        if name in wanted:
            run.infer(name)
    for name in () if predicted else graph.order_p:
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
        listing = [name for name in unknown if estimators[name].has_states]
        self.states = JointStates({name: estimators[name].num_states(graph.head_q(name)) for name in listing})
        self.values: dict[str, tf.Tensor] = {}
        self.extents: dict[str, Extent] = {}
        self.sites: dict[str, Site] = {}

    def hold(self, name: str) -> None:
        """Takes a value that is given for every example."""
        held = self.held[name]
        self.values[name], self.extents[name] = held.value[None, None], Extent((), 1)
        is_known = None if held.is_known is None else held.is_known[None, None]
        self.sites[name] = Site(self.values[name], self.extents[name], True, is_known=is_known)

    def infer(self, name: str) -> None:
        """The value of a recognition node: held, drawn, enumerated, or computed."""
        node = self.graph.recognition[name]
        if isinstance(node, Deterministic):
            self._compute(name, node)
            return
        given = self.held.get(name)
        is_held = given is not None and given.mask is None
        q, baseline = self._conditional(node, (1, 1, self._batch_size()))
        if is_held:
            self.hold(name)
            log_q, scope = log_density(self.states, q, self.values[name], self.extents[name])
            self.sites[name] = self.sites[name]._replace(q=q, log_q=log_q, scope=scope)
            return
        estimator = self.estimators[name]
        axes = Axes(self.num_samples, q.extent.num_samples > 1, self.common_noise)
        with constant_noise(self.common_noise):
            seed = tf.random.experimental.stateless_fold_in(self.seed, self.graph.order_q.index(name))
        draw = estimator.draw(node.head, q.distribution, axes, seed, self.step)
        own = (name,) if estimator.has_states else ()
        scope = self.states.union(q.scope, own)
        if given is not None:
            draw = self._hold_some(draw, given, own, scope, estimator)
        # Enumerated states are the same whatever came before; a draw is not.
        extent = Extent(scope, self.num_samples) if estimator.is_sampled else Extent(own, 1)
        value = sized(draw.value, self.states.size(extent.scope), extent.num_samples)
        self.values[name], self.extents[name] = value, extent
        log_q = log_density(self.states, q, value, extent)[0] if draw.log_q is None else draw.log_q
        sizes = self.states.size(scope), max(q.extent.num_samples, extent.num_samples)
        log_q, log_weight, score = (t if t is None else sized(t, *sizes) for t in (log_q, draw.log_weight, draw.score))
        mask = False if given is None else given.mask
        self.sites[name] = Site(value, extent, mask, q, scope, log_q, log_weight, score, draw.listed, baseline)

    def score(self, name: str) -> None:
        """The generative distribution of a variable at its parents' values, or the value of a deterministic node."""
        node = self.graph.generative[name]
        if isinstance(node, Deterministic):
            self._compute(name, node)
        else:
            self.sites[name] = self.sites[name]._replace(p=self._conditional(node)[0])

    def _compute(self, name: str, node: Deterministic) -> None:
        """The value of a deterministic node."""
        parents, align, extent = self._parents_of(node)
        self.values[name], self.extents[name] = node.value(parents, self.training, align), extent

    def _conditional(
        self, node: RandomVariable, root_shape: Sequence[int | tf.Tensor] = ()
    ) -> tuple[Conditional, tf.Tensor | None]:
        """The distribution of a node at its parents' values, and its learned baseline or None."""
        if not node.parents:
            return Conditional(node.head, node.root_distribution(root_shape), Extent((), 1)), None
        parents, align, extent = self._parents_of(node)
        parameters, baseline = node.parameters_and_baseline(parents, self.training, align)
        parameters = sized(parameters, self.states.size(extent.scope), extent.num_samples)
        distribution = node.head.make_distribution(parameters)
        return Conditional(node.head, distribution, extent, parameters), baseline

    def _parents_of(self, node: RandomVariable | Deterministic) -> tuple[list[tf.Tensor], Align | None, Extent]:
        """The values of a node's parents, a function that aligns their joint states if needed, and the result's extent."""
        extents = [self.extents[parent] for parent in node.parents]
        scopes = [extent.scope for extent in extents]
        extent = Extent(self.states.union(*scopes), max(extent.num_samples for extent in extents))
        differ = any(scope and scope != extent.scope for scope in scopes)
        align = functools.partial(self.states.align, scopes=scopes) if differ else None
        return [self.values[p] for p in node.parents], align, extent

    def _hold_some(self, draw: Draw, given: Held, own: Scope, scope: Scope, estimator: Estimator) -> Draw:
        """A draw in which the examples of the mask have the given value, at weight 1.

        Args:
            draw: the draw.
            given: the value that some examples have.
            own: the scope of the variable's own states.
            scope: the scope of the draw's terms.
            estimator: the estimator of the draw.
        """
        value, mask = tf.cast(given.value, draw.value.dtype)[None, None], given.mask
        event_rank = value.shape.rank - 3
        if draw.log_weight is not None and not estimator.is_sampled:
            # All states stay, because all examples share their values; the given one has all the weight.
            is_given = tf.reduce_all(tf.equal(value, draw.value), axis=list(range(3, 3 + event_rank)))
            one = self.states.expand(tf.math.log(tf.cast(is_given, draw.log_weight.dtype)), own, scope)
            return draw._replace(log_weight=tf.where(mask, one, draw.log_weight))
        event_mask = tf.reshape(mask, [1, 1, -1, *[1] * event_rank])
        held = Draw(tf.where(event_mask, value, draw.value))
        if draw.score is not None:
            held = held._replace(score=tf.where(mask, tf.zeros_like(draw.score), draw.score), listed=draw.listed)
        if draw.log_weight is not None:
            first = tf.one_hot(0, self.states.size(own), dtype=draw.log_weight.dtype)[:, None, None]
            one = self.states.expand(tf.math.log(first), own, scope)
            held = held._replace(log_weight=tf.where(mask, one, draw.log_weight))
        return held

    def _batch_size(self) -> tf.Tensor:
        return tf.shape(self.held[self.graph.observed[0]].value)[0]


def _known(conditional: Conditional | None) -> Conditional:
    """The conditional, which this kind of pass has."""
    if conditional is None:
        raise RuntimeError("This pass did not evaluate the distribution. Received: None")
    return conditional
