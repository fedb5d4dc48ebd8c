"""The rows of a table as vectors without gaps, for methods that take no others."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ssdgm_tf.schema import Schema

# The category of a gap.
_MISSING = "missing"


class FilledTable(TransformerMixin, BaseEstimator):
    """Rows of a table as standardised vectors, as scikit-learn's users make them.

    First come the numbers, their gaps filled by the median; then for each column of numbers that has gaps in training
    whether the cell is one. All these have mean 0 and standard deviation 1 on the training rows. Then come the
    categories one-hot, a gap being one of them, in the order of their text; those without a training row are left out.

    Args:
        schema: the columns.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def fit(self, x: np.ndarray, y: None = None) -> Self:
        """Finds medians, means, standard deviations and categories.

        Args:
            x: training rows [N, D], as `Schema.encode` gives them.
            y: not used.

        Returns:
            The transformer itself.
        """
        is_number = np.array([not column.is_discrete for column in self.schema])
        self._numbers, self._discrete = np.flatnonzero(is_number), np.flatnonzero(~is_number)
        numbers = x[:, self._numbers].astype(np.float64)
        gaps = np.isnan(numbers)
        self._with_gaps = np.flatnonzero(gaps.any(axis=0))
        self._medians = np.array([np.median(column[~gap]) for column, gap in zip(numbers.T, gaps.T, strict=True)])
        values = self._filled(numbers)
        self._mean, self._scale = values.mean(axis=0), values.std(axis=0)
        self._scale[self._scale == 0] = 1.0
        self._categories = [self._seen(int(place), x[:, place]) for place in self._discrete]
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """The vectors of rows.

        Args:
            x: rows [N, D], as `Schema.encode` gives them.

        Returns:
            float32 [N, F].
        """
        values = (self._filled(x[:, self._numbers].astype(np.float64)) - self._mean) / self._scale
        one_hot = [
            np.stack([np.isnan(x[:, place]) if index is None else x[:, place] == index for index in seen], axis=1)
            for place, seen in zip(self._discrete, self._categories, strict=True)
        ]
        return np.concatenate([values, *one_hot], axis=1).astype(np.float32)

    def _filled(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers without gaps, beside whether those with gaps in training are one."""
        gaps = np.isnan(numbers)
        return np.concatenate([np.where(gaps, self._medians, numbers), gaps[:, self._with_gaps]], axis=1)

    def _seen(self, place: int, cells: np.ndarray) -> list[int | None]:
        """The categories of a column that training rows have, in the order of their text; None for a gap."""
        categories = self.schema.columns[place].categories
        texts: dict[int | None, str] = {int(index): categories[int(index)] for index in np.unique(cells[~np.isnan(cells)])}
        if np.isnan(cells).any():
            texts[None] = _MISSING
        return sorted(texts, key=lambda index: texts[index])
