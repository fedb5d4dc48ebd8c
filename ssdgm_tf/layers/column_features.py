"""What a network learns from in a row of a table: numbers in steps, categories and gaps, every column of the same size."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf.layers.columns import FARTHEST, TableRows
from ssdgm_tf.layers.types import Shape
from ssdgm_tf.schema import Column, Schema
from ssdgm_tf.schema.column import scored

# The size of a row of independent columns: the root of the sum of the variances of its features.
_SIZE = 5.0
# Columns of less variance are constant.
_CONSTANT = 1e-6
# The quantiles of a column that does not tell its own: those of a standard normal distribution, more or less.
_NORMAL = np.linspace(-2.0, 2.0, 9)
# Values that stand for a column when the moments of its steps are taken.
_NUM_VALUES = 400


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ColumnFeatures(keras.layers.Layer):
    """The features of a row, the same variance for each column, times a learned gate of the column.

    A standardised number v becomes v and a step between each two of its quantiles b_0 < b_1 < ... (the piecewise linear
    encoding of Gorishniy et al. 2022):

        clip((v - b_{k-1}) / (b_k - b_{k-1}), 0, 1)

    A category becomes one-hot. All are centred. In place of a gap stand zeros, and one more feature says so, of columns that
    had gaps in training. The features of a column are scaled together, so that their variances have the same sum for each
    column: a column of many categories is as large as any other. Means and variances are those that the schema tells by its
    quantiles, shares and gaps.

    Args:
        schema: the columns, a `Schema` or its JSON.
        gate_regularizer: Keras regularizer of the gates, which are 1 at the start; None for none.

    Call arguments:
        inputs: what a network gets of a `ColumnsNode` over these columns: its values, then which of the D columns are known,
            [B, V + D].

    Returns:
        The F features of the columns and one more for the gaps of each, [B, F + D].
    """

    def __init__(
        self, schema: Schema | str, gate_regularizer: str | keras.regularizers.Regularizer | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.schema = Schema.from_json(schema) if isinstance(schema, str) else schema
        self.gate_regularizer = keras.regularizers.get(gate_regularizer)
        columns, rows = self.schema.columns, TableRows(self.schema)
        is_number = np.array([not columns[index].is_discrete for index in rows.single], bool)
        #: Where numbers and binary columns are among the single values; the others are one-hot.
        self._numbers, self._binary = np.flatnonzero(is_number), np.flatnonzero(~is_number)
        self._num_single = len(rows.single)
        of_numbers = rows.single[is_number]
        #: Where the steps of each number start and how wide they are, [n, T]; of width 0 where it has fewer.
        self._starts, self._widths = _steps([columns[index] for index in of_numbers])
        order = np.concatenate([of_numbers, rows.single[~is_number], rows.one_hot]).astype(int)
        steps = list(zip(self._starts, self._widths, strict=True))
        moments = [_moments(columns[index], *of) for index, of in zip(order, steps + [()] * len(order), strict=False)]
        #: The column of each feature, its mean, and what it is multiplied by; and the same of the gaps.
        self._column = np.repeat(order, [len(mean) for mean, _ in moments])
        self._means = np.concatenate([mean for mean, _ in moments])
        self._gaps = np.array([column.gaps for column in columns])
        variances = np.bincount(self._column, np.concatenate([var for _, var in moments]), minlength=len(columns))
        variances = (1 - self._gaps) * (variances + self._gaps)
        scales = _SIZE / np.sqrt(len(columns) * np.maximum(variances, _CONSTANT)) * (variances > _CONSTANT)
        self._scales, self._gap_scales = scales[self._column], scales * (self._gaps > 0)

    def build(self, input_shape: Shape) -> None:
        self.gates = self.add_weight(
            shape=(len(self.schema),), initializer="ones", regularizer=self.gate_regularizer, name="gates"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values, is_known = tf.split(inputs, [inputs.shape[-1] - len(self.schema), len(self.schema)], axis=-1)
        starts, widths, means, scales, gaps, gap_scales = (
            tf.constant(constant, values.dtype)
            for constant in (self._starts, self._widths, self._means, self._scales, self._gaps, self._gap_scales)
        )
        numbers = tf.gather(values, self._numbers, axis=-1)[..., None]
        steps = tf.clip_by_value(tf.math.divide_no_nan(numbers - starts, widths), 0.0, 1.0)
        numbers = tf.reshape(tf.concat([numbers, steps], axis=-1), [-1, len(self._numbers) * (1 + starts.shape[1])])
        binary = (tf.gather(values, self._binary, axis=-1) + 1) / 2
        features = tf.concat([numbers, binary, values[..., self._num_single :]], axis=-1)
        gates = tf.cast(self.gates, values.dtype)
        features = (features - means) * scales * tf.gather(gates * is_known, self._column, axis=-1)
        return tf.concat([features, (1 - is_known - gaps) * gates * gap_scales], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], len(self._column) + len(self.schema))

    def get_config(self) -> dict[str, Any]:
        regularizer = self.gate_regularizer and keras.regularizers.serialize(self.gate_regularizer)
        return {**super().get_config(), "schema": self.schema.to_json(), "gate_regularizer": regularizer}


def _quantiles(column: Column) -> np.ndarray:
    """The quantiles of a number, standardised as a network sees it."""
    if not column.quantiles:
        return _NORMAL
    quantiles = scored(column.kind, np.asarray(column.quantiles))
    return np.clip((quantiles - column.loc) / column.scale, -FARTHEST, FARTHEST)


def _steps(columns: list[Column]) -> tuple[np.ndarray, np.ndarray]:
    """Where the steps of numbers start, and their widths, [n, T] each; of width 0 where a column has fewer."""
    knots = [np.unique(_quantiles(column).astype(np.float32)) for column in columns]
    shape = len(columns), max((len(of) - 1 for of in knots), default=0)
    starts, widths = np.zeros(shape), np.zeros(shape)
    for row, of in enumerate(knots):
        starts[row, : len(of) - 1], widths[row, : len(of) - 1] = of[:-1], np.diff(of)
    return starts, widths


def _moments(
    column: Column, starts: np.ndarray | None = None, widths: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the features of a column where it is known: of a number, of a binary column, or one-hot."""
    if starts is None or widths is None:
        shares = np.asarray(column.shares or [1 / len(column.categories)] * len(column.categories))
        shares = shares[1:] if column.kind == "binary" else shares
        return shares, shares * (1 - shares)
    quantiles = _quantiles(column)
    probabilities = (np.arange(_NUM_VALUES) + 0.5) / _NUM_VALUES
    values = np.interp(probabilities, np.linspace(0, 1, len(quantiles)), quantiles)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(widths > 0, np.clip((values[:, None] - starts) / widths, 0, 1), 0)
    return np.concatenate([[0.0], steps.mean(axis=0)]), np.concatenate([[1.0], steps.var(axis=0)])
