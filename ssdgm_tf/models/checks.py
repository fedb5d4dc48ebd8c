"""What the models refuse, each with the rule and what was received. Arrays here; `streams` checks a tf.data.Dataset."""

import warnings

import numpy as np

from ssdgm_tf.engine import trace_bounds

UNLABELLED = -1

# Rules of the values of a variable beyond being finite: {support: (rule, test of an array [N, ...])}.
_SUPPORTS = {
    "unit_interval": ("lie in [0, 1]", lambda v: (v >= 0) & (v <= 1)),
    "positive": ("be positive", lambda v: v > 0),
    "whole": ("be whole numbers from 0 on", lambda v: (v >= 0) & (v == np.round(v))),
    "simplex": ("be probability vectors", lambda v: (v >= 0) & (np.abs(v.sum(-1, keepdims=True) - 1) < 1e-3)),
    "direction": ("be unit vectors", lambda v: np.abs((v**2).sum(-1, keepdims=True) - 1) < 1e-3),
}


def values(name: str, x, event_shape: tuple[int, ...] | None, support: str, missing: bool = False) -> np.ndarray:
    """The values of a variable as finite float32 [N, *event_shape].

    Args:
        name: of the variable, for the message.
        x: array-like.
        event_shape: the shape of one value, or None before the model was built for one.
        support: what values the variable takes; see `ssdgm_tf.layers.StochasticNode.support`.
        missing: may an example be NaN, for "not known"?

    Raises:
        ValueError: wrong shape, no example, not numeric, values that are infinite, NaN or outside the support, or an example
            that is NaN in part.
    """
    x = np.asarray(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"{name} must hold at least one example, shape [N, ...]. Received: {name} of shape {x.shape}")
    if event_shape is not None and x.shape[1:] != tuple(event_shape):
        raise ValueError(
            f"{name} must have the shape that this model was built for, {tuple(event_shape)} per example. "
            f"Received: {name} of shape {x.shape}"
        )
    if not np.issubdtype(x.dtype, np.number) or np.issubdtype(x.dtype, np.complexfloating):
        raise ValueError(f"{name} must be numeric. Received: {name} of dtype {x.dtype}")
    if missing and np.issubdtype(x.dtype, np.floating):
        is_nan = np.isnan(x).reshape(len(x), -1)
        in_part = is_nan.any(1) & ~is_nan.all(1)
        if in_part.any():
            raise ValueError(
                f"{name} must be known, or NaN in every element, for each example. "
                f"Received: {in_part.sum()} examples NaN in part, the first at {np.flatnonzero(in_part)[0]}"
            )
        _check_finite_and_inside(name, x[~is_nan[:, 0]], support)
    else:
        _check_finite_and_inside(name, x, support)
    return x.astype(np.float32, copy=False)


def _check_finite_and_inside(name, x, support) -> None:
    if len(x) == 0:
        return
    low, high = x.min(), x.max()  # NaN if any value is NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = ~np.isfinite(x)
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} must be finite. Received: {bad.sum()} NaN or infinite values, the first at {first}")
    if support in _SUPPORTS:
        rule, inside = _SUPPORTS[support]
        if not np.all(inside(x)):
            raise ValueError(f"{name} must {rule}. Received: {name} in [{low:g}, {high:g}]")


def labels(name: str, y, num_classes: int, num_examples: int, missing: bool = True) -> np.ndarray:
    """`y` as int32 [N], -1 for "no label".

    Args:
        name: of the variable, for the message.
        y: array-like, [N] or [N, 1].
        num_classes: number of classes.
        num_examples: N.
        missing: may a label be -1?

    Raises:
        ValueError: wrong shape or length, non-integer values, or values outside -1, 0, ..., num_classes - 1.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (num_examples,):
        raise ValueError(
            f"{name} must hold one label per example, shape ({num_examples},). Received: {name} of shape {y.shape}"
        )
    integral = np.issubdtype(y.dtype, np.integer) or (
        np.issubdtype(y.dtype, np.floating) and bool(np.all(np.isfinite(y))) and bool(np.all(y == np.round(y)))
    )
    if not integral:
        raise ValueError(
            f"Labels must be integers. Received: {name} of dtype {y.dtype} with values such as {y[:3].tolist()}"
        )
    outside = (y < (UNLABELLED if missing else 0)) | (y >= num_classes)
    if outside.any():
        none = f", or be {UNLABELLED} for no label" if missing else ""
        raise ValueError(
            f"Labels of {name} must lie in 0..{num_classes - 1}{none}. Received: {np.unique(y[outside])[:5].tolist()}"
        )
    return y.astype(np.int32)


def supervision(num_classes: dict[str, int], y: dict[str, np.ndarray], is_labelled: np.ndarray) -> None:
    """Warns of classes without a labelled example, and of data that are all labelled or not at all.

    Args:
        num_classes: {name: number of classes} of the supervised classes.
        y: {name: labels [N]}, already checked.
        is_labelled: bool [N].
    """
    for name, size in num_classes.items():
        missing = sorted(set(range(size)) - set(np.unique(y[name]).tolist()))
        if missing and np.any(y[name] != UNLABELLED):
            warnings.warn(
                f"No labelled example of class {missing} of {name}: what such a class stands for is left to chance.",
                stacklevel=4,
            )
    if is_labelled.all():
        warnings.warn("No unlabelled example: training as a supervised model.", stacklevel=4)
    elif y and not is_labelled.any():
        warnings.warn("No labelled example: training as an unsupervised model.", stacklevel=4)


def labels_beside_a_dataset(y) -> None:
    """Refuses labels beside a dataset, which holds them.

    Raises:
        ValueError: `y` is not None.
    """
    if y is not None:
        raise ValueError(
            f"y must be None where x is a tf.data.Dataset, which holds the labels. Received: y={type(y).__name__}"
        )


def objective(
    gamma, classification_weight, num_samples, num_unlabelled, num_labelled, labelled_bound, unlabelled_bound, free_bits
) -> None:
    """Refuses what `compile` cannot make an objective of; the arguments are its own.

    Raises:
        ValueError: a negative weight, no sample, one size without the other, an unknown bound, or free bits of another bound
            than the evidence lower bound.
    """
    for name, value in (("gamma", gamma), ("classification_weight", classification_weight)):
        if value is not None and value < 0:
            raise ValueError(f"{name} must not be negative. Received: {name}={value!r}")
    if num_samples < 1:
        raise ValueError(f"num_samples must be at least 1. Received: num_samples={num_samples!r}")
    if (num_unlabelled is None) != (num_labelled is None):
        raise ValueError(
            "num_unlabelled and num_labelled go together. "
            f"Received: num_unlabelled={num_unlabelled!r}, num_labelled={num_labelled!r}"
        )
    if labelled_bound not in (None, *trace_bounds.LABELLED):
        raise ValueError(
            f"labelled_bound must be None or one of {trace_bounds.LABELLED}. Received: labelled_bound={labelled_bound!r}"
        )
    if unlabelled_bound not in trace_bounds.UNLABELLED:
        raise ValueError(
            f"unlabelled_bound must be one of {trace_bounds.UNLABELLED}. Received: unlabelled_bound={unlabelled_bound!r}"
        )
    if free_bits < 0:
        raise ValueError(f"free_bits must not be negative. Received: free_bits={free_bits!r}")
    if free_bits and (unlabelled_bound == "importance_weighted" or labelled_bound not in (None, "conditional")):
        raise ValueError(
            "free_bits belong to the evidence lower bound. "
            f"Received: labelled_bound={labelled_bound!r}, unlabelled_bound={unlabelled_bound!r}"
        )
