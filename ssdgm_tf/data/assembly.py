"""From the arrays of a user's files to a `SemiSupervisedData`: checks them, holds examples out and hides labels."""

import hashlib
from collections.abc import Sequence

import numpy as np

from ssdgm_tf import checks
from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.splits import draw_labels, hide_labels, hold_out, hold_out_test

Arrays = tuple[np.ndarray, np.ndarray]


def assemble(
    train: Arrays,
    test: Arrays,
    num_labels: int,
    seed: int,
    num_validation: int,
    num_classes: int,
    class_names: tuple[str, ...] = (),
    *,
    raw_dtype: str,
) -> SemiSupervisedData:
    """The data set made of a training and a test set; only the drawn labels are shown.

    Args:
        train: x and y; y is -1 where the label is unknown.
        test: x and y.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the label draw.
        num_validation: number of labelled training examples held out of training: the last in the stored order.
        num_classes: number of classes K.
        class_names: their names.
        raw_dtype: what the images were, "uint8" or "float32"; see `ssdgm_tf.data.raw`. Vectors are always "float32".

    Raises:
        ValueError: too few labelled examples to draw or hold out.
    """
    (x, y), (x_test, y_test) = train, test
    kept, held_out = hold_out(y, num_validation)
    x_validation, y_validation = x[held_out], y[held_out]
    if num_validation:  # without it the images need not be copied
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
        raw_dtype=raw_dtype if x.ndim > 2 else raw.NUMBERS,
    )


def from_arrays(
    train: Arrays,
    test: Arrays | None,
    names: tuple[str, ...],
    num_labels: int,
    seed: int,
    num_validation: int,
    bad_examples: str = "stop",
    class_names: tuple[str, ...] = (),
) -> SemiSupervisedData:
    """The data set of a user's arrays, after all checks.

    Args:
        train: x and y as in the files; see `check_examples` and `ssdgm_tf.checks.labels`.
        test: x and y, with examples of the same shape. With None a fifth of the examples of each class, drawn by the seed,
            is the test set, and the training examples are shuffled by the seed.
        names: names of the two or four arrays, for messages.
        num_labels: number of labels shown; 0 for all that are known.
        seed: seed of the split and of the label draw.
        num_validation: number of labelled training examples held out of training: the last in the (shuffled) order.
        bad_examples: "stop" at an example that `check_examples` refuses, or "drop" it.
        class_names: names of the classes in the order of the labels; () for classes 0..K-1.

    Raises:
        ValueError: an array in another form, classes that `count_classes` refuses, or too few labelled examples to draw.
    """
    raw_dtype = raw.dtype_of(*(part[0] for part in (train, test) if part is not None))
    if test is None:
        x, y = check_part(train, names, bad_examples)
        kept, held_out = hold_out_test(y, np.random.default_rng(seed), class_names)
        report_label_noise(x[kept], y[kept], names[0])
        train, test = (x[kept], y[kept]), (x[held_out], y[held_out])
        num_classes = count_classes(train[1], test[1], (names[1], names[1]))
    else:
        train, test, num_classes = check_arrays(train, test, names, bad_examples)
    return assemble(train, test, num_labels, seed, num_validation, num_classes, class_names, raw_dtype=raw_dtype)


def check_examples(x: np.ndarray, name: str) -> np.ndarray:
    """Images as float32 [N, H, W, C] in [0, 1], vectors as float32 [N, D].

    Args:
        x: images [N, H, W] or [N, H, W, C], uint8 (divided by 255) or other numbers in [0, 1]; or vectors [N, D] of finite
            numbers other than uint8, which could be either pixels or values. Channels come last.
        name: name of the array, for messages.

    Raises:
        ValueError: another shape, kind of number or range; see also `ssdgm_tf.checks.examples`.
    """
    checked = checks.examples(name, x)
    is_bytes = x.dtype == np.uint8
    if x.ndim > 4 or (x.ndim == 2 and is_bytes):
        raise ValueError(
            "Examples must be images [N, H, W] or [N, H, W, C], uint8 or in [0, 1], or vectors [N, D] of numbers other than "
            f"uint8. Received: {name} {list(x.shape)} of {x.dtype}"
        )
    raw.check_channels_last(x.shape, name)
    if is_bytes:
        checked /= np.float32(255)
    bad = _bad(checked)
    if len(bad):
        first = checked[bad[0]]
        raise ValueError(
            "Images must be uint8 or lie in [0, 1]. "
            f"Received: {name}[{bad[0]}] with values from {first.min():.4g} to {first.max():.4g}"
        )
    return checked[..., None] if x.ndim == 3 else checked


