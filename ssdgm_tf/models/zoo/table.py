"""A table with gaps: M2 for rows of mixed columns, whose targets are classes or numbers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf import layers, nodes
from ssdgm_tf.engine import counted, trace
from ssdgm_tf.layers.shifted_categorical import ShiftedCategoricalNode
from ssdgm_tf.models import table_figures
from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe
from ssdgm_tf.schema import Column, Schema, Targets

# The weight of the bound against log q(y|x) in a table without gaps, and what a share of gaps of 1 would add to it.
_BOUND, _BOUND_OF_GAPS = 0.03, 1.0
# A row weighs as much as this many columns, a column at most so much.
_COLUMNS, _HEAVIEST = 20.0, 2.0
# The decays that suit so many labels.
_WEIGHT_DECAY, _GATE_DECAY, _FEW_LABELS = 0.15, 0.1, 50
# Of the weights of q(y|x) at the start.
_SPREAD = 0.2


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Table(NamedModel):
    """Rows of a table, some with targets: classes or numbers, each known for some of the rows.

        generative     p(y) p(z) p(x|y,z)      x: a row, one distribution for each column, see `nodes.Columns`
        recognition    q(y|x) q(z|x)           y: one variable for each target, independent given x

    | variable | meaning | name here |
    |---|---|---|
    | x | a row of D columns, NaN for a gap | `x`, [B, D] |
    | y | a target, partly known | `y` of one target; else the names of the columns, see `Targets.variables` |
    | z | what the targets do not say | `z` |

    It is M2 with what small tables need. A class is one-hot inside, a number standardised. q(y|x) and q(z|x) are linear in
    the last layer of one small network of `layers.ColumnFeatures`, whose weights decay; p(x|y,z) is linear. In training the
    log-likelihood of a column and the KL of z weigh min(20 / D, 2), so that a table of many columns does not drown its
    labels. With prior="learned" p(y) and q(y|x) follow the shares of the classes, see `layers.ShiftedCategoricalNode`.

    Args:
        targets: the target columns, a `Targets` or the JSON of its schema.
        latent_dim: size of z.
        hidden_units: widths of the hidden layers of the network.
        activation: their activation.
        dropout: share of the network's outputs that a training step leaves out.
        weight_decay: weight of the sum of squares of the network's weights and of those of q(y|x), over the number of
            classes (2 for a number), relative to log q(y|x) at the default `classification_weight`. The default suits about
            50 labels; `decays` has that for more.
        gate_decay: weight of the sum of squares of the gates of the columns, likewise.
        histograms: whether numbers that the schema has as "normal" or "log_normal" are scored as histograms: a number of
            several modes or of none, such as a date, tells as much about the others as a category does.
        prior: p(y): "learned", "uniform", or the probabilities of the classes of each target. A number has a standard
            normal prior.
        seed: integer seed of the draws of z.
        **options: see `ssdgm_tf.models.Options`; `schema` is needed. `classifier` takes the place of the network,
            `decoder` stands in p(x|y,z), `encoder` in q(z|x).

    Raises:
        ValueError: no schema, or a negative decay.
    """

    def __init__(
        self,
        targets: Targets | str,
        latent_dim: int = 8,
        hidden_units: Sequence[int] = (48,),
        activation: str = "relu",
        dropout: float = 0.2,
        weight_decay: float = _WEIGHT_DECAY,
        gate_decay: float = _GATE_DECAY,
        histograms: bool = True,
        prior: str | Sequence[float] = "learned",
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        sizes: dict[str, Any] = {
            "targets": targets.schema.to_json() if isinstance(targets, Targets) else targets,
            "latent_dim": latent_dim,
            "dropout": dropout,
            "weight_decay": weight_decay,
            "gate_decay": gate_decay,
            "histograms": histograms,
        }
        for name in ("weight_decay", "gate_decay"):
            if not sizes[name] >= 0:
                raise ValueError(f"{name} must not be negative. Received: {name}={sizes[name]!r}")
        super().__init__(sizes, seed, hidden_units=hidden_units, activation=activation, prior=prior, **options)

    @property
    def targets(self) -> Targets:
        """The target columns."""
        return _targets(self._sizes["targets"])

    @classmethod
    def supervised_variables(cls, **sizes: Any) -> tuple[str, ...]:
        return tuple(_targets(sizes["targets"]).variables)

    @staticmethod
    def specify(
        options: Options,
        targets: str,
        latent_dim: int,
        dropout: float,
        weight_decay: float,
        gate_decay: float,
        histograms: bool,
    ) -> Specification:
        """The two models of the class docstring."""
        columns, variables = options.columns(), _targets(targets).variables
        num_classes = max(2, *(len(column.categories) for column in variables.values()))
        scale = _classification_weight(columns) / num_classes
        decay, gate_decay = weight_decay * scale, gate_decay * scale
        network = options.classifier or _network(options, dropout, decay, gate_decay)
        recognition: dict[str, nodes.Node] = {"features": nodes.Deterministic("x", network)}
        generative: dict[str, nodes.Node] = {}
        for name, column in variables.items():
            generative[name], recognition[name] = _target(column, options, keras.regularizers.L2(decay))
        computed, row = options.image_features()
        recognition |= computed | {
            "z": nodes.Normal(latent_dim, parents=row if computed else "features", dtype=options.dtype)
        }
        generative["z"] = options.latent(latent_dim)
        weighted = Schema(_scored(column, histograms, _weight(columns)) for column in columns)
        parents = (*variables, "z")
        generative["x"] = nodes.Columns(weighted, parents=parents, network=options.decoder, dtype=options.dtype)
        return generative, recognition

    def compile(self, *args: Any, classification_weight: float | None = None, **kwargs: Any) -> None:
        """As `SemiSupervisedModel.compile`, with another default.

        Args:
            *args: of `SemiSupervisedModel.compile`.
            classification_weight: None for 1 / (0.03 + g), where g is the share of cells that are gaps.
            **kwargs: of `SemiSupervisedModel.compile`.
        """
        if classification_weight is None:
            classification_weight = _classification_weight(self.options.columns())
        super().compile(*args, classification_weight=classification_weight, **kwargs)

    @property
    def kl_weight_in_use(self) -> float | tf.Tensor:
        return super().kl_weight_in_use * _weight(self.options.columns())

    def labelled_terms(
        self,
        x: dict[str, tf.Tensor],
        y: dict[str, tf.Tensor],
        complete: tuple[str, ...],
        training: bool = False,
    ) -> dict[str, Any]:
        """As `GraphicalModel.labelled_terms`, with the classes' shares among the labels in log q(y|x)."""
        terms = super().labelled_terms(x, y, complete, training)
        is_known = self.data_format.is_known(y)
        for name, head in self._shifted.items():
            probs = terms["predictions"][name]
            value = tf.one_hot(tf.cast(y[name], tf.int32), head.num_classes, dtype=probs.dtype)  # of no label, zeros
            more = head.log_prob_among_labels(probs, value)
            more = tf.where(is_known[name], more, tf.zeros_like(more))
            terms["label_objective"] += more
            terms["classification_loss"] -= more
            if training:
                head.see_labels(counted.mean(value), self.step)
        return terms

    def follow(self, one_pass: trace.Trace) -> None:
        """Lets the shares of the classes follow the predictions."""
        if self.objective_scale is None:
            return
        for name, head in self._shifted.items():
            predicted = tf.stop_gradient(one_pass.mean(name))
            certainty = counted.mean(tf.reduce_sum(predicted**2, axis=-1))
            log_shares = head.follow(counted.mean(predicted), certainty, self.objective_scale.num_labelled)
            self.generative[name].root.assign(log_shares)

    @property
    def _shifted(self) -> dict[str, ShiftedCategoricalNode]:
        """{name: head of q} of the classes whose shares are learned."""
        heads = {name: self.graph.head_q(name) for name in self.data_format.classes}
        return {name: head for name, head in heads.items() if isinstance(head, ShiftedCategoricalNode)}


