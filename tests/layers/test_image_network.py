import keras
import numpy as np

from ssdgm_tf.layers.image_network import image_network

X = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype(np.float32)


def test_with_colours_brightness_and_contrast_do_not_show():
    network = image_network((4, 4), colours=True, seed=0)
    seen = np.asarray(network(100 * X))
    np.testing.assert_allclose(network(50 * X + 7), seen, atol=1e-4)
    np.testing.assert_allclose(network(np.full_like(X, 3)), network(np.zeros_like(X)), atol=1e-6)
    assert not np.allclose(network(-100 * X), seen, atol=1e-2)


def test_without_colours_they_do():
    network = image_network((4, 4), seed=0)
    assert not np.allclose(network(0.5 * X + 0.07), network(X), atol=1e-2)


def test_training_changes_images_and_the_network_is_saved_whole():
    for colours in (False, True):
        network = image_network((4, 4), dropout=0.0, colours=colours, seed=0)
        plain = np.asarray(network(X))
        assert not np.allclose(network(X, training=True), plain, atol=1e-3)
        copy = keras.Sequential.from_config(network.get_config())
        copy.build(X.shape)
        copy.set_weights(network.get_weights())
        np.testing.assert_allclose(copy(X), plain, atol=1e-6)
