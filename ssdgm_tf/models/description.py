"""A model in words, as `model.describe()` prints it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ssdgm_tf.engine.graph import Graph, Nodes
from ssdgm_tf.nodes import Deterministic

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel


def describe(model: "GraphicalModel") -> str:
    """Both factorisations as equations, then a line for every variable, and the objective.

    Args:
        model: a `GraphicalModel`.
    """
    graph = model.graph
    lines = [
        type(model).__name__,
        "",
        f"  generative    {_equation('p', graph.order_p, graph.generative)}",
        f"  recognition   {_equation('q', graph.order_q, graph.recognition)}",
        "",
    ]
    rows = [("variable", "role", "distribution", "of shape", "expectation over it")]
    for name in (*graph.observed, *graph.supervised, *graph.latent):
        head = graph.head_p(name)
        shape = "of the data" if head.event_shape is None else str(head.event_shape).replace(",)", ")")
        rows.append((name, _role(graph, name), type(head).__name__.removesuffix("Node"), shape, _expectation(graph, name)))
    for name, node in (graph.generative | graph.recognition).items():
        if isinstance(node, Deterministic):
            rows.append((name, "computed", type(node.network).__name__, str(node.event_shape or ""), ""))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", f"  without labels  {model.unlabelled_bound.replace('_', ' ')}"]
    if graph.supervised:
        why = "the weights w are constant" if graph.weights_are_constant else "the weights w vary"
        chosen = "chosen by the user" if model.labelled_bound else f"chosen from the graph: {why}"
        lines.append(f"  with labels     {model.labelled_bound_in_use.replace('_', ' ')} bound ({chosen})")
    scale = model.objective_scale
    lines.append(f"  weights         {scale if scale else 'known once fit() has seen the data'}")
    lines += [f"  calibrated      {name}, by {len(own.scores)} labels" for name, own in model.calibration.items()]
    return "\n".join(lines)


def _equation(letter: str, order: Iterable[str], nodes: Nodes) -> str:
    factors = []
    for name in order:
        if not isinstance(nodes[name], Deterministic):
            given = f" | {', '.join(nodes[name].parents)}" if nodes[name].parents else ""
            factors.append(f"{letter}({name}{given})")
    computed = [f"{name} = f({', '.join(node.parents)})" for name, node in nodes.items() if isinstance(node, Deterministic)]
    return " ".join(factors) + (f"    where {', '.join(computed)}" if computed else "")


def _role(graph: Graph, name: str) -> str:
    if name in graph.observed:
        return "observed"
    return "partly supervised" if name in graph.supervised else "latent"


def _expectation(graph: Graph, name: str) -> str:
    if name in graph.observed:
        return ""
    estimator = graph.estimators[name]
    states = estimator.num_states(graph.head_q(name))
    return f"{estimator} ({states} states)" if estimator.has_states else str(estimator)
