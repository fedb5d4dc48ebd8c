"""The 1,797 handwritten digits (8x8) that ship with scikit-learn: real data without a download."""

import numpy as np

from ssdgm_tf.data import raw
from ssdgm_tf.data.arrays import SemiSupervisedData
from ssdgm_tf.data.splits import draw_labels, hide_labels

NUM_TEST = 500


def load_digits(num_labels: int, seed: int) -> SemiSupervisedData:
    """scikit-learn's digits, 1,297 to train on and 500 to test on: `--config.data=digits`.

    Args:
        num_labels: number of labels shown; 0 for all.
        seed: seed of the split and of the label draw.

    Raises:
        ValueError: too few labelled examples to draw.
    """
    from sklearn.datasets import load_digits as load

    digits = load()
    x = (digits.images[..., None] / 16.0).astype(np.float32)
    y = digits.target.astype(np.int32)
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[:-NUM_TEST], order[-NUM_TEST:]
    return SemiSupervisedData(
        x_train=x[train],
        y_train=hide_labels(y[train], draw_labels(y[train], num_labels, 10, seed)),
        x_test=x[test],
        y_test=y[test],
        x_validation=x[:0],
        y_validation=y[:0],
        num_classes=10,
        raw_dtype=raw.NUMBERS,  # sixteenths
    )
