"""What a graph refuses, naming the node; the order it finds; what it chooses."""

import keras
import pytest

from ssdgm_tf import layers, nodes
from ssdgm_tf.engine.graph import Graph
from ssdgm_tf.models import GraphicalModel

X = nodes.Normal(3, parents=("y", "z"))


def generative(**replaced):
    return {"y": nodes.OneHotCategorical(4), "z": nodes.Normal(2), "x": X} | replaced


def recognition(**replaced):
    return {"y": nodes.OneHotCategorical(4, parents="x"), "z": nodes.Normal(2, parents=("x", "y"))} | replaced


def graph(p=None, q=None, observed=("x",), supervised=("y",)):
    return Graph(p or generative(), q or recognition(), observed, supervised)


REFUSED = {
    "a cycle in p": (
        {"p": generative(y=nodes.OneHotCategorical(4, parents="z"), z=nodes.Normal(2, parents="y"))},
        r"The generative model must have no cycle. Received: (y -> z -> y|z -> y -> z)",
    ),
    "a cycle in q": (
        {"q": recognition(y=nodes.OneHotCategorical(4, parents=("x", "z")))},
        r"The recognition model must have no cycle. Received: (y -> z -> y|z -> y -> z)",
    ),
    "a parent of itself": ({"p": generative(z=nodes.Normal(2, parents="z"))}, "no cycle. Received: z -> z"),
    "an unknown parent": ({"p": generative(x=nodes.Normal(3, parents="w"))}, "Received: 'x' depends on 'w'"),
    "a recognition parent that is not available": (
        {"q": recognition(y=nodes.OneHotCategorical(4, parents="w"))},
        "Parents in the recognition model must be observed or inferred.* Received: 'y' depends on 'w'",
    ),
    "an observed variable without a likelihood": (
        {"observed": ("x", "w")},
        "needs a likelihood in the generative model. Received: 'w' has none",
    ),
    "a supervised variable that is not inferred": (
        {"q": {"z": nodes.Normal(2, parents="x")}},
        "A supervised variable needs a node in the recognition model. Received: 'y'",
    ),
    "a latent variable that is not inferred": (
        {"q": {"y": nodes.OneHotCategorical(4, parents="x")}},
        "observed, or inferred by the recognition model. Received: 'z' is neither",
    ),
    "an inferred variable that is not generated": (
        {"q": recognition(w=nodes.Normal(2, parents="x"))},
        "An inferred variable must be generated. Received: 'w'",
    ),
    "an observed variable that is inferred": (
        {"q": recognition(x=nodes.Normal(3, parents="y"))},
        "An observed variable is not inferred. Received: 'x'",
    ),
    "both observed and supervised": ({"supervised": ("x",)}, "observed or supervised, not both. Received: 'x'"),
    "different event shapes": (
        {"q": recognition(z=nodes.Normal(5, parents="x"))},
        r"one event shape in both models. Received: 'z' of \(2,\) in the generative model and \(5,\) in the other",
    ),
    "different kinds": (
        {"q": recognition(y=nodes.Normal(4, parents="x"))},
        "Received: 'y', a OneHotCategoricalNode in the generative model and a NormalNode",
    ),
    "not a node": ({"p": generative(z=layers.NormalNode(2))}, "A graph is made of nodes. Received: 'z' is a NormalNode"),
    "a name that is a path": (
        {"p": {**generative(), "../y": nodes.OneHotCategorical(4)}},
        r"The name of a variable must be a Python identifier.* Received: '../y'",
    ),
    "a recognition root without parameters": (
        {"q": recognition(z=nodes.Normal(2))},
        "A root of the recognition model needs parameters.* Received: 'z'",
    ),
    "a deterministic node in both": (
        {
            "p": generative(h=nodes.Deterministic("z", layers.MLP((4,)))),
            "q": recognition(h=nodes.Deterministic("x", layers.MLP((4,)))),
        },
        "A deterministic node belongs to one of the two models. Received: 'h' in both",
    ),
    "an estimator that does not suit": (
        {"q": recognition(z=nodes.Normal(2, parents="x", estimator="enumerate"))},
        "Received: enumerate for 'z', but the states of a NormalNode cannot be listed",
    ),
    "reparameterised classes": (
        {"q": recognition(y=nodes.OneHotCategorical(4, parents="x", estimator="reparameterized"))},
        "Received: reparameterized for 'y', but draws of a OneHotCategoricalNode carry no gradient",
    ),
    "a relaxed count": (
        {
            "p": generative(z=nodes.Poisson(2, prior="learned")),
            "q": recognition(z=nodes.Poisson(2, parents="x", estimator="relaxed")),
        },
        "Received: relaxed.* for 'z', but a PoissonNode has no relaxation",
    ),
    "too many states": (
        {
            "p": {**generative(y=nodes.OneHotCategorical(70)), "z": nodes.OneHotCategorical(70)},
            "q": {
                "y": nodes.OneHotCategorical(70, parents="x", estimator="enumerate"),
                "z": nodes.OneHotCategorical(70, parents="x", estimator="enumerate"),
            },
        },
        r"At most 4096 joint states.* Received: 4900 \('y': 70, 'z': 70\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        graph(**arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nodes.Normal(2, parents=("x", "x")), r"each parent once. Received: parents=\('x', 'x'\)"),
        (lambda: nodes.Normal(2, network=layers.MLP((3,))), r"A network needs parents"),
        (
            lambda: nodes.Normal(2, parents="x", network="mlp"),
            "network must be a Keras layer or model. Received: network='mlp'",
        ),
        (lambda: nodes.Normal(2, parents="x", prior="learned"), "Only a root takes a prior"),
        (lambda: nodes.OneHotCategorical(3, prior=(0.0, 1.0)), "prior must hold 3 numbers. Received: 2"),
        (lambda: nodes.Normal(2, prior="flat"), "prior must be None, 'learned' or numbers. Received: prior='flat'"),
        (lambda: nodes.Normal(2, parents="x", estimator="guess"), "estimator must be one of .* Received: estimator='guess'"),
        (lambda: nodes.TopK(0), "k must be at least 1. Received: k=0"),
        (lambda: nodes.ScoreFunction("mean"), "baseline must be .* Received: baseline='mean'"),
        (lambda: nodes.Relaxed(0.0), "temperature must be positive, or a schedule. Received: temperature=0.0"),
        (lambda: nodes.Deterministic("x", None), "A Deterministic node needs parents and a network"),
        (lambda: nodes.RandomVariable("normal"), "head must be a stochastic layer.* Received: head='normal'"),
    ],
)
def test_nodes_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parents_come_first_whatever_the_order_of_the_dictionaries():
    shuffled = graph(dict(reversed(generative().items())), dict(reversed(recognition().items())))
    assert shuffled.order_q == ("y", "z") and shuffled.order_p[-1] == "x"
    assert shuffled.latent == ("z",) and set(shuffled.inferred) == {"y", "z"}


