import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers
from ssdgm_tf.layers.image_network import image_network

X = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype(np.float32)


def test_with_colours_brightness_does_not_show_and_contrast_less():
    network = image_network((4, 4), colours=True, seed=0)
    seen = np.asarray(network(X))
    np.testing.assert_allclose(network(X + 0.5), seen, atol=1e-5)
    np.testing.assert_allclose(network(np.full_like(X, 0.3)), network(np.zeros_like(X)), atol=1e-6)
    assert not np.allclose(network(1 - X), seen, atol=1e-2)
    standardised = np.asarray(network.layers[2](X))
    variance = X.var(axis=(1, 2, 3))
    np.testing.assert_allclose(standardised.var(axis=(1, 2, 3)), variance / (variance + 0.01), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_fifth_of_the_images_is_inverted_before_they_are_standardised(dtype):
    network = image_network((4, 4), colours=True, seed=0, dtype=dtype)
    kinds = [layers.RandomAffine, layers.RandomColours, keras.layers.LayerNormalization, layers.ConvEncoder]
    assert [type(layer) for layer in network.layers] == kinds
    assert [layer.dtype_policy.name for layer in network.layers] == ["float32", "float32", "float32", dtype]
    x = np.repeat(X[:1], 2000, axis=0)
    changed = np.asarray(network.layers[1](x, training=True))
    is_inverted = np.sum((changed - changed.mean(axis=(1, 2, 3), keepdims=True)) * (x - x.mean()), axis=(1, 2, 3)) < 0
    assert abs(is_inverted.mean() - 0.2) < 6 * np.sqrt(0.2 * 0.8 / 2000), "fails by chance with probability below 1e-8"


def test_gradients_of_an_image_of_one_colour_are_numbers():
    network = image_network((4, 4), dropout=0.0, colours=True, seed=0)
    with tf.GradientTape() as tape:
        x = tf.zeros((2, 8, 8, 3))
        tape.watch(x)
        total = tf.reduce_sum(network(x, training=True))
    assert np.isfinite(tape.gradient(total, x)).all()


def test_without_colours_brightness_and_contrast_show():
    network = image_network((4, 4), seed=0)
    assert not np.allclose(network(0.5 * X + 0.07), network(X), atol=1e-2)


@pytest.mark.parametrize("colours", [False, True])
def test_the_network_is_saved_whole(colours, tmp_path):
    network = image_network((4, 4), dropout=0.0, colours=colours, seed=0)
    plain = np.asarray(network(X))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(X), plain, atol=1e-6)
    drawn = np.asarray(network(X, training=True))
    assert not np.allclose(drawn, plain, atol=1e-3)
    np.testing.assert_allclose(loaded(X, training=True), drawn, atol=1e-6)
