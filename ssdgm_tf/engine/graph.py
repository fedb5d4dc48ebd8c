"""The graph of a model: its variables, the parents of each, and which are observed or supervised. Plain Python."""

import math
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from ssdgm_tf.layers import StochasticNode
from ssdgm_tf.layers.supports import Classes
from ssdgm_tf.nodes import (
    Adversarial,
    Deterministic,
    Enumerate,
    Estimator,
    RandomVariable,
    Reparameterized,
    ScoreFunction,
    TopK,
)

#: {name: node} of one model.
Nodes = Mapping[str, RandomVariable | Deterministic]

# Joint states of all discrete latent variables that are summed exactly where the user names no estimator.
_MAX_DEFAULT_STATES = 64
# Joint states beyond which an enumeration is refused.
_MAX_STATES = 4096


class Graph:
    """A generative and a recognition model over the same variables, checked.

    Args:
        generative: {name: node} of p; every variable has one.
        recognition: {name: node} of q, for every variable that is not observed.
        observed: the variables that are always given.
        supervised: the variables that are given for some examples.

    Attributes:
        latent: the variables that are never given, in the order of the recognition model.
        order_p: names of the generative model, parents first.
        order_q: names of the recognition model, parents first.
        estimators: {name: estimator} of every variable that is not observed.

    Raises:
        ValueError: a cycle; an unknown parent; a recognition parent that is neither observed nor inferred; an observed
            variable without a likelihood; a variable that is not observed and is missing from either model; different event
            shapes or kinds of variable in the two models; a supervised variable that cannot be predicted; an estimator that
            does not suit its variable; too many states.
    """

    def __init__(
        self,
        generative: Nodes,
        recognition: Nodes,
        observed: Sequence[str],
        supervised: Sequence[str],
    ) -> None:
        self.generative, self.recognition = dict(generative), dict(recognition)
        self.observed, self.supervised = observed, supervised
        self._check_names()
        self._check_parents()
        self.order_p = _order("generative", self.generative)
        self.order_q = _order("recognition", self.recognition, given=self.observed)
        self._check_pairs()
        self.latent = tuple(name for name in self.inferred if name not in self.supervised)
        self.estimators = self._choose_estimators()

    @property
    def inferred(self) -> tuple[str, ...]:
        """The variables that are not observed, in the order of the recognition model."""
        return tuple(name for name in self.order_q if isinstance(self.recognition[name], RandomVariable))

    def head_p(self, name: str) -> StochasticNode:
        """The stochastic layer of a random variable in the generative model."""
        return _random(self.generative[name]).head

    def head_q(self, name: str) -> StochasticNode:
        """The stochastic layer of an inferred variable in the recognition model."""
        return _random(self.recognition[name]).head

    @property
    def num_states(self) -> int:
        """Joint states of all enumerated variables: how many times the widest network is evaluated for an example."""
        return math.prod(e.num_states(self.head_q(name)) for name, e in self.estimators.items())

    @property
    def divergences(self) -> dict[str, Adversarial]:
        """{inferred variable: what stands in the place of its KL in training}."""
        found = {name: _random(self.recognition[name]).divergence for name in self.inferred}
        return {name: divergence for name, divergence in found.items() if divergence is not None}

    def ancestors_q(self, *names: str) -> set[str]:
        """The ancestors of variables in the recognition model, without the observed ones."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            for parent in self.recognition[waiting.pop()].parents:
                if parent in self.recognition and parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return found

    def descendants_p(self, *names: str) -> set[str]:
        """The descendants of variables in the generative model."""
        found: set[str] = set()
        for name in self.order_p:
            if found.union(names).intersection(self.generative[name].parents):
                found.add(name)
        return found

    @property
    def weights_are_constant(self) -> bool:
        """Whether no supervised variable has an ancestor in the recognition model that may be unknown.

        Then q(y|x) has no latent parent, the importance weights w are all equal, and both labelled objectives agree.
        """
        return not any(self.ancestors_q(name) & set(self.inferred) for name in self.supervised)

    def is_drawn_before(self, *names: str) -> bool:
        """Whether anything that these variables depend on in the recognition model is drawn, and not summed or computed."""
        return any(self.estimators[name].is_sampled for name in self.ancestors_q(*names) if name in self.estimators)

    def has_analytic_kl(self, name: str) -> bool:
        """Whether the KL of a variable may be taken in closed form, given its ancestors in the recognition model.

        It may not if a generative parent comes after the variable in q, because p then depends on the variable's own value.
        """
        parents = [parent for parent in self._random_ancestors_p(name) if parent not in self.observed]
        return not any(parent == name or name in self.ancestors_q(parent) for parent in parents)

    def _random_ancestors_p(self, name: str) -> set[str]:
        """The random variables that a generative node depends on, directly or through deterministic nodes."""
        found: set[str] = set()
        for parent in self.generative[name].parents:
            is_random = isinstance(self.generative[parent], RandomVariable)
            found |= {parent} if is_random else self._random_ancestors_p(parent)
        return found

    def _check_names(self) -> None:
        for name, node in [*self.generative.items(), *self.recognition.items()]:
            if not isinstance(node, RandomVariable | Deterministic):
                raise ValueError(f"A graph is made of nodes. Received: {name!r} is a {type(node).__name__}")
            if not name.isidentifier():
                raise ValueError(
                    "The name of a variable must be a Python identifier: arguments, signatures and files use it. "
                    f"Received: {name!r}"
                )
        for name in self.observed:
            if not isinstance(self.generative.get(name), RandomVariable):
                raise ValueError(
                    f"An observed variable needs a likelihood in the generative model. Received: {name!r} has none"
                )
            if name in self.recognition:
                raise ValueError(f"An observed variable is not inferred. Received: {name!r} in the recognition model")
        for name in self.supervised:
            if name in self.observed:
                raise ValueError(f"A variable is observed or supervised, not both. Received: {name!r}")
            if not isinstance(self.recognition.get(name), RandomVariable):
                raise ValueError(f"A supervised variable needs a node in the recognition model. Received: {name!r} has none")
        for name in self.generative:
            if isinstance(self.generative[name], RandomVariable) and name not in (*self.observed, *self.recognition):
                raise ValueError(
                    f"A variable is observed, or inferred by the recognition model. Received: {name!r} is neither"
                )
        for name, node in self.recognition.items():
            if isinstance(node, RandomVariable) and not isinstance(self.generative.get(name), RandomVariable):
                raise ValueError(
                    f"An inferred variable must be generated. Received: {name!r} has no node in the generative model"
                )
            if isinstance(node, RandomVariable) and not node.parents and node.prior is None:
                raise ValueError(
                    "A root of the recognition model needs parameters, prior='learned' or numbers. "
                    f"Received: {name!r} has no parents and prior=None"
                )
            if isinstance(node, Deterministic) and name in self.generative:
                raise ValueError(f"A deterministic node belongs to one of the two models. Received: {name!r} in both")

    def _check_parents(self) -> None:
        for name, node in self.generative.items():
            for parent in node.parents:
                if parent not in self.generative:
                    raise ValueError(
                        f"Parents in the generative model must be nodes of it, {sorted(self.generative)}. "
                        f"Received: {name!r} depends on {parent!r}"
                    )
        available = {*self.observed, *self.recognition}
        for name, node in self.recognition.items():
            for parent in node.parents:
                if parent not in available:
                    raise ValueError(
                        f"Parents in the recognition model must be observed or inferred, {sorted(available)}. "
                        f"Received: {name!r} depends on {parent!r}"
                    )

    def _check_pairs(self) -> None:
        for name in self.inferred:
            p, q = self.head_p(name), self.head_q(name)
            if p.event_shape != q.event_shape:
                raise ValueError(
                    "A variable has one event shape in both models. "
                    f"Received: {name!r} of {p.event_shape} in the generative model and {q.event_shape} in the other"
                )
            if isinstance(p.support, Classes) != isinstance(q.support, Classes) or p.num_states != q.num_states:
                raise ValueError(
                    "A variable has the same states in both models. "
                    f"Received: {name!r}, a {type(p).__name__} in the generative model and a {type(q).__name__} in the "
                    "recognition one"
                )
        for name in self.supervised:
            if not self.head_q(name).has_moments:
                raise ValueError(
                    "A supervised variable is predicted by its mean and standard deviation, which must be known and finite. "
                    f"Received: {name!r}, a {type(self.head_q(name)).__name__}, which has none"
                )

    def _choose_estimators(self) -> dict[str, Estimator]:
        """Those that the nodes name. Else: enumerate up to 64 joint states, top_k beyond; reparameterise where possible."""
        heads = {name: self.head_q(name) for name in self.inferred}
        chosen: dict[str, Estimator] = {}
        for name in self.inferred:
            if (estimator := _random(self.recognition[name]).estimator) is None:
                continue
            if reason := estimator.check(heads[name]):
                raise ValueError(f"An estimator must suit its variable. Received: {estimator} for {name!r}, but {reason}")
            chosen[name] = estimator
        states = math.prod(estimator.num_states(heads[name]) for name, estimator in chosen.items())
        for name, head in heads.items():
            if name in chosen:
                continue
            if not head.num_states:
                chosen[name] = Reparameterized() if head.is_reparameterized else ScoreFunction()
            else:
                chosen[name] = Enumerate() if states * head.num_states <= _MAX_DEFAULT_STATES else TopK()
                states *= chosen[name].num_states(head)
        chosen = {name: chosen[name] for name in self.inferred}
        if states > _MAX_STATES:
            counts = ", ".join(f"{name!r}: {e.num_states(heads[name])}" for name, e in chosen.items() if e.has_states)
            raise ValueError(
                f"At most {_MAX_STATES} joint states can be enumerated: choose another estimator for some. "
                f"Received: {states} ({counts})"
            )
        return chosen


def _random(node: RandomVariable | Deterministic) -> RandomVariable:
    """The node, which must be of a random variable."""
    if isinstance(node, Deterministic):
        raise TypeError(f"A random variable is needed. Received: the deterministic node {node.name}")
    return node


def _order(model: str, nodes: Nodes, given: Sequence[str] = ()) -> tuple[str, ...]:
    """Names with parents first, in the order of the mapping where that leaves a choice."""
    sorter = TopologicalSorter({name: [p for p in node.parents if p not in given] for name, node in nodes.items()})
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise ValueError(f"The {model} model must have no cycle. Received: {cycle}") from None
