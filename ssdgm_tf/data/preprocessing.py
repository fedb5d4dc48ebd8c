"""Whitening of images by the principal components of the training set: `--config.preprocessing=pca:D` or `zca`."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

# The covariance is computed from at most this many rows: all of MNIST, NORB and SVHN. 100,000 rows of 3,072 pixels take
# about a minute.
MAX_ROWS = 100_000
# Directions with less than this share of the largest variance are rounding errors: float32 does not resolve them.
_MIN_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map to coordinates whose covariance on the training set is the identity, and its inverse.

        z = diag(1 / scale) components (x - mean)          "pca"
        z = components^T diag(1 / scale) components (x - mean)          "zca", in the shape of x

    Attributes:
        mean: mean of the training set, [P] with P = H * W * C.
        components: principal components, one per row, [D, P].
        scale: standard deviation of the training set along each component, [D].
        shape: shape of one image, (H, W, C), or of one vector, (P,).
        rotate_back: whether the whitened coordinates are rotated back to pixels ("zca").
    """

    mean: np.ndarray
    components: np.ndarray
    scale: np.ndarray
    shape: tuple[int, ...]
    rotate_back: bool = False

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one whitened example: `shape` for "zca", else (D,)."""
        return self.shape if self.rotate_back else (len(self.scale),)

    def whiten(self, rows: Any) -> Any:
        """Whitens flat images: an array for an array, a TensorFlow tensor for a tensor.

        Args:
            rows: float32 [N, P].

        Returns:
            [N, size of `output_shape`].
        """
        z = (rows - self.mean) @ (self.components.T / self.scale)
        return z @ self.components if self.rotate_back else z

    def unwhiten(self, z: Any) -> Any:
        """Flat images of whitened examples: the inverse of `whiten` where all principal components were kept.

        Args:
            z: float32 [N, size of `output_shape`], an array or a TensorFlow tensor.

        Returns:
            [N, P], not clipped.
        """
        if self.rotate_back:
            z = z @ self.components.T
        return z * self.scale @ self.components + self.mean

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Whitens images.

        Args:
            x: [..., *shape].

        Returns:
            float32 [..., *output_shape].

        Raises:
            ValueError: images of another shape.
        """
        return self.whiten(_rows(x, self.shape)).reshape(_leading(x, self.shape) + self.output_shape)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Maps whitened examples back to images: exact for the training set if all its principal components were kept.

        Args:
            x: [..., *output_shape].

        Returns:
            float32 [..., *shape], not clipped.

        Raises:
            ValueError: examples of another shape.
        """
        rows = self.unwhiten(_rows(x, self.output_shape))
        return rows.reshape(_leading(x, self.output_shape) + self.shape)


def parse_preprocessing(spec: str) -> tuple[str, int | None]:
    """Parses a config's `preprocessing` into its kind and its number of dimensions.

    Args:
        spec: "none", "pca:D" or "zca".

    Returns:
        ("none", None), ("pca", D) or ("zca", None).

    Raises:
        ValueError: any other value.
    """
    if spec in ("none", "zca"):
        return spec, None
    if match := re.fullmatch(r"pca:0*([1-9][0-9]*)", str(spec)):
        return "pca", int(match[1])
    raise ValueError(f"preprocessing must be 'none', 'zca' or 'pca:D' with a whole number D >= 1. Received: {spec!r}")


def fit_preprocessing(spec: str, x: np.ndarray) -> Whitening | None:
    """The preprocessing `spec`, fitted on training images, labelled and unlabelled alike.

    "pca:D" projects on the first D principal components, each scaled to unit variance (as Kingma et al. 2014 did for SVHN).
    "zca" keeps all directions in which the images vary and rotates the result back to pixels. Neither damps small variances:
    pixels that rarely vary, such as the border of MNIST, become very large where they do. Use "pca:D" for such images.

    The components are those of scikit-learn's PCA on at most 100,000 images, evenly spaced over `x`. The covariance is
    summed in float64: the variances of an image set span more than ten orders of magnitude, and float32 does not.

    Args:
        spec: "none", "pca:D" or "zca".
        x: training images [N, H, W, C] or vectors [N, D], float32.

    Returns:
        The fitted map; None for "none".

    Raises:
        ValueError: an unknown `spec`, fewer than two images, or more dimensions than the images vary in.
    """
    kind, num_dimensions = parse_preprocessing(spec)
    if kind == "none":
        return None
    mean, components, variances = _principal_components(x.reshape(len(x), -1))
    if not 1 <= (num_dimensions or 1) <= len(variances):
        raise ValueError(
            f"preprocessing={spec!r} needs training images that vary in {num_dimensions or 1} or more directions. "
            f"Received: {len(x)} images that vary in {len(variances)}"
        )
    return Whitening(
        mean=mean.astype(np.float32),
        components=components[:num_dimensions].astype(np.float32),
        scale=np.sqrt(variances[:num_dimensions]).astype(np.float32),
        shape=x.shape[1:],
        rotate_back=kind == "zca",
    )


def _principal_components(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, components and variances of rows [N, P] in float64, without the directions of zero variance."""
    from sklearn.decomposition import PCA

    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).astype(int)].astype(np.float64)
    mean = rows.mean(axis=0)
    if not np.ptp(rows, axis=0).any():
        return mean, np.empty((0, len(mean))), np.empty(0)
    rows -= mean  # PCA subtracts the mean only from the summed squares, and loses small variances
    pca = PCA(svd_solver="covariance_eigh").fit(rows)
    kept = pca.explained_variance_ > _MIN_VARIANCE * pca.explained_variance_[0]
    return mean, pca.components_[kept], pca.explained_variance_[kept]


def _leading(x: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of x [..., *shape] before `shape`."""
    return np.shape(x)[: np.ndim(x) - len(shape)]


def _rows(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Reshapes x [..., *shape] to rows [N, size of shape].

    Raises:
        ValueError: the shape of x does not end in `shape`.
    """
    if np.shape(x)[np.ndim(x) - len(shape) :] != shape:
        raise ValueError(f"Examples must have the shape [..., {', '.join(map(str, shape))}]. Received: {list(np.shape(x))}")
    return np.asarray(x, np.float32).reshape(-1, int(np.prod(shape)))
