"""A table with gaps: M2 for rows of mixed columns, whose targets are classes or numbers."""

from typing import Any

import keras

from ssdgm_tf import nodes
from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.schema import Schema, Targets


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Table(NamedModel):
    """Rows of a table, some with targets: classes or numbers, each known for some of the rows.

        generative     p(y) p(z) p(x|y,z)      x: a row, one distribution for each column (`nodes.Columns`)
        recognition    q(y|x) q(z|x,y)         y: one variable for each target, independent given x

    | variable | meaning | name here |
    |---|---|---|
    | x | a row of the schema, NaN for a gap | `x`, [B, D] |
    | y | targets, partly known | `y` of one target; else the names of the columns, see `Targets.variables` |
    | z | what the targets do not say | `z` |

    Args:
        targets: the target columns, a `Targets` or the JSON of its schema.
        latent_dim: size of z.
        seed: integer seed of the draws of z.
        **options: see `ssdgm_tf.models.Options`; `schema` is needed.

    Raises:
        ValueError: no schema.
    """

    def __init__(self, targets: Targets | str, latent_dim: int = 8, *, seed: int | None = None, **options: Any) -> None:
        text = targets.schema.to_json() if isinstance(targets, Targets) else targets
        super().__init__({"targets": text, "latent_dim": latent_dim}, seed, **options)

    @property
    def targets(self) -> Targets:
        """The target columns."""
        return _targets(self._sizes["targets"])

    @classmethod
    def supervised_variables(cls, **sizes: Any) -> tuple[str, ...]:
        return tuple(_targets(sizes["targets"]).variables)

    @staticmethod
    def specify(options: Options, targets: str, latent_dim: int) -> Specification:
        """The two models of the class docstring."""
        if options.schema is None:
            raise ValueError("A model of a table needs its columns: schema=... Received: schema=None")
        variables = _targets(targets).variables
        generative: dict[str, nodes.Node] = {"z": options.latent(latent_dim)}
        recognition: dict[str, nodes.Node] = {}
        for name, column in variables.items():
            if column.is_discrete:
                generative[name] = options.label_prior(len(column.categories))
                recognition[name] = options.label(len(column.categories), "x")
            else:
                generative[name], recognition[name] = options.latent(1), options.latent(1, "x")
        generative["x"] = options.observation(*variables, "z")
        recognition["z"] = options.latent(latent_dim, "x", *variables)
        return generative, recognition


def _targets(text: str) -> Targets:
    return Targets(Schema.from_json(text))


EXPERIMENT = Experiment(Table)
