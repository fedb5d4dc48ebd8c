"""The base of the named models: a specification of a graph, made with options."""

import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, ClassVar

import keras

from ssdgm_tf import choices, nodes
from ssdgm_tf.models.data_format import only_or_all
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.options import Options
from ssdgm_tf.schema import Schema

#: The generative and the recognition model, {name: node} each.
Specification = tuple[dict[str, nodes.Node], dict[str, nodes.Node]]


class NamedModel(GraphicalModel):
    """A model of the literature: a specification of a graph, made with `Options`.

    A subclass has a docstring, an `__init__` with arguments of its own, and `specify`. Its signature and its help show the
    options too.

    Args:
        sizes: {argument: value} of the subclass's own arguments.
        seed: integer seed of the model's draws.
        **options: those of `Options`, and `name`.
    """

    observed: ClassVar[str | tuple[str, ...]] = "x"
    supervised: ClassVar[str | tuple[str, ...]] = "y"
    #: The labelled bound where `compile` names none; None for the one that follows from the graph.
    labelled_bound_of_its_own: ClassVar[str | None] = None
    #: The specification: a static method of the options and of the subclass's own arguments, by name.
    specify: ClassVar[Callable[..., Specification]]
    _parts: ClassVar[tuple[str, ...]] = ("classifier", "encoder", "decoder", "estimator", "likelihood")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _show_options(cls)

    def __init__(self, sizes: dict[str, Any], seed: int | None, **options: Any) -> None:
        names = {field.name for field in dataclasses.fields(Options)}
        if unknown := sorted(set(options) - names - _OF_KERAS):
            raise TypeError(
                f"{type(self).__name__} takes the options {', '.join(sorted(names))}. "
                f"Received: {unknown}{choices.nearest(unknown[0], names)}"
            )
        given = Options(**{name: value for name, value in options.items() if name in names})
        generative, recognition = type(self).specify(given, **sizes)
        observed = (self.observed,) if isinstance(self.observed, str) else self.observed
        if given.exposure is not None:
            generative[given.exposure] = nodes.LogNormal(1, prior="learned", dtype=given.dtype)
            observed = (*observed, given.exposure)
        super().__init__(
            generative,
            recognition,
            observed=observed,
            supervised=self.supervised_variables(**sizes),
            seed=seed,
            dtype=given.dtype,
            **{name: value for name, value in options.items() if name not in names},
        )
        self._sizes, self.options = sizes, given

    @classmethod
    def supervised_variables(cls, **sizes: Any) -> str | tuple[str, ...]:
        """The names of the supervised variables.

        Args:
            **sizes: the subclass's own arguments.
        """
        return cls.supervised

    def build_like(self, other: GraphicalModel) -> None:
        """Builds the model for examples of the shapes that another model was built for.

        Args:
            other: a model that is built, of the same observed variables.
        """
        observed = other.data_format.observed
        self.build(only_or_all({name: (None, *(head.event_shape or ())) for name, head in observed.items()}))

    @property
    def labelled_bound_in_use(self) -> str:
        return self.labelled_bound or self.labelled_bound_of_its_own or super().labelled_bound_in_use

    def get_config(self) -> dict[str, Any]:
        options = {field.name: getattr(self.options, field.name) for field in dataclasses.fields(Options)}
        options["activation"] = keras.activations.serialize(keras.activations.get(options["activation"]))
        options["gaps"] = next(iter(self.data_format.observed.values())).gaps  # of a model that is built, known
        schema = self.options.schema
        options["schema"] = schema.to_json() if isinstance(schema, Schema) else schema
        options["estimator"] = nodes.estimators.get(options["estimator"])
        return {**options, **self.common_config(), **self._sizes}


# Arguments of keras.Model and of the engine that a config may hold.
_OF_KERAS = {"name", "trainable", "num_prediction_samples"}


def _show_options(cls: type[NamedModel]) -> None:
    """Gives a class a signature and a docstring that list the options after the arguments of its own."""
    _, *own = inspect.signature(cls.__init__).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(field.name, keyword, default=field.default, annotation=field.type)
        for field in dataclasses.fields(Options)
    ]
    named = [parameter for parameter in own if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    taken = {parameter.name for parameter in named}
    rest = [parameter for parameter in options if parameter.name not in taken]
    name = inspect.Parameter("name", keyword, default=None, annotation=str | None)
    cls.__signature__ = inspect.Signature([*named, *rest, name])
    text = cls.__doc__ or ""
    if "**options" in text and "\n    Options:" not in text:
        attributes = (inspect.getdoc(Options) or "").partition("Attributes:\n")[2].partition("\nRaises:")[0]
        cls.__doc__ = f"{text.rstrip()}\n\n    Options:\n{textwrap.indent(attributes.rstrip(), '    ')}\n    "
