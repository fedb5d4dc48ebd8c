"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """A file beside `path` to write to, which takes the place of `path` at the end; after an error neither is changed.

    Args:
        path: the file to write, with the suffix that its format needs.
    """
    path = Path(path)
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
