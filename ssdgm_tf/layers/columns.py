"""Stochastic node of the rows of a table, whose columns are of different kinds."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from ssdgm_tf.layers import supports
from ssdgm_tf.layers.column_groups import Group, groups_of
from ssdgm_tf.layers.stochastic import Average, StochasticNode
from ssdgm_tf.schema import Column, Schema

#: Standard deviations beyond which a network sees no difference.
FARTHEST = 4.0


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ColumnsNode(StochasticNode):
    """A row of a table: one distribution for each column, independent given the inputs (Nazabal et al. 2020).

        log p(x | inputs) = sum_d log p_d(x_d | parameters_d),    parameters = W inputs + b

    | kind | distribution | parameters of a column |
    |---|---|---|
    | numeric | Normal(m + s a, s positive(r)), or Student-t of 5 degrees of freedom | a, r |
    | positive | LogNormal(m + s a, s positive(r)) | a, r |
    | either, as a histogram | shares of the K bins between its quantiles, and wide tails; see `Histogram` | l_1..l_K |
    | count | Poisson or NegativeBinomial of log mean m + s a, zero-inflated or not | a; r; l |
    | binary | Bernoulli(logit l) | l |
    | categorical | Categorical(logits l_1..l_K) | l_1..l_K |
    | ordinal | cumulative logits t_1 < ... < t_{K-1}: P(x <= k) = sigmoid(t_k) | K - 1 |

    m and s are `loc` and `scale` of the column, positive(r) = softplus(r + 0.5413) + 1e-4. Values [..., D] are those of
    `Schema.encode`: numbers in their own units, the index of a category, NaN for a gap. Densities are of these values. A gap
    adds nothing to the density.

    In training the log-likelihood of a column counts by its `weight`; logged terms and bounds are without weights.

    A network of a child gets for each number its standardised value (of the logarithm of a positive number, of log(1 + n) of
    a count), clipped to [-4, 4]; for a binary column -1 or 1; for the others one-hot categories. A gap is 0 everywhere, and
    beside it stands for each column whether it is known.

    Args:
        schema: the columns, a `Schema` or its JSON.
        prior: None; this node has no named prior.
        seed: integer seed of the node's draws, which carry no gradient.
        gaps: True; any cell may be missing.

    Raises:
        ValueError: `gaps` is False.
    """

    def __init__(
        self, schema: Schema | str, prior: None = None, seed: int | None = None, gaps: bool | None = True, **kwargs: Any
    ) -> None:
        self.schema = Schema.from_json(schema) if isinstance(schema, str) else schema
        if gaps is False:
            raise ValueError("Any cell of a table may be missing: gaps must be True. Received: gaps=False")
        super().__init__(len(self.schema), prior=prior, seed=seed, gaps=True, **kwargs)
        self.groups, self._rows = groups_of(self.schema), TableRows(self.schema)

    @property
    def support(self) -> supports.Support:
        return self._rows

    @property
    def num_parameters(self) -> int:
        return sum(group.num_parameters for group in self.groups)

    @property
    def has_moments(self) -> bool:
        """False: a category has no mean."""
        return False

    @property
    def element_weights(self) -> np.ndarray | None:
        weights = np.array([column.weight for column in self.schema])
        return None if np.all(weights == 1) else weights

    def make_distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
        parts = tf.split(parameters, [group.num_parameters for group in self.groups], axis=-1)
        made = [group.make_distribution(part) for group, part in zip(self.groups, parts, strict=True)]
        return TableRow(made, self.groups)

    def log_density_of_elements(self, distribution: tfd.Distribution, value: tf.Tensor) -> tf.Tensor:
        return distribution.log_prob_of_columns(value)

    def mean_over(self, distribution: tfd.Distribution, average: Average) -> tf.Tensor:
        """The row of the mean of each number of a mixture, of counts rounded, and of the likeliest category."""
        return distribution.joined([_center(group, of, average) for group, of in distribution.parts])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "schema": self.schema.to_json()}


class TableRow(tfd.Distribution):
    """The distribution of a row, of event shape [D]; see `ColumnsNode`.

    Its mean is a row too: counts are rounded, and a category is the likeliest.

    Args:
        columns: the distributions of each group's columns, of batch shape [..., n].
        groups: the groups.
        name: of its operations.
    """

    def __init__(self, columns: list[tfd.Distribution], groups: tuple[Group, ...], name: str = "TableRow") -> None:
        self.groups, self.columns = groups, columns
        #: The index of every column among those of the groups, one group after the other.
        self._order = np.argsort(np.concatenate([group.places for group in groups]))
        super().__init__(
            dtype=columns[0].dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=False,
            parameters={"columns": columns, "groups": groups},
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: int | None = None) -> dict[str, Any]:
        properties = tfp.util.ParameterProperties
        return {"columns": tfp.util.BatchedComponentProperties(event_ndims=1), "groups": properties(event_ndims=None)}

    @property
    def parts(self) -> list[tuple[Group, tfd.Distribution]]:
        """Each group and its distribution."""
        return list(zip(self.groups, self.columns, strict=True))

    def joined(self, parts: list[tf.Tensor]) -> tf.Tensor:
        """The columns of the groups, [..., n] each, in the order of the table, [..., D].

        Args:
            parts: a tensor for each group.
        """
        return tf.gather(tf.concat(parts, axis=-1), self._order, axis=-1)

    def log_prob_of_columns(self, value: tf.Tensor) -> tf.Tensor:
        """Log density of each column, nats, [..., D].

        Args:
            value: [..., D], without gaps.
        """
        return self.joined([of.log_prob(tf.gather(value, group.places, axis=-1)) for group, of in self.parts])

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(self.log_prob_of_columns(value), axis=-1)

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        seeds = tfp.random.split_seed(seed, n=len(self.groups), salt="TableRow")
        drawn = [of.sample(n, seed=own) for of, own in zip(self.columns, seeds, strict=True)]
        return tf.stop_gradient(self.joined([tf.cast(value, self.dtype) for value in drawn]))

    def _mean(self) -> tf.Tensor:
        return self.joined([_center(group, of, lambda values: values) for group, of in self.parts])

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([len(self._order)])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([len(self._order)], tf.int32)

    def _batch_shape(self) -> tf.TensorShape:
        return self.columns[0].batch_shape[:-1]

    def _batch_shape_tensor(self, **_: Any) -> tf.Tensor:
        return self.columns[0].batch_shape_tensor()[:-1]


class TableRows(supports.Support):
    """Rows of a table as numbers; see `ColumnsNode`.

    Args:
        schema: the columns.
    """

    rule = "hold rows of its schema: whole numbers from 0 as counts, numbers above 0 where positive, indices of categories"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        kinds = np.array([column.kind for column in schema])
        self._is_count, self._is_positive = kinds == "count", kinds == "positive"
        sizes = np.array([len(column.categories) for column in schema])
        self._is_discrete, self._last = sizes > 0, np.where(sizes > 0, sizes - 1, np.inf)
        #: Columns that are shown one-hot, and those that are shown as one number.
        self.one_hot = np.flatnonzero(sizes > 2)
        self.single = np.flatnonzero(sizes <= 2)
        #: The column and the category of each number of the one-hot columns.
        self._column_of = np.repeat(self.one_hot, sizes[self.one_hot])
        self._category = np.concatenate([np.arange(0), *(np.arange(size) for size in sizes[self.one_hot])])
        self._middle = np.array([_middle_of(column) for column in schema])
        self._loc = np.array([0.5 if column.kind == "binary" else column.loc for column in schema])
        self._scale = np.array([0.5 if column.kind == "binary" else column.scale for column in schema])

    def contains(self, value: tf.Tensor) -> tf.Tensor:
        is_whole = (value >= 0) & (value == tf.round(value)) & (value <= tf.constant(self._last, value.dtype))
        needs_whole = self._is_count | self._is_discrete
        return tf.where(needs_whole, is_whole, tf.where(self._is_positive, value > 0, tf.ones_like(value, tf.bool)))

    def check_scale(self, name: str, dtype: np.dtype, rank: int) -> None:
        """Does nothing: the schema knows the scale of each column."""

    def advice(self, value: np.ndarray) -> str:
        """Nothing: networks get standardised values."""
        return ""

    def inner_point(self, like: tf.Tensor) -> tf.Tensor:
        return tf.broadcast_to(tf.constant(self._middle, like.dtype), tf.shape(like))

    def network_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self.single) + len(self._category),)

    def network_input(self, value: tf.Tensor) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        is_known = ~tf.math.is_nan(value)
        value = self.filled(value, is_known)
        ones = tf.ones_like(value)
        logarithm = tf.math.log(tf.where(self._is_positive, value, tf.where(self._is_count, 1 + value, ones)))
        value = tf.where(self._is_positive | self._is_count, logarithm, value)
        standard = (value - tf.constant(self._loc, value.dtype)) / tf.constant(self._scale, value.dtype)
        standard = tf.where(is_known, tf.clip_by_value(standard, -FARTHEST, FARTHEST), tf.zeros_like(value))
        of_column, is_shown = (tf.gather(of, self._column_of, axis=-1) for of in (value, is_known))
        one_hot = tf.cast((of_column == tf.constant(self._category, value.dtype)) & is_shown, value.dtype)
        return tf.concat([tf.gather(standard, self.single, axis=-1), one_hot], axis=-1)

    def with_gaps(self) -> supports.Filled:
        return _MaskedRows(self)


class _MaskedRows(supports.Masked):
    """Rows with gaps as networks see them: what is missing is 0."""

    @property
    def values(self) -> supports.Support:
        return self.support


def _middle_of(column: Column) -> float:
    """A value in the middle of a column: its first category, or its mean, of logarithms where it is learned on those."""
    if column.is_discrete:
        return 0.0
    if column.kind == "count":
        return float(np.round(np.expm1(column.loc)))
    return float(np.exp(column.loc)) if column.kind == "positive" else column.loc


def _center(group: Group, of: tfd.Distribution, average: Average) -> tf.Tensor:
    """The mean of each number, of counts rounded, or the likeliest category, of a mixture of distributions of a group."""
    if not group.is_discrete:
        mean = average(of.mean())
        return tf.round(mean) if group.is_count else mean
    if group.distribution == "bernoulli":
        return tf.cast(average(of.probs_parameter()) > 0.5, of.dtype)
    return tf.cast(tf.argmax(average(of.probs_parameter()), axis=-1), of.dtype)
