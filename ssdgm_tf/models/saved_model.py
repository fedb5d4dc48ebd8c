"""A trained model as a TensorFlow SavedModel with named signatures. The functions are methods of `GraphicalModel`."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from ssdgm_tf.engine import propagation, trace
from ssdgm_tf.engine.graph import Graph
from ssdgm_tf.layers.supports import Classes
from ssdgm_tf.models.data_format import event
from ssdgm_tf.models.description import describe
from ssdgm_tf.models.novelty import described, known_examples

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

#: The model card. Hubs show the README of a repository.
CARD = "README.md"
# The least probability that has a logarithm in float32.
_TINY = 1e-37
#: What Keras writes of a model that it saves as a folder, `model.save(folder, zipped=False)`.
KERAS_FILES = ("config.json", "metadata.json", "model.weights.h5")
# What the folder of a SavedModel holds, beside the files of LiteRT and ONNX.
_CONTENTS = ("saved_model.pb", "fingerprint.pb", "variables", "assets", "assets.extra", CARD, *KERAS_FILES)
# How every card begins.
_FIRST_LINES = '---\nlibrary_name: "ssdgm_tf"\n'
# What a card says of examples of no class.
_ON_NOVELTY = (
    "`novelty` tells such an image: call it one of no class where its p_value is at most the rate of false alarms that you "
    "accept."
)
_ON_LIKELIHOOD = "`log_likelihood` says how usual an image is; it must be compared with those of known images."


class Preprocessing(Protocol):
    """Turns raw values of a client into values that a model was trained on, and back.

    Attributes:
        spec: a batch of raw values, such as `tf.TensorSpec((None, 28, 28, 1), tf.uint8)`.
    """

    spec: tf.TensorSpec

    def transform(self, raw: tf.Tensor) -> tf.Tensor:
        """Turns raw values into values as in `fit`."""

    def inverse(self, x: tf.Tensor) -> tf.Tensor:
        """Turns values that the model generates into raw ones, float32."""


class Signature(NamedTuple):
    """One function of a SavedModel.

    Attributes:
        function: of tensors, in the order of `inputs`; returns {name: tensor}.
        inputs: their names, shapes and dtypes.
        meaning: what it gives, in words.
    """

    function: Callable
    inputs: tuple[tf.TensorSpec, ...]
    meaning: str


def export(
    model: "GraphicalModel",
    filepath: str | os.PathLike,
    *,
    preprocessing: Mapping[str, Preprocessing] | None = None,
    about: str = "",
    metadata: Mapping[str, Any] | None = None,
    extra: Mapping[str, str] | None = None,
    verbose: bool = True,
) -> None:
    """Writes a SavedModel that answers with TensorFlow only, and a model card in it, README.md.

    Its signatures take any number of examples and give float32 (classes int64):

        classify         probabilities, class and entropy (nats) of a supervised class
        estimate         mean and stddev of any other supervised variable
        encode           means, or class probabilities, of every variable that is not observed
        generate         the observed variables: their mean given labels, the rest drawn with a seed
        decode           the observed variables: their mean given all that they depend on, such as label and style
        reconstruct      the mean of p(x|...) given the values that `encode` infers
        log_likelihood   importance-weighted bound on log p(x), nats, by a number of samples and a seed
        novelty          how unlike the known examples one is, and the share of these that are as novel; after `fit_novelty`

    Of several supervised variables each has a signature, `classify_NAME` or `estimate_NAME`. The first signature is
    also the `serving_default`. The same seed gives the same draws.

    Args:
        model: the model.
        filepath: folder of the SavedModel; one that is there is replaced.
        preprocessing: {name of an observed variable: what turns raw values into it}; it becomes part of the SavedModel.
            Without it values come in as in `fit`.
        about: Markdown that the card has beside the signatures.
        metadata: {key: value} of the header of the card, which model hubs read, beside its library and tags; JSON.
        extra: {name: text} of files that travel with it, in assets.extra.
        verbose: print what was written.

    Raises:
        ValueError: a model without weights, a name in `extra` that is a path, or a `filepath` that holds something else.
    """
    model.require_built()
    _check_file_names(extra or {})
    target = Path(filepath)
    check_target(target)
    made = signatures(model, preprocessing)
    # It tracks the weights that its endpoints use; a model that it was told to track would be in the file once more.
    archive = keras.export.ExportArchive()
    for name, signature in made.items():
        archive.add_endpoint(name, signature.function, input_signature=list(signature.inputs))
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    # A folder of a name that nobody has: folders beside the target are not ours.
    with tempfile.TemporaryDirectory(prefix=f"partial-{target.name}-", dir=target.absolute().parent) as folder:
        partial, before = Path(folder) / "new", Path(folder) / "previous"
        archive.write_out(str(partial), verbose=False)
        (partial / CARD).write_text(_header(metadata or {}) + _card(model, partial, made, about))
        for name, text in (extra or {}).items():
            (partial / "assets.extra").mkdir(exist_ok=True)
            (partial / "assets.extra" / name).write_text(text)
        try:
            if target.exists():
                os.replace(target, before)
            os.replace(partial, target)
        except BaseException:
            if before.exists() and not target.exists():
                os.replace(before, target)
            raise
    if verbose:
        print(f"SavedModel in {target}: {', '.join(made)}; {CARD} beside them.")


def check_target(target: Path) -> None:
    """Checks that a SavedModel may be written to a folder.

    Raises:
        ValueError: it is a file, or a folder that holds something else, also beside a SavedModel: it would be lost.
    """
    if not target.exists():
        return
    rule = "A SavedModel must be written to a new folder, or replace a SavedModel."
    names = sorted(os.listdir(target)) if target.is_dir() else []
    if not target.is_dir() or (names and "saved_model.pb" not in names):
        raise ValueError(f"{rule} Received: {target}")
    if other := [name for name in names if name not in _CONTENTS and not name.endswith((".tflite", ".onnx"))]:
        raise ValueError(f"{rule} Received: {target}, which holds {other[0]} too")
    if CARD in names and not (target / CARD).read_text(errors="replace").startswith(_FIRST_LINES):
        raise ValueError(f"{rule} Received: {target}, which holds a {CARD} that is no model card of this package")


def signatures(model: "GraphicalModel", preprocessing: Mapping[str, Preprocessing] | None = None) -> dict[str, Signature]:
    """The signatures that `export` writes, {name: signature}.

    Args:
        model: the model.
        preprocessing: see `export`.
    """
    model.require_built()
    served = _Served(model, dict(preprocessing or {}))
    found = served.predictions()
    found["encode"] = Signature(served.encode, served.x_specs, "means or class probabilities of all that is not observed")
    found["generate"] = served.generation(_givens(model.graph), with_seed=True)
    found["decode"] = served.generation(propagation.direct_parents(model.graph), with_seed=False)
    if not model.graph.inferred:
        del found["encode"]
    found["reconstruct"] = Signature(served.reconstruct, served.x_specs, "mean of p(x|...) given what encode infers")
    counted = (*served.x_specs, tf.TensorSpec((), tf.int32, name="num_samples"), served.seed_spec)
    found["log_likelihood"] = Signature(served.log_likelihood, counted, "importance-weighted bound on log p(x), nats")
    if model.known_examples is not None:
        meaning = "how unlike the known examples, and p_value, the share of these that are as novel"
        found["novelty"] = Signature(served.novelty, served.x_specs, meaning)
    return found


def _givens(graph: Graph) -> tuple[str, ...]:
    """The variables that a client gives to generate: the labels, and observed variables that others depend on."""
    names = (*graph.observed, *graph.supervised)
    return tuple(name for name in names if propagation.makes_observed(graph, name))


class _Served:
    """The functions of tensors behind the signatures of a model."""

    seed_spec = tf.TensorSpec((), tf.int64, name="seed")

    def __init__(self, model: "GraphicalModel", preprocessing: dict[str, Preprocessing]) -> None:
        self.model, self.preprocessing = model, preprocessing
        self.heads = model.data_format.observed | {name: model.recognition[name].head for name in model.graph.inferred}
        self.x_specs = tuple(self._spec(name) for name in model.data_format.observed)

    def predictions(self) -> dict[str, Signature]:
        """A signature for each supervised variable."""
        found, supervised = {}, self.model.data_format.supervised
        for name, head in supervised.items():
            suffix = f"_{name}" if len(supervised) > 1 else ""
            if isinstance(head.support, Classes):
                meaning = f"probabilities of {name}, the likeliest class, and the entropy in nats"
                found["classify" + suffix] = Signature(self._classification(name), self.x_specs, meaning)
            else:
                meaning = f"mean and standard deviation of {name}"
                found["estimate" + suffix] = Signature(self._estimation(name), self.x_specs, meaning)
        return found

    def encode(self, *raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """{name: mean, or class probabilities}."""
        means = propagation.means(self.model.graph, self._held(raw))[0]
        return {name: tf.cast(mean, tf.float32) for name, mean in means.items()}

    def reconstruct(self, *raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """{name: mean of an observed variable}."""
        held = self._held(raw)
        observed = {name: held[name].value for name in self.model.graph.observed}
        points = propagation.means(self.model.graph, held)[1]
        return self._raw(propagation.decode(self.model.graph, points, observed))

    def novelty(self, *raw: tf.Tensor) -> dict[str, tf.Tensor]:
        """{"novelty": [B], "p_value": [B]}."""
        known = known_examples(self.model)
        score = known.score(*described(self.model, self._x(raw)))
        return {"novelty": score, "p_value": known.p_value(score)}

    def log_likelihood(self, *raw_and_more: tf.Tensor) -> dict[str, tf.Tensor]:
        """{"log_likelihood": [B]}; one sample at a time, so that memory does not depend on their number."""
        *raw, num_samples, seed = raw_and_more
        positive = tf.debugging.assert_positive(num_samples, "num_samples must be at least 1.")
        model, key = self.model, tf.random.experimental.stateless_fold_in(_key(seed), 0)
        held = self._held(raw)

        def add(index, total):
            draw = tf.random.experimental.stateless_fold_in(key, index)
            one_pass = trace.run(model.graph, held, 1, draw, model.step, exact=True)
            log_w = tf.cast(model.bound_of(one_pass, "importance_weighted").bound, tf.float32)
            return index + 1, tfp.math.log_add_exp(total, log_w)

        with tf.control_dependencies([positive]):
            nothing = tf.fill(tf.shape(raw[0])[:1], -float("inf"))
        _, total = tf.while_loop(lambda index, _: index < num_samples, add, (0, nothing))
        return {"log_likelihood": total - tf.math.log(tf.cast(num_samples, tf.float32))}

    def generation(self, names: tuple[str, ...], with_seed: bool) -> Signature:
        """From values of `names` to the mean of the observed variables; the rest is drawn where there is a seed."""
        specs = tuple(self._spec(name) for name in names) or (tf.TensorSpec((), tf.int32, name="num_examples"),)

        def generate(*arguments: tf.Tensor) -> dict[str, tf.Tensor]:
            *given, seed = arguments if with_seed else (*arguments, tf.constant(0, tf.int64))
            size = tf.shape(given[0])[0] if names else given[0]
            values = dict(zip(names, given, strict=True)) if names else {}
            made = propagation.generate(self.model.graph, self._events(values), size, _key(seed))
            return self._raw({name: made[name] for name in self.model.graph.observed if name not in values})

        rest = "the rest drawn" if with_seed else "nothing drawn"
        meaning = f"mean of the observed variables given {', '.join(names) or 'nothing'}, {rest}"
        return Signature(generate, (*specs, self.seed_spec) if with_seed else specs, meaning)

    def _classification(self, name):
        def classify(*raw):
            probabilities = self._predicted(name, raw)
            return {
                "probabilities": probabilities,
                "class": tf.argmax(probabilities, axis=-1),
                # Not xlogy, which ONNX lacks; 0 log 0 is 0 all the same.
                "entropy": -tf.reduce_sum(probabilities * tf.math.log(tf.maximum(probabilities, _TINY)), axis=-1),
            }

        return classify

    def _estimation(self, name):
        return lambda *raw: self._predicted(name, raw)

    def _predicted(self, name, raw):
        predicted = self.model(self._x(raw))
        return predicted[name] if len(self.model.graph.supervised) > 1 else predicted

    def _spec(self, name) -> tf.TensorSpec:
        """Shape and dtype of a variable as a client sends it."""
        if name in self.preprocessing:
            spec = self.preprocessing[name].spec
            return tf.TensorSpec(spec.shape, spec.dtype, name=name)
        head = self.heads[name]
        if isinstance(head.support, Classes):
            return tf.TensorSpec((None,), tf.int64, name=name)
        return tf.TensorSpec((None, *(head.event_shape or ())), tf.float32, name=name)

    def _x(self, raw) -> dict:
        """The client's values of the observed variables as in `fit`, {name: tensor}."""
        values = dict(zip(self.model.data_format.observed, raw, strict=True))
        made = {name: self.preprocessing[name].transform(values[name]) for name in values if name in self.preprocessing}
        return {name: made[name] if name in made else self._checked(name, value) for name, value in values.items()}

    def _held(self, raw) -> dict:
        """The client's values of the observed variables as a pass holds them."""
        return self.model.data_format.held(self._x(raw))

    def _checked(self, name, value):
        """The value; of a class, after a check that the graph keeps."""
        head = self.heads[name]
        if not isinstance(head.support, Classes):
            return value
        return head.support.check_tensor(name, value, head.event_shape)

    def _events(self, values) -> dict:
        """{name: value [B, *event]} of what a client sent of any variables: classes one-hot."""
        return {name: event(self.heads[name], self._checked(name, value)) for name, value in values.items()}

    def _raw(self, means) -> dict:
        """{name: float32 as the client has it} of means of observed variables."""
        means = {name: tf.cast(mean, tf.float32) for name, mean in means.items()}
        return {n: self.preprocessing[n].inverse(mean) if n in self.preprocessing else mean for n, mean in means.items()}