def decays(num_labels: int) -> dict[str, float]:
    """The decays of `Table` for a number of labelled rows: its defaults up to 50, less for more, as labels count as a mean.

    Args:
        num_labels: rows with a target.

    Returns:
        {argument of `Table`: value}.
    """
    rate = min(1.0, _FEW_LABELS / max(num_labels, 1))
    return {"weight_decay": rate * _WEIGHT_DECAY, "gate_decay": rate * _GATE_DECAY}


def _weight(schema: Schema) -> float:
    """The weight of a column's log-likelihood, beside its own, and of the KL of z."""
    return min(_COLUMNS / len(schema), _HEAVIEST)


def _classification_weight(schema: Schema) -> float:
    """The default weight of log q(y|x) against the bound, which tells more where more cells are missing."""
    gaps = sum(column.gaps for column in schema) / len(schema)
    return 1 / (_BOUND + _BOUND_OF_GAPS * gaps)


def _scored(column: Column, histograms: bool, weight: float) -> Column:
    """The column as p(x|y,z) scores it."""
    is_default = column.distribution in ("normal", "log_normal") and len(set(column.quantiles)) > 1
    distribution = "histogram" if histograms and is_default else column.distribution
    return dataclasses.replace(column, weight=column.weight * weight, distribution=distribution)


