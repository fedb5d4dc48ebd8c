"""Training steps of this package's models, with `compile` and the step of `fit`, as users run them."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from benchmarks import problem as p
from ssdgm_tf import layers, models, nodes

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class Step:
    """One training step of M2 on a problem.

    Args:
        problem: the data and weights.
        precision: "float32" or "bfloat16" (Keras' mixed policy).
        jit_compile: see `compile`.
        estimator: estimator of the label; None for the default, the sum over all classes.
    """

    analytic_kl = True

    def __init__(
        self, problem: p.Problem, precision: str = "float32", jit_compile: bool | str = "auto", estimator: str | None = None
    ):
        self.model = make_m2(POLICIES[precision], estimator)
        sizes = len(problem.x_unlabelled), len(problem.x_labelled)
        self.step = start(self.model, *sizes, jit_compile=jit_compile)
        set_weights(self.model, problem.weights)
        self.data = batch(problem)

    def loss(self, problem: p.Problem) -> float:
        """The loss at the problem's noise, which replaces the engine's draws."""

        def noise(shape: Any, seed: Any, dtype: tf.DType = tf.float32, **_: Any) -> tf.Tensor:
            return tf.cast(tf.broadcast_to(next(values), shape), dtype)

        data, values = batch(problem), iter([problem.noise_labelled, problem.noise_unlabelled[:, None]])
        with mock.patch.object(tf.random, "stateless_normal", noise):
            x, y = data["labelled"]
            labelled = self.model.labelled_terms(x, y, ("y",), training=True)
            unlabelled = self.model.unlabelled_terms(data["unlabelled"], training=True)
        return float(self.model._loss(labelled, unlabelled))

    def __call__(self) -> None:
        """Takes one step."""
        self.step(self.data)


class GraphStep:
    """One training step of another graph, on images of the same size.

    Args:
        problem: the data; its weights are not used.
        precision: see `Step`.
        graph: "adgm" (a = z = 100, two layers of 500, relu) or "faces" (identity of 38, a lighting, a style, an image).
    """

    analytic_kl = None

    def __init__(self, problem: p.Problem, precision: str = "float32", graph: str = "adgm"):
        self.model = {"adgm": make_adgm, "faces": make_faces}[graph](POLICIES[precision])
        self.step = start(self.model, len(problem.x_unlabelled), len(problem.x_labelled))
        y = {name: tf.constant(problem.y, tf.int32) for name in self.model.data_format.supervised}
        if "lighting" in y:
            y["lighting"] = tf.constant(problem.noise_labelled[:, :3])
            self.model._set_complete((*y, *self.model.data_format.observed))
        data = batch(problem)
        self.data = {"labelled": (data["labelled"][0], y), "unlabelled": data["unlabelled"]}

    def __call__(self) -> None:
        """Takes one step."""
        self.step(self.data)


def parts_given(hidden_units: tuple[int, ...], activation: str, dtype: str | None = None) -> Callable[..., dict]:
    """A function from parents to the keyword arguments of a node on them, with a new network."""

    def given(*parents: str) -> dict:
        return {"parents": parents, "network": layers.MLP(hidden_units, activation, dtype=dtype), "dtype": dtype}

    return given


def make_adgm(dtype: str) -> models.GraphicalModel:
    """The auxiliary deep generative model of Maaloe et al. 2016, as a graph."""
    given = parts_given((500, 500), "relu", dtype)
    generative = {"y": nodes.OneHotCategorical(10, dtype=dtype), "z": nodes.Normal(100, dtype=dtype)}
    generative |= {"x": nodes.Bernoulli(None, **given("y", "z")), "a": nodes.Normal(100, **given("x", "y", "z"))}
    recognition = {"a": nodes.Normal(100, **given("x")), "y": nodes.OneHotCategorical(10, **given("a", "x"))}
    recognition["z"] = nodes.Normal(100, **given("a", "y", "x"))
    return models.GraphicalModel(
        generative, recognition, observed="x", supervised="y", num_prediction_samples=1, seed=1, dtype=dtype
    )


def make_faces(dtype: str) -> models.GraphicalModel:
    """Four variables, two of them partly supervised, as in the faces of Siddharth et al. 2017."""
    given = parts_given((500,), "relu", dtype)
    generative = {"identity": nodes.OneHotCategorical(38, dtype=dtype), "lighting": nodes.Normal(3, dtype=dtype)}
    generative["style"] = nodes.Normal(20, dtype=dtype)
    generative["x"] = nodes.Bernoulli(None, **given("identity", "lighting", "style"))
    recognition = {"lighting": nodes.Normal(3, **given("x"))}
    recognition["identity"] = nodes.OneHotCategorical(38, estimator="enumerate", **given("x", "lighting"))
    recognition["style"] = nodes.Normal(20, **given("x", "lighting", "identity"))
    return models.GraphicalModel(
        generative, recognition, observed="x", supervised=("identity", "lighting"), seed=1, dtype=dtype
    )


def make_m2(dtype: str, estimator: str | None = None) -> models.GraphicalModel:
    """M2 of the problem's sizes; written as a graph if an estimator is given for its label."""
    if estimator is None:
        return models.M2(p.CLASSES, p.LATENT, hidden_units=p.HIDDEN, dtype=dtype, seed=1)

    given = parts_given(p.HIDDEN, "softplus", dtype)
    generative = {"y": nodes.OneHotCategorical(p.CLASSES, dtype=dtype), "z": nodes.Normal(p.LATENT, dtype=dtype)}
    generative["x"] = nodes.Bernoulli(None, **given("y", "z"))
    recognition = {
        "y": nodes.OneHotCategorical(p.CLASSES, estimator=estimator, **given("x")),
        "z": nodes.Normal(p.LATENT, **given("x", "y")),
    }
    return models.GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1, dtype=dtype)


def start(
    model: models.SemiSupervisedModel, num_unlabelled: int, num_labelled: int, **kwargs: Any
) -> Callable[[dict], np.ndarray]:
    """Compiles and builds a model as `fit` does, with equal weights of both streams' means; returns its training step."""
    model.build((None, p.PIXELS))
    model.compile(
        keras.optimizers.Adam(p.LEARNING_RATE),
        classification_weight=p.CLASSIFICATION_WEIGHT,
        num_unlabelled=num_unlabelled,
        num_labelled=num_labelled,
        **kwargs,
    )
    model.optimizer.build(model.trainable_variables)
    model._choose_kernels(num_unlabelled)
    step = tf.function(model.train_step, jit_compile=model.jit_compile, autograph=False)
    return lambda data: step(data)["loss"].numpy()


def set_weights(model: models.GraphicalModel, weights: dict[str, np.ndarray]) -> None:
    """Gives an M2 the problem's weights."""
    q, g = model.recognition, model.generative
    order = {q["y"]: "y0 y1 y2", q["z"]: "zx zy z1 z2", g["x"]: "xy xz x1 x2"}
    for node, names in order.items():
        values = [weights[f"{kind}_{name}"] for name in names.split() for kind in "Wb" if f"{kind}_{name}" in weights]
        of_network = [] if node.network is None else node.network.weights
        for variable, value in zip([*of_network, *node.head.trainable_variables], values, strict=True):
            variable.assign(value)


def batch(problem: p.Problem) -> dict:
    """The data of a step, in the form that `fit` passes."""
    x_labelled, x_unlabelled = tf.constant(problem.x_labelled), tf.constant(problem.x_unlabelled)
    return {"labelled": ({"x": x_labelled}, {"y": tf.constant(problem.y, tf.int32)}), "unlabelled": {"x": x_unlabelled}}
