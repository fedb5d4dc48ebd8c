"""Which training labels are shown: drawn by seed, equal per class, reproducible to the index."""

import numpy as np


def draw_labels(y: np.ndarray, num_labels: int, num_classes: int, seed: int) -> np.ndarray:
    """Indices of the examples whose label is shown.

    Args:
        y: labels [N], 0..num_classes - 1.
        num_labels: how many in all; a multiple of `num_classes`, so that every class has as many.
        num_classes: number of classes K.
        seed: of NumPy's PCG64; the draw depends on it, on `y` and on `num_labels` alone.

    Returns:
        Sorted indices [num_labels], int64.

    Raises:
        ValueError: `num_labels` is no positive multiple of `num_classes`, or a class has too few examples.
    """
    if num_labels < num_classes or num_labels % num_classes:
        raise ValueError(
            f"num_labels must be a positive multiple of the {num_classes} classes. Received: num_labels={num_labels}"
        )
    per_class = num_labels // num_classes
    generator = np.random.default_rng(seed)
    drawn = []
    for label in range(num_classes):
        members = np.flatnonzero(np.asarray(y) == label)
        if len(members) < per_class:
            raise ValueError(
                f"num_labels={num_labels} takes {per_class} examples of every class. "
                f"Received: {len(members)} of class {label}"
            )
        drawn.append(generator.choice(members, per_class, replace=False))
    return np.sort(np.concatenate(drawn))


def hide_labels(y: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """`y` as int32 with -1 everywhere but at the indices `shown`."""
    hidden = np.full(len(y), -1, np.int32)
    hidden[shown] = np.asarray(y)[shown]
    return hidden
