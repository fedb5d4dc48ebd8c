"""Examples in the form that the page shows: a picture, a line or the cells of a row."""

import base64
import io
from typing import Any

import numpy as np

from ssdgm_tf.data import SemiSupervisedData

# The longest side of a picture that is sent as it is.
_LARGEST = 512


def view(dataset: SemiSupervisedData, example: np.ndarray) -> dict[str, Any]:
    """One example as the page shows it.

    Args:
        dataset: the data set, which says what examples are.
        example: in the form of training, [*event].

    Returns:
        {"kind": "image", "src": address of its data}, {"kind": "line", "values": [[numbers of a channel]]} of series and
        vectors, or {"kind": "row", "cells": [[column, text]]}.
    """
    if dataset.schema is not None:
        cells = dataset.schema.decode(np.asarray(example, np.float32)[None])
        return {"kind": "row", "cells": [[name, cell_text(values[0])] for name, values in cells.items()]}
    raw = dataset.to_images(np.asarray(example, np.float32)[None])[0]
    if raw.ndim == 3:
        return {"kind": "image", "src": "data:image/png;base64," + base64.b64encode(png(raw)).decode()}
    channels = raw.T if raw.ndim == 2 else raw[None]
    return {"kind": "line", "values": [[None if np.isnan(v) else round(float(v), 4) for v in line] for line in channels]}


def png(image: np.ndarray) -> bytes:
    """An image as a PNG file.

    Args:
        image: [H, W, C] in [0, 1]; of two or more than three channels the mean is shown.
    """
    from PIL import Image

    shown = image if image.shape[-1] in (1, 3) else image.mean(axis=-1, keepdims=True)
    levels = np.round(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
    picture.thumbnail((_LARGEST, _LARGEST))
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def cell_text(cell: Any) -> str:
    """A cell as text; "" for a gap.

    Args:
        cell: as `Schema.decode` gives it.
    """
    if cell is None or (isinstance(cell, float | np.floating) and np.isnan(cell)):
        return ""
    return f"{cell:.6g}" if isinstance(cell, float | np.floating) else str(cell)