def _check_file_names(names) -> None:
    for name in names:
        if name in ("", ".", "..") or Path(name).name != name or "\\" in name:
            raise ValueError(f"extra holds names of files, which are written in assets.extra. Received: {name!r}")


def _key(seed):
    """The TFP seed that the methods of a model make of an integer."""
    return tf.stack([tf.cast(seed, tf.int32), 0])


def _header(metadata) -> str:
    """The header of a card, YAML of which each value is JSON."""
    entries = {"tags": ["keras", "tensorflow", "semi-supervised"]} | dict(metadata)
    return _FIRST_LINES + "\n".join([*(f"{key}: {json.dumps(value)}" for key, value in entries.items()), "---", "", ""])


def _card(model, folder, signatures, about) -> str:
    """The text of the card, of the SavedModel in `folder`."""
    served = tf.saved_model.load(str(folder)).signatures
    lines = []
    for name, signature in signatures.items():
        outputs = served[name].structured_outputs
        taken, given = (", ".join(map(_in_words, specs)) for specs in (signature.inputs, outputs.values()))
        lines.append(f"| `{name}` | {taken} | {given} | {signature.meaning} |")
    return "\n".join(
        [
            f"# {type(model).__name__}",
            "",
            *([about.strip(), ""] if about else []),
            "## Signatures",
            "",
            "B is any number of examples. The same seed gives the same draws.",
            "",
            "| name | takes | gives | meaning |",
            "|---|---|---|---|",
            *lines,
            "",
            "## The model",
            "",
            "```",
            describe(model),
            "```",
            "",
            "Probabilities are of the classes that it was trained with, whatever the image: an image of something else gets "
            "some of them too. " + (_ON_NOVELTY if "novelty" in signatures else _ON_LIKELIHOOD),
            "",
        ]
    )


def _in_words(spec) -> str:
    shape = ", ".join("B" if size is None else str(size) for size in spec.shape)
    return f"{spec.name} {spec.dtype.name} [{shape}]" if spec.shape.rank else f"{spec.name} {spec.dtype.name}"
