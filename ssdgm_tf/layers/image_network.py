"""The convolutional classifier of images that presets and baselines share."""

from collections.abc import Sequence

import keras

from ssdgm_tf.layers.affine import RandomAffine
from ssdgm_tf.layers.convolutional import ConvEncoder
from ssdgm_tf.layers.views import RandomColours

# Enough for street numbers, which are dark or light; more makes errors on photographs (results/tries.md, K50 to K57).
_INVERTED_SHARE = 0.2


def image_network(
    filters: Sequence[int] = (32, 64, 64),
    dropout: float = 0.5,
    bending: float = 0.0,
    colours: bool = False,
    seed: int | None = None,
    dtype: str | None = None,
) -> keras.Sequential:
    """Features of images: training moves them at random and may change their colours; then comes a `ConvEncoder`.

    Args:
        filters: see `ConvEncoder`.
        dropout: see `ConvEncoder`.
        bending: see `RandomAffine`.
        colours: whether images are standardised: mean 0, and a standard deviation near 1, less where the contrast is low. In
            training their saturation and contrast change before that, and a fifth of the images is inverted.
        seed: integer seed of the moves, the colours and the dropout.
        dtype: of the encoder; what computes places and colours of pixels needs float32.
    """
    changes: list[keras.layers.Layer] = [RandomAffine(bending=bending, seed=seed, dtype="float32")]
    if colours:
        # Standardised images have no brightness.
        colour = RandomColours(brightness=0.0, inversion=_INVERTED_SHARE, seed=seed, dtype="float32")
        changes += [colour, _standardised()]
    return keras.Sequential([*changes, ConvEncoder(filters, dropout=dropout, seed=seed, dtype=dtype)])


def _standardised() -> keras.layers.LayerNormalization:
    """Gives each image mean 0 and a standard deviation near 1; a nearly uniform image stays so."""
    return keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-2, center=False, scale=False, dtype="float32")
