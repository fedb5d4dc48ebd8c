"""What the models refuse, each with the rule and what was received. Arrays here; `streams` checks a tf.data.Dataset."""

import warnings

import numpy as np

UNLABELLED = -1


def images(x, image_shape: tuple[int, ...] | None, unit_interval: bool) -> np.ndarray:
    """`x` as finite float32 [N, *image_shape].

    Args:
        x: array-like of images.
        image_shape: the shape that the model was built for, or None before that.
        unit_interval: must pixels lie in [0, 1]?

    Raises:
        ValueError: wrong shape, no example, NaN or infinite pixels, or pixels outside [0, 1].
    """
    x = np.asarray(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must hold at least one example, shape [N, ...]. Received: x of shape {x.shape}")
    if image_shape is not None and x.shape[1:] != tuple(image_shape):
        raise ValueError(
            f"x must hold images of the shape that this model was built for, {tuple(image_shape)}. "
            f"Received: x of shape {x.shape}"
        )
    if not np.issubdtype(x.dtype, np.number) or np.issubdtype(x.dtype, np.complexfloating):
        raise ValueError(f"x must be numeric. Received: x of dtype {x.dtype}")
    low, high = x.min(), x.max()  # NaN if any pixel is NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = ~np.isfinite(x)
        raise ValueError(
            f"Pixels must be finite. Received: {bad.sum()} NaN or infinite values, the first at {tuple(np.argwhere(bad)[0])}"
        )
    if unit_interval and (low < 0 or high > 1):
        raise ValueError(f"Pixels must lie in [0, 1] for a Bernoulli likelihood. Received: x in [{low:g}, {high:g}]")
    return x.astype(np.float32, copy=False)


def labels(y, num_classes: int, num_examples: int) -> np.ndarray:
    """`y` as int32 [N], -1 for "no label".

    Raises:
        ValueError: wrong shape or length, non-integer values, or values outside -1, 0, ..., num_classes - 1.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (num_examples,):
        raise ValueError(f"y must hold one label per example, shape ({num_examples},). Received: y of shape {y.shape}")
    integral = np.issubdtype(y.dtype, np.integer) or (
        np.issubdtype(y.dtype, np.floating) and bool(np.all(np.isfinite(y))) and bool(np.all(y == np.round(y)))
    )
    if not integral:
        raise ValueError(f"Labels must be integers. Received: y of dtype {y.dtype} with values such as {y[:3].tolist()}")
    outside = (y < UNLABELLED) | (y >= num_classes)
    if outside.any():
        raise ValueError(
            f"Labels must lie in 0..{num_classes - 1}, or be {UNLABELLED} for no label. "
            f"Received: {np.unique(y[outside])[:5].tolist()}"
        )
    return y.astype(np.int32)


def supervision(y: np.ndarray, num_classes: int) -> None:
    """Whether the labels [N] (already checked) can train a classifier.

    Raises:
        ValueError: no example is labelled.

    Warns:
        UserWarning: a class without a labelled example, or no unlabelled example.
    """
    labelled = y[y != UNLABELLED]
    if len(labelled) == 0:
        raise ValueError(f"At least one example must be labelled (y >= 0). Received: {len(y)} labels, all {UNLABELLED}")
    missing = sorted(set(range(num_classes)) - set(np.unique(labelled).tolist()))
    if missing:
        warnings.warn(
            f"No labelled example of class {missing}: what such a class stands for is left to chance.", stacklevel=4
        )
    if len(labelled) == len(y):
        warnings.warn("No unlabelled example (y == -1): training as a supervised model.", stacklevel=4)
