"""The columns of a table in groups of one distribution: each is a few operations, however many columns it has."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers.count_distributions import NegativeBinomial, ZeroInflated
from ssdgm_tf.layers.histogram import NOTHING, Histogram
from ssdgm_tf.layers.stochastic import positive
from ssdgm_tf.schema import DISTRIBUTIONS, Column, Schema

#: Degrees of freedom of the Student-t distribution of numeric columns.
DF = 5.0
# The scale of the tails of histograms of numbers of any sign, in standard deviations of the column.
_TAIL_SCALE = 3.0


@dataclasses.dataclass(frozen=True)
class Group:
    """Columns of one distribution, and of similar numbers of categories.

    Attributes:
        distribution: its name; see `Column`.
        places: their indices in the table, [n].
        sizes: the number of categories of each, or of the bins of histograms; else 0.
        edges: of the bins of each histogram, [size + 1]; else of no column.
        is_positive: whether the columns are positive.
        loc: `Column.loc` of each, [n].
        scale: `Column.scale` of each, [n].
    """

    distribution: str
    places: tuple[int, ...]
    sizes: tuple[int, ...]
    edges: tuple[np.ndarray, ...]
    is_positive: bool
    loc: np.ndarray
    scale: np.ndarray

    @property
    def num_parameters(self) -> int:
        """How many numbers parameterise the whole group."""
        return sum(self._parameters_per_column)

    @property
    def _parameters_per_column(self) -> list[int]:
        return [_num_parameters(self.distribution, size) for size in self.sizes]

    @property
    def is_discrete(self) -> bool:
        """Whether the columns have categories."""
        return self.distribution in _OF_CATEGORIES

    @property
    def is_count(self) -> bool:
        """Whether the columns hold counts."""
        return self.distribution in DISTRIBUTIONS["count"]

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        """The distribution of each column, of batch shape [..., n].

        Args:
            parameters: [..., num_parameters].
        """
        raw = _by_column(parameters, self._parameters_per_column)
        if self.is_discrete:
            return _OF_CATEGORIES[self.distribution](raw)
        loc, scale = (tf.constant(value, parameters.dtype) for value in (self.loc, self.scale))
        if self.distribution == "histogram":
            tail = tfd.LogNormal(loc, scale) if self.is_positive else tfd.Normal(loc, _TAIL_SCALE * scale)
            return Histogram(raw, self.edges, tail)
        first, *rest = tf.unstack(raw, axis=-1)
        return _OF_NUMBERS[self.distribution](loc + scale * first, scale, *rest)


def groups_of(schema: Schema) -> tuple[Group, ...]:
    """The groups of a table's columns, in the order of the first column of each.

    Args:
        schema: the columns.
    """
    places: dict[tuple[str, int, bool], list[int]] = {}
    for index, column in enumerate(schema):
        places.setdefault(_kind_of(column), []).append(index)
    return tuple(_group(schema.columns, kind[0], found) for kind, found in places.items())


def _group(columns: Sequence[Column], distribution: str, places: list[int]) -> Group:
    of_group = [columns[place] for place in places]
    loc, scale = (np.array([getattr(column, name) for column in of_group]) for name in ("loc", "scale"))
    edges = tuple(_edges(column) for column in of_group) if distribution == "histogram" else ()
    sizes = tuple(map(_size, of_group))
    return Group(distribution, tuple(places), sizes, edges, of_group[0].kind == "positive", loc, scale)


def _kind_of(column: Column) -> tuple[str, int, bool]:
    """What the columns of a group share. Their sizes lie between two powers of two, so that less than half is padding."""
    size = _size(column)
    return (
        column.distribution,
        size if column.distribution == "ordinal" else (size - 1).bit_length(),
        column.kind == "positive",
    )


def _size(column: Column) -> int:
    """The number of categories, or of bins; 0 of others."""
    return len(_edges(column)) - 1 if column.distribution == "histogram" else len(column.categories)


def _edges(column: Column) -> np.ndarray:
    """The edges of the bins of a histogram: its quantiles, as float32 tells them apart."""
    return np.unique(np.array(column.quantiles, np.float32))


def _num_parameters(distribution: str, size: int) -> int:
    if size:
        return {"bernoulli": 1, "ordinal": size - 1}.get(distribution, size)
    return {"poisson": 1, "zero_inflated_negative_binomial": 3}.get(distribution, 2)


def _by_column(parameters: tf.Tensor, sizes: Sequence[int]) -> tf.Tensor:
    """The parameters of columns one after the other, [..., sum of sizes], as [..., n, largest size].

    Shorter columns are padded with logits of probability 0.
    """
    most, before = max(sizes), np.cumsum([0, *sizes[:-1]])[:, None]
    if min(sizes) == most:
        shape = tf.concat([tf.shape(parameters)[:-1], [len(sizes), most]], axis=0)
        return tf.ensure_shape(tf.reshape(parameters, shape), [*parameters.shape[:-1], len(sizes), most])
    index = np.where(np.arange(most) < np.array(sizes)[:, None], before + np.arange(most), sum(sizes))
    filled_up = tf.pad(parameters, [[0, 0]] * (parameters.shape.rank - 1) + [[0, 1]], constant_values=NOTHING)
    return tf.gather(filled_up, index, axis=-1)


def _ordinal(raw: tf.Tensor) -> tfd.Distribution:
    """Cumulative logits (McCullagh 1980): P(v <= k) = sigmoid(t_k), with t_1 = r_1 and t_{k+1} = t_k + positive(r_{k+1}).

    P(v = k) = sigmoid(t_k) - sigmoid(t_{k-1}) = sigmoid(t_k) sigmoid(-t_{k-1}) (1 - exp(t_{k-1} - t_k)), which keeps its
    digits.
    """
    steps = positive(raw[..., 1:])
    thresholds = tf.concat([raw[..., :1], raw[..., :1] + tf.cumsum(steps, axis=-1)], axis=-1)
    below, above = tf.math.log_sigmoid(thresholds), tf.math.log_sigmoid(-thresholds)
    inside = below[..., 1:] + above[..., :-1] + tf.math.log(-tf.math.expm1(-steps))
    log_probs = tf.concat([below[..., :1], inside, above[..., -1:]], axis=-1)
    return Categories(log_probs)


class Categories(tfd.Categorical):
    """TFP's Categorical of indices as floats, whose density is a few operations.

    Args:
        logits: [..., n, K].
        name: of its operations.
    """

    def __init__(self, logits: tf.Tensor, name: str = "Categories") -> None:
        super().__init__(logits=logits, dtype=logits.dtype, name=name)
        self._parameters = {"logits": logits, "name": name}

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        return {"logits": tfp.util.ParameterProperties(event_ndims=1)}

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        one_hot = tf.one_hot(tf.cast(value, tf.int32), self.logits.shape[-1], dtype=self.logits.dtype)
        return tf.reduce_sum(one_hot * tf.nn.log_softmax(self.logits), axis=-1)


_OF_CATEGORIES: dict[str, Callable[[tf.Tensor], tfd.Distribution]] = {
    "bernoulli": lambda raw: tfd.Bernoulli(logits=raw[..., 0], dtype=raw.dtype),
    "categorical": Categories,
    "ordinal": _ordinal,
}
# Of the location in the units of the column (of its logarithm, if it is positive or a count), the scale of the column, and
# the other raw parameters.
_OF_NUMBERS: dict[str, Callable[..., tfd.Distribution]] = {
    "normal": lambda loc, scale, raw: tfd.Normal(loc, scale * positive(raw)),
    "student_t": lambda loc, scale, raw: tfd.StudentT(DF, loc, scale * positive(raw)),
    "log_normal": lambda loc, scale, raw: tfd.LogNormal(loc, scale * positive(raw)),
    "poisson": lambda loc, scale: tfd.Poisson(log_rate=loc),
    "negative_binomial": lambda loc, scale, raw: NegativeBinomial(loc, positive(raw)),
    "zero_inflated_poisson": lambda loc, scale, logits: ZeroInflated(logits, tfd.Poisson(log_rate=loc)),
    "zero_inflated_negative_binomial": lambda loc, scale, raw, logits: ZeroInflated(
        logits, NegativeBinomial(loc, positive(raw))
    ),
}
