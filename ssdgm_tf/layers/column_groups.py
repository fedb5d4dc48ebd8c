"""The columns of a table in groups of one distribution: each is a few operations, however many columns it has."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers.count_distributions import NegativeBinomial, ZeroInflated
from ssdgm_tf.layers.histogram import Histogram
from ssdgm_tf.layers.stochastic import positive
from ssdgm_tf.schema import DISTRIBUTIONS, Column, Schema

#: Degrees of freedom of the Student-t distribution of numeric columns.
DF = 5.0
# The scale of the tails of histograms of numbers of any sign, in standard deviations of the column.
_TAIL_SCALE = 3.0


@dataclasses.dataclass(frozen=True)
class Group:
    """Columns of one distribution, and of one number of categories.

    Attributes:
        distribution: its name; see `Column`.
        places: their indices in the table, [n].
        num_categories: K of discrete columns and of the bins of histograms, else 0.
        edges: of the bins of histograms, [n, K + 1]; else of no column, [0].
        is_positive: whether the columns are positive.
        loc: `Column.loc` of each, [n].
        scale: `Column.scale` of each, [n].
    """

    distribution: str
    places: tuple[int, ...]
    num_categories: int
    edges: np.ndarray
    is_positive: bool
    loc: np.ndarray
    scale: np.ndarray

    @property
    def num_parameters(self) -> int:
        """How many numbers parameterise the whole group."""
        return len(self.places) * _parameters_per_column(self.distribution, self.num_categories)

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
        n, per_column = len(self.places), _parameters_per_column(self.distribution, self.num_categories)
        shape = tf.concat([tf.shape(parameters)[:-1], [n, per_column]], axis=0)
        raw = tf.ensure_shape(tf.reshape(parameters, shape), [*parameters.shape[:-1], n, per_column])
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
    return tuple(_group(schema.columns, kind[0], kind[1], found) for kind, found in places.items())


def _group(columns: Sequence[Column], distribution: str, num_categories: int, places: list[int]) -> Group:
    of_group = [columns[place] for place in places]
    loc, scale = (np.array([getattr(column, name) for column in of_group]) for name in ("loc", "scale"))
    edges = np.array([_edges(column) for column in of_group] if distribution == "histogram" else [])
    return Group(distribution, tuple(places), num_categories, edges, of_group[0].kind == "positive", loc, scale)


def _kind_of(column: Column) -> tuple[str, int, bool]:
    size = len(_edges(column)) - 1 if column.distribution == "histogram" else len(column.categories)
    return column.distribution, size, column.kind == "positive"


def _edges(column: Column) -> np.ndarray:
    """The edges of the bins of a histogram: its quantiles, as float32 tells them apart."""
    return np.unique(np.array(column.quantiles, np.float32))


def _parameters_per_column(distribution: str, num_categories: int) -> int:
    if num_categories:
        return {"bernoulli": 1, "ordinal": num_categories - 1}.get(distribution, num_categories)
    return {"poisson": 1, "zero_inflated_negative_binomial": 3}.get(distribution, 2)


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
    return tfd.Categorical(logits=log_probs, dtype=log_probs.dtype)


_OF_CATEGORIES: dict[str, Callable[[tf.Tensor], tfd.Distribution]] = {
    "bernoulli": lambda raw: tfd.Bernoulli(logits=raw[..., 0], dtype=raw.dtype),
    "categorical": lambda raw: tfd.Categorical(logits=raw, dtype=raw.dtype),
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
