"""Convolutional networks: their shapes, what they drop, what they refuse. The rest is in the conformance suite."""

import numpy as np
import pytest

from ssdgm_tf import layers


def test_features_are_dropped_in_training_alone():
    x = np.random.default_rng(0).uniform(size=(3, 8, 8, 1)).astype(np.float32)
    network = layers.ConvEncoder((4, 4), 16, dropout=0.5, seed=1)
    np.testing.assert_array_equal(network(x), network(x))
    assert not np.allclose(network(x, training=True), network(x, training=True))


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 10, 3), (32, 32, 2), (24, 1), (51, 6)])
def test_a_decoder_makes_images_and_series_of_any_size(shape):
    assert layers.ConvDecoder(shape, (8, 4))(np.zeros((2, 5), np.float32)).shape == (2, *shape)


def test_series_are_convolved_along_time_alone():
    """Each channel of a kernel sees all channels, and a few times."""
    network = layers.ConvEncoder((4, 6), 16)
    assert network(np.zeros((3, 24, 2), np.float32)).shape == (3, 16)
    assert [tuple(weight.shape) for weight in network.weights[::2]] == [(5, 2, 4), (3, 4, 6), (36, 16)]
    decoder = layers.ConvDecoder((24, 2), (6, 4))
    decoder(np.zeros((3, 5), np.float32))
    assert [tuple(weight.shape) for weight in decoder.weights[::2]] == [(5, 36), (4, 4, 6), (4, 2, 4)]


def test_other_examples_are_refused():
    with pytest.raises(ValueError, match=r"inputs must be images \[B, H, W, C\] or series \[B, T, C\]"):
        layers.ConvEncoder()(np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match=r"example_shape must be \(height, width, channels\) or \(times, channels\)"):
        layers.ConvDecoder((5,))


@pytest.mark.parametrize("filters", [(), (4, 0)])
def test_filters_are_positive(filters):
    with pytest.raises(ValueError, match="filters must hold"):
        layers.ConvEncoder(filters)
    with pytest.raises(ValueError, match="filters must hold"):
        layers.ConvDecoder((4, 4, 1), filters)
