"""Dense networks that add linear maps of their inputs and never concatenate."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf import choices
from ssdgm_tf.layers import kernels
from ssdgm_tf.layers.precision import cast_weight
from ssdgm_tf.layers.static_shape import as_shapes, with_static_shape
from ssdgm_tf.layers.types import Activation, Align, Shape

NORMALIZATIONS = (None, "batch", "layer")


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class MLP(keras.layers.Layer):
    """Hidden dense layers over one or several parents.

        h_1 = activation(norm(sum_i W_i parent_i + b)),   h_{l+1} = activation(norm(W h_l + b))

    A sum of linear maps equals one linear map of the concatenation, but each W_i parent_i is computed at the shape of
    its own parent: with images [1, 1, B, D] and enumerated labels [K, 1, 1, K], the images are multiplied once and not
    K times.

    Args:
        hidden_units: width of each hidden layer, at least one.
        activation: anything that `keras.activations.get` takes.
        normalization: None, "batch" or "layer", of each hidden layer before its activation. The statistics of "batch" are
            over all leading axes, states and samples included.

    Call arguments:
        inputs: a tensor [..., features], or a list of such tensors with leading axes that broadcast.
        align: a function that makes the leading axes of several inputs broadcast, where they do not yet. It gets their
            products with the weights, so that each is computed once.

    Returns:
        A tensor [..., hidden_units[-1]], in the compute dtype.

    Raises:
        ValueError: no hidden layer, a width below 1, or an unknown normalization.
    """

    def __init__(
        self, hidden_units: Sequence[int], activation: Activation = "relu", normalization: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not hidden_units or any(int(units) < 1 for units in hidden_units):
            raise ValueError(f"hidden_units must hold at least one positive width. Received: hidden_units={hidden_units!r}")
        choices.check("normalization", normalization, NORMALIZATIONS)
        self.hidden_units = tuple(int(units) for units in hidden_units)
        self.normalization = normalization
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape | Sequence[Shape]) -> None:
        parents = as_shapes(input_shape)
        first, *rest = self.hidden_units
        self.input_layers = [
            keras.layers.Dense(first, use_bias=i == 0, dtype=self.dtype_policy, name=f"input_{i}")
            for i in range(len(parents))
        ]
        for layer, shape in zip(self.input_layers, parents, strict=True):
            layer.build(shape)
        self.hidden_layers = [
            keras.layers.Dense(units, self.activation, dtype=self.dtype_policy, name=f"hidden_{i}")
            for i, units in enumerate(rest, start=1)
        ]
        for layer, width in zip(self.hidden_layers, self.hidden_units, strict=False):
            layer.build((None, width))
        self.norms = [self._make_norm(i) for i in range(len(self.hidden_units))] if self.normalization else []
        for norm, width in zip(self.norms, self.hidden_units, strict=False):
            norm.build((None, width))

    def call(self, inputs: tf.Tensor | Sequence[tf.Tensor], training: bool = False, align: Align | None = None) -> tf.Tensor:
        parents = inputs if isinstance(inputs, list | tuple) else [inputs]
        products = [self._product(parent, layer) for layer, parent in zip(self.input_layers, parents, strict=True)]
        products = products if align is None else align(products)
        h = self._hidden(0, products, self.input_layers[0].bias, training)
        for i, layer in enumerate(self.hidden_layers, start=1):
            h = self._hidden(i, [self._product(h, layer)], layer.bias, training)
        return h

    def _hidden(self, index: int, products: Sequence[tf.Tensor], bias: keras.Variable, training: bool) -> tf.Tensor:
        """One hidden layer, given the products of its inputs and weights."""
        terms = (*products, cast_weight(bias, self.compute_dtype))
        if not self.norms:
            return kernels.activated_sum(self.activation, *terms)
        total = functools.reduce(tf.add, terms)
        rows = self.norms[index](tf.reshape(total, [-1, total.shape[-1]]), training=training)
        return self.activation(with_static_shape(tf.reshape(rows, tf.shape(total)), total.shape))

    def _make_norm(self, index: int) -> keras.layers.Layer:
        if self.normalization == "batch":
            return keras.layers.BatchNormalization(dtype=self.dtype_policy, name=f"norm_{index}")
        return keras.layers.LayerNormalization(dtype=self.dtype_policy, name=f"norm_{index}")

    def _product(self, x: tf.Tensor, layer: keras.layers.Dense) -> tf.Tensor:
        return tf.tensordot(tf.cast(x, self.compute_dtype), cast_weight(layer.kernel, self.compute_dtype), 1)

    def compute_output_shape(self, input_shape: Shape | Sequence[Shape]) -> Shape:
        leading: Shape = ()
        for shape in as_shapes(input_shape):
            leading = _broadcast(leading, tuple(shape[:-1]))
        return (*leading, self.hidden_units[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "normalization": self.normalization,
        }


def _broadcast(a: Shape, b: Shape) -> Shape:
    """NumPy's broadcasting of shapes in which None is an unknown size."""
    width = max(len(a), len(b))
    a, b = (1,) * (width - len(a)) + a, (1,) * (width - len(b)) + b
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))
