"""The one form in which data sets reach the trainer."""

from typing import NamedTuple

import numpy as np


class SemiSupervisedData(NamedTuple):
    """A data set of which a few training labels are shown.

    Attributes:
        x_train: images [N, H, W, C], float32 in [0, 1].
        y_train: labels [N], int32; -1 where the label is hidden.
        x_test: images [N_test, H, W, C].
        y_test: labels [N_test], int32, all shown.
        x_validation: images held out of training, [N_val, H, W, C]; empty where the set is too small for it.
        y_validation: their labels.
        num_classes: number of classes K.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    num_classes: int

    @property
    def monitored(self) -> tuple[np.ndarray, np.ndarray, str]:
        """What a learning curve is drawn on, and its name: the validation set, or the test set where there is none."""
        if len(self.x_validation):
            return self.x_validation, self.y_validation, "validation"
        return self.x_test, self.y_test, "test"

    @property
    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """The labelled training examples."""
        shown = self.y_train >= 0
        return self.x_train[shown], self.y_train[shown]
