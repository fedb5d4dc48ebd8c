"""From the arrays of a user's files to a `SemiSupervisedData`: what is refused, and what is held out and hidden."""

import hashlib

import numpy as np

from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.splits import draw_labels, hide_labels, hold_out


def assemble(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    num_labels: int,
    seed: int,
    num_validation: int,
    num_classes: int,
    class_names: tuple[str, ...] = (),
) -> SemiSupervisedData:
    """The data set of a training and a test set, with all labels but those drawn hidden.

    Args:
        train: x and y; y is -1 where the label is unknown.
        test: x and y.
        num_labels: labels shown; 0 for all that are known.
        seed: of the label draw.
        num_validation: the last so many labelled training examples, in the stored order, are held out of training.
        num_classes: number of classes K.
        class_names: their names.

    Raises:
        ValueError: labels that cannot be drawn or held out.
    """
    (x, y), (x_test, y_test) = train, test
    kept, held_out = hold_out(y, num_validation)
    x_validation, y_validation = x[held_out], y[held_out]
    if num_validation:  # else the images need not be copied
        x, y = x[kept], y[kept]
    return SemiSupervisedData(
        x_train=x,
        y_train=hide_labels(y, draw_labels(y, num_labels, num_classes, seed)),
        x_test=x_test,
        y_test=y_test,
        x_validation=x_validation,
        y_validation=y_validation,
        num_classes=num_classes,
        class_names=class_names,
    )


def check_examples(x: np.ndarray, name: str) -> np.ndarray:
    """Images as float32 [N, H, W, C] in [0, 1], vectors as float32 [N, D].

    Args:
        x: images [N, H, W] or [N, H, W, C], uint8 (divided by 255) or floats in [0, 1]; or vectors [N, D], finite floats.
        name: what messages call it.

    Raises:
        ValueError: another shape, kind of number or range.
    """
    is_float = np.issubdtype(x.dtype, np.floating)
    if x.ndim not in (2, 3, 4) or not x.size or not (is_float or (x.dtype == np.uint8 and x.ndim > 2)):
        raise ValueError(
            "Examples must be images [N, H, W] or [N, H, W, C], uint8 or floats in [0, 1], or vectors [N, D] of floats. "
            f"Received: {name} {list(x.shape)} of {x.dtype}"
        )
    with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, and is refused as such
        x = x.astype(np.float32) if is_float else np.divide(x, np.float32(255), dtype=np.float32)
    bad = _bad(x)
    if len(bad) and x.ndim == 2:
        raise ValueError(f"Vectors must be finite in float32. Received: {name}[{bad[0]}] with NaN or infinity")
    if len(bad):
        first = x[bad[0]]
        raise ValueError(
            "Images of floats must lie in [0, 1]. "
            f"Received: {name}[{bad[0]}] with values from {first.min():.4g} to {first.max():.4g}"
        )
    return x[..., None] if x.ndim == 3 else x


