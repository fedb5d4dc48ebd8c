"""Random small graphs, and their bounds by explicit sums in NumPy: no engine, no TensorFlow, no broadcasting."""

import math
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from ssdgm_tf import nodes
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.nodes.estimators import Draw, Estimator

#: Kinds of variable: number of states, or None for a real one.
KINDS = {"class2": 2, "class3": 3, "bit": 2, "real": None}
_NUM_POINTS = 5


@keras.saving.register_keras_serializable(package="tests")
class Quadrature(Estimator):
    """A Gaussian variable of one element at Gauss-Hermite points: an expectation without noise, a finite sum."""

    name = "quadrature"
    has_states = True

    def __init__(self, num_points=_NUM_POINTS):
        self.num_points = num_points
        self.points, weights = np.polynomial.hermite_e.hermegauss(num_points)
        self.log_weights = np.log(weights / weights.sum())

    def num_states(self, head):
        return self.num_points

    def draw(self, head, q, axes, seed, step):
        points = tf.constant(self.points, q.dtype)[:, None, None, None]
        value = q.mean()[:, None] + q.stddev()[:, None] * points  # [K, points, S or 1, B, 1]
        if axes.num_samples > 1 and not axes.has_samples:
            value = tf.repeat(value, axes.num_samples, axis=2)
        log_weight = tf.zeros_like(value[..., 0]) + tf.constant(self.log_weights, q.dtype)[:, None, None]
        value, log_weight = (tf.reshape(t, [-1, *t.shape[2:]]) for t in (value, log_weight))
        return Draw(value, log_weight=log_weight)


class Variable(NamedTuple):
    """A variable of a random graph: kind, parents in both models, and how much of it is known."""

    kind: str
    parents_p: tuple[str, ...]
    parents_q: tuple[str, ...]
    role: str  # "observed", "supervised" or "latent"


def make_node(kind, parents, prior=None, estimator=None):
    """A float64 node without a network: its parameters are linear in its parents' values."""
    kwargs = {"parents": parents, "dtype": "float64", "prior": None if parents else prior, "estimator": estimator}
    if kind == "real":
        return nodes.Normal(1, **kwargs)
    if kind == "bit":
        return nodes.Bernoulli(1, **kwargs)
    return nodes.OneHotCategorical(KINDS[kind], **kwargs)


def make_model(variables: dict[str, Variable], seed: int = 0, estimators=None) -> GraphicalModel:
    """The graph in the engine, with random weights.

    Args:
        variables: {name: Variable}.
        seed: of the weights.
        estimators: {name: estimator} of discrete variables; without it every expectation is a finite sum.
    """
    generator = np.random.default_rng(seed)
    sums = {n: Quadrature() if v.kind == "real" else "enumerate" for n, v in variables.items()} | (estimators or {})
    generative = {n: make_node(v.kind, v.parents_p, generator.choice([None, "learned"])) for n, v in variables.items()}
    recognition = {
        n: make_node(v.kind, v.parents_q, "learned", sums[n]) for n, v in variables.items() if v.role != "observed"
    }
    roles = {role: [n for n, v in variables.items() if v.role == role] for role in ("observed", "supervised")}
    model = GraphicalModel(generative, recognition, **roles, dtype="float64", seed=1)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape))
    model.compile("sgd")
    return model


def log_density(node, parents, value):
    """Log density of a value given the parents' values, by hand from the node's weights."""
    if parents:
        raw = np.concatenate(parents) @ np.asarray(node.head.projection.kernel) + np.asarray(node.head.projection.bias)
    elif node.is_learned_root:
        raw = np.asarray(node.root)
    else:
        raw = None  # the standard prior
    kind = type(node.head).__name__
    if kind == "NormalNode":
        loc, scale = (0.0, 1.0) if raw is None else (raw[0], _softplus(raw[1] + math.log(math.e - 1)) + 1e-4)
        return -0.5 * ((value[0] - loc) / scale) ** 2 - math.log(scale) - 0.5 * math.log(2 * math.pi)
    if kind == "BernoulliNode":
        logit = 0.0 if raw is None else raw[0]
        return value[0] * logit - _softplus(logit)
    logits = np.zeros(node.head.num_classes) if raw is None else raw
    return float(np.dot(special.log_softmax(logits), value))


