"""What a device or XLA cannot do, in words: too little memory, and operations that XLA does not compile."""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ssdgm_tf import keras_internals

if TYPE_CHECKING:
    from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel


class DeviceMemoryError(MemoryError):
    """The device has too little memory for a step."""


_UNSUPPORTED = re.compile(r"No registered '(\w+)' OpKernel for XLA\w* devices.*?\{\{node ([^}]*)\}\}", re.DOTALL)


@contextlib.contextmanager
def in_words(model: "SemiSupervisedModel", **sizes: Any) -> Iterator[None]:
    """Within it such errors say the rule and what was received.

    Args:
        model: the model.
        **sizes: the sizes of a step as its user gave them, {argument: value or None}.

    Raises:
        DeviceMemoryError: the device has too little memory for a step.
        ValueError: XLA cannot compile an operation of a step.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        given = ", ".join(f"{name}={value}" for name, value in (sizes | {"num_samples": model.num_samples}).items())
        raise DeviceMemoryError(
            "A step must fit into the memory of the device: lower batch_size, labelled_batch_size or num_samples, sum over "
            "fewer states (top_k or relaxed), or compute in mixed_bfloat16. "
            f"Received: {given}; {str(error).splitlines()[0]}"
        ) from error
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        found = _UNSUPPORTED.findall(str(error))
        if not found:
            raise
        operations = sorted({f"{operation} in {_place(model, path)}" for operation, path in found})
        raise ValueError(
            "XLA must know every operation of a step: use another layer, or jit_compile=False (--jit_compile=off). "
            f"Received: {', '.join(operations)}"
        ) from error


def _place(model: "SemiSupervisedModel", path: str) -> str:
    """Where in the model an operation is: the node whose network it belongs to, and its path in the graph."""
    scopes = {re.sub(r"_\d+$", "", scope) for scope in path.split("/")} | set(path.split("/"))
    for nodes in (getattr(model, "recognition", {}), getattr(model, "generative", {})):
        for node in nodes.values():
            if any(part.name in scopes for part in keras_internals.sublayers(node)):
                return f"the network of {node.name} ({path})"
    return path
