"""Room for the examples of a data set: in memory, or in a temporary file where they are many."""

import os
import shutil
import tempfile

import numpy as np
from numpy.typing import DTypeLike

# Arrays of more bytes are in a file.
_MOST_IN_MEMORY = 2**30


def room(shape: tuple[int, ...], dtype: DTypeLike, advice: str = "") -> np.ndarray:
    """An array to fill: up to 1 GiB in memory, above a `numpy.memmap` of a temporary file, deleted when nothing uses it.

    Args:
        shape: its shape.
        dtype: its dtype.
        advice: what makes the examples smaller, for the message.

    Raises:
        ValueError: the folder of temporary files has no room for it.
    """
    num_bytes = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if num_bytes <= _MOST_IN_MEMORY:
        return np.empty(shape, dtype)
    folder = tempfile.gettempdir()
    with tempfile.TemporaryFile() as stream:  # the map keeps the file
        try:
            if (free := shutil.disk_usage(folder).free) < num_bytes:
                raise OSError(f"{free / 2**30:.1f} GiB free")
            if hasattr(os, "posix_fallocate"):  # where it is, a full disk is an error here; else it kills the process later
                os.posix_fallocate(stream.fileno(), 0, num_bytes)
            return np.memmap(stream, dtype, "r+", shape=shape)
        except OSError as error:
            raise ValueError(
                f"Examples of more than 1 GiB must fit into the folder of temporary files, which TMPDIR names{advice}. "
                f"Received: {num_bytes / 2**30:.1f} GiB of {' x '.join(map(str, shape))}, and {folder} "
                f"({error.strerror or error})"
            ) from error
