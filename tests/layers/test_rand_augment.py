"""Every operation of RandAugment beside Pillow's, and how often each is drawn."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from ssdgm_tf import layers
from ssdgm_tf.layers import rand_augment

NAMES = (*rand_augment.OF_PLACES, *rand_augment.OF_VALUES)
HEIGHT, WIDTH = 9, 12


def pictures(number: int = 4) -> np.ndarray:
    """Images of 8 bits, in which some levels are frequent."""
    images = np.random.default_rng(0).integers(30, 220, (number, HEIGHT, WIDTH, 3), np.uint8)
    images[:, :3] = 80
    return images


def changed(name: str, images: np.ndarray, magnitude: float) -> np.ndarray:
    """The images after an operation, as numbers of 0 to 255."""
    operation = tf.fill([len(images)], NAMES.index(name))
    made = rand_augment.apply(tf.constant(images / 255, tf.float32), operation, tf.fill([len(images)], magnitude))
    return 255 * np.asarray(made)


def moved(image: Image.Image, matrix: list[list[float]], offset: tuple[float, float]) -> Image.Image:
    """Pillow's affine transformation about the centre, rows before columns."""
    (a, b), (c, d) = matrix
    down, right = (HEIGHT - 1) / 2, (WIDTH - 1) / 2
    # Pillow takes (column, row). There the middle of the first pixel is (0.5, 0.5).
    of_columns = d, c, right + offset[1] - d * (right + 0.5) - c * (down + 0.5) + 0.5
    of_rows = b, a, down + offset[0] - b * (right + 0.5) - a * (down + 0.5) + 0.5
    return image.transform(image.size, Image.Transform.AFFINE, (*of_columns, *of_rows), Image.Resampling.BILINEAR)


def by_pillow(name: str, image: Image.Image, magnitude: float) -> Image.Image:
    """Pillow's result of an operation."""
    factor, signed = 0.05 + 0.9 * magnitude, 2 * magnitude - 1
    angle, shear = np.radians(30 * signed), 0.3 * signed
    one = [[1.0, 0.0], [0.0, 1.0]]
    made = {
        "identity": lambda: image,
        "rotate": lambda: moved(image, [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], (0, 0)),
        "shear_rows": lambda: moved(image, [[1, shear], [0, 1]], (0, 0)),
        "shear_columns": lambda: moved(image, [[1, 0], [shear, 1]], (0, 0)),
        "shift_rows": lambda: moved(image, one, (0.3 * HEIGHT * signed, 0)),
        "shift_columns": lambda: moved(image, one, (0, 0.3 * WIDTH * signed)),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "colour": lambda: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, 8 - min(int(5 * magnitude), 4)),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "solarize": lambda: ImageOps.solarize(image, int(np.ceil(255 * magnitude))),
    }
    return made[name]()


@pytest.mark.parametrize("magnitude", [0.1, 0.37, 0.9])
# Pillow's equalize is another: it spreads levels by their number of pixels before, and not up to, each.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "equalize"])
def test_an_operation_is_pillows(name, magnitude):
    images = pictures()
    if name in ("colour", "contrast"):  # Pillow's grey weighs the channels, ours does not
        images = np.repeat(images[..., :1], 3, axis=-1)
    expected = np.stack([np.asarray(by_pillow(name, Image.fromarray(image), magnitude)) for image in images])
    made = changed(name, images, magnitude)
    if name in rand_augment.OF_PLACES:  # at the border Pillow repeats the last pixels where we fade to 0
        is_inside = changed(name, np.full_like(images, 255), magnitude) > 254.9
        made, expected = made[is_inside], expected[is_inside]
        assert made.size > 400
    # Pillow rounds, and cuts off where it blends: by less than 2 levels.
    assert np.abs(made - expected).max() < 2


def test_equalize_follows_the_distribution_function():
    images = pictures(2)
    made = changed("equalize", images, 0.5)
    for image, result in zip(images, made, strict=True):
        for channel in range(3):
            flat = image[..., channel].ravel()
            up_to = np.array([np.mean(flat <= value) for value in flat])
            expected = 255 * (up_to - up_to.min()) / (1 - up_to.min())
            np.testing.assert_allclose(result[..., channel].ravel(), expected, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_image_stays_finite_and_in_its_range(name):
    for value in (0, 128, 255):
        made = changed(name, np.full((2, 6, 5, 1), value, np.uint8), 0.8)
        assert np.isfinite(made).all() and made.min() >= 0 and made.max() <= 255.001
    if name in ("identity", "autocontrast", "equalize", "contrast", "colour", "sharpness"):
        np.testing.assert_allclose(changed(name, np.full((2, 6, 5, 1), 77, np.uint8), 0.8), 77, atol=1e-3)


def test_every_operation_is_drawn_as_often(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        rand_augment, "apply", lambda images, operation, magnitude: drawn.append((operation, magnitude)) or images
    )
    size = 14_000
    layers.RandAugment(3, seed=1)(np.zeros((size, 2, 2, 1), np.float32), training=True)
    assert len(drawn) == 3
    for operation, magnitude in drawn:
        shares = np.bincount(operation, minlength=len(NAMES)) / size
        bound = 6 * np.sqrt(1 / 14 / size)
        assert shares.shape == (14,) and np.abs(shares - 1 / 14).max() < bound, "fails by chance with probability below 1e-7"
        assert abs(np.mean(magnitude) - 0.5) < 6 / np.sqrt(12 * size)
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_no_operation_is_refused():
    with pytest.raises(ValueError, match=r"num_operations must be at least 1\. Received: num_operations=0"):
        layers.RandAugment(0)