def drop_bad(x: np.ndarray, y: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The examples and their labels without those that `check_examples` refuses; prints how many they were, and which.

    Args:
        x: examples as of `check_examples`.
        y: a label for each.
        name: what the message calls x.
    """
    if not (np.issubdtype(x.dtype, np.floating) and x.ndim in (2, 3, 4) and len(x) == len(y)):
        return x, y  # bytes cannot be bad; what else is wrong is for the checks to say
    with np.errstate(over="ignore"):
        bad = _bad(x.astype(np.float32))
    if len(bad):
        print(f"Bad examples dropped: {len(bad)} of {len(x)} in {name}, {listed(bad)}")
    return np.delete(x, bad, axis=0), np.delete(y, bad, axis=0)


def report_label_noise(x: np.ndarray, y: np.ndarray, name: str) -> None:
    """Prints how many labelled examples stand in the data with another label too.

    Args:
        x: examples [N, ...].
        y: labels [N], -1 where unknown.
        name: what the message calls x.
    """
    labelled = np.flatnonzero(y >= 0)
    labels_of = {}
    for index in labelled:
        labels_of.setdefault(hashlib.blake2b(x[index].tobytes(), digest_size=16).digest(), []).append(index)
    twice = [indices for indices in labels_of.values() if len({int(y[i]) for i in indices}) > 1]
    if twice:
        noisy = np.concatenate(twice)
        print(f"Label noise: {len(noisy)} examples in {name} stand there with different labels, {listed(noisy)}")


def listed(indices) -> str:
    """The first few of many, in words."""
    first = ", ".join(map(str, indices[:5]))
    return f"at {first}" + (", ..." if len(indices) > 5 else "")


def _bad(x):
    """Indices of float32 examples [N, ...] that are not finite or, of images, not in [0, 1]."""
    rows = x.reshape(len(x), -1)
    good = np.isfinite(rows).all(axis=1) if x.ndim == 2 else ((rows >= 0) & (rows <= 1)).all(axis=1)
    return np.flatnonzero(~good)


def check_labels(y: np.ndarray, name: str, num_examples: int) -> np.ndarray:
    """Labels as integers [N], -1 where unknown.

    Args:
        y: whole numbers [N], of an integer or a float type.
        name: what messages call it.
        num_examples: N.

    Raises:
        ValueError: other values, or another number of them.
    """
    rule = "Labels must be whole numbers 0..K-1, or -1 where unknown."
    if y.ndim != 1 or y.dtype.kind not in "iuf":
        raise ValueError(f"{rule} Received: {name} {list(y.shape)} of {y.dtype}")
    if len(y) != num_examples:
        raise ValueError(
            f"Every example must have a label, -1 where unknown. Received: {num_examples} examples, {len(y)} in {name}"
        )
    wrong = ~((y >= -1) & (y < 2**31) & (np.trunc(y) == y)) if y.dtype.kind == "f" else (y < -1) | (y >= 2**31)
    if wrong.any():
        raise ValueError(f"{rule} Received: {name} with {y[wrong][0]}")
    return y.astype(np.int32)


def count_classes(y: np.ndarray, y_test: np.ndarray, names: tuple[str, str] = ("y_train", "y_test")) -> int:
    """The number of classes K: one more than the largest training label.

    Args:
        y: training labels [N], -1 where unknown.
        y_test: test labels [N_test].
        names: what messages call them.

    Raises:
        ValueError: a class below K without a known label, or test labels outside 0..K-1.
    """
    known = np.unique(y[y >= 0])
    if not len(known):
        raise ValueError(f"Training needs some labels. Received: {names[0]} with -1 alone")
    missing = np.flatnonzero(known != np.arange(len(known)))
    if len(missing):
        raise ValueError(
            f"Every class 0..K-1 must have labelled training examples. "
            f"Received: {names[0]} with a label {known[-1]} and none of class {missing[0]}"
        )
    outside = y_test[(y_test < 0) | (y_test >= len(known))]
    if len(outside):
        raise ValueError(
            f"Test labels must all be known and among the training classes 0..{len(known) - 1}. "
            f"Received: {names[1]} with {outside[0]}"
        )
    return len(known)


def check_arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str, str, str],
    bad_examples: str = "stop",
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], int]:
    """A training and a test set as `assemble` takes them, and the number of classes.

    Args:
        train: x and y as a user's files hold them; see `check_examples` and `check_labels`.
        test: the same, of examples of the same shape.
        names: what messages call the four.
        bad_examples: "stop" at an example that `check_examples` refuses, or "drop" it.

    Raises:
        ValueError: any of them is not as it must be.
    """
    if bad_examples == "drop":
        train, test = drop_bad(*train, names[0]), drop_bad(*test, names[2])
    x, x_test = (check_examples(part[0], name) for part, name in zip((train, test), names[::2], strict=True))
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            "Training and test examples must have the same shape. "
            f"Received: {names[0]} {list(x.shape)}, {names[2]} {list(x_test.shape)}"
        )
    y, y_test = check_labels(train[1], names[1], len(x)), check_labels(test[1], names[3], len(x_test))
    report_label_noise(x, y, names[0])
    return (x, y), (x_test, y_test), count_classes(y, y_test, names[1::2])
