"""Preprocessing that is fitted on the training set: `--config.preprocessing=standardize`, `pca:D` or `zca`."""

import abc
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ssdgm_tf.rows import Rows, blocks, extent, has_nan
from ssdgm_tf.schema.inference import ROUNDING

# The covariance is computed from at most this many rows: all of MNIST, NORB and SVHN. 100,000 rows of 3,072 pixels take
# about a minute.
MAX_ROWS = 100_000
# Directions with less than this share of the largest variance are rounding errors: float32 does not resolve them.
_MIN_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class AffineMap(abc.ABC):
    """An affine map of examples that was fitted on a training set, and its inverse.

    Attributes:
        mean: mean of the training set, [P] with P the numbers of an example.
        scale: standard deviations of the training set, along the axes of the map.
        shape: shape of one example, (H, W, C) or (P,).
        values: what examples are after the map, in words.
    """

    mean: np.ndarray
    scale: np.ndarray
    shape: tuple[int, ...]
    values: ClassVar[str]

    @property
    @abc.abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one mapped example."""

    @abc.abstractmethod
    def map_rows(self, rows: Any) -> Any:
        """Maps flat examples: an array for an array, a TensorFlow tensor for a tensor.

        Args:
            rows: float32 [N, P].

        Returns:
            [N, size of `output_shape`].
        """

    @abc.abstractmethod
    def unmap_rows(self, z: Any) -> Any:
        """Flat examples of mapped ones: the inverse of `map_rows`.

        Args:
            z: float32 [N, size of `output_shape`], an array or a TensorFlow tensor.

        Returns:
            [N, P], not clipped.
        """

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What `restore` makes the map of, {name: array}."""
        return {"mean": self.mean, "scale": self.scale}

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Maps examples.

        Args:
            x: [..., *shape].

        Returns:
            float32 [..., *output_shape].

        Raises:
            ValueError: examples of another shape.
        """
        return self.map_rows(_rows(x, self.shape)).reshape(_leading(x, self.shape) + self.output_shape)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Maps examples back.

        Args:
            x: [..., *output_shape].

        Returns:
            float32 [..., *shape], not clipped.

        Raises:
            ValueError: examples of another shape.
        """
        rows = self.unmap_rows(_rows(x, self.output_shape))
        return rows.reshape(_leading(x, self.output_shape) + self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Standardization(AffineMap):
    """Every column of vectors, or channel of series, with mean 0 and standard deviation 1 on the training set.

        z = (x - mean) / scale, in the shape of x

    The scale of a constant column is 1: it is only centred. A channel has one mean and one scale for all times. Gaps stay
    gaps.
    """

    values = "standardised"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """That of the vectors, (P,), or of the series, (T, C)."""
        return self.shape

    def map_rows(self, rows: Any) -> Any:
        return (rows - self.mean) / self.scale

    def unmap_rows(self, z: Any) -> Any:
        return z * self.scale + self.mean


@dataclass(frozen=True, eq=False, kw_only=True)
class Whitening(AffineMap):
    """A map to coordinates whose covariance on the training set is the identity.

        z = diag(1 / scale) components (x - mean)          "pca"
        z = components^T diag(1 / scale) components (x - mean)          "zca", in the shape of x

    The inverse is exact for the training set if all its principal components were kept.

    Attributes:
        components: principal components, one per row, [D, P]; `scale` is along them, [D].
        rotate_back: whether the whitened coordinates are rotated back to pixels ("zca").
    """

    components: np.ndarray
    rotate_back: bool = False
    values = "whitened"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one whitened example: `shape` for "zca", else (D,)."""
        return self.shape if self.rotate_back else (len(self.scale),)

    def map_rows(self, rows: Any) -> Any:
        z = (rows - self.mean) @ (self.components.T / self.scale)
        return z @ self.components if self.rotate_back else z

    def unmap_rows(self, z: Any) -> Any:
        if self.rotate_back:
            z = z @ self.components.T
        return z * self.scale @ self.components + self.mean

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return super().arrays | {"components": self.components, "rotate_back": np.array(self.rotate_back)}


def restore(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> AffineMap | None:
    """The map of `AffineMap.arrays`; None where they are not among `arrays`.

    Args:
        arrays: {name: array}.
        shape: shape of one example before the map.

    Raises:
        KeyError: some of them only.
    """
    if "mean" not in arrays:
        return None
    mean, scale = arrays["mean"], arrays["scale"]
    if "components" not in arrays:
        return Standardization(mean=mean, scale=scale, shape=shape)
    components, rotate_back = arrays["components"], bool(arrays["rotate_back"])
    return Whitening(mean=mean, scale=scale, shape=shape, components=components, rotate_back=rotate_back)


def parse_preprocessing(spec: str) -> tuple[str, int | None]:
    """Parses a config's `preprocessing` into its kind and its number of dimensions.

    Args:
        spec: "auto", "none", "standardize", "zca" or "pca:D".

    Returns:
        ("pca", D), or (spec, None) for any other.

    Raises:
        ValueError: any other value.
    """
    if spec in ("auto", "none", "standardize", "zca"):
        return spec, None
    if match := re.fullmatch(r"pca:0*([1-9][0-9]*)", str(spec)):
        return "pca", int(match[1])
    raise ValueError(
        "preprocessing must be 'auto', 'none', 'standardize', 'zca' or 'pca:D' with a whole number D >= 1. "
        f"Received: {spec!r}"
    )


def of_images(spec: str) -> str:
    """The preprocessing that does the same to images: "none" for "auto", else `spec` itself.

    Args:
        spec: a config's `preprocessing`.
    """
    return "none" if spec == "auto" else spec


def fit_preprocessing(spec: str, x: np.ndarray | Rows) -> AffineMap | None:
    """The preprocessing `spec`, fitted on training examples, labelled and unlabelled alike.

    "standardize" subtracts from each column of vectors its mean and divides it by its standard deviation, and does the same
    with each channel of series over all times. It is not for images: they lie in [0, 1] already, and pixels that rarely vary
    would become very large where they do. "auto" standardises vectors and series and leaves images as they are.

    "pca:D" projects on the first D principal components, each scaled to unit variance (as Kingma et al. 2014 did for SVHN).
    "zca" keeps all directions in which the images vary and rotates the result back to pixels. Neither damps small variances:
    pixels that rarely vary, such as the border of MNIST, become very large where they do. Use "pca:D" for such images.

    The components are those of scikit-learn's PCA on at most 100,000 images, evenly spaced over `x`. Moments are summed in
    float64: the variances of an image set span more than ten orders of magnitude, and float32 does not.

    Args:
        spec: "auto", "none", "standardize", "zca" or "pca:D".
        x: training images [N, H, W, C], series [N, T, C] or vectors [N, D], float32.

    Returns:
        The fitted map; None for "none", and for "auto" of images.

    Raises:
        ValueError: an unknown `spec`, "standardize" of images, "pca:D" or "zca" of series with gaps, fewer than two images,
            or more dimensions than the images vary in.
    """
    kind, num_dimensions = parse_preprocessing(spec)
    if kind == "auto":
        kind = "none" if x.ndim == 4 else "standardize"
    if kind == "none":
        return None
    if kind == "standardize":
        return _standardization(x)
    if x.ndim == 3 and has_nan(x):
        raise ValueError(f"preprocessing={spec!r} takes series without gaps; 'standardize' takes gaps. Received: gaps")
    mean, components, variances = _principal_components(x)
    if not 1 <= (num_dimensions or 1) <= len(variances):
        raise ValueError(
            f"preprocessing={spec!r} needs training images that vary in {num_dimensions or 1} or more directions. "
            f"Received: {len(x)} images that vary in {len(variances)}"
        )
    return Whitening(
        mean=mean.astype(np.float32),
        scale=np.sqrt(variances[:num_dimensions]).astype(np.float32),
        shape=x.shape[1:],
        components=components[:num_dimensions].astype(np.float32),
        rotate_back=kind == "zca",
    )


def _standardization(x: np.ndarray | Rows) -> Standardization:
    """The standardisation of vectors [N, D] or series [N, T, C]."""
    from sklearn.preprocessing import StandardScaler

    if x.ndim == 4:
        raise ValueError(
            "preprocessing='standardize' takes vectors [N, D] or series [N, T, C]; images lie in [0, 1] as they are. "
            f"Received: examples of shape {list(x.shape[1:])}"
        )
    scaler, columns = StandardScaler(), columns_of(x)
    for some in blocks(columns.shape):
        scaler.partial_fit(columns[some])
    mean, scale = scaler.mean_.astype(np.float32), np.sqrt(scaler.var_).astype(np.float32)
    # Of equal float32 numbers the float64 mean may differ, and so their deviation from it; tiny ones are 0 in TensorFlow.
    low, high = extent(columns)
    is_constant = (low == high) | (scale < np.finfo(np.float32).tiny)
    mean, scale = np.where(is_constant, low.astype(np.float32), mean), np.where(is_constant, np.float32(1), scale)
    each_time = x.shape[1] if x.ndim == 3 else 1
    return Standardization(mean=np.tile(mean, each_time), scale=np.tile(scale, each_time), shape=x.shape[1:])


def lost_digits(fitted: Standardization, num_columns: int) -> np.ndarray:
    """The columns, or channels, whose numbers are so large beside their spread that float32 rounds much of it away.

    Args:
        fitted: their standardisation.
        num_columns: how many columns or channels there are.

    Returns:
        Their indices.
    """
    mean, scale = fitted.mean[:num_columns], fitted.scale[:num_columns]
    return np.flatnonzero(np.spacing(np.abs(mean)) / 2 > ROUNDING * scale)


def columns_of(x: np.ndarray | Rows) -> np.ndarray | Rows:
    """The columns that are standardised: of vectors [N, D] these, of series [N, T, C] the channels, [N T, C].

    Args:
        x: examples.
    """
    return x.reshape(-1, x.shape[-1]) if isinstance(x, np.ndarray) and x.ndim == 3 else x


def _principal_components(x: np.ndarray | Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, components and variances of flat examples in float64, without the directions of zero variance."""
    from sklearn.decomposition import PCA

    some = x[np.linspace(0, len(x) - 1, min(len(x), MAX_ROWS)).astype(int)]
    rows = some.reshape(len(some), -1).astype(np.float64)
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
