"""Nodes of a graphical model: parents, a network over their values, and a distribution or a value."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar, cast

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf import layers
from ssdgm_tf.layers.serialization import from_parts
from ssdgm_tf.layers.static_shape import as_shapes, with_static_shape
from ssdgm_tf.layers.supports import Filled, Positive, Support
from ssdgm_tf.layers.types import Align, Shape
from ssdgm_tf.nodes import divergences, estimators

_T = TypeVar("_T")


class Node(keras.layers.Layer):
    """The base of `RandomVariable` and `Deterministic`: parents by name, and a network over their values.

    Values are [*leading, *event]; the leading axes broadcast, and the network keeps them. In place of an angle a network
    gets its cosine and sine, concatenated along the last axis: it sees no jump at +-pi. A network over several parents:

    - `layers.MLP` gets them as a list, each flattened to a vector, and adds a linear map of each: a term that does not
      depend on an enumerated or sampled variable is computed once, and nothing is tiled;
    - a functional model with one input per parent, or a layer with `takes_parents_apart = True`, gets them as a list, in
      their own shapes;
    - any other layer or model gets a single parent in its own shape, or several flattened and concatenated.

    Of an observed parent with gaps, a network sees a value in the middle of the support in place of a missing element, and
    along the last axis beside the values which of them are known; a network with `takes_parents_apart`, or a model that is
    made for the shape of the values, does not see the latter.
    """

    def __init__(self, parents: str | Sequence[str], network: keras.layers.Layer | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parents = (parents,) if isinstance(parents, str) else tuple(parents)
        if len(set(self.parents)) < len(self.parents):
            raise ValueError(f"A node depends on each parent once. Received: parents={self.parents}")
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise ValueError(f"network must be a Keras layer or model. Received: network={network!r}")
        if network is not None and not self.parents:
            raise ValueError("A network needs parents. Received: a network and parents=()")
        self.network = network

    def build(self, parent_shapes: Sequence[Sequence[int]], parent_supports: Sequence[Support] | None = None) -> None:
        """Builds the network.

        Args:
            parent_shapes: the event shape of each parent.
            parent_supports: the values that each parent takes, which say what the network gets for them; None for the
                values themselves.
        """
        if parent_supports is None:
            parent_supports = [Support() for _ in parent_shapes]
        if isinstance(self.network, NodeMean):
            parent_supports = self.network.supports_of(parent_supports)
        takes_no_mask = self._takes_no_mask(parent_shapes, [support.values for support in parent_supports])
        self.parent_supports = [support.values if takes_no_mask else support for support in parent_supports]
        pairs = zip(self.parent_supports, parent_shapes, strict=True)
        #: The event shape of each parent as the network gets it.
        self.parent_shapes: list[tuple[int, ...]] = [support.network_shape(tuple(shape)) for support, shape in pairs]
        self.feature_shape: tuple[int, ...] = ()
        if not self.parents:
            return
        sizes = [math.prod(shape) for shape in self.parent_shapes]
        if self.network is None:
            self.feature_shape = (sum(sizes),)
            return
        apart: list[Shape] = [(None, *shape) for shape in self.parent_shapes]
        flat: list[Shape] = [(None, size) for size in sizes]
        concatenated: Shape = (None, sum(sizes))
        inputs = self._network_input(apart, flat, lambda: concatenated)
        if not self.network.built:
            self.network.build(inputs)
        self.feature_shape = tuple(self.network.compute_output_shape(inputs)[1:])

    def _takes_no_mask(self, parent_shapes: Sequence[Sequence[int]], of_values: Sequence[Support]) -> bool:
        """Whether the network is made for the values alone: one of parents apart, or a model built for their shapes."""
        if getattr(self.network, "takes_parents_apart", False):
            return True
        inputs = getattr(self.network, "inputs", None) or ()
        shapes = [support.network_shape(tuple(shape)) for support, shape in zip(of_values, parent_shapes, strict=True)]
        if len(inputs) == 1 and len(shapes) > 1:
            shapes = [(sum(map(math.prod, shapes)),)]
        return bool(inputs) and [tuple(i.shape[1:]) for i in inputs] == shapes

    def features(self, values: Sequence[tf.Tensor], training: bool = False, align: Align | None = None) -> tf.Tensor:
        """The network's output at the parents' values, [*leading, *feature_shape].

        Args:
            values: one tensor [*leading, *event] per parent, in their order; leading axes broadcast, if need be by `align`.
            training: whether this is a training step, for networks with dropout or batch normalisation.
            align: a function that makes leading axes broadcast; None where those of `values` do so already.
        """
        values = [support.network_input(value) for support, value in zip(self.parent_supports, values, strict=True)]
        pairs = list(zip(values, self.parent_shapes, strict=True))
        # Some functions of TFP lose static shapes.
        values = [
            with_static_shape(value, [*value.shape[: value.shape.rank - len(shape)], *shape]) for value, shape in pairs
        ]
        flat = [_flatten(value, len(shape)) for value, shape in zip(values, self.parent_shapes, strict=True)]
        if isinstance(self.network, layers.MLP):
            if len(flat) == 1:
                return self.network(flat[0], training=training)
            return self.network(flat, training=training, **({} if align is None else {"align": align}))
        if self.network is None and len(flat) == 1:
            return flat[0]
        flat = flat if align is None else align(flat)
        leading = [tf.shape(value)[:-1] for value in flat]
        static = [value.shape[:-1] for value in flat]
        if len(flat) > 1:
            leading = [functools.reduce(tf.broadcast_dynamic_shape, leading)] * len(flat)
            static = [functools.reduce(tf.broadcast_static_shape, static)]
            flat = [tf.broadcast_to(value, tf.concat([leading[0], value.shape[-1:]], 0)) for value in flat]
        apart = [tf.reshape(value, [-1, *shape]) for value, shape in zip(flat, self.parent_shapes, strict=True)]
        merged = [tf.reshape(value, [-1, value.shape[-1]]) for value in flat]
        out = self._network_input(apart, merged, lambda: tf.concat([tf.cast(v, self.compute_dtype) for v in merged], -1))
        if self.network is not None:
            out = self.network(out, training=training)
        out = tf.reshape(out, tf.concat([leading[0], self.feature_shape], 0))
        return with_static_shape(out, [*static[0], *self.feature_shape])

    def _network_input(self, apart: list[_T], flat: list[_T], concatenated: Callable[[], _T]) -> _T | list[_T]:
        """The input of the network, values or shapes: the parents as they are, flattened, or concatenated."""
        if isinstance(self.network, layers.MLP):
            return flat[0] if len(flat) == 1 else flat
        if getattr(self.network, "takes_parents_apart", False):
            return apart
        if len(apart) == 1:
            return flat[0] if self.network is None else apart[0]
        if isinstance(self.network, keras.Model) and len(getattr(self.network, "inputs", None) or ()) == len(apart):
            return apart
        return concatenated()

    def compute_output_shape(
        self, parent_shapes: Sequence[Sequence[int]], parent_supports: Sequence[Support] | None = None
    ) -> Shape:
        return (None, *(self.event_shape or ()))

    @property
    def event_shape(self) -> tuple[int, ...] | None:
        """Shape of one value; None before a model has built the node."""
        raise NotImplementedError

    def get_build_config(self) -> None:
        return None  # a model builds its nodes, because only it knows the shapes of the parents

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "parents": self.parents,
            "network": self.network,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**from_parts(config, cls._parts))

    #: The fields of the config that hold objects.
    _parts: tuple[str, ...] = ("network",)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class RandomVariable(Node):
    """A random variable given its parents: p(v | parents), a stochastic layer over a network.

    `ssdgm_tf.nodes` has a function for every stochastic layer, so that `nodes.Normal(3, parents="x", network=mlp)` stands
    for `RandomVariable(layers.NormalNode(3), parents="x", network=mlp)`.

    If the output of the network has the shape of the parameters, as that of a convolutional decoder may, it is the
    parameters. For an image [H, W, C] that shape is [H, W, C times the parameters per element], the first kind of parameter
    first. Any other output is flattened and projected.

    Args:
        head: the stochastic layer.
        parents: name of the parent, or names of several; none for a root.
        network: a Keras layer or model over the parents' values; None to project the values themselves.
        estimator: how the expectation over this variable is estimated if it is latent: an `Estimator` or its name,
            "enumerate", "top_k", "score_function", "relaxed", "straight_through" or "reparameterized". None lets the model
            choose: see `GraphicalModel`.
        prior: for a root only. None for the standard prior of the head (learned parameters if it has none), "learned", or
            the parameters themselves, `head.num_parameters` numbers (such as logits of classes).
        divergence: of a variable in a recognition model: "adversarial", or a `nodes.Adversarial`, for a discriminator in the
            place of its KL in training. None for the KL.
        exposure: of counts: the name of a variable of one positive number per example, whose logarithm is added to the log
            mean of every count, such as the size of a library of a cell, the length of a text or the years that were looked
            at; it is a parent that the network does not see. None for none.

    Raises:
        ValueError: a parent named twice, a network without parents, a prior with parents, a prior of the wrong length, or an
            exposure of a head that is not of counts, or without or among the parents.
    """

    _parts = ("head", "network", "estimator", "divergence")

    def __init__(
        self,
        head: layers.StochasticNode,
        parents: str | Sequence[str] = (),
        network: keras.layers.Layer | None = None,
        estimator: str | estimators.Estimator | None = None,
        prior: str | Sequence[float] | np.ndarray | None = None,
        divergence: str | divergences.Adversarial | None = None,
        exposure: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(parents, network, **kwargs)
        if not isinstance(head, layers.StochasticNode):
            raise ValueError(f"head must be a stochastic layer of ssdgm_tf.layers. Received: head={head!r}")
        if exposure is not None:
            if not isinstance(head, layers.CountNode):
                raise ValueError(f"Only counts have an exposure. Received: exposure={exposure!r} of a {type(head).__name__}")
            if not self.parents or exposure in self.parents:
                raise ValueError(
                    "An exposure stands beside the parents, and there must be some. "
                    f"Received: exposure={exposure!r} with parents={self.parents}"
                )
            self.parents = (*self.parents, exposure)
        self.exposure = exposure
        if self.parents and prior is not None:
            raise ValueError(f"Only a root takes a prior. Received: prior={prior!r} with parents={self.parents}")
        if isinstance(prior, str) and prior != "learned":
            raise ValueError(f"prior must be None, 'learned' or numbers. Received: prior={prior!r}")
        self.head = head
        self.estimator = estimators.get(estimator)
        self.divergence = divergences.get(divergence)
        self.prior: str | tuple[float, ...] | None = (
            prior if prior is None or isinstance(prior, str) else tuple(float(value) for value in prior)
        )
        if isinstance(self.prior, tuple) and len(self.prior) != head.num_parameters:
            raise ValueError(f"prior must hold {head.num_parameters} numbers. Received: {len(self.prior)}")

    @property
    def event_shape(self) -> tuple[int, ...] | None:
        """Shape of one value; None before a model takes it from the data."""
        return self.head.event_shape

    @property
    def is_learned_root(self) -> bool:
        """Whether it has no parents and its parameters are learned: as asked for, or for want of a standard prior."""
        return not self.parents and (self.prior == "learned" or (self.prior is None and not self.head.priors))

    def given(self, *parents: str, estimator: str | estimators.Estimator | None = None) -> "RandomVariable":
        """A node with the same distribution and weights, given other parents.

        Args:
            *parents: the names of the parents.
            estimator: the estimator of the new node; None for that of this node.

        Raises:
            ValueError: this node has a divergence, which is of its own draws.
        """
        if self.divergence is not None:
            raise ValueError(f"A node with a divergence has no node like it. Received: given{parents} of one")
        return RandomVariable(self.head, parents, self.network, estimator or self.estimator, dtype=self.dtype_policy)

    def build(self, parent_shapes: Sequence[Sequence[int]], parent_supports: Sequence[Support] | None = None) -> None:
        if self.exposure is not None:
            *parent_shapes, shape = parent_shapes
            supports = [Positive()] if parent_supports is None else list(parent_supports)
            parent_supports, of_exposure = supports[:-1] or None, getattr(supports[-1], "support", supports[-1])
            if tuple(shape) != (1,) or not isinstance(of_exposure, Positive):
                raise ValueError(
                    "An exposure must be one positive number per example, such as a LogNormal(1) or a Gamma(1). "
                    f"Received: {self.exposure!r} of shape {tuple(shape)}, whose values must {of_exposure.rule}"
                )
        super().build(parent_shapes, parent_supports)
        event_shape = self.head.known_event_shape
        *space, channels = event_shape
        # Vectors are always projected: a network may have as many features as parameters by chance.
        per_element = self.head.num_parameters // math.prod(event_shape)
        self.gives_parameters = bool(space) and self.feature_shape == (*space, channels * per_element)
        if self.is_learned_root:
            self.root = self.add_weight(shape=(self.head.num_parameters,), initializer="zeros", name="parameters")
        elif self.parents and not self.gives_parameters and not self.head.built:
            self.head.build((None, math.prod(self.feature_shape)))
        self.head.build_own_weights()
        if self.divergence is not None and not self.divergence.built:
            self.divergence.build((None, math.prod(event_shape)))
        _freeze_again(self, self.head, self.network)
        self.baseline = None
        if self.parents and getattr(self.estimator, "baseline", None) == "learned":
            self.baseline = keras.layers.Dense(1, dtype=self.head.density_dtype, name="baseline")
            self.baseline.build((None, math.prod(self.feature_shape)))

    def distribution(self, values: Sequence[tf.Tensor] = (), training: bool = False) -> tfd.Distribution:
        """The TFP distribution given the parents' values; a root's has no batch axes.

        Args:
            values: see `features`.
            training: see `features`.
        """
        if not self.parents:
            return self.root_distribution()
        return self.head.make_distribution(self.parameters_and_baseline(values, training)[0])

    def parameters_and_baseline(
        self, values: Sequence[tf.Tensor], training: bool = False, align: Align | None = None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The parameters of the distribution of a node with parents, and the baseline that the score function learned.

        Args:
            values: see `features`.
            training: see `features`.
            align: see `features`.

        Returns:
            [*leading, num_parameters]; and [*leading], or None.
        """
        of_network, own_align = values, align
        if self.exposure is not None:
            of_network = values[:-1]
            if align is not None:
                own_align = lambda tensors: align([*tensors, values[-1]])[:-1]  # noqa: E731
        features = self.features(of_network, training, own_align)
        flat = _flatten(features, len(self.feature_shape))
        baseline = None if self.baseline is None else self.baseline(tf.stop_gradient(flat))[..., 0]
        parameters = self._parameters(features, flat)
        if self.exposure is not None:
            exposure = (values if align is None else align(values))[-1]
            parameters = self.head.with_exposure(parameters, tf.math.log(tf.cast(exposure, parameters.dtype)))
        return parameters, baseline

    def _parameters(self, features: tf.Tensor, flat: tf.Tensor) -> tf.Tensor:
        """The parameters [*leading, num_parameters], of the features [*leading, *feature_shape] and the same flattened."""
        if not self.gives_parameters:
            return self.head.parameters_of(flat)
        event_shape = self.head.known_event_shape
        per_element = features.shape[-1] // event_shape[-1]
        parts = tf.split(tf.cast(features, self.head.density_dtype), per_element, axis=-1)
        return tf.concat([_flatten(part, len(event_shape)) for part in parts], axis=-1)

    def root_distribution(self, batch_shape: Sequence[int] = ()) -> tfd.Distribution:
        """The distribution of a root, broadcast to `batch_shape`; the standard prior has no batch axes.

        Args:
            batch_shape: the batch axes.
        """
        if not self.is_learned_root and self.prior is None:
            return self.head.make_prior()
        parameters = tf.cast(self.root if self.is_learned_root else self.prior, self.head.density_dtype)
        return self.head.make_distribution(tf.broadcast_to(parameters, [*batch_shape, self.head.num_parameters]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "parents": self.parents if self.exposure is None else self.parents[:-1],
            "head": self.head,
            "estimator": self.estimator,
            "divergence": self.divergence,
            "prior": self.prior,
            "exposure": self.exposure,
        }


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Deterministic(Node):
    """A value computed from its parents, such as shared features or the output of another model. It has no density.

    Args:
        parents: name of the parent, or names of several.
        network: a Keras layer or model over the parents' values, such as a convolutional encoder that several nodes share,
            or the `NodeMean` of a node of a trained model.

    Raises:
        ValueError: no parent, a parent named twice, or no network.
    """

    def __init__(self, parents: str | Sequence[str], network: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(parents, network, **kwargs)
        if network is None or not self.parents:
            raise ValueError(f"A Deterministic node needs parents and a network. Received: {self.parents}, {network!r}")

    @property
    def event_shape(self) -> tuple[int, ...] | None:
        """Shape of one value; None before the model is built."""
        return self.feature_shape if self.built else None

    def build(self, parent_shapes: Sequence[Sequence[int]], parent_supports: Sequence[Support] | None = None) -> None:
        super().build(parent_shapes, parent_supports)
        _freeze_again(self, self.network)

    def value(self, values: Sequence[tf.Tensor], training: bool = False, align: Align | None = None) -> tf.Tensor:
        """The value given the parents' values, [*leading, *event_shape]; the arguments are those of `features`."""
        return self.features(values, training, align)


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class NodeMean(keras.layers.Layer):
    """The mean of a node's distribution as an ordinary layer, to use a part of one model inside another.

        nodes.Deterministic(("digit", "style"), network=nodes.NodeMean(mnist_model.generative["image"]))

    The layer shares the weights of the node; set its `trainable = False` to keep them fixed.

    Args:
        node: a `RandomVariable` with parents, from a model that is built.

    Call arguments:
        inputs: the parents' values, [*leading, *event] each: a list, or one tensor for one parent.
    """

    takes_parents_apart = True

    def __init__(self, node: RandomVariable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.node = node

    def build(self, input_shape: Shape | Sequence[Shape]) -> None:
        if not self.node.built:
            # Only the size of the batch may be unknown.
            self.node.build([cast(tuple[int, ...], shape[1:]) for shape in as_shapes(input_shape)])

    def supports_of(self, parent_supports: Sequence[Support]) -> list[Support]:
        """What it gets for the parents: their values as they are, because its node knows what a network gets for them.

        Missing elements are filled, unless its node was trained with gaps.

        Args:
            parent_supports: the values that each parent takes.
        """
        of_node = getattr(self.node, "parent_supports", [Support() for _ in parent_supports])
        pairs = zip(of_node, parent_supports, strict=True)
        return [Support() if isinstance(own, Filled) else support.as_is for own, support in pairs]

    def call(self, inputs: tf.Tensor | Sequence[tf.Tensor], training: bool = False) -> tf.Tensor:
        values = inputs if isinstance(inputs, list | tuple) else [inputs]
        return tf.cast(self.node.head.mean(self.node.distribution(values, training)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape | Sequence[Shape]) -> Shape:
        return (as_shapes(input_shape)[0][0], *self.node.head.known_event_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "node": self.node}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**from_parts(config, ("node",)))


def _freeze_again(*parts: keras.layers.Layer | None) -> None:
    """Freezes the weights of parts that were frozen before they had any, such as parts read from a file."""
    for part in parts:
        if part is not None and not part.trainable:
            part.trainable = True  # setting the same value does nothing
            part.trainable = False


def _flatten(value: tf.Tensor, event_rank: int) -> tf.Tensor:
    """[*leading, *event] -> [*leading, event_size], keeping the static shape."""
    if event_rank == 1:
        return value
    leading = value.shape.rank - event_rank
    size = math.prod(value.shape[leading:])
    flat = tf.reshape(value, tf.concat([tf.shape(value)[:leading], [size]], axis=0))
    return with_static_shape(flat, [*value.shape[:leading], size])
