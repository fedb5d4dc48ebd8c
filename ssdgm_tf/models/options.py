"""The options that all named models take, and the nodes that they stand for."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from ssdgm_tf import checks, choices, layers, nodes
from ssdgm_tf.schema import Schema

LIKELIHOODS = ("bernoulli", "normal", "discretized_logistic", "pixel_cnn")
PRIORS = ("uniform", "learned")


@dataclasses.dataclass(frozen=True)
class Options:
    """The options that all named models take by name, and the nodes that they stand for.

    Attributes:
        hidden_units: widths of the hidden layers of every dense network.
        activation: the activation of the hidden layers.
        normalization: the normalisation of the hidden layers, None, "batch" or "layer"; see `layers.MLP`.
        likelihood: the distribution of the observed variable: "bernoulli" (values in [0, 1]; for grey pixels it is a
            cross-entropy and not a normalised density), "normal", "discretized_logistic" (pixels of 256 levels), or
            "pixel_cnn" (the same, each given the pixels before it); or a stochastic layer, such as
            `layers.NegativeBinomialNode(None)` for counts.
        exposure: of counts: the name of a further observed variable, one positive number per example, whose logarithm is
            added to the log mean of every count; see `nodes.RandomVariable`. Its distribution is log-normal, and learned.
        likelihood_scale: the standard deviation of "normal", or None to learn one for every element. Where it is wide, y
            explains only the large features of an image. With few labels that keeps the model from confirming its errors.
        schema: the columns of a table, a `Schema` or its JSON; then x is rows of it (`nodes.Columns`) and the likelihood is
            that of its columns.
        prior: p(y): "uniform", "learned", or the K probabilities, such as those of `empirical_prior`.
        estimator: how the expectation over y is taken: None sums all classes; "top_k" and others: `nodes.RandomVariable`.
        classifier: a network of the image whose output takes the place of x in q(y|...), such as `layers.ConvEncoder`. If
            `layers.RandomAffine` or `layers.RandomColours` is a part of it, q(y|...) sees moved or recoloured images;
            generated images stay as they are.
        encoder: a network of the image whose output takes the place of x in q of the latent variables.
        decoder: the network of p(x|...); None for a dense one.
        gaps: whether elements of the observed variable may be missing; None to take it from the first data.
        dtype: the dtype of the densities and of the networks that are not given, such as "mixed_bfloat16".

    Raises:
        ValueError: another likelihood or prior.
    """

    hidden_units: Sequence[int] = (500, 500)
    activation: str = "softplus"
    normalization: str | None = None
    likelihood: str | layers.StochasticNode = "bernoulli"
    likelihood_scale: float | None = 0.2
    exposure: str | None = None
    schema: Schema | str | None = None
    prior: str | Sequence[float] = "uniform"
    estimator: str | nodes.Estimator | None = None
    classifier: keras.layers.Layer | None = None
    encoder: keras.layers.Layer | None = None
    decoder: keras.layers.Layer | None = None
    gaps: bool | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden_units", tuple(self.hidden_units))
        if not isinstance(self.likelihood, layers.StochasticNode) and self.likelihood not in LIKELIHOODS:
            raise ValueError(
                f"likelihood must be one of {', '.join(LIKELIHOODS)}, or a stochastic layer. "
                f"Received: likelihood={self.likelihood!r}{choices.nearest(self.likelihood, LIKELIHOODS)}"
            )
        if self.exposure is not None and not isinstance(self.likelihood, layers.CountNode):
            raise ValueError(
                "Only counts have an exposure: likelihood must be a layer of counts. "
                f"Received: exposure={self.exposure!r} with likelihood={self.likelihood!r}"
            )
        if isinstance(self.schema, str):
            object.__setattr__(self, "schema", Schema.from_json(self.schema))
        if not isinstance(self.prior, str):
            object.__setattr__(self, "prior", tuple(float(share) for share in self.prior))
        elif self.prior not in PRIORS:
            raise ValueError(
                f"prior must be one of {', '.join(PRIORS)}, or probabilities. "
                f"Received: prior={self.prior!r}{choices.nearest(self.prior, PRIORS)}"
            )

    def label_prior(self, num_classes: int) -> nodes.RandomVariable:
        """p(y).

        Args:
            num_classes: number of classes K.
        """
        if isinstance(self.prior, str):
            prior = None if self.prior == "uniform" else self.prior
            return nodes.OneHotCategorical(num_classes, prior=prior, dtype=self.dtype)
        if len(self.prior) != num_classes or min(self.prior) <= 0 or abs(sum(self.prior) - 1) > 1e-3:
            raise ValueError(
                f"prior must hold the probabilities of {num_classes} classes, positive and of sum 1. "
                f"Received: prior={self.prior}"
            )
        return nodes.OneHotCategorical(num_classes, prior=np.log(self.prior), dtype=self.dtype)

    def label(
        self, num_classes: int, *parents: str, estimator: str | None = None, divergence: Any = None
    ) -> nodes.RandomVariable:
        """q(y | parents). Given only the image, `classifier` or a dense network; given more, a dense network, or linear with
        a `classifier`, whose output is among the parents.

        Args:
            num_classes: number of classes K.
            *parents: names of the parents.
            estimator: that of the model where the option `estimator` is None.
            divergence: see `nodes.RandomVariable`.
        """
        network: keras.layers.Layer | None = self.dense()
        if self.classifier is not None:
            network = self.classifier if parents == ("x",) else None
        return nodes.OneHotCategorical(
            num_classes,
            parents=parents,
            network=network,
            estimator=self.estimator or estimator,
            divergence=divergence,
            dtype=self.dtype,
        )

    def latent(self, dim: int, *parents: str, divergence: Any = None) -> nodes.RandomVariable:
        """A Gaussian variable: the standard prior, or given parents.

        Args:
            dim: its size.
            *parents: names of the parents; none for the prior.
            divergence: see `nodes.RandomVariable`.
        """
        return nodes.Normal(dim, dtype=self.dtype, divergence=divergence, **self._given(parents))

    def direction(self, *parents: str) -> nodes.RandomVariable:
        """A unit vector of three numbers: the uniform prior, or given parents.

        Args:
            *parents: names of the parents; none for the prior.
        """
        return nodes.VonMisesFisher(3, dtype=self.dtype, **self._given(parents))

    def observation(self, *parents: str) -> nodes.RandomVariable:
        """p(x | parents).

        Args:
            *parents: names of the parents.
        """
        given: dict[str, Any] = {"parents": parents, "network": self.decoder or self.dense(), "dtype": self.dtype}
        if self.schema is not None:
            return nodes.Columns(self.schema, gaps=self.gaps, **given)
        if isinstance(self.likelihood, layers.StochasticNode):
            if self.gaps is not None:
                self.likelihood.gaps = self.gaps
            return nodes.RandomVariable(self.likelihood, exposure=self.exposure, **given)
        heads: dict[str, Callable[..., nodes.RandomVariable]] = {
            "bernoulli": nodes.Bernoulli,
            "normal": functools.partial(nodes.Normal, scale=self.likelihood_scale),
            "discretized_logistic": nodes.DiscretizedLogistic,
            "pixel_cnn": nodes.PixelCNN,
        }
        return heads[self.likelihood](None, gaps=self.gaps, **given)

    def columns(self) -> Schema:
        """The columns of a model that is of tables only.

        Raises:
            ValueError: no schema.
        """
        if not isinstance(self.schema, Schema):
            raise ValueError("A model of tables needs the columns: schema=... Received: schema=None")
        return self.schema

    def image_features(self) -> tuple[dict[str, nodes.Deterministic], str]:
        """The input of q of the latent variables, x or the output of `encoder`: ({name: node} to add to q, its name)."""
        return _computed("features", self.encoder)

    def class_features(self) -> tuple[dict[str, nodes.Deterministic], str]:
        """The input of q of a label with several parents, x or the output of `classifier`; as `image_features`."""
        return _computed("class_features", self.classifier)

    def of_widths(self, hidden_units: Sequence[int]) -> "Options":
        """The same options for dense networks of other widths.

        Args:
            hidden_units: widths of the hidden layers.
        """
        return dataclasses.replace(self, hidden_units=hidden_units)

    def _given(self, parents: tuple[str, ...]) -> dict[str, Any]:
        """Arguments that make a node depend on parents by a dense network; none for a prior."""
        return {"parents": parents, "network": self.dense()} if parents else {}

    def dense(self) -> layers.MLP:
        """A new dense network over vectors."""
        return layers.MLP(self.hidden_units, self.activation, self.normalization, dtype=self.dtype)

    def dense_encoder(self) -> keras.Sequential:
        """A new dense network over images."""
        return keras.Sequential([keras.layers.Flatten(dtype=self.dtype), self.dense()])


def _computed(name: str, network: keras.layers.Layer | None) -> tuple[dict[str, nodes.Deterministic], str]:
    return ({}, "x") if network is None else ({name: nodes.Deterministic("x", network)}, name)


def empirical_prior(y: Any, num_classes: int) -> tuple[float, ...]:
    """The share of each class among the labels, with one added to every count (Laplace's rule).

    For labels drawn equally per class, as by `ssdgm_tf.data.draw_labels`, it is uniform.

    Args:
        y: labels [N], as `fit` takes them.
        num_classes: number of classes K.

    Raises:
        ValueError: labels that `fit` refuses.
    """
    y = checks.labels("y", y, np.size(y), num_classes)
    counts = 1 + np.bincount(y[y >= 0], minlength=num_classes)
    return tuple(float(share) for share in counts / counts.sum())
