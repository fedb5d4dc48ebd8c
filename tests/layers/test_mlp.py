import keras
import numpy as np
import pytest

from ssdgm_tf.layers import MLP
from tests.tolerances import assert_close


def test_a_sum_of_parents_is_one_layer_on_their_concatenation():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(5, 3)).astype("float32"), generator.normal(size=(5, 4)).astype("float32")
    mlp = MLP((6, 2), "tanh")
    out = mlp([a, b])
    first = np.concatenate([layer.kernel for layer in mlp.input_layers])
    hidden = np.tanh(np.concatenate([a, b], axis=1) @ first + mlp.input_layers[0].bias)
    last = mlp.hidden_layers[0]
    assert_close(out, np.tanh(hidden @ last.kernel + last.bias), atol=1e-6)


def test_leading_axes_broadcast_and_equal_tiling():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(1, 1, 5, 3)).astype("float32"), np.eye(4, dtype="float32")[:, None, None, :]
    mlp = MLP((6,))
    out = np.asarray(mlp([x, y]))
    assert out.shape == (4, 1, 5, 6)
    tiled = mlp([np.repeat(x, 4, axis=0).reshape(20, 3), np.repeat(np.eye(4, dtype="float32"), 5, axis=0)])
    assert_close(out.reshape(20, 6), tiled, atol=1e-6)


def test_symbolic_shape_is_the_broadcast_one():
    out = MLP((6,))([keras.Input(batch_shape=(1, None, 3)), keras.Input(batch_shape=(4, 1, 2))])
    assert out.shape == (4, None, 6)


@pytest.mark.parametrize("hidden_units", [(), (0,), (5, -1)])
def test_refuses_widths_below_one(hidden_units):
    with pytest.raises(ValueError, match=r"hidden_units must hold at least one positive width\. Received"):
        MLP(hidden_units)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_normalization_of_a_sum_of_parents_is_longhand(normalization):
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(1, 2, 5, 4)).astype("float32"), generator.normal(size=(3, 1, 1, 2)).astype("float32")
    mlp = MLP((6,), "relu", normalization)
    out = mlp([a, b], training=True)
    kernels = [np.asarray(layer.kernel) for layer in mlp.input_layers]
    h = a @ kernels[0] + b @ kernels[1]
    axes = (0, 1, 2) if normalization == "batch" else -1
    centred = h - h.mean(axis=axes, keepdims=True)
    expected = np.maximum(centred / np.sqrt(h.var(axis=axes, keepdims=True) + 1e-3), 0)
    assert_close(out, expected, rtol=1e-3, atol=1e-4)
    if normalization == "batch":  # inference goes by the running statistics, which start at mean 0 and variance 1
        mean, variance = 0.01 * h.mean(axis=axes), 0.99 + 0.01 * h.var(axis=axes)
        running = np.maximum((h - mean) / np.sqrt(variance + 1e-3), 0)
        assert_close(mlp([a, b]), running, rtol=1e-3, atol=1e-4)


def test_an_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match="normalization must be one of"):
        MLP((6,), normalization="group")
