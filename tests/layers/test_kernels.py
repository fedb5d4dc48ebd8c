"""Kernels compute what the plain functions do: values and gradients, broadcast or not, in every precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers
from ssdgm_tf.layers import kernels


@pytest.fixture(autouse=True)
def fuse_everything(monkeypatch):
    monkeypatch.setattr(kernels, "_SMALLEST_FUSED", 1)


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape) * 3, tf.float32)


def value_and_gradients(function, args, fused):
    """In a graph, as in a training step; also how many compiled functions it calls."""

    @tf.function(autograph=False)
    def run(*args):
        with kernels.fusing(fused), tf.GradientTape() as tape:
            tape.watch(args)
            value = function(*args)
            loss = tf.reduce_sum(tf.cast(value, tf.float32) ** 2)
        return value, tape.gradient(loss, args)

    graph = run.get_concrete_function(*args).graph
    compiled = [op for op in graph.get_operations() if "PartitionedCall" in op.type and op.get_attr("_XlaMustCompile")]
    return *run(*args), len(compiled)


def assert_same(function, args, rtol=1e-5, atol=1e-5):
    plain, plain_gradients, none = value_and_gradients(function, args, fused=False)
    fused, fused_gradients, num_compiled = value_and_gradients(function, args, fused=True)
    assert none == 0 and num_compiled >= 2  # forward and backward: the comparison is of two different things
    np.testing.assert_allclose(fused, plain, rtol=rtol, atol=atol)
    for a, b in zip(fused_gradients, plain_gradients, strict=True):
        np.testing.assert_allclose(a, b, rtol=10 * rtol, atol=10 * atol)


@pytest.mark.parametrize("name", ["elu", "relu", "sigmoid", "softplus", "tanh"])
def test_activated_sum_of_terms_that_broadcast(name):
    terms = normal(1, 1, 5, 7), normal(4, 1, 1, 7, seed=1), normal(7, seed=2)
    assert_same(lambda *terms: kernels.activated_sum(getattr(keras.activations, name), *terms), terms)


def test_an_activation_without_a_known_slope_or_with_weights_stays_as_it_is():
    for activation in (keras.activations.gelu, keras.layers.PReLU()):
        *_, num_compiled = value_and_gradients(lambda x, a=activation: kernels.activated_sum(a, x), (normal(5, 7),), True)
        assert num_compiled == 0


@pytest.mark.parametrize("event_shape", [(6,), (3, 2)])
def test_densities_and_divergences_of_the_layers(event_shape):
    node, pixels = layers.NormalNode(event_shape), layers.BernoulliNode(event_shape)
    p = node.make_prior()

    def log_density(parameters, value):
        return node.log_density(node.make_distribution(parameters), value)

    def kl(parameters):
        return node.kl_divergence(node.make_distribution(parameters), p)

    def log_pixels(logits, value):
        return pixels.log_density(pixels.make_distribution(logits), value)

    assert_same(log_density, (normal(4, 1, 5, 12) / 3, normal(5, *event_shape, seed=1)))
    assert_same(kl, (normal(4, 1, 5, 12) / 3,))
    assert_same(log_pixels, (normal(4, 1, 5, 6), tf.sigmoid(normal(5, *event_shape, seed=1))))


def test_nobody_takes_the_gradient_of_what_is_observed():
    """The gradients of logits and of pixels are kernels of their own; that of the pixels is not run unless it is used."""
    node = layers.BernoulliNode(6)
    value = tf.sigmoid(normal(5, 6))

    @tf.function(autograph=False)
    def gradient(logits):
        with kernels.fusing(), tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.reduce_sum(node.log_density(node.make_distribution(logits), value))
        return tape.gradient(loss, logits)

    compiled = [op for op in gradient.get_concrete_function(normal(5, 6)).graph.get_operations() if "Partitioned" in op.type]
    assert {op.type for op in compiled} == {"PartitionedCall"}  # not the stateful kind, which runs whether used or not
    unused = [op for op in compiled if not any(output.consumers() for output in op.outputs)]
    assert len(compiled) == 3 and len(unused) == 1
    np.testing.assert_allclose(gradient(normal(5, 6)), value - tf.sigmoid(normal(5, 6)), atol=1e-6)


def test_softplus_is_right_to_float32_rounding_over_its_whole_range():
    x = np.concatenate([np.linspace(-100, 100, 20_001), [-1e30, 1e30, 0.0]]).astype(np.float32)

    @tf.function(autograph=False)
    def run(x):
        with kernels.fusing(), tf.GradientTape() as tape:
            tape.watch(x)
            y = kernels.activated_sum(keras.activations.softplus, x)
        return y, tape.gradient(y, x)

    value, slope = run(tf.constant(x))
    wide = x.astype(np.float64)
    exact = np.logaddexp(0, wide)
    visible = exact > 1e-37  # below is zero in float32
    np.testing.assert_allclose(np.asarray(value)[visible], exact[visible], rtol=1e-6)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(-wide.clip(-700, 700))), atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("mixed_bfloat16", 3e-2), ("float64", 1e-12)])
def test_other_precisions(dtype, tolerance):
    mlp = layers.MLP((8, 4), "softplus", dtype=dtype)
    x = tf.cast(normal(5, 7), mlp.compute_dtype)
    mlp.build(x.shape)
    assert_same(mlp, (x,), rtol=tolerance, atol=tolerance)
    assert mlp(x).dtype == mlp.compute_dtype


def test_small_work_is_left_alone(monkeypatch):
    monkeypatch.setattr(kernels, "_SMALLEST_FUSED", 36)
    function = lambda x: kernels.activated_sum(keras.activations.relu, x)  # noqa: E731
    assert value_and_gradients(function, (normal(5, 7),), fused=True)[-1] == 0
    assert value_and_gradients(function, (normal(6, 6),), fused=True)[-1] == 2
