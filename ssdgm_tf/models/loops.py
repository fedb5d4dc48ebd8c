"""Many steps in one program, over arrays that the device holds: the host does nothing for a single step."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import tensorflow as tf

from ssdgm_tf import keras_internals
from ssdgm_tf.models import compilation, streams
from ssdgm_tf.models.streams import Arrays

if TYPE_CHECKING:
    from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel

# The most steps of an execution that "auto" takes: the host's work is then small beside them.
_MOST_STEPS = 50
# Steps of a block of `InBlocks`.
_BLOCK = 16
# Bytes of a block that may be larger than the arrays themselves.
_LARGE_BLOCK = 2**26
# Forms of data for which programs are kept.
_MOST_PROGRAMS = 4
# Methods of callbacks that are called for each execution.
_FOR_BATCHES = {f"on_{part}batch_{end}" for part in ("", "train_", "test_") for end in ("begin", "end")}


class Data(NamedTuple):
    """What Keras goes over.

    Attributes:
        dataset: the batches.
        callbacks: those that belong to them.
        num_steps: steps of an epoch, where the data set does not end with it; else None.
        steps_at_once: steps of an execution, where `compile` was left to choose.
    """

    dataset: tf.data.Dataset
    callbacks: Sequence[keras.callbacks.Callback] = ()
    num_steps: int | None = None
    steps_at_once: int = 1


class Passes:
    """Steps over arrays in memory, pass after pass; where the next one is.

    Args:
        arrays: the arrays, in memory.
        num_steps: steps of an epoch; None for one pass.
        begins_at: the event of Keras' callbacks at which an epoch begins, "epoch" or "test".
    """

    def __init__(self, arrays: Arrays, num_steps: int | None, begins_at: str) -> None:
        self.arrays, self.begins_at = arrays, begins_at
        self.num_steps = num_steps or arrays.order.steps
        gpus = tf.config.list_logical_devices("GPU")
        with tf.device(gpus[0].name if gpus else None):  # the readers hold their copies on the host
            self.stored = tf.nest.map_structure(lambda part: tf.identity(part.stored), arrays.parts)
        self.begin(0)
        self._pass = -1

    def begin(self, epoch: int) -> None:
        """Goes to the first step of an epoch.

        Args:
            epoch: its number, from 0 on.
        """
        self.step, self.end = epoch * self.num_steps, (epoch + 1) * self.num_steps

    def data(self, steps_at_once: int) -> Data:
        """What Keras goes over in place of batches: the numbers of the steps of an epoch.

        Args:
            steps_at_once: see `Data`.
        """
        begins: dict[str, Any] = {"on_test_begin": lambda logs: self.begin(0)}
        if self.begins_at == "epoch":
            begins = {"on_epoch_begin": lambda epoch, logs: self.begin(epoch)}
        callbacks = [keras.callbacks.LambdaCallback(**begins)]
        return Data(tf.data.Dataset.range(self.num_steps), callbacks, steps_at_once=steps_at_once)

    def next(self, num_steps: int) -> tuple[Any, dict[str, tf.Tensor], int, int, int]:
        """Inputs of a program for the next steps, to the end of a pass or an epoch at most.

        Args:
            num_steps: how many steps at most.

        Returns:
            The arrays as they are stored; the places of a pass, {stream: int64 [steps, size]}; the last row of these, the
            first to take, and the one after those to take.
        """
        number, place = divmod(self.step, self.arrays.order.steps)
        if self._pass != number:
            self._pass, self._places = number, self.arrays.order.of_pass(number)
        after = min(place + min(num_steps, self.end - self.step), self.arrays.order.steps)
        self.step += after - place
        return self.stored, self._places, self.arrays.order.steps - 1, place, after


class InBlocks(Passes):
    """Passes over arrays in their order, in blocks of few steps: XLA compiles one program for any number of examples."""

    _block: tuple[int, Any] = (-1, None)

    def next(self, num_steps: int) -> tuple[Any, dict[str, tf.Tensor], int, int, int]:
        """See `Passes`; of a block."""
        number, first = divmod(self.step % self.arrays.order.steps, _BLOCK)
        stored, places, last, _, after = super().next(min(num_steps, _BLOCK - first))
        before = number * _BLOCK
        if self._block[0] != number:
            steps = tf.range(before, before + _BLOCK) % (last + 1)
            rows = tf.reshape(tf.gather(places["examples"], steps), [-1])
            self._block = number, tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), stored)
        block = tf.reshape(tf.range(_BLOCK * self.arrays.order.sizes["examples"], dtype=tf.int64), [_BLOCK, -1])
        return self._block[1], {"examples": block}, last - before, first, after - before


def of_evaluation(arrays: Arrays, num_steps: int | None) -> Passes:
    """The passes of an evaluation. Blocks that are larger than the arrays, and large, are not made.

    Args:
        arrays: the arrays, in an `InOrder`.
        num_steps: steps that are taken, where these are not all.
    """
    steps = arrays.order.steps
    of_block = arrays.num_bytes / steps * _BLOCK
    kind = InBlocks if arrays.fills and of_block <= max(arrays.num_bytes, _LARGE_BLOCK) else Passes
    return kind(arrays, min(num_steps or steps, steps), "test")


class Loop:
    """The programs of one kind of step: one for each form of data, whatever its number of examples and steps.

    Args:
        model: the model.
        step: the training step or the test step, a function of a batch.
    """

    def __init__(self, model: "SemiSupervisedModel", step: Callable[[Any], dict[str, tf.Tensor]]) -> None:
        self.model, self.step = model, step
        # By form. A program holds the conversions whose identity is a part of its form.
        self.programs: dict[Any, Callable] = {}

    def advance(self, passes: Passes, num_steps: int) -> dict[str, tf.Tensor]:
        """Takes the next steps, to the end of the epoch at most.

        Args:
            passes: where they are.
            num_steps: how many.

        Returns:
            The metrics after the last one.
        """
        end, logs = min(passes.end, passes.step + num_steps), {}
        program = self._program_for(passes.arrays, num_steps == 1)
        left = {stream: tf.constant(size, tf.int64) for stream, size in passes.arrays.last.items()}
        while passes.step < end:
            stored, places, *steps = passes.next(end - passes.step)
            logs = program(stored, places, left, *(tf.constant(step, tf.int64) for step in steps))
        return logs

    def _program_for(self, arrays: Arrays, is_single: bool) -> Callable:
        conversions = tf.nest.map_structure(lambda part: part.conversion, arrays.parts)
        specs = tf.nest.map_structure(_spec, arrays.parts)
        keys = tuple(conversion and conversion.key for conversion in tf.nest.flatten(conversions))
        sizes = _sizes(arrays)
        form = (repr(specs), keys, tuple(sizes.items()), tuple(arrays.last), arrays.fills, is_single)
        if form not in self.programs:
            if len(self.programs) == _MOST_PROGRAMS:
                del self.programs[next(iter(self.programs))]
            signature = _signature(specs, sizes, arrays.last)
            self.programs[form] = self._program(signature, conversions, arrays.fills, is_single)
        return self.programs[form]

    def _program(self, signature: Any, conversions: Any, fills: bool, is_single: bool) -> Callable:
        """The function that takes steps. It holds no array.

        Args:
            signature: of its arguments.
            conversions: of x and y, see `streams.InMemory`.
            fills: see `Arrays`.
            is_single: whether it takes one step, without a loop.
        """

        def program(stored, places, left, last, first, after):
            names: list[str] = []

            def rows(index):
                return tf.nest.map_structure(lambda of, how: streams.rows_of(of, how, index), stored, conversions)

            def take(step):
                of_step = {stream: tf.gather(of, step) for stream, of in places.items()}
                numbers = streams.numbers_of(of_step, left, step == last)
                names[:] = self.step(streams.batch_of(rows, of_step, numbers, fills))
                return (step + 1,)

            if is_single:
                take(first)
            else:
                tf.while_loop(lambda step: step < after, take, [first], parallel_iterations=1)
            results = {metric.name: metric.result() for metric in self.model.metrics}
            return {name: results[name] for name in names}

        return tf.function(program, signature, autograph=False, jit_compile=bool(self.model.jit_compile))


def _spec(part: streams.InMemory) -> tf.TensorSpec:
    """That of a stored array with any number of examples."""
    return tf.TensorSpec((None, *part.stored.shape[1:]), part.stored.dtype)


def _sizes(arrays: Arrays) -> dict[str, int | None]:
    """{stream: examples of every step}; None where the last step has fewer, and the program is one for every batch size."""
    are_alike = arrays.fills or not arrays.last
    return {stream: size if are_alike else None for stream, size in arrays.order.sizes.items()}


def _signature(specs: Any, sizes: dict[str, int | None], left: Iterable[str]) -> tuple:
    """That of a program, for any number of steps."""
    number = tf.TensorSpec((), tf.int64)
    places = {stream: tf.TensorSpec((None, size), tf.int64) for stream, size in sizes.items()}
    return specs, places, dict.fromkeys(left, number), number, number, number


def going_over(
    model: "SemiSupervisedModel", name: str, step: Callable[[Any], dict[str, tf.Tensor]], of_batches: Callable
) -> Callable[[Any], Any]:
    """Keras' function of an iterator, and a loop where the model goes over arrays in memory.

    Args:
        model: the model.
        name: "train" or "test".
        step: the step.
        of_batches: Keras' function.
    """
    loop = Loop(model, step)

    def function(iterator: Any) -> Any:
        passes = model.passes.get(name)
        if passes is None or not isinstance(iterator, tf.data.Iterator):
            return of_batches(iterator)
        return loop.advance(passes, model.steps_per_execution)

    return function


def fit_into_memory(arrays: Arrays, held: Sequence[Arrays] = ()) -> bool:
    """Whether a GPU, where there is one, holds the arrays: with others they take at most half of its memory.

    Args:
        arrays: the arrays.
        held: those that it holds already.

    Warns:
        UserWarning: they do not fit, and stream.
    """
    room = keras_internals.gpu_memory()
    needed = sum(some.num_bytes for some in (arrays, *held))
    if room is None or needed <= room / 2:
        return True
    warnings.warn(
        "The data stream to the GPU, step by step: arrays that stay there must fit into half of its memory, "
        f"{room / 2e9:.1f} GB. Received: {needed / 1e9:.1f} GB",
        stacklevel=4,
    )
    return False


def steps_at_once(model: "SemiSupervisedModel", num_steps: int, batch_size: int, callbacks: Sequence[Any]) -> int:
    """How many steps an execution takes where `compile` was left to choose.

    So many that the host's work is small beside them, in nearly equal parts of an epoch, and few enough that a progress bar
    moves; one where a callback looks at every batch.

    Args:
        model: the model, built.
        num_steps: steps of an epoch.
        batch_size: examples of the larger stream.
        callbacks: those of the user.
    """
    if any(map(_looks_at_batches, callbacks)):
        return 1
    most = min(_MOST_STEPS, max(1, int(compilation.work_at_once() / compilation.work(model, batch_size))))
    return math.ceil(num_steps / math.ceil(num_steps / most))


def _looks_at_batches(callback: Any) -> bool:
    """Whether a callback does something at every batch. Those of Keras do where they are asked to save or write there."""
    if not getattr(callback, "needs_every_batch", True):
        return False
    often = any(getattr(callback, name, "epoch") not in ("epoch", False) for name in ("save_freq", "update_freq"))
    of_user = [kind for kind in type(callback).__mro__ if not kind.__module__.startswith("keras.")]
    return often or not _FOR_BATCHES.isdisjoint(set(vars(callback)).union(*map(vars, of_user)))
