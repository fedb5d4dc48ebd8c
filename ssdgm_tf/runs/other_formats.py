"""A SavedModel's classifiers in the formats of other runtimes: LiteRT and ONNX."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from ssdgm_tf import files
from ssdgm_tf.errors import UserError

# Of ONNX' operators; runtimes from 2023 on know it.
_OPSET = 18
# The number of the dtype in ONNX.
_INT64 = 7


def write_litert(folder: Path, signatures: list[str]) -> list[Path]:
    """Writes NAME.tflite into the SavedModel's folder for each signature that classifies.

    Args:
        folder: that of the SavedModel.
        signatures: names of all its signatures.

    Returns:
        The files.

    Raises:
        UserError: LiteRT lacks an operation, such as the random draws that some predictions are averaged over.
    """
    written = []
    for name in _classifiers(signatures):
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[name])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            content = converter.convert()
        except Exception as error:  # the converter raises many kinds of errors
            reason = re.search(r"tf\.\w+", str(error))
            raise UserError(
                f"A .tflite file holds only operations of LiteRT, and no random draws. Received: {name}, with "
                f"{reason[0] if reason else str(error).splitlines()[0]}"
            ) from error
        written.append(folder / f"{name}.tflite")
        with files.whole(written[-1]) as partial:
            partial.write_bytes(content)
    return written


def write_onnx(folder: Path, signatures: list[str]) -> list[Path]:
    """Writes NAME.onnx into the SavedModel's folder for each signature that classifies.

    Inputs and outputs have the names, the dtypes and, up to rounding, the values of the signature.

    Args:
        folder: that of the SavedModel.
        signatures: names of all its signatures.

    Returns:
        The files.

    Raises:
        UserError: the extra "onnx" is not installed, or ONNX lacks an operation.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise UserError("ONNX needs tf2onnx: pip install 'ssdgm_tf[onnx]'. Received: an install without it") from error
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # it is we who say what is wrong
    served, written = tf.saved_model.load(str(folder)), []
    for name in _classifiers(signatures):
        signature = served.signatures[name]
        frozen = convert_variables_to_constants_v2(signature)
        inputs, outputs = [tensor.name for tensor in frozen.inputs], [tensor.name for tensor in frozen.outputs]
        names = dict(zip(outputs, sorted(signature.structured_outputs), strict=True))  # as tf.nest puts them in order
        names |= {tensor: tensor.partition(":")[0] for tensor in inputs}
        converted, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=inputs,
            output_names=outputs,
            opset=_OPSET,
            tensors_to_rename=names,
            custom_op_handlers={name: (handler, []) for name, handler in _HANDLERS.items()},
        )
        try:
            onnx.checker.check_model(converted, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            reason = re.search(r"(?:Op registered for|op_type:)\s*(\w+)", str(error))
            raise UserError(
                f"An .onnx file holds only operations of ONNX. Received: {name}, with "
                f"{reason[1] if reason else str(error).splitlines()[0]}"
            ) from error
        written.append(folder / f"{name}.onnx")
        with files.whole(written[-1]) as partial:
            partial.write_bytes(converted.SerializeToString())
    return written


def _broadcast_args(graph: Any, node: Any, name: str, _: Any) -> None:
    """The shape that two shapes broadcast to, which ONNX has as that of an array."""
    first, second = (graph.make_node("Cast", [shape], attr={"to": _INT64}).output[0] for shape in node.input)
    array = graph.make_node("Expand", [graph.make_node("ConstantOfShape", [first]).output[0], second])
    shape = graph.make_node("Shape", array.output)
    _replace(graph, node, name, "Cast", shape.output, {"to": node.output_dtypes[0]})


def _dtype(graph: Any, node: Any) -> Any:
    """The dtype of the values of an operation, of NumPy."""
    from tf2onnx import utils

    return utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))


def _expm1(graph: Any, node: Any, name: str, _: Any) -> None:
    """exp(x) - 1."""
    one = graph.make_const(f"{name}/one", np.ones((), _dtype(graph, node)))
    _replace(graph, node, name, "Sub", [graph.make_node("Exp", node.input).output[0], one.output[0]])


def _log1p(graph: Any, node: Any, name: str, _: Any) -> None:
    """log(1 + x)."""
    one = graph.make_const(f"{name}/one", np.ones((), _dtype(graph, node)))
    _replace(graph, node, name, "Log", graph.make_node("Add", [node.input[0], one.output[0]]).output)


def _replace(graph: Any, node: Any, name: str, operation: str, inputs: list[str], attr: dict | None = None) -> None:
    """Puts an operation of ONNX in the place of one of TensorFlow, which graphs of tf2onnx hold until then."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    graph.make_node(operation, inputs, attr=attr, name=name, outputs=node.output, shapes=shapes, dtypes=dtypes)


def _classifiers(signatures: list[str]) -> Iterator[str]:
    """The signatures that classify."""
    return (name for name in signatures if name.startswith("classify"))


# Operations that tf2onnx lacks.
_HANDLERS = {"BroadcastArgs": _broadcast_args, "Expm1": _expm1, "Log1p": _log1p}
