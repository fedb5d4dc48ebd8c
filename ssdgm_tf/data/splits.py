"""Which training labels are shown: drawn by seed, as equal per class as possible, reproducible to the index."""

import numpy as np

_TEST_SHARE = 5
# Hidden elements are drawn by this number and the seed, so that they do not depend on the draw of the labels.
_SEED_OF_HIDDEN = 1000


def draw_labels(y: np.ndarray, num_labels: int, num_classes: int, seed: int) -> np.ndarray:
    """Indices of the examples whose label is shown.

    Every class gets num_labels // num_classes of them. The remainder goes to classes drawn by the seed, one each.

    Args:
        y: labels [N], 0..num_classes - 1, or -1 where the label is unknown; such examples are never drawn.
        num_labels: number of labels in all, at least `num_classes`; 0 for all that are known.
        num_classes: number of classes K.
        seed: seed of NumPy's PCG64. The draw depends only on it, on `y`, on `num_labels` and on `num_classes`.

    Returns:
        Sorted indices [num_labels], int64.

    Raises:
        ValueError: `num_labels` is neither 0 nor at least `num_classes`, or a class has too few examples.
    """
    y = np.asarray(y)
    if num_labels == 0:
        return np.flatnonzero(y >= 0)
    if num_labels < num_classes:
        raise ValueError(
            f"num_labels must be at least 1 for each of the {num_classes} classes, or 0 for every label. "
            f"Received: num_labels={num_labels}"
        )
    generator = np.random.default_rng(seed)
    counts = np.full(num_classes, num_labels // num_classes)
    if remainder := num_labels % num_classes:
        counts[generator.choice(num_classes, remainder, replace=False)] += 1
    drawn = []
    for label, count in enumerate(counts):
        members = np.flatnonzero(y == label)
        if len(members) < count:
            raise ValueError(
                f"num_labels={num_labels} takes {count} labelled examples of class {label}. "
                f"Received: {len(members)} (num_labels=0 shows every label)"
            )
        drawn.append(generator.choice(members, count, replace=False))
    return np.sort(np.concatenate(drawn))


def draw_rows(known: np.ndarray, num_labels: int, seed: int) -> np.ndarray:
    """Indices of the rows whose targets are shown, where these are not one class.

    Args:
        known: whether any target of a row is known, bool [N].
        num_labels: number of rows; 0 for all that are known.
        seed: seed of NumPy's PCG64.

    Returns:
        Sorted indices, int64.

    Raises:
        ValueError: too few known ones.
    """
    rows = np.flatnonzero(known)
    if num_labels == 0:
        return rows
    if not 2 <= num_labels <= len(rows):
        raise ValueError(
            f"num_labels must be at least 2 and at most the {len(rows)} training rows with a known target, or 0 for all. "
            f"Received: num_labels={num_labels}"
        )
    return np.sort(np.random.default_rng(seed).choice(rows, num_labels, replace=False))


def folds(y: np.ndarray | dict[str, np.ndarray], is_labelled: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Cuts examples into parts of equal size, each with its share of the labelled ones and of every class.

    Args:
        y: labels [N], -1 where the label is hidden or unknown; of several variables {name: labels}, of which the first class
            counts.
        is_labelled: which examples have any label, bool [N].
        number: of parts.
        seed: of the draw.

    Returns:
        The part of each example, 0..number - 1, [N].
    """
    classes = [values for values in (y.values() if isinstance(y, dict) else [y]) if values.dtype.kind == "i"]
    shuffled = np.random.default_rng(seed).permutation(len(is_labelled))
    keys = (classes[0][shuffled] if classes else np.zeros(len(shuffled)), is_labelled[shuffled])
    parts = np.empty(len(shuffled), int)
    parts[shuffled[np.lexsort(keys)]] = np.arange(len(shuffled)) % number
    return parts


def hide_labels(y: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """`y` [N, ...] with -1 (labels, as int32) or NaN (numbers) everywhere but at the indices `shown`."""
    y = np.asarray(y)
    hidden = np.full(y.shape, np.nan, y.dtype) if y.dtype.kind == "f" else np.full(y.shape, -1, np.int32)
    hidden[shown] = y[shown]
    return hidden


def hidden_elements(shape: tuple[int, ...], share: float, seed: int) -> np.ndarray:
    """Elements drawn at random to become gaps, each with the same probability: bool of the shape.

    Args:
        shape: of the examples, [N, ...].
        share: the probability.
        seed: seed of the draw.
    """
    return np.random.default_rng(_SEED_OF_HIDDEN + seed).random(shape) < share


def hold_out(y: np.ndarray, num_validation: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits the training examples into those to train on and labelled ones to validate on.

    Args:
        y: labels [N], -1 where the label is unknown.
        num_validation: number of examples held out: the last labelled ones in the stored order.

    Returns:
        The indices of the training examples and of those held out, both sorted.

    Raises:
        ValueError: no example is labelled, or no labelled one would be left.
    """
    labelled = np.flatnonzero(np.asarray(y) >= 0)
    if not len(labelled):
        raise ValueError(f"Training needs some labels. Received: {len(y)} training examples, none with a label")
    if not 0 <= num_validation < len(labelled):
        raise ValueError(
            f"num_validation must lie in 0..{len(labelled) - 1}: validation takes labelled examples and must leave one. "
            f"Received: num_validation={num_validation}"
        )
    held_out = labelled[len(labelled) - num_validation :]
    return np.delete(np.arange(len(y)), held_out), held_out


def hold_out_test(
    y: np.ndarray, generator: np.random.Generator, class_names: tuple[str, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Splits examples without a test set: a fifth of those of each class, at least one, is held out for testing.

    Args:
        y: labels [N], -1 where the label is unknown; such examples are trained on.
        generator: draws the test examples, and the order of the others.
        class_names: names of the classes, for messages; () for their numbers.

    Returns:
        The indices of the training examples, in random order, and of the test examples, class by class.

    Raises:
        ValueError: a class with a single example.
    """
    test: list[np.ndarray] = []
    for label in np.unique(y[y >= 0]):
        members = generator.permutation(np.flatnonzero(y == label))
        if len(members) < 2:
            raise ValueError(
                "Without a test set every class must have at least two examples, because one is held out for testing. "
                f"Received: one of class {class_names[label] if class_names else label}"
            )
        test.append(np.sort(members[: max(1, len(members) // _TEST_SHARE)]))
    held_out = np.concatenate(test) if test else np.array([], int)
    return generator.permutation(np.setdiff1d(np.arange(len(y)), held_out)), held_out