def _targets(text: str) -> Targets:
    return Targets(Schema.from_json(text))


def _network(options: Options, dropout: float, decay: float, gate_decay: float) -> keras.Sequential:
    """The network of a row."""
    features = layers.ColumnFeatures(options.columns(), keras.regularizers.L2(gate_decay), dtype=options.dtype)
    spread = keras.initializers.RandomNormal(0.0, _SPREAD)
    dense = [
        keras.layers.Dense(
            units,
            options.activation,
            kernel_initializer=spread if layer == 0 else "glorot_uniform",
            kernel_regularizer=keras.regularizers.L2(decay),
            dtype=options.dtype,
        )
        for layer, units in enumerate(options.hidden_units)
    ]
    return keras.Sequential([features, *dense, keras.layers.Dropout(dropout, dtype=options.dtype)])


def _target(
    column: Column, options: Options, regularizer: keras.regularizers.Regularizer
) -> tuple[nodes.RandomVariable, nodes.RandomVariable]:
    """The nodes of a target in p and in q."""
    given: dict[str, Any] = {"dtype": options.dtype, "kernel_regularizer": regularizer}
    if not column.is_discrete:
        return options.latent(1), _inferred(layers.NormalNode(1, **given), options)
    num_classes = len(column.categories)
    if options.prior != "learned":
        return options.label_prior(num_classes), _inferred(layers.OneHotCategoricalNode(num_classes, **given), options)
    prior = nodes.OneHotCategorical(num_classes, prior="learned", trainable=False, dtype=options.dtype)
    return prior, _inferred(layers.ShiftedCategoricalNode(num_classes, **given), options)


def _inferred(head: layers.StochasticNode, options: Options) -> nodes.RandomVariable:
    return nodes.RandomVariable(head, "features", estimator=options.estimator, dtype=options.dtype)


def _make(recipe: Recipe) -> Table:
    schema, targets = recipe.data.schema, recipe.data.targets
    if schema is None or targets is None:
        raise ValueError("A model of a table needs a table: config.data=csv:FILE. Received: other data")
    own = recipe.own_arguments(Table)
    own |= decays(int(recipe.data.is_labelled.sum()))  # a config's weight_decay is that of Adam
    options = recipe.label_options() | recipe.image_options() | {"schema": schema}
    del options["num_classes"]
    return Table(targets, **(own | options), seed=recipe.config["seed"])


EXPERIMENT = Experiment(
    Table,
    make=_make,
    takes_tables=True,
    takes_classifier=False,
    comparisons=("table",),
    shown=("error", "mae"),
    figures=table_figures.of_table,
)
