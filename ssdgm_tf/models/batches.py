"""Batches as people bring them, checked: data sets of TensorFlow, Keras, Grain and PyTorch, and generators.

A batch is x, (x,), (x, y), or both streams of a step, {"labelled": (x, y), "unlabelled": x}.
"""

import contextlib
import functools
import itertools
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import checks, keras_internals
from ssdgm_tf.layers import supports
from ssdgm_tf.models.data_format import DataFormat, batch_size, num_examples

_STREAMS = {"labelled", "unlabelled"}


class Source:
    """Where batches come from.

    Args:
        data: a `tf.data.Dataset`, `keras.utils.PyDataset`, Grain or PyTorch loader, or an iterator, such as a generator.
        name: the argument that says how many batches are taken, for messages.
        steps: its value; None for all.
        only_x: whether what is beside x is left out, as in predictions.

    Attributes:
        kind: what `data` is, in words.
        first: the first batch, of NumPy arrays.

    Raises:
        ValueError: no batch; or a generator, or what says that it never ends, without a number of steps.
    """

    def __init__(self, data: Any, name: str, steps: int | None, only_x: bool = False) -> None:
        self.kind = _kind(data)
        self.data, self.only_x = data, only_x
        self.failures: list[Exception] = []
        if steps is None and _may_be_endless(data):
            raise ValueError(
                f"{name} must be given where the end of the data is not known. Received: {name}=None, a {self.kind}"
            )
        first = _first(data)
        if first is None:
            raise ValueError(f"A {self.kind} must hold at least one batch. Received: none")
        if isinstance(data, Iterator):
            self.data = itertools.chain([first], data)
        self.first = normal(first, only_x)

    @functools.cached_property
    def dataset(self) -> tf.data.Dataset:
        """The batches as they come."""
        if isinstance(self.data, tf.data.Dataset):
            return self.data.map(_as_is(self._normal_tensors))
        if isinstance(self.data, keras.utils.PyDataset):
            return self._loader.dataset.map(_as_is(self._normal_tensors))
        signature = _signature(self.first)
        batches = tf.data.Dataset.from_generator(lambda: self._normal_batches(self.data), output_signature=signature)
        if hasattr(self.data, "__len__"):
            batches = batches.apply(tf.data.experimental.assert_cardinality(len(self.data)))
        return batches

    @functools.cached_property
    def _loader(self) -> keras_internals.Loader:
        return keras_internals.Loader(_Normal(self.data, self.first, self.only_x, self.failures))

    def _normal_batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        with _remembering(self.failures):
            for batch in batches:
                yield normal(batch, self.only_x, self.first)

    def map(self, function: Callable[[tf.Tensor, Any], Any]) -> tf.data.Dataset:
        """The batches, changed by a function of the number of a batch and of the batch."""
        changed = self.dataset.enumerate().map(_as_is(lambda number, *batch: function(number, _only(batch))))
        if not isinstance(self.data, Iterator):
            return changed.prefetch(2)
        options = tf.data.Options()  # batches that were read ahead but not used would be lost
        options.experimental_optimization.inject_prefetch = False
        options.experimental_optimization.map_parallelization = False
        return changed.with_options(options)

    @contextlib.contextmanager
    def own_errors(self) -> Iterator[None]:
        """Within it, what the source raised is raised as it was, and not as an error of TensorFlow."""
        try:
            yield
        except tf.errors.OpError:
            if self.failures:
                raise self.failures[0] from None
            raise

    def _normal_tensors(self, *batch: Any) -> Any:
        """The batch that a data set gives as arguments, with dense tensors for sparse ones."""

        def dense(tensor: Any) -> Any:
            return tf.sparse.to_dense(tensor) if isinstance(tensor, tf.SparseTensor) else tensor

        return tf.nest.map_structure(dense, _without_rest(_only(batch), self.only_x))

    def callbacks(self, occasion: str) -> list[keras.callbacks.Callback]:
        """The callbacks that tell the source of each pass over it.

        Args:
            occasion: "epoch", "test" or "predict".
        """
        if not isinstance(self.data, keras.utils.PyDataset):
            return []
        begin, end = self._loader.begin, self._loader.end
        calls = {f"on_{occasion}_begin": lambda *_: begin(), f"on_{occasion}_end": lambda *_: end()}
        return [keras.callbacks.LambdaCallback(**calls)]


@contextlib.contextmanager
def to_the_end(*steps: int | None) -> Iterator[None]:
    """Within it Keras does not say that data ran out where they are wanted to their end, which only their end tells.

    Args:
        *steps: numbers of batches that are taken; None for all.
    """
    with warnings.catch_warnings():
        if not any(steps):
            warnings.filterwarnings("ignore", "Your input ran out of data")
        yield


