"""From the arrays of a user's files to a `SemiSupervisedData`: checks them, holds examples out and hides labels."""

import hashlib
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from ssdgm_tf import checks, rows
from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.splits import draw_labels, hide_labels, hold_out, hold_out_test

Arrays = tuple[np.ndarray, np.ndarray]
# Examples in the form of training, and their labels.
_Checked = tuple[rows.ArrayOrRows, np.ndarray]


def assemble(
    train: _Checked,
    test: _Checked,
    num_labels: int,
    seed: int,
    num_validation: int,
    num_classes: int,
    class_names: tuple[str, ...] = (),
    *,
    raw_dtype: str,
    ids: Sequence[str] = (),
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
        ids: what the source calls each training example; () for none.

    Raises:
        ValueError: too few labelled examples to draw or hold out.
    """
    (x, y), (x_test, y_test) = train, test
    kept, held_out = hold_out(y, num_validation)
    x_validation, y_validation = rows.take(x, held_out), y[held_out]
    if num_validation:  # without it an array need not be copied
        x, y = rows.take(x, kept), y[kept]
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
        ids=tuple(ids[index] for index in kept) if ids else (),
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
    ids: Sequence[str] = (),
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
        ids: what the source calls each example of `train`; () for none.

    Raises:
        ValueError: an array in another form, classes that `count_classes` refuses, or too few labelled examples to draw.
    """
    raw_dtype = raw.dtype_of(*(part[0] for part in (train, test) if part is not None))
    if test is None:
        x, y, good = check_part(train, names, bad_examples)
        kept, held_out = hold_out_test(y, np.random.default_rng(seed), class_names)
        learned, tested, good = (rows.take(x, kept), y[kept]), (rows.take(x, held_out), y[held_out]), good[kept]
        report_label_noise(*learned, names[0])
        num_classes = count_classes(y[kept], y[held_out], (names[1], names[1]))
    else:
        learned, tested, good, num_classes = check_arrays(train, test, names, bad_examples)
    ids = [ids[index] for index in good] if ids else ()
    return assemble(
        learned, tested, num_labels, seed, num_validation, num_classes, class_names, raw_dtype=raw_dtype, ids=ids
    )


def check_examples(x: np.ndarray, name: str) -> rows.ArrayOrRows:
    """Images as float32 [N, H, W, C] in [0, 1], vectors as float32 [N, D]: an array, or `Rows` of bytes or of a file.

    Args:
        x: images [N, H, W] or [N, H, W, C], uint8 (divided by 255) or other numbers in [0, 1]; or vectors [N, D] of finite
            numbers other than uint8, which could be either pixels or values. Channels come last.
        name: name of the array, for messages.

    Raises:
        ValueError: another shape, kind of number or range.
    """
    return _examples_and_bad(x, name, "stop")[0]


def _examples_and_bad(x: np.ndarray, name: str, bad_examples: str) -> tuple[rows.ArrayOrRows, np.ndarray]:
    """Examples in their form, and the indices of those to drop: none with "stop", and never all.

    Raises:
        ValueError: another shape or kind of number; a bad example, with "stop"; or only bad ones.
    """
    examples = _in_form(x, name)
    bad = _bad(examples, name)
    if len(bad) and (bad_examples == "stop" or len(bad) == len(examples)):
        _refuse(examples[bad[0]].reshape(np.shape(x)[1:]), name, int(bad[0]))
    return examples, bad


def _in_form(x: np.ndarray, name: str) -> rows.ArrayOrRows:
    """Examples of any values: floats in memory as an array, others as `Rows`.

    Raises:
        ValueError: no example, another shape or kind of number.
    """
    checked = checks.numbers(name, x)
    if checked.ndim > 4 or (checked.ndim == 2 and checked.dtype == np.uint8):
        raise ValueError(
            "Examples must be images [N, H, W] or [N, H, W, C], uint8 or in [0, 1], or vectors [N, D] of numbers other than "
            f"uint8. Received: {name} {list(checked.shape)} of {checked.dtype}"
        )
    raw.check_channels_last(checked.shape, name)
    checked = checked[..., None] if checked.ndim == 3 else checked
    is_array = checked.dtype == np.float32 and not checks.is_read_by_rows(checked)
    return checked if is_array else rows.Rows(checked)


def _refuse(example: np.ndarray, name: str, index: int) -> None:
    """Refuses an example that is not finite, or an image outside [0, 1].

    Raises:
        ValueError: always.
    """
    checks.finite(name, example[None], index)
    raise ValueError(
        "Images must be uint8 or lie in [0, 1]. "
        f"Received: {name}[{index}] with values from {example.min():.4g} to {example.max():.4g}"
    )


def report_label_noise(x: rows.ArrayOrRows, y: np.ndarray, name: str) -> None:
    """Prints how many labelled examples occur more than once, with different labels.

    Args:
        x: examples [N, ...].
        y: labels [N], -1 where unknown.
        name: name of x, for the message.
    """
    indices_of: dict[bytes, list[int]] = {}
    for index in tqdm(np.flatnonzero(y >= 0).tolist(), desc="comparing examples", delay=2, leave=False):
        indices_of.setdefault(hashlib.blake2b(x[index].tobytes(), digest_size=16).digest(), []).append(index)
    twice = [indices for indices in indices_of.values() if len({int(y[i]) for i in indices}) > 1]
    if twice:
        noisy = np.concatenate(twice)
        print(f"Label noise: {len(noisy)} examples in {name} occur with different labels, {listed(noisy)}")


def listed(indices: Sequence[int] | Sequence[str] | np.ndarray) -> str:
    """The first five indices, or other names, in words."""
    first = ", ".join(map(str, indices[:5]))
    return f"at {first}" + (", ..." if len(indices) > 5 else "")


def _bad(x: rows.ArrayOrRows, name: str) -> np.ndarray:
    """Indices of float32 examples [N, ...] that are not finite or, if they are images, not in [0, 1]."""
    if isinstance(x, rows.Rows) and x.is_bytes:
        return np.array([], int)
    found = []
    for some in tqdm(rows.blocks(x.shape), desc=f"checking {name}", delay=2, leave=False):
        values = x[some].reshape(-1, x[:1].size)
        good = np.isfinite(values).all(axis=1) if x.ndim == 2 else ((values >= 0) & (values <= 1)).all(axis=1)
        found.append(some.start + np.flatnonzero(~good))
    return np.concatenate(found)


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
) -> tuple[_Checked, _Checked, np.ndarray, int]:
    """A training and a test set in the form that `assemble` takes, which training examples are good, and how many classes.

    Args:
        train: x and y as in a user's files; see `check_examples` and `ssdgm_tf.checks.labels`.
        test: x and y, with examples of the same shape.
        names: names of the four arrays, for messages.
        bad_examples: "stop" at an example that `check_examples` refuses, or "drop" it.

    Raises:
        ValueError: an array in another form, or classes that `count_classes` refuses.
    """
    x, y, good = check_part(train, names[:2], bad_examples)
    x_test, y_test, _ = check_part(test, names[2:], bad_examples)
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            "Training and test examples must have the same shape. "
            f"Received: {names[0]} {list(x.shape)}, {names[2]} {list(x_test.shape)}"
        )
    report_label_noise(x, y, names[0])
    return (x, y), (x_test, y_test), good, count_classes(y, y_test, (names[1], names[3]))


def check_part(
    part: Arrays, names: tuple[str, ...], bad_examples: str = "stop"
) -> tuple[rows.ArrayOrRows, np.ndarray, np.ndarray]:
    """Examples and their labels in the form that `assemble` takes, and their places. Prints how many were dropped and which.

    Args:
        part: x and y as in a user's files.
        names: names of the two arrays, for messages.
        bad_examples: "stop" at an example that `check_examples` refuses, or "drop" it.

    Raises:
        ValueError: an array in another form.
    """
    x, bad = _examples_and_bad(part[0], names[0], bad_examples)
    y = checks.labels(names[1], part[1], len(x))
    kept = np.delete(np.arange(len(x)), bad)
    if not len(bad):
        return x, y, kept
    print(f"Bad examples dropped: {len(bad)} of {len(x)} in {names[0]}, {listed(bad)}")
    return rows.take(x, kept), y[kept], kept
