"""The form that every data set has in training."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ssdgm_tf import rows
from ssdgm_tf.data import raw
from ssdgm_tf.data.preprocessing import AffineMap
from ssdgm_tf.data.splits import hide_labels
from ssdgm_tf.schema import Schema, Targets

Labels = np.ndarray | dict[str, np.ndarray]


class SemiSupervisedData(NamedTuple):
    """A data set with few training labels shown.

    Attributes:
        x_train: images [N, H, W, C], float32 in [0, 1]; vectors [N, D], float32; series [N, T, C], float32, NaN for a gap;
            or preprocessed examples. Bytes and arrays in files are `Rows`, which are converted where they are read;
            `np.asarray` reads them all.
        y_train: labels [N], int32; -1 where the label is hidden or unknown. With several variables {name: values [N, ...]},
            where hidden numbers are NaN.
        x_test: test examples, in the form of `x_train`.
        y_test: test labels, in the form of `y_train`, all shown.
        x_validation: examples held out of training, in the form of `x_train`; empty where none were asked for.
        y_validation: their labels, in the form of `y_train`, all shown.
        num_classes: number of classes K.
        class_names: names of the classes in the order of the labels; empty where the source has none.
        preprocessing: preprocessing of the examples, fitted on `x_train`; None for none.
        digit_shape: (H, W, C) of the images on canvases; () for other data.
        columns: names of the columns of a text table, in the order of the numbers of an example; () where they have none.
        raw_dtype: what the images were before: "uint8", bytes that were divided by 255, or "float32", numbers in [0, 1];
            "float32" for vectors.
        schema: the columns of a table of mixed columns, whose rows `x_train` are numbers as `Schema.encode` gives them, NaN
            for a gap; None for other data.
        targets: its target columns; labels are {variable: values} as `Targets.encode` gives them, or the values themselves
            where one class is the only target. None for other data.
        decimals: for each column of `schema` and then of `targets` the most digits after the point that a cell had; -1 where
            there are no numbers, or more than 6.
        ids: what the source calls each training example: the path of its file below the folder of images, or the line or row
            of a table in a file of the user's; () for other sources.
    """

    x_train: rows.ArrayOrRows
    y_train: Labels
    x_test: rows.ArrayOrRows
    y_test: Labels
    x_validation: rows.ArrayOrRows
    y_validation: Labels
    num_classes: int
    class_names: tuple[str, ...] = ()
    preprocessing: AffineMap | None = None
    digit_shape: tuple[int, ...] = ()
    raw_dtype: str = raw.NUMBERS
    columns: tuple[str, ...] = ()
    schema: Schema | None = None
    targets: Targets | None = None
    decimals: tuple[int, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def monitored(self) -> tuple[rows.ArrayOrRows, Labels, str]:
        """The set that learning curves show, and its name: the validation set, or the test set where there is none."""
        if len(self.x_validation):
            return self.x_validation, self.y_validation, "validation"
        return self.x_test, self.y_test, "test"

    @property
    def noun(self) -> str:
        """What the examples are, in words: "images" (or vectors), "series", or "rows" of a table."""
        return "rows" if self.schema is not None else "series" if len(self.raw_shape) == 2 else "images"

    @property
    def has_gaps(self) -> bool:
        """Whether an element of a series is missing."""
        return self.noun == "series" and any(
            rows.has_nan(x) for x in (self.x_train, self.x_test, self.x_validation) if len(x)
        )

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Shape of one example before any preprocessing."""
        return self.x_train.shape[1:] if self.preprocessing is None else self.preprocessing.shape

    @property
    def is_labelled(self) -> np.ndarray:
        """Whether each training example has a label of any variable, [N], bool."""
        values = self.y_train.values() if isinstance(self.y_train, dict) else [self.y_train]
        shown = [value >= 0 if value.dtype.kind == "i" else ~np.isnan(value[:, 0]) for value in values]
        return np.any(shown, axis=0)

    @property
    def labelled(self) -> tuple[rows.ArrayOrRows, Labels]:
        """The labelled training examples."""
        shown, y = self.is_labelled, self.y_train
        x = rows.take(self.x_train, shown)
        return x, {name: value[shown] for name, value in y.items()} if isinstance(y, dict) else y[shown]

    def only(self, names: tuple[str, ...]) -> "SemiSupervisedData":
        """The data set with the training labels of some variables only.

        Args:
            names: the variables whose labels stay.

        Raises:
            ValueError: a name that `y_train` does not have.
        """
        known = self.y_train if isinstance(self.y_train, dict) else {}
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"The variables with labels are {', '.join(known) or 'y'}. Received: {', '.join(unknown)}")
        return self._replace(y_train={name: self.y_train[name] for name in names})

    def with_labelled_twice(self) -> "SemiSupervisedData":
        """The data set with its labelled training examples also among the unlabelled ones.

        As in the code of Maaloe et al. 2016. The model then learns from all examples what it learns from unlabelled ones.
        """
        once = np.arange(len(self.x_train))
        made = self.at(np.concatenate([once, np.flatnonzero(self.is_labelled)]))
        y = made.y_train
        y_train = {name: hide_labels(of, once) for name, of in y.items()} if isinstance(y, dict) else hide_labels(y, once)
        return made._replace(y_train=y_train)

    def with_labelled_only(self) -> "SemiSupervisedData":
        """The data set without its unlabelled training examples.

        The others are there so often that there are as many examples as before, and so about as many steps in an epoch.

        Raises:
            ValueError: no example is labelled.
        """
        shown = np.flatnonzero(self.is_labelled)
        if not len(shown):
            raise ValueError("Training on labelled examples only needs some. Received: no labelled training example")
        return self.at(np.resize(shown, len(self.x_train)))

    def with_labels(
        self, values: Mapping[str, Mapping[int, float]], left_out: Sequence[int] = (), new_classes: Sequence[str] = ()
    ) -> "SemiSupervisedData":
        """The data set with the labels that people gave to training examples. They take the place of others.

        Args:
            values: {variable: {index of the example: class, or number as `y_train` has it}}; "y" where that is an array.
            left_out: indices of examples that are of none of the classes, which are left out of training.
            new_classes: names of classes that the data set does not have; they get the next numbers. `y_train` is an array.

        Raises:
            ValueError: an unknown variable, an index that no example has, a class that is not there, or new classes of a
                table or of several variables.
        """
        by_name = self.y_train if isinstance(self.y_train, dict) else {"y": self.y_train}
        if unknown := sorted(set(values) - set(by_name)):
            raise ValueError(f"The variables with labels are {', '.join(by_name)}. Received: {', '.join(unknown)}")
        if new_classes and (isinstance(self.y_train, dict) or self.schema is not None):
            raise ValueError(
                "New classes are for images, series and vectors with one class. "
                f"Received: classes {', '.join(new_classes)} for {self.noun}"
            )
        num_classes = self.num_classes + len(new_classes)
        changed = {name: of_all.copy() for name, of_all in by_name.items()}
        for name, given in values.items():
            of_all = changed[name]
            for index, value in given.items():
                is_class = of_all.dtype.kind == "i" and not isinstance(self.y_train, dict)
                if not 0 <= index < len(of_all) or (is_class and value not in range(num_classes)):
                    raise ValueError(
                        f"Labels must be of the {len(of_all)} training examples"
                        f"{f', and classes 0..{num_classes - 1}' if is_class else ''}. Received: {value} of {index}"
                    )
                of_all[index] = value
        y_train = changed if isinstance(self.y_train, dict) else changed["y"]
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        if outside := [index for index in left_out if not 0 <= index < len(self.x_train)]:
            raise ValueError(f"Labels must be of the {len(self.x_train)} training examples. Received: one of {outside[0]}")
        made = self._replace(
            y_train=y_train,
            num_classes=num_classes,
            class_names=(*names, *new_classes) if new_classes else self.class_names,
        )
        return made.at(np.delete(np.arange(len(self.x_train)), list(left_out))) if len(left_out) else made

    def at(self, index: np.ndarray) -> "SemiSupervisedData":
        """The data set with some of its training examples only.

        Args:
            index: their places, or a mask, bool [N].
        """
        y = self.y_train
        of_some = {name: values[index] for name, values in y.items()} if isinstance(y, dict) else y[index]
        ids = tuple(np.array(self.ids, object)[index]) if self.ids else ()
        return self._replace(x_train=rows.take(self.x_train, index), y_train=of_some, ids=ids)

    def without_validation(self) -> "SemiSupervisedData":
        """The data set with an empty validation set."""
        nothing, y = np.array([], int), self.y_validation
        of_none = {name: values[nothing] for name, values in y.items()} if isinstance(y, dict) else y[nothing]
        return self._replace(x_validation=rows.take(self.x_validation, nothing), y_validation=of_none)

    def to_images(self, x: np.ndarray) -> np.ndarray:
        """Undoes the preprocessing, for figures.

        Args:
            x: examples [..., *x_train.shape[1:]] in the form of `x_train`.

        Returns:
            Images [..., H, W, C] clipped to [0, 1], or series or vectors, not clipped; `x` itself without preprocessing.
        """
        if self.preprocessing is None:
            return x
        images = self.preprocessing.inverse(x)
        return images.clip(0, 1) if len(self.preprocessing.shape) == 3 else images
