"""What the named models share: a specification of a graph, made with options."""

import dataclasses

import keras

from ssdgm_tf import nodes
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.options import Options


class NamedModel(GraphicalModel):
    """A model of the literature: a specification of a graph, made with `Options`.

    A subclass has a docstring, the names of its sizes, and `specify`.

    Args:
        sizes: {argument: value} of the subclass's own arguments.
        seed: integer seed of the model's draws.
        **options: of `Options`, and of `keras.Model`.
    """

    observed, supervised = "x", "y"
    #: The labelled bound where `compile` names none; None for the one that follows from the graph.
    labelled_bound_of_its_own: str | None = None
    _parts = ("classifier", "encoder", "decoder", "estimator")

    def __init__(self, sizes: dict, seed: int | None, **options):
        names = {field.name for field in dataclasses.fields(Options)}
        given = Options(**{name: value for name, value in options.items() if name in names})
        generative, recognition = self.specify(given, **sizes)
        super().__init__(
            generative,
            recognition,
            observed=self.observed,
            supervised=self.supervised_variables(**sizes),
            seed=seed,
            dtype=given.dtype,
            **{name: value for name, value in options.items() if name not in names},
        )
        self._sizes, self.options = sizes, given

    @classmethod
    def supervised_variables(cls, **sizes) -> str | tuple[str, ...]:
        """The names of the supervised variables.

        Args:
            **sizes: the subclass's own arguments.
        """
        return cls.supervised

    @staticmethod
    def specify(options: Options, **sizes) -> tuple[dict, dict]:
        """The generative and the recognition model, {name: node} each.

        Args:
            options: what the nodes are made with.
            **sizes: the subclass's own arguments.
        """
        raise NotImplementedError

    @property
    def labelled_bound_in_use(self) -> str:
        return self.labelled_bound or self.labelled_bound_of_its_own or super().labelled_bound_in_use

    def get_config(self):
        options = {field.name: getattr(self.options, field.name) for field in dataclasses.fields(Options)}
        options["activation"] = keras.activations.serialize(keras.activations.get(options["activation"]))
        options["estimator"] = nodes.estimators.get(options["estimator"])
        return {**options, **self.common_config(), **self._sizes}
