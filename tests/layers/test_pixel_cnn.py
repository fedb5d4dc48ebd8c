"""The PixelCNN: what each pixel sees, its probabilities and its draws."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from ssdgm_tf import layers, models

INPUTS = np.array([[0.3, -0.2], [1.0, 0.5]], np.float32)


def with_weights(node, size=1.0, positive=False):
    """The node, built, with random weights in its stacks, so that pixels depend on each other."""
    node.build((None, 2))
    generator = np.random.default_rng(0)
    for weight in node.stacks.trainable_variables:
        drawn = generator.normal(size=weight.shape) * size
        weight.assign(np.abs(drawn) if positive else drawn)
    return node


def test_a_new_node_is_a_discretized_logistic():
    node, other = layers.PixelCNNNode((4, 3, 2), 5), layers.DiscretizedLogisticNode((4, 3, 2), 5)
    node.build((None, 2))
    other.build((None, 2))
    for mine, its in zip(other.projection.weights, node.projection.weights, strict=True):
        mine.assign(its)
    x = np.random.default_rng(0).integers(5, size=(2, 4, 3, 2)).astype(np.float32) / 4
    np.testing.assert_allclose(node.log_prob(INPUTS, x), other.log_prob(INPUTS, x), rtol=1e-5)


@pytest.mark.parametrize(("shape", "num_levels"), [((2, 2, 1), 3), ((1, 3, 2), 2)])
def test_the_probabilities_of_all_images_sum_to_one(shape, num_levels):
    node = with_weights(layers.PixelCNNNode(shape, num_levels, filters=4))
    numbers = int(np.prod(shape))
    every = np.array(list(itertools.product(range(num_levels), repeat=numbers)), np.float32) / (num_levels - 1)
    log_probs = np.asarray(node.log_prob(INPUTS, every.reshape(-1, 1, *shape)))  # [images, inputs]
    assert log_probs.shape == (num_levels**numbers, 2)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=0), 1, rtol=1e-4)
    assert np.ptp(log_probs[:, 0] - log_probs[:, 1]) > 0.1, "the inputs matter"


def test_a_pixel_sees_exactly_those_before_it():
    height, width = 5, 6
    node = with_weights(layers.PixelCNNNode((height, width, 1), filters=4, num_layers=4), 0.5, positive=True)
    pixels = tf.constant(np.random.default_rng(0).uniform(0.6, 1, (1, height, width, 1)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        made = tf.reshape(node.stacks([pixels, tf.zeros([1, height, width, 2])])[..., 0], [-1])
    seen = np.asarray(tape.jacobian(made, pixels)).reshape(height * width, height * width) != 0
    rows, columns = np.divmod(np.arange(height * width), width)
    # With 5 layers a pixel sees 6 rows up, and beside it as far as there are layers: no pixel in reach is left out.
    before = np.arange(height * width)[None] < np.arange(height * width)[:, None]
    near = np.abs(columns[:, None] - columns[None]) <= 2
    assert not seen[~before].any()
    assert seen[before & near].all()
    assert rows.max() == height - 1


def test_draws_follow_the_probabilities():
    node = with_weights(layers.PixelCNNNode((2, 2, 1), 2, filters=4, seed=1), 0.7)
    size = 8000
    draws = np.asarray(node(np.repeat(INPUTS[:1], size, axis=0))).reshape(size, 4)
    assert set(np.unique(draws)) == {0.0, 1.0}
    every = np.array(list(itertools.product(range(2), repeat=4)), np.float32)
    expected = size * np.exp(np.asarray(node.log_prob(INPUTS[:1], every.reshape(-1, 2, 2, 1)), np.float64))
    counts = np.array([np.sum((draws == state).all(axis=1)) for state in every])
    common = expected > 5
    assert common.sum() > 4
    expected = expected[common] / expected[common].sum() * counts[common].sum()
    assert stats.chisquare(counts[common], expected).pvalue > 1e-6


def test_the_likelihood_and_a_draw_run_under_xla():
    node = with_weights(layers.PixelCNNNode((3, 4, 1), 5, filters=4, seed=1), 0.3)
    x = np.random.default_rng(0).integers(5, size=(2, 3, 4, 1)).astype(np.float32) / 4
    compiled = tf.function(lambda inputs, x: (node.log_prob(inputs, x), node(inputs)), jit_compile=True)
    log_prob, draw = compiled(INPUTS, x)
    np.testing.assert_allclose(log_prob, node.log_prob(INPUTS, x), rtol=1e-4)
    np.testing.assert_allclose(np.rint(4 * draw), 4 * draw, atol=1e-5)


def test_it_finds_that_neighbours_are_alike():
    """Stripes whose grey is drawn for each image: a pixel is known from the one above it."""
    greys = np.random.default_rng(0).integers(256, size=(200, 1, 4, 1))
    x = (np.repeat(greys, 4, axis=1) / 255).astype(np.float32)
    bounds = {}
    for likelihood in ("discretized_logistic", layers.PixelCNNNode(None, filters=8)):
        model = models.VAE(1, hidden_units=(8,), likelihood=likelihood, seed=1)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        logs = model.fit(x, epochs=30, batch_size=50, verbose=0, seed=0).history
        bounds[type(model.generative["x"].head).__name__] = logs["bound_unlabelled"][-1]
    # 16 pixels of 4 free greys: up to 12 ln 256 = 66 nats more.
    assert bounds["PixelCNNNode"] > bounds["DiscretizedLogisticNode"] + 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.PixelCNNNode((4, 4)), r"A PixelCNN is of images \(H, W, C\). Received: event_shape=\(4, 4\)"),
        (lambda: layers.PixelCNNNode((4, 4, 1), filters=0), "filters must be at least 1. Received: filters=0"),
        (lambda: layers.PixelCNNNode((4, 4, 1), num_layers=0), "num_layers must be at least 1. Received: num_layers=0"),
        (lambda: layers.PixelCNNNode((4, 4, 1), num_levels=1), "num_levels must be at least 2. Received: num_levels=1"),
    ],
)
def test_other_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