def is_source(data: Any) -> bool:
    """Whether data come in batches, and not as arrays."""
    return isinstance(data, tf.data.Dataset | Iterator) or keras_internals.is_loader(data)


def training(
    source: Source, data_format: DataFormat, kinds: Collection[str], fills: bool = False, complete: Collection[str] = ()
) -> tf.data.Dataset:
    """Checked batches of {"labelled": (x, y), "unlabelled": x}; either key may be missing.

    A batch (x, y) is split into those with a label and those without; a batch x has none with a label.

    Args:
        source: the batches.
        data_format: that of the model, which is built.
        kinds: the keys of the first batch, see `streams_of`.
        fills: whether smaller batches are filled up to the size of the first one; then "numbers" says how many examples of
            each stream count. Each stream of a batch (x, y) is filled up to the size of the whole.
        complete: the observed variables of which no element may be missing.

    Raises:
        ValueError: values of another shape than the model was built for, or a labelled stream that ends too early.
        tf.errors.InvalidArgumentError: while iterating, on values that a variable cannot take, or a batch without examples
            of a kind that the first batch has; see `supports.as_value_errors`.
    """
    form = _form(source)

    def checked(number: tf.Tensor, batch: Any) -> dict[str, Any]:
        if form == "streams":
            return _checked_streams(batch, data_format, number, complete)
        pair = _checked_pair(batch, data_format, number, complete=complete)
        return _split(*pair, data_format, kinds, source.kind, number)

    def filled(number: tf.Tensor, batch: Any) -> dict[str, Any]:
        made = {name: _filled(part, sizes[name]) for name, part in checked(number, batch).items()}
        streams = {name: part for name, (part, _) in made.items()}
        return streams | {"numbers": {name: count for name, (_, count) in made.items()}}

    if form == "streams":
        _check_lengths(source)
    sizes = dict.fromkeys(kinds, _num_rows(source.first))
    if form == "streams":
        sizes = {name: _num_rows(source.first[name]) for name in kinds}
    return source.map(filled if fills else checked)


def streams_of(source: Source, data_format: DataFormat) -> dict[str, Any]:
    """The streams of the first batch, checked; see `split`.

    Raises:
        ValueError: batches of another form, or bad values.
    """
    if _form(source) == "streams":
        return checked_streams(source.first, data_format)
    return split(*first_pair(source, data_format), data_format)


def checked_streams(batch: Mapping[str, Any], data_format: DataFormat) -> dict[str, Any]:
    """Both streams of arrays, checked.

    Args:
        batch: {"labelled": (x, y), "unlabelled": x}; either key may be missing.
        data_format: that of the model.

    Raises:
        ValueError: bad values.
    """
    return {name: data_format.pair(*part) if name == "labelled" else data_format.x(part) for name, part in batch.items()}


def split(x: dict[str, np.ndarray], y: dict[str, np.ndarray], data_format: DataFormat) -> dict[str, Any]:
    """The streams of checked arrays: {"labelled": (x, y), "unlabelled": x}, without the key of a kind that has no example.

    Args:
        x: {name: array} of the observed variables.
        y: {name: array} of the supervised ones.
        data_format: that of the model.
    """
    is_labelled = data_format.is_labelled(y) if y else np.zeros(num_examples(x), bool)
    streams: dict[str, Any] = {}
    if is_labelled.any():
        streams["labelled"] = keras.tree.map_structure(lambda array: array[is_labelled], (x, y))
    if not is_labelled.all():
        streams["unlabelled"] = {name: array[~is_labelled] for name, array in x.items()}
    return streams