def points(node, parents):
    """[(value, log weight)] of an expectation over a recognition node."""
    head = node.head
    if type(head).__name__ == "NormalNode":
        raw = (
            np.asarray(node.root)
            if not parents
            else (np.concatenate(parents) @ np.asarray(head.projection.kernel) + np.asarray(head.projection.bias))
        )
        scale = _softplus(raw[1] + math.log(math.e - 1)) + 1e-4
        return [
            (np.array([raw[0] + scale * x]), w)
            for x, w in zip(node.estimator.points, node.estimator.log_weights, strict=True)
        ]
    states = [np.array([0.0]), np.array([1.0])] if type(head).__name__ == "BernoulliNode" else list(np.eye(head.num_classes))
    return [(state, log_density(node, parents, state)) for state in states]


def terms(model, held):
    """Every joint state of what is not held: (log weight, log p - log q of what is not held, log w of what is).

    Args:
        model: from `make_model`.
        held: {name: value} of one example: the observed variables, and any of the supervised.
    """
    graph, found = model.graph, []

    def visit(index, values, log_weight, log_q, log_w):
        if index == len(graph.order_q):
            log_p = sum(
                log_density(node, [values[p] for p in node.parents], values[name]) for name, node in graph.generative.items()
            )
            found.append((log_weight, log_p - log_q, log_w))
            return
        name = graph.order_q[index]
        node = graph.recognition[name]
        parents = [values[parent] for parent in node.parents]
        if name in held:
            log_density_q = log_density(node, parents, held[name])
            visit(index + 1, {**values, name: held[name]}, log_weight, log_q, log_w + log_density_q)
            return
        for value, weight in points(node, parents):
            log_density_q = log_density(node, parents, value)
            visit(index + 1, {**values, name: value}, log_weight + weight, log_q + log_density_q, log_w)

    visit(0, {name: held[name] for name in graph.observed}, 0.0, 0.0, 0.0)
    return [np.array(column) for column in zip(*found, strict=True)]


def conditional(model, held):
    """sum over states of weight (log p - log q): U(x) where only x is held, the conditional L(x,y) where more is."""
    log_weight, log_ratio, _ = terms(model, held)
    return float(np.sum(np.exp(log_weight) * log_ratio))


def importance(model, held):
    """Equation 8 of Siddharth et al. with its expectations taken exactly, without the classification term."""
    log_weight, log_ratio, log_w = terms(model, held)
    weight, w = np.exp(log_weight), np.exp(log_w)
    z = np.sum(weight * w)
    return float(np.sum(weight * w / z * (log_ratio - log_w)) + np.log(z))


def importance_weighted(model, held):
    """Log of the expected p / q: the evidence itself, where every variable is discrete."""
    log_weight, log_ratio, _ = terms(model, held)
    return float(special.logsumexp(log_weight + log_ratio))


def log_normaliser(model, held):
    """Log q(y|x), latent parents summed out."""
    log_weight, _, log_w = terms(model, held)
    return float(special.logsumexp(log_weight + log_w))


def random_data(variables, seed, size):
    """(x, y, [held of each example]) with random values, each supervised variable known or not for each example."""
    generator = np.random.default_rng(seed)
    x, y, held = {}, {}, [{} for _ in range(size)]
    for name, variable in variables.items():
        states = KINDS[variable.kind]
        if variable.role == "latent":
            continue
        known = np.ones(size, bool) if variable.role == "observed" else generator.random(size) < 0.6
        if variable.kind.startswith("class"):
            labels = generator.integers(states, size=size)
            events, array = np.eye(states)[labels], np.where(known, labels, -1)
        else:
            events = generator.normal(size=(size, 1)) if states is None else generator.integers(2, size=(size, 1)) * 1.0
            events = events.astype(np.float32).astype(np.float64)
            array = np.where(known[:, None], events, np.nan)
        (x if variable.role == "observed" else y)[name] = array
        for i in np.flatnonzero(known):
            held[i][name] = events[i]
    return x, y, held


def _softplus(x):
    return float(np.logaddexp(0.0, x))
