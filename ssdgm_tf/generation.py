"""How good generated examples are, as an independent classifier and simple measures of images see them. No TensorFlow.

A classifier that was trained on all labels reads the examples: the share that it reads as asked for says whether labels are
right, the Fréchet distance in its features whether the examples are as varied as true ones. Slant, width and size of strokes
say whether an analogy keeps the style of its source.
"""

import numpy as np
from scipy import stats

__all__ = ["STYLES", "frechet_distance", "rank_correlation", "share_read_as", "size", "slant", "stroke_width"]


def share_read_as(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The share of examples whose likeliest class is the one that was asked for.

    Args:
        probabilities: a classifier's probabilities or logits, of generated examples, [N, K].
        labels: the classes that were asked for, integers [N].
    """
    return float(np.mean(np.argmax(probabilities, axis=-1) == labels))


def frechet_distance(features: np.ndarray, other: np.ndarray) -> float:
    """The squared Fréchet distance between two Gaussians that are fitted to features (Heusel et al. 2017, equation 6).

        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))

    It is 0 for the same features in any order. Its expectation falls with the number of examples: compare it at equal
    numbers.

    Args:
        features: of one set of examples, [N, D].
        other: of the other, [M, D].

    Raises:
        ValueError: fewer than two examples, or different numbers of features.
    """
    one, two = (np.asarray(values, np.float64) for values in (features, other))
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1] or min(len(one), len(two)) < 2:
        raise ValueError(
            f"Features must be [N, D] and [M, D], of two examples or more each. Received: shapes {one.shape} and {two.shape}"
        )
    root = _square_root(np.cov(one, rowvar=False).reshape(one.shape[1], -1))
    covariance = np.cov(two, rowvar=False).reshape(two.shape[1], -1)
    # The eigenvalues of C1 C2 are those of C1^(1/2) C2 C1^(1/2), which is symmetric.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance @ root), 0)).sum()
    between = np.sum((one.mean(axis=0) - two.mean(axis=0)) ** 2)
    return float(max(between + np.sum(root**2) + np.trace(covariance) - 2 * shared, 0))


def slant(images: np.ndarray) -> np.ndarray:
    """How far strokes lean: pixels to the right for each pixel down, by second moments of the ink. [N]; 0 without ink.

        sum i (x - mx) (y - my) / sum i (y - my)^2

    Args:
        images: grey images, [N, H, W] or [N, H, W, 1], 0 where there is no ink.
    """
    ink, x, y = _moments(images)
    return _divided(np.sum(ink * x * y, axis=(1, 2)), np.sum(ink * y * y, axis=(1, 2)))


def stroke_width(images: np.ndarray) -> np.ndarray:
    """The width of strokes in pixels: twice their ink by the length of their edges. [N]; 0 without ink.

        2 sum i / sum |grad i|

    Along a stroke of width w and ink 1 the edges are two lines, so that this is w, but for the ends.

    Args:
        images: see `slant`.
    """
    ink = np.pad(_grey(images), ((0, 0), (1, 1), (1, 1)))
    down, right = np.diff(ink, axis=1)[:, :, :-1], np.diff(ink, axis=2)[:, :-1]
    return _divided(2 * ink.sum(axis=(1, 2)), np.hypot(down, right).sum(axis=(1, 2)))


def size(images: np.ndarray) -> np.ndarray:
    """The size in pixels: the root mean square of the distance of ink from its centre. [N]; 0 without ink.

    Args:
        images: see `slant`.
    """
    ink, x, y = _moments(images)
    return np.sqrt(_divided(np.sum(ink * (x * x + y * y), axis=(1, 2)), ink.sum(axis=(1, 2))))


STYLES = {"slant": slant, "stroke width": stroke_width, "size": size}
"""The measures of style, by name."""


def rank_correlation(values: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where all values of one are equal.

    Args:
        values: [N].
        other: [N].

    Raises:
        ValueError: fewer than two values, or different numbers.
    """
    if len(values) != len(other) or len(values) < 2:
        raise ValueError(
            f"A rank correlation needs two values or more, and as many others. Received: {len(values)} and {len(other)}"
        )
    if min(np.ptp(values), np.ptp(other)) == 0:
        return 0.0
    return float(stats.spearmanr(values, other).statistic)


def _grey(images: np.ndarray) -> np.ndarray:
    """Images [N, H, W] as float64."""
    images = np.asarray(images, np.float64)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3:
        raise ValueError(f"Images must be grey, [N, H, W] or [N, H, W, 1]. Received: shape {images.shape}")
    return images


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ink [N, H, W], and how far each pixel is from its centre, to the right and down."""
    ink = _grey(images)
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]].astype(float)
    total = ink.sum(axis=(1, 2))
    centre_x, centre_y = (_divided(np.sum(ink * axis, axis=(1, 2)), total) for axis in (x, y))
    return ink, x - centre_x[:, None, None], y - centre_y[:, None, None]


def _divided(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(values, by, out=np.zeros_like(values), where=by > 0)


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
