"""Placing, looking and laying over, against SciPy and against each other."""

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from ssdgm_tf import layers

GENERATOR = np.random.default_rng(0)
SIZE, SIDE = 20, 8
PLACES = np.array([[0.3, -0.2, 0.35], [-0.4, 0.1, 0.0], [0.0, 0.0, 0.0]], np.float32)


def scipy_resampled(image, scale, offset, shape):
    """SciPy's affine transform about the centres of both, [H, W]."""
    centre, out_centre = (np.array(image.shape) - 1) / 2, (np.array(shape) - 1) / 2
    shift = centre + offset - scale * out_centre
    # A frame of zeros: SciPy ends an image at the centre of its last pixel.
    framed = np.pad(image, 1)
    return scipy.ndimage.affine_transform(framed, np.full(2, scale), shift + 1, output_shape=shape, order=1)


def test_an_image_is_placed_as_scipy_places_it():
    images = GENERATOR.uniform(size=(3, SIDE, SIDE, 1)).astype(np.float32)
    canvases = layers.PlaceImage(SIZE)([images, PLACES]).numpy()
    for image, place, canvas in zip(images, PLACES, canvases, strict=True):
        scale, centre = np.exp(place[0]), place[1:] * SIZE / 2
        expected = scipy_resampled(image[..., 0], 1 / scale, -centre / scale, (SIZE, SIZE))
        np.testing.assert_allclose(canvas[..., 0], expected, atol=1e-5)


def test_a_glimpse_is_what_scipy_sees():
    canvases = GENERATOR.uniform(size=(3, SIZE, SIZE, 1)).astype(np.float32)
    images = layers.Glimpse((SIDE, SIDE))([canvases, PLACES]).numpy()
    for canvas, place, image in zip(canvases, PLACES, images, strict=True):
        expected = scipy_resampled(canvas[..., 0], np.exp(place[0]), place[1:] * SIZE / 2, (SIDE, SIDE))
        np.testing.assert_allclose(image[..., 0], expected, atol=1e-5)


def test_a_glimpse_undoes_a_placement():
    """Of a smooth image: two bilinear interpolations blur."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    image = np.exp(-0.8 * (x**2 + (y - 0.2) ** 2)).astype(np.float32)[None, ..., None]
    place = np.array([[np.log(1.8), -0.2, 0.1]], np.float32)
    seen = layers.Glimpse((SIDE, SIDE))([layers.PlaceImage(SIZE)([image, place]), place]).numpy()
    np.testing.assert_allclose(seen[0, 1:-1, 1:-1], image[0, 1:-1, 1:-1], atol=0.05)


def test_a_place_has_the_gradient_of_finite_differences():
    image = GENERATOR.uniform(size=(1, SIDE, SIDE, 1)).astype(np.float32)
    weights = GENERATOR.normal(size=(1, SIZE, SIZE, 1)).astype(np.float32)
    place = tf.constant([[0.1, 0.13, -0.21]])

    def value(place):
        return tf.reduce_sum(weights * layers.PlaceImage(SIZE)([image, place]))

    with tf.GradientTape() as tape:
        tape.watch(place)
        total = value(place)
    gradient = tape.gradient(total, place).numpy()[0]
    for i, step in enumerate(1e-3 * np.eye(3, dtype=np.float32)):
        numeric = (value(place + step) - value(place - step)) / 2e-3
        np.testing.assert_allclose(gradient[i], numeric, rtol=0.03, atol=0.02 * np.abs(gradient).max())


@pytest.mark.parametrize("place", [(200.0, 0.0, 0.0), (-200.0, 1.0, 1.0), (0.0, 1e30, -1e30), (-200.0, 1e30, 0.0)])
def test_a_place_beyond_all_bounds_has_finite_images_and_gradients(place):
    """The weights of places that nothing holds can grow without end, as where counts alone are learned."""
    images = tf.constant(np.random.default_rng(0).uniform(size=(1, 20, 20, 1)), tf.float32)
    places = tf.constant([place])
    for layer in (layers.PlaceImage(20), layers.Glimpse((20, 20))):
        with tf.GradientTape() as tape:
            tape.watch([images, places])
            value = tf.reduce_sum(layer([images, places]) ** 2)
        assert np.isfinite(value)
        for gradient in tape.gradient(value, [images, places]):
            assert np.all(np.isfinite(gradient))


def test_a_place_that_is_no_number_is_nowhere():
    placed = layers.PlaceImage(20)([tf.ones([1, 8, 8, 1]), tf.constant([[np.nan, 0.0, 0.0]])])
    np.testing.assert_array_equal(placed, np.zeros((1, 20, 20, 1)))


def test_the_first_count_canvases_are_laid_over_each_other():
    canvases = list(GENERATOR.uniform(size=(2, 3, SIZE, SIZE, 1)).astype(np.float32))
    laid = layers.Overlay()([np.eye(3, dtype=np.float32), *canvases]).numpy()
    np.testing.assert_array_equal(laid[0], 0)
    np.testing.assert_allclose(laid[1], canvases[0][1], rtol=1e-6)
    np.testing.assert_allclose(laid[2], np.minimum(canvases[0][2] + canvases[1][2], 1), rtol=1e-6)


def test_one_network_sees_what_is_left_at_every_step():
    network = keras.layers.Flatten()
    step = layers.Unexplained(network)
    canvas, first, second = GENERATOR.uniform(size=(3, 2, 4, 4, 1)).astype(np.float32)
    for explained in ([], [first], [first, second]):
        so_far = sum(explained, np.zeros_like(canvas))
        expected = np.concatenate([canvas, so_far], axis=-1).reshape(2, -1)
        np.testing.assert_allclose(step([canvas, *explained]), expected, rtol=1e-6)


@pytest.mark.parametrize("brightness", [0.5, 2.0])
def test_local_contrast_does_not_see_how_bright_an_image_is(brightness):
    image = GENERATOR.uniform(2.0, 4.0, size=(1, 12, 10, 1)).astype(np.float32)
    layer = layers.LocalContrast(5)
    np.testing.assert_allclose(layer(brightness * image), layer(image), atol=0.02)


def test_local_contrast_is_what_it_says():
    image = GENERATOR.uniform(size=(1, 12, 10, 1)).astype(np.float32)
    log = np.log(image[0, ..., 0].astype(np.float64) + 0.02)
    inside = (slice(4, -4), slice(4, -4))  # where every neighbourhood is whole
    difference = log - scipy.ndimage.uniform_filter(log, 5)
    expected = difference / np.sqrt(scipy.ndimage.uniform_filter(difference**2, 5) + 0.01)
    np.testing.assert_allclose(layers.LocalContrast(5)(image)[0, ..., 0].numpy()[inside], expected[inside], rtol=1e-4)


def test_a_count_is_answers_until_the_first_no():
    node = layers.OneMoreNode(4)
    logits = GENERATOR.normal(size=(5, 3)).astype(np.float32)
    yes = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = np.stack(
        [1 - yes[:, 0], yes[:, 0] * (1 - yes[:, 1]), yes[:, 0] * yes[:, 1] * (1 - yes[:, 2]), yes.prod(axis=1)], axis=1
    )
    distribution = node.make_distribution(tf.constant(logits))
    np.testing.assert_allclose(node.mean(distribution), expected, rtol=1e-5)
    np.testing.assert_allclose(np.exp(node.log_prob_of_states(distribution)), expected, rtol=1e-5)
    np.testing.assert_allclose(node.mean(node.make_prior()), np.full(4, 0.25), rtol=1e-6)
