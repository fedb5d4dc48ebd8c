"""`debug_nans`: finds the first term that is not finite, and its step."""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel

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