def test_weights_are_constant_only_where_nothing_unknown_comes_before_a_label():
    assert graph().weights_are_constant
    style_first = {"z": nodes.Normal(2, parents="x"), "y": nodes.OneHotCategorical(4, parents=("x", "z"))}
    assert not graph(q=style_first).weights_are_constant
    computed_first = {
        "h": nodes.Deterministic("x", layers.MLP((4,))),
        "y": nodes.OneHotCategorical(4, parents="h"),
        "z": nodes.Normal(2, parents=("h", "y")),
    }
    assert graph(q=computed_first).weights_are_constant


def test_kl_in_closed_form_only_where_generative_parents_come_before():
    """p(a|x,y,z) of ADGM depends on what is drawn after a in q; p(z) and p(y) depend on nothing."""
    p = {
        "y": nodes.OneHotCategorical(4),
        "z": nodes.Normal(2),
        "x": nodes.Normal(3, parents=("y", "z")),
        "a": nodes.Normal(2, parents=("x", "y", "z")),
    }
    q = {
        "a": nodes.Normal(2, parents="x"),
        "y": nodes.OneHotCategorical(4, parents=("x", "a")),
        "z": nodes.Normal(2, parents=("x", "a", "y")),
    }
    adgm = graph(p, q)
    assert [adgm.has_analytic_kl(name) for name in ("a", "y", "z")] == [False, True, True]
    through = {
        **p,
        "h": nodes.Deterministic("z", layers.MLP((4,))),
        "a": nodes.Normal(2, parents=("x", "h")),
    }
    assert not graph(through, q).has_analytic_kl("a")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((8, 8), ["enumerate", "enumerate"]), ((9, 8), ["enumerate", "top_k"]), ((65, 8), ["top_k", "enumerate"])],
)
def test_up_to_64_joint_states_are_enumerated_and_top_k_beyond(sizes, expected):
    p = {"y": nodes.OneHotCategorical(sizes[0]), "z": nodes.OneHotCategorical(sizes[1]), "x": X}
    q = {"y": nodes.OneHotCategorical(sizes[0], parents="x"), "z": nodes.OneHotCategorical(sizes[1], parents=("x", "y"))}
    chosen = graph(p, q).estimators
    assert [chosen[name].name for name in ("y", "z")] == expected


def test_other_variables_are_reparameterised_or_have_the_score_function():
    makers = {
        "normal": (nodes.Normal, 2, "reparameterized"),
        "gamma": (nodes.Gamma, 2, "reparameterized"),
        "direction": (nodes.VonMisesFisher, 3, "reparameterized"),
        "direction_of_length_4": (nodes.VonMisesFisher, 4, "score_function"),
        "count": (nodes.Poisson, 2, "score_function"),
        "bits": (nodes.Bernoulli, 3, "enumerate"),
        "many_bits": (nodes.Bernoulli, 64, "score_function"),
    }
    p = {name: make(size) for name, (make, size, _) in makers.items()}
    q = {name: make(size, parents="x") for name, (make, size, _) in makers.items()}
    chosen = Graph({**p, "x": nodes.Normal(1, parents="normal")}, q, ("x",), ()).estimators
    assert {name: estimator.name for name, estimator in chosen.items()} == {name: e for name, (_, _, e) in makers.items()}


def test_a_network_that_does_not_fit_is_named():
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    q = recognition(z=nodes.Normal(2, parents="x", network=encoder))
    with pytest.raises(ValueError, match=r"The network of 'z' must take the values of its parents, of shapes {'x': \(3,\)}"):
        GraphicalModel(generative(), q, "x", "y")


def test_the_model_refuses_with_nothing_left_behind():
    with pytest.raises(ValueError, match="'x' depends on 'w'"):
        GraphicalModel(generative(x=nodes.Normal(3, parents="w")), recognition(), "x", "y")
