"""The one form in which data sets reach the trainer."""

from typing import NamedTuple

import numpy as np

from ssdgm_tf.data.preprocessing import Whitening
from ssdgm_tf.data.splits import hide_labels


class SemiSupervisedData(NamedTuple):
    """A data set of which a few training labels are shown.

    Attributes:
        x_train: images [N, H, W, C], float32 in [0, 1]; or vectors [N, D], float32; or what the preprocessing makes of them.
        y_train: labels [N], int32; -1 where the label is hidden or unknown. Of several variables {name: values [N, ...]};
            NaN is what is hidden of numbers.
        x_test: images [N_test, H, W, C].
        y_test: labels [N_test], int32, all shown; in the form of `y_train`, as those of validation.
        x_validation: images held out of training, [N_val, H, W, C]; empty where none were asked for.
        y_validation: their labels, all shown.
        num_classes: number of classes K.
        class_names: names of the classes in the order of the labels; empty where the source has none.
        preprocessing: what was done to the images, fitted on `x_train`; None for nothing.
        digit_shape: (H, W, C) of the images on canvases; () where the data are no canvases.
    """

    x_train: np.ndarray
    y_train: np.ndarray | dict
    x_test: np.ndarray
    y_test: np.ndarray | dict
    x_validation: np.ndarray
    y_validation: np.ndarray | dict
    num_classes: int
    class_names: tuple[str, ...] = ()
    preprocessing: Whitening | None = None
    digit_shape: tuple[int, ...] = ()

    @property
    def monitored(self) -> tuple[np.ndarray, np.ndarray | dict, str]:
        """What a learning curve is drawn on, and its name: the validation set, or the test set where there is none."""
        if len(self.x_validation):
            return self.x_validation, self.y_validation, "validation"
        return self.x_test, self.y_test, "test"

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Shape of one example before any preprocessing."""
        return self.x_train.shape[1:] if self.preprocessing is None else self.preprocessing.shape

    @property
    def is_labelled(self) -> np.ndarray:
        """Which training examples have a label, any of several, [N], bool."""
        values = self.y_train.values() if isinstance(self.y_train, dict) else [self.y_train]
        shown = [value >= 0 if value.dtype.kind == "i" else ~np.isnan(value[:, 0]) for value in values]
        return np.any(shown, axis=0)

    @property
    def labelled(self) -> tuple[np.ndarray, np.ndarray | dict]:
        """The labelled training examples."""
        shown, y = self.is_labelled, self.y_train
        return self.x_train[shown], {name: value[shown] for name, value in y.items()} if isinstance(y, dict) else y[shown]

    def only(self, names: tuple[str, ...]) -> "SemiSupervisedData":
        """The same with the training labels of some variables alone.

        Args:
            names: of the variables that stay.

        Raises:
            ValueError: a name that is not among those of `y_train`.
        """
        known = self.y_train if isinstance(self.y_train, dict) else {}
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"The variables with labels are {', '.join(known) or 'y'}. Received: {', '.join(unknown)}")
        return self._replace(y_train={name: self.y_train[name] for name in names})

    def with_labelled_twice(self) -> "SemiSupervisedData":
        """The same, its labelled training examples once more without their labels, as in the code of Maaloe et al. 2016.

        What the model learns from unlabelled examples it then learns from all.
        """
        x, y = self.labelled

        def doubled(shown, again):
            return np.concatenate([shown, hide_labels(again, np.array([], int))])

        is_one = not isinstance(y, dict)
        y_train = doubled(self.y_train, y) if is_one else {name: doubled(self.y_train[name], y[name]) for name in y}
        return self._replace(x_train=np.concatenate([self.x_train, x]), y_train=y_train)

    def to_images(self, x: np.ndarray) -> np.ndarray:
        """Preprocessed examples as the images that they stand for, for figures.

        Args:
            x: examples in the form of `x_train`, behind any leading axes [..., *x_train.shape[1:]].

        Returns:
            Images [..., H, W, C] clipped to [0, 1] (vectors [..., D] as they come out); `x` itself without preprocessing.
        """
        if self.preprocessing is None:
            return x
        images = self.preprocessing.inverse(x)
        return images.clip(0, 1) if len(self.preprocessing.shape) == 3 else images