def drop_bad(x: np.ndarray, y: np.ndarray, name: str) -> Arrays:
    """The examples that `check_examples` accepts, and their labels; prints how many others there were, and which.

    Args:
        x: examples, in a form that `check_examples` accepts.
        y: a label for each.
        name: name of x, for the message.
    """
    if x.dtype.kind not in "biuf" or x.dtype == np.uint8 or x.ndim not in (2, 3, 4) or x.shape[:1] != y.shape[:1]:
        return x, y  # uint8 is always good, and whole arrays of a wrong form are refused by the checks
    with np.errstate(over="ignore"):
        bad = _bad(x.astype(np.float32))
    if len(bad):
        print(f"Bad examples dropped: {len(bad)} of {len(x)} in {name}, {listed(bad)}")
    return np.delete(x, bad, axis=0), np.delete(y, bad, axis=0)


def report_label_noise(x: np.ndarray, y: np.ndarray, name: str) -> None:
    """Prints how many labelled examples occur more than once, with different labels.

    Args:
        x: examples [N, ...].
        y: labels [N], -1 where unknown.
        name: name of x, for the message.
    """
    indices_of: dict[bytes, list[int]] = {}
    for index in np.flatnonzero(y >= 0).tolist():
        indices_of.setdefault(hashlib.blake2b(x[index].tobytes(), digest_size=16).digest(), []).append(index)
    twice = [indices for indices in indices_of.values() if len({int(y[i]) for i in indices}) > 1]
    if twice:
        noisy = np.concatenate(twice)
        print(f"Label noise: {len(noisy)} examples in {name} occur with different labels, {listed(noisy)}")


def listed(indices: Sequence[int] | np.ndarray) -> str:
    """The first five indices, in words."""
    first = ", ".join(map(str, indices[:5]))
    return f"at {first}" + (", ..." if len(indices) > 5 else "")


def _bad(x: np.ndarray) -> np.ndarray:
    """Indices of float32 examples [N, ...] that are not finite or, if they are images, not in [0, 1]."""
    rows = x.reshape(len(x), -1)
    good = np.isfinite(rows).all(axis=1) if x.ndim == 2 else ((rows >= 0) & (rows <= 1)).all(axis=1)
    return np.flatnonzero(~good)


def count_classes(y: np.ndarray, y_test: np.ndarray, names: tuple[str, str] = ("y_train", "y_test")) -> int:
    """The number of classes K: one more than the largest training label.

    Args:
        y: training labels [N], -1 where unknown.
        y_test: test labels [N_test].
        names: names of the two arrays, for messages.

    Raises:
        ValueError: no known label, a class below K without a known label, or test labels outside 0..K-1.
    """
    known = np.unique(y[y >= 0])
    if not len(known):
        raise ValueError(f"Training needs some labels. Received: {names[0]} with -1 only")
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
    train: Arrays,
    test: Arrays,
    names: tuple[str, ...],
    bad_examples: str = "stop",
) -> tuple[Arrays, Arrays, int]:
    """A training and a test set in the form that `assemble` takes, and the number of classes.

    Args:
        train: x and y as in a user's files; see `check_examples` and `ssdgm_tf.checks.labels`.
        test: x and y, with examples of the same shape.
        names: names of the four arrays, for messages.
        bad_examples: "stop" at an example that `check_examples` refuses, or "drop" it.

    Raises:
        ValueError: an array in another form, or classes that `count_classes` refuses.
    """
    (x, y), (x_test, y_test) = check_part(train, names[:2], bad_examples), check_part(test, names[2:], bad_examples)
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            "Training and test examples must have the same shape. "
            f"Received: {names[0]} {list(x.shape)}, {names[2]} {list(x_test.shape)}"
        )
    report_label_noise(x, y, names[0])
    return (x, y), (x_test, y_test), count_classes(y, y_test, (names[1], names[3]))


def check_part(part: Arrays, names: tuple[str, ...], bad_examples: str = "stop") -> Arrays:
    """Examples and their labels in the form that `assemble` takes.

    Args:
        part: x and y as in a user's files.
        names: names of the two arrays, for messages.
        bad_examples: "stop" at an example that `check_examples` refuses, or "drop" it.

    Raises:
        ValueError: an array in another form.
    """
    x, y = drop_bad(*part, names[0]) if bad_examples == "drop" else part
    x = check_examples(x, names[0])
    return x, checks.labels(names[1], y, len(x))
