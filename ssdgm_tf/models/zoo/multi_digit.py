"""Several digits on a canvas, and how many (Siddharth et al. 2017, section 4.3)."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np

from ssdgm_tf import layers, nodes, plots
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models.experiment import Experiment, Part
from ssdgm_tf.models.figures import Captioned
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe

# Means of (log scale, row, column), see `layers.PlaceImage`, and parameters of the scales 0.15, 0.35 and 0.35.
_PLACE_PRIOR = (-0.25, 0.0, 0.0, -2.36, -1.41, -1.41)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class MultiDigit(NamedModel):
    """A count, and that many digits in their places. A digit is a code, or an example of another model.

        generative     p(count) prod_k p(place_k) p(what_k) p(x | the first `count` of image(what_k) in place_k)
        recognition    q(count | seen_1..K) prod_k q(place_k | seen_k) q(what_k | look_k)
                       seen_k: the canvas and its part explained by digits 1..k-1;    look_k: the canvas in place_k

    | variable | meaning | name here |
    |---|---|---|
    | x | canvas | `x`, [B, S, S, C] |
    | n | number of digits, partly observed | `count`, 0..K, one-hot inside |
    | t_k | scale and centre of digit k, partly observed | `place_k`, [B, 3]; see `layers.PlaceImage` |
    | w_k | content of digit k | `what_k`; nested: the class `digit_k`, partly observed, and `style_k` |

    The recognition model is recurrent: it has the same weights at each step, and its state is the part explained so
    far. A Bernoulli at each step says whether there is one more digit (`layers.OneMoreNode`). Missing digits stay in the
    model as latent variables. They cost KL(q || p) until q is their prior.

    A trained model of single digits can take the place of `what_k`: its q(y|x) and q(z|x,y) look at the canvas in place_k,
    and its p(x|y,z) makes the digit. Digits are thus recognised although no canvas has labels of its digits.

    Args:
        max_digits: the largest count K.
        latent_dim: size of `what_k`; unused with a nested model.
        canvas_size: the size S of a canvas.
        image_shape: (H, W, C) of one digit.
        digit_model: a trained model of images `image_shape` with a label `y`, such as `M2`; or None.
        fine_tune: whether the digit model is trained further; else it is frozen.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`; `encoder` takes a canvas and its explained part (2 C channels). The
            likelihood is "normal".

    Raises:
        ValueError: a digit model of other images, or without `y`; another likelihood.
    """

    _parts: ClassVar[tuple[str, ...]] = ("encoder", "digit_model")

    def __init__(
        self,
        max_digits: int = 3,
        latent_dim: int = 20,
        canvas_size: int = 50,
        image_shape: tuple[int, int, int] = (28, 28, 1),
        digit_model: GraphicalModel | None = None,
        fine_tune: bool = False,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        sizes: dict[str, Any] = {"max_digits": max_digits, "latent_dim": latent_dim, "canvas_size": canvas_size}
        sizes |= {"image_shape": tuple(image_shape), "digit_model": digit_model, "fine_tune": fine_tune}
        super().__init__(sizes, seed, likelihood=options.pop("likelihood", "normal"), **options)

    @classmethod
    def supervised_variables(cls, **sizes: Any) -> tuple[str, ...]:
        names = ("place", "digit") if sizes["digit_model"] else ("place",)
        return ("count", *(f"{name}_{k}" for name in names for k in range(1, sizes["max_digits"] + 1)))

    @staticmethod
    def specify(
        options: Options,
        max_digits: int,
        latent_dim: int,
        canvas_size: int,
        image_shape: tuple[int, int, int],
        digit_model: GraphicalModel | None,
        fine_tune: bool,
    ) -> Specification:
        """The two models of the class docstring."""
        if options.likelihood != "normal" or options.likelihood_scale is None or options.schema is not None:
            table = ", a schema" if options.schema is not None else ""
            raise ValueError(
                "A canvas of digits is Normal with a fixed scale. "
                f"Received: likelihood={options.likelihood!r}, likelihood_scale={options.likelihood_scale!r}{table}"
            )
        dtype, steps = options.dtype, range(1, max_digits + 1)
        seen = layers.Unexplained(options.encoder or options.dense_encoder(), dtype=dtype)
        put, look = layers.PlaceImage(canvas_size, dtype=dtype), layers.Glimpse(image_shape[:2], dtype=dtype)
        place = nodes.Normal(3, parents="seen_1", network=options.dense(), dtype=dtype)
        one_digit = (
            _Code(options, latent_dim, image_shape) if digit_model is None else _Nested(digit_model, image_shape, fine_tune)
        )
        p = {"count": nodes.OneHotCategorical(max_digits + 1, dtype=dtype)}
        q = {}
        for k in steps:
            p[f"place_{k}"] = nodes.Normal(3, prior=_PLACE_PRIOR, dtype=dtype)
            p |= one_digit.generative(k)
            p[f"placed_{k}"] = nodes.Deterministic((f"image_{k}", f"place_{k}"), put, dtype=dtype)
            q[f"seen_{k}"] = nodes.Deterministic(("x", *(f"explained_{j}" for j in range(1, k))), seen, dtype=dtype)
            q[f"place_{k}"] = place if k == 1 else place.given(f"seen_{k}")
            q[f"look_{k}"] = nodes.Deterministic(("x", f"place_{k}"), look, dtype=dtype)
            q |= one_digit.recognition(k)
            if k < max_digits:
                q[f"explained_{k}"] = nodes.Deterministic((f"found_{k}", f"place_{k}"), put, dtype=dtype)
        q["count"] = nodes.OneMore(max_digits + 1, parents=tuple(f"seen_{k}" for k in steps), dtype=dtype)
        placed = ("count", *(f"placed_{k}" for k in steps))
        overlay = layers.Overlay(dtype=dtype)
        scale, gaps = options.likelihood_scale, options.gaps
        p["x"] = nodes.Normal(None, scale=scale, parents=placed, network=overlay, gaps=gaps, dtype=dtype)
        return p, q


class _Code:
    """A digit as a code: `what_k` in both models, `image_k` made of it in p, `found_k` in q."""

    def __init__(self, options, latent_dim, image_shape) -> None:
        self.dim, self.dtype = latent_dim, options.dtype
        pixels = keras.layers.Dense(
            math.prod(image_shape), "sigmoid", bias_initializer=keras.initializers.Constant(-2.0), dtype=self.dtype
        )
        self.decoder = keras.Sequential([options.dense(), pixels, keras.layers.Reshape(image_shape, dtype=self.dtype)])
        self.what = nodes.Normal(latent_dim, parents="look_1", network=options.dense_encoder(), dtype=self.dtype)

    def generative(self, k):
        image = nodes.Deterministic(f"what_{k}", self.decoder, dtype=self.dtype)
        return {f"what_{k}": nodes.Normal(self.dim, dtype=self.dtype), f"image_{k}": image}

    def recognition(self, k):
        found = nodes.Deterministic(f"what_{k}", self.decoder, dtype=self.dtype)
        return {f"what_{k}": self.what if k == 1 else self.what.given(f"look_{k}"), f"found_{k}": found}


class _Nested:
    """A digit of another model, with the interface of `_Code`; its y is `digit_k`, its z `style_k`."""

    def __init__(self, model, image_shape, fine_tune) -> None:
        if not model.built:
            model.build((None, *image_shape))
        head = model.data_format.observed.get("x")
        if model.graph.supervised != ("y",) or head is None or head.event_shape != tuple(image_shape):
            shapes = {name: head.event_shape for name, head in model.data_format.observed.items()}
            raise ValueError(
                f"A digit model has images x of shape {tuple(image_shape)} and a label y. "
                f"Received: {type(model).__name__} of {shapes}, supervised {model.graph.supervised}"
            )
        self.model, self.fine_tune = model, fine_tune

    def generative(self, k):
        graph = self.model.graph
        made = {name: self._renamed(graph.generative[name], k) for name in graph.order_p if name != "x"}
        node = graph.generative["x"]
        return {self._name(name, k): part for name, part in made.items()} | {f"image_{k}": self._mean(node, k)}

    def recognition(self, k):
        graph = self.model.graph
        made = {self._name(name, k): self._renamed(graph.recognition[name], k) for name in graph.order_q}
        return made | {f"found_{k}": self._mean(graph.generative["x"], k)}

    def _mean(self, node, k):
        """The mean image of p(x|y,z)."""
        return self._kept(nodes.Deterministic([self._name(name, k) for name in node.parents], nodes.NodeMean(node)))

    def _renamed(self, node, k):
        parents = [self._name(name, k) for name in node.parents]
        if isinstance(node, nodes.Deterministic):
            return self._kept(nodes.Deterministic(parents, node.network, dtype=node.dtype_policy))
        if not parents:
            return nodes.RandomVariable(node.head, prior=node.prior, dtype=node.dtype_policy)
        # The joint classes of several digits are too many to be summed.
        discrete = node.head.num_states is not None
        return self._kept(node.given(*parents, estimator="straight_through" if discrete else None))

    def _kept(self, node):
        node.trainable = self.fine_tune
        return node

    @staticmethod
    def _name(name, k):
        return {"x": f"look_{k}", "y": f"digit_{k}", "z": f"style_{k}"}.get(name, f"{name}_{k}")


def _make(recipe: Recipe) -> MultiDigit:
    arguments = recipe.own_arguments(MultiDigit) | recipe.image_options() | {"digit_model": recipe.part}
    arguments |= {"canvas_size": recipe.data.x_train.shape[1], "image_shape": recipe.data.digit_shape}
    arguments |= {"max_digits": sum(name.startswith("place") for name in recipe.data.y_test)}
    return MultiDigit(**arguments, seed=recipe.config["seed"])


# Canvases in the figure.
_CANVASES = 10


def _figures(model: GraphicalModel, dataset: SemiSupervisedData, shown: np.ndarray, seed: int) -> dict[str, Captioned]:
    """Canvases, and the digits that the model finds on them."""
    index = shown[np.argsort(dataset.y_test["count"][shown[:_CANVASES]], kind="stable")]
    x, true = dataset.x_test[index], dataset.y_test["count"][index]
    found = model.predict(x, verbose=0)
    counts = found["count"].argmax(axis=-1)
    # Canvases with 0, 1, 2, ... digits, each with one more than the one before.
    layered = model.analogies(x, vary={"count": np.arange(found["count"].shape[-1])})
    digits = np.diff(layered, axis=1) * (np.arange(layered.shape[1] - 1) < counts[:, None])[..., None, None, None]
    labels = [f"{n} \u2192 {m}" for n, m in zip(true, counts, strict=True)]
    columns = ["canvas", "model", *(f"digit {k + 1}" for k in range(digits.shape[1]))]
    whole = layered[np.arange(len(x)), counts]
    names = None
    if "digit_1" in found:
        classes = np.stack([found[f"digit_{k + 1}"].argmax(axis=-1) for k in range(digits.shape[1])], axis=1)
        names = [[str(c) if k < m else "" for k, c in enumerate(row)] for row, m in zip(classes, counts, strict=True)]
    images = np.stack([x, whole, *np.moveaxis(digits, 1, 0)], axis=1)
    return {
        "decomposition": Captioned(
            plots.decomposition(images, labels, columns, names),
            "Canvases of the test set, their reconstructions, and the digits that the model finds, one by one. Left: "
            "the true count and, after the arrow, the inferred one.",
        )
    }


def _data_of_digits(config: Mapping[str, Any]) -> dict[str, Any]:
    """The images that are on the canvases."""
    return {"data": config["data"].removeprefix("canvases:"), "resize": config["resize"]}


def _has_digits(model: GraphicalModel) -> bool:
    return {"x", "y", "z"} <= set(model.graph.generative)


EXPERIMENT = Experiment(
    MultiDigit,
    make=_make,
    builds_on=Part(
        field="digit_model",
        inherits=lambda config: _data_of_digits(config) | {"bad_examples": config["bad_examples"]},
        requires=lambda config: _data_of_digits(config) | {"preprocessing": "none"},
        rule="A digit model must be trained on the images that are on the canvases, in [0, 1]",
        kind="a model of single images x with a label y and a style z",
        is_suitable=_has_digits,
    ),
    takes_classifier=False,
    comparisons=("recognition_networks", "nearest_neighbour_by_variable"),
    shown=("count_error",),
    figures=_figures,
)