def examples_of(streams: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """{stream: x} of {"labelled": (x, y), "unlabelled": x}."""
    return {name: part[0] if name == "labelled" else part for name, part in streams.items()}


def first_pair(source: Source, data_format: DataFormat) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The first batch (x, y), checked.

    Raises:
        ValueError: batches of another form, or bad values.
    """
    if _form(source) == "streams":
        raise ValueError(f"Data to evaluate must be batches (x, y). Received: batches of {sorted(source.first)}")
    return data_format.pair(*_pair(source.first))


def evaluation(source: Source, data_format: DataFormat, fills: bool = False) -> tf.data.Dataset:
    """Checked batches (x, y), where any y may be unknown, or (x, y, number) where they are filled up; see `training`."""
    size = _num_rows(source.first)

    def checked(number: tf.Tensor, batch: Any) -> tuple:
        pair = _checked_pair(batch, data_format, number)
        if not fills:
            return pair
        (x, y), count = _filled(pair, size)
        return x, y, count

    return source.map(checked)


def prediction(source: Source, data_format: DataFormat) -> tf.data.Dataset:
    """Checked batches of x, of a source of `only_x`."""
    data_format.x(source.first)
    return source.map(lambda number, batch: data_format.x_tensors(batch, number))


def check_no_labels_beside(y: Any) -> None:
    """Refuses labels beside data that hold labels already.

    Raises:
        ValueError: `y` is not None.
    """
    if y is not None:
        raise ValueError(
            "y must be None where x is a data set or a batch of streams, which hold the labels. "
            f"Received: y={type(y).__name__}"
        )


def _form(source: Source) -> str:
    """The form of the batches, "streams" or "pairs".

    Raises:
        ValueError: neither.
    """
    batch = source.first
    rule = 'A batch must be x, (x, y) or {"labelled": (x, y), "unlabelled": x}; one of the two may be left out.'
    if isinstance(batch, dict) and set(batch) & _STREAMS:
        labelled = batch.get("labelled", (None, None))
        if set(batch) - _STREAMS or not isinstance(labelled, tuple) or len(labelled) != 2:
            raise ValueError(f"{rule} Received: a {source.kind} of {_in_words(batch)}")
        return "streams"
    if isinstance(batch, tuple) and len(batch) == 3:
        raise ValueError(f"{rule} Examples have no weights of their own. Received: a {source.kind} of (x, y, sample_weight)")
    if isinstance(batch, tuple) and len(batch) not in (1, 2):
        raise ValueError(f"{rule} Received: a {source.kind} of {_in_words(batch)}")
    return "pairs"


def _pair(batch: Any) -> tuple[Any, Any]:
    """(x, y) of a batch; y is None where it has none."""
    if not isinstance(batch, tuple):
        return batch, None
    return batch if len(batch) == 2 else (batch[0], None)


def _checked_pair(
    batch: Any, data_format: DataFormat, number: tf.Tensor, missing: bool = True, complete: Collection[str] = ()
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """A batch x or (x, y) as tensors by name, checked; `missing` says whether a value of y may be unknown."""
    x, y = _pair(batch)
    x = data_format.x_tensors(x, number, complete)
    return x, data_format.y_tensors(y, batch_size(x), missing, number)


def _checked_streams(
    batch: dict[str, Any], data_format: DataFormat, number: tf.Tensor, complete: Collection[str]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if "labelled" in batch:
        missing = not data_format.always_complete
        result["labelled"] = _checked_pair(batch["labelled"], data_format, number, missing, complete)
    if "unlabelled" in batch:
        result["unlabelled"] = data_format.x_tensors(batch["unlabelled"], number, complete)
    return result


def _split(
    x: dict[str, tf.Tensor],
    y: dict[str, tf.Tensor],
    data_format: DataFormat,
    kinds: Collection[str],
    source: str,
    number: tf.Tensor,
) -> dict[str, Any]:
    """The streams of a batch (x, y): its examples with a label, and those without."""
    known = list(data_format.is_known(y).values())
    is_labelled = tf.reduce_any(tf.stack(known), axis=0) if known else tf.zeros([batch_size(x)], tf.bool)
    rows = {"labelled": is_labelled, "unlabelled": ~is_labelled}
    holds = tf.constant(True)
    for name, has in rows.items():
        holds &= tf.equal(tf.reduce_any(has), name in kinds)
    wanted = " and ".join(sorted(kinds))
    template = (
        f"Every batch (x, y) of a {source} is a step, and must hold {wanted} examples as the first one does: give the two "
        "streams apart, or arrays. Received: {} labelled and {} unlabelled examples in batch {}"
    )
    numbers = [tf.math.count_nonzero(has) for has in rows.values()]
    x = {name: supports.require(value, holds, template, [*numbers, number]) for name, value in x.items()}
    streams: dict[str, Any] = {}
    if "labelled" in kinds:
        streams["labelled"] = tf.nest.map_structure(lambda tensor: tf.boolean_mask(tensor, is_labelled), (x, y))
    if "unlabelled" in kinds:
        streams["unlabelled"] = {name: tf.boolean_mask(tensor, ~is_labelled) for name, tensor in x.items()}
    return streams


def _num_rows(batch: Any) -> int:
    """How many examples a batch of arrays has."""
    return len(tf.nest.flatten(batch)[0])


def _filled(tensors: Any, size: int) -> tuple[Any, tf.Tensor]:
    """Tensors [B, ...] of a batch, repeated up to a size where B is smaller, and B."""
    number = tf.shape(tf.nest.flatten(tensors)[0], out_type=tf.int64)[0]
    places = tf.range(tf.maximum(number, size)) % number
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, places), tensors), number


def _check_lengths(source: Source) -> None:
    """Refuses a labelled stream that ends before the unlabelled one, and the epoch with it.

    Raises:
        ValueError: the labelled stream is shorter, or its length is unknown.
    """
    lengths = keras_internals.zipped_lengths(source.dataset)
    if set(lengths) != _STREAMS:
        return
    labelled, unlabelled = lengths["labelled"], lengths["unlabelled"]
    if labelled == tf.data.INFINITE_CARDINALITY or 0 <= unlabelled <= labelled:
        return
    words = {tf.data.UNKNOWN_CARDINALITY: "an unknown number", tf.data.INFINITE_CARDINALITY: "no end"}
    raise ValueError(
        "The labelled stream must be as long as the unlabelled one: labelled.repeat() goes round. Received: batches "
        f"labelled: {words.get(labelled, labelled)}, unlabelled: {words.get(unlabelled, unlabelled)}"
    )


class _Normal(keras.utils.PyDataset):
    """The batches of a PyDataset in the form of this module."""

    def __init__(self, batches: keras.utils.PyDataset, first: Any, only_x: bool, failures: list[Exception]) -> None:
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches, self.first, self.only_x, self.failures = batches, first, only_x, failures

    @property
    def num_batches(self) -> int | None:
        return self.batches.num_batches

    def __getitem__(self, index: int) -> Any:
        with _remembering(self.failures):
            batch = normal(self.batches[index], self.only_x, self.first)
            return batch if isinstance(batch, tuple) else (batch,)

    def on_epoch_begin(self) -> None:
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.batches.on_epoch_end()


@contextlib.contextmanager
def _remembering(failures: list[Exception]) -> Iterator[None]:
    """Within it, an error is kept; TensorFlow makes another of it."""
    try:
        yield
    except Exception as error:
        failures.append(error)
        raise


def normal(batch: Any, only_x: bool = False, first: Any = None) -> Any:
    """A batch of arrays: tuples for lists, x for (x,).

    Args:
        batch: a batch of a loader or a generator.
        only_x: whether what is beside x is left out.
        first: the first batch, in this form; None for the first.

    Raises:
        ValueError: something that is no array, or a batch of another form or dtype than the first.
    """
    batch = tuple(batch) if isinstance(batch, list) else batch
    if isinstance(batch, dict) and isinstance(batch.get("labelled"), list):
        batch = batch | {"labelled": tuple(batch["labelled"])}
    made = _arrays(_without_rest(batch, only_x))
    if first is not None and _in_words(made) != _in_words(first):
        raise ValueError(f"Every batch must be like the first, {_in_words(first)}. Received: {_in_words(made)}")
    return made


def _without_rest(batch: Any, only_x: bool) -> Any:
    """The batch as x where it is (x,), or where only x is wanted."""
    return batch[0] if isinstance(batch, tuple) and (len(batch) == 1 or only_x) else batch


def _kind(data: Any) -> str:
    """What a source is, in words."""
    for kind, name in ((tf.data.Dataset, "Dataset"), (keras.utils.PyDataset, "PyDataset"), (Iterator, "generator")):
        if isinstance(data, kind):
            return name
    return type(data).__name__


def _as_is(function: Callable) -> Callable:
    """The function for `Dataset.map`, which would rewrite its Python."""
    return tf.autograph.experimental.do_not_convert(function)


def _may_be_endless(data: Any) -> bool:
    if isinstance(data, tf.data.Dataset):
        return int(data.cardinality()) == tf.data.INFINITE_CARDINALITY
    return isinstance(data, Iterator) or keras_internals.is_endless(data)


def _first(data: Any) -> Any:
    """The first batch, None if there is none. Of an iterator it is taken."""
    if isinstance(data, tf.data.Dataset):
        return next(iter(data.take(1)), None)
    if isinstance(data, keras.utils.PyDataset):
        return None if data.num_batches == 0 else data[0]
    return next(iter(data), None)


def _arrays(batch: Any) -> Any:
    """A batch with an array for everything that stands for one; dicts and tuples keep their form."""
    if isinstance(batch, dict):
        return {name: _arrays(part) for name, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(map(_arrays, batch))
    if isinstance(batch, tf.SparseTensor):
        batch = tf.sparse.to_dense(batch)
    if isinstance(batch, tf.Tensor) and batch.dtype == tf.string:
        return batch.numpy().astype(bytes)  # NumPy would hold objects
    array = checks.as_array("a batch", batch)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    # A later batch may hold larger integers than the first; but images of bytes are told by their dtype.
    return array.astype(np.int64) if array.dtype.kind in "iu" and not (array.dtype == np.uint8 and array.ndim > 2) else array


def _only(batch: tuple) -> Any:
    return batch[0] if len(batch) == 1 else batch


def _signature(batch: Any) -> Any:
    """The shapes and dtypes of batches of any size like this one."""

    def spec(array: np.ndarray) -> tf.TensorSpec:
        return tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype) if array.dtype.kind in "biuf" else tf.string)

    return tf.nest.map_structure(spec, batch)


def _in_words(batch: Any) -> str:
    """The structure of a batch: the dtype of each array, and the shape of an example."""
    return str(keras.tree.map_structure(lambda array: f"{array.dtype} {list(array.shape[1:])}", batch))
