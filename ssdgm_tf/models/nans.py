"""Steps that are not finite: `debug_nans` finds the first term and its step; many in a row end the training."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel

# Skipped steps in a row that end the training. A loss scale may skip some 15 while it finds its size.
_MOST_IN_A_ROW = 25
# Training steps between two looks at the number, because each look waits for the device.
_STEPS_BETWEEN_LOOKS = 50
_MESSAGE = re.compile(r"term (\S+) of (\w+) examples : Tensor had (\w+)")


def check(debug_nans: bool, jit_compile: bool | str) -> None:
    """Refuses `debug_nans` with XLA, which leaves checks out.

    Args:
        debug_nans: the argument of `compile`.
        jit_compile: the argument of `compile`.

    Raises:
        ValueError: both are asked for.
    """
    if debug_nans and jit_compile is True:
        raise ValueError(
            "debug_nans needs a step that is not compiled by XLA, which leaves checks out: jit_compile must be False or "
            "'auto'. Received: debug_nans=True, jit_compile=True"
        )


def checked(model: "SemiSupervisedModel", stream: str, terms: dict[str, Any]) -> dict[str, Any]:
    """The terms of a step; where the model debugs NaNs, each with a check in the graph.

    Args:
        model: a `SemiSupervisedModel`.
        stream: "labelled" or "unlabelled".
        terms: {name: [B]}, and "predictions", which are not checked.
    """
    if not model.debug_nans:
        return terms
    # The terms of single variables come before the sums that they spoil.
    parts = [name for name in terms if name.startswith(("log_p", "kl_"))]
    found: dict[str, tf.Tensor] = {}
    checks: list[tf.Tensor] = []
    for name in [*parts, *(name for name in terms if name not in (*parts, "predictions"))]:
        with tf.control_dependencies(checks):
            found[name] = tf.debugging.check_numerics(terms[name], f"term {name} of {stream} examples")
        checks = [found[name]]
    return terms | found


def watched(model: "SemiSupervisedModel", train_function: Callable) -> Callable:
    """The training function, which calls `check_progress` now and then.

    Args:
        model: a `SemiSupervisedModel`.
        train_function: Keras' function of an iterator.
    """
    steps = 0

    def watched(iterator: Any) -> Any:
        nonlocal steps
        logs = train_function(iterator)
        steps += model.steps_per_execution
        if steps >= _STEPS_BETWEEN_LOOKS:
            steps = 0
            check_progress(model)
        return logs

    return watched


def watch(model: "SemiSupervisedModel") -> keras.callbacks.Callback:
    """Calls `check_progress` at the end of every epoch.

    Args:
        model: a `SemiSupervisedModel`.
    """
    return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: check_progress(model))


def check_progress(model: "SemiSupervisedModel") -> None:
    """Ends the training where the last steps were all skipped.

    Args:
        model: a `SemiSupervisedModel`.

    Raises:
        FloatingPointError: at least 25 steps in a row were skipped.
    """
    in_a_row = round(float(tf.convert_to_tensor(model.monitor.skipped.in_a_row)))
    if in_a_row >= _MOST_IN_A_ROW:
        raise FloatingPointError(
            "Gradients must be finite: the weights no longer change. Look at the size of the values in x, the learning "
            "rate and the likelihood; compile(debug_nans=True) names the first term that is not finite. "
            f"Received: {in_a_row} skipped steps in a row, up to step {model.num_steps}"
        )


@contextlib.contextmanager
def named(model: "SemiSupervisedModel") -> Iterator[None]:
    """Within it a check that fails is raised as a FloatingPointError.

    Args:
        model: a `SemiSupervisedModel`.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _MESSAGE.search(str(error)) if model.debug_nans else None
        if found is None:
            raise
        term, stream, values = found.groups()
        raise FloatingPointError(
            f"Every term must be finite. Received: {term} with {values} in step {model.num_steps + 1}, of {stream} examples "
            f"(log_p_NAME and kl_NAME are of the variable NAME)"
        ) from error
