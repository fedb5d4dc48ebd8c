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
    path, written = Path(path), partial(path)
    try:
        yield written
        os.replace(written, path)
    finally:
        written.unlink(missing_ok=True)


def partial(path: str | os.PathLike) -> Path:
    """The file beside `path` that `whole` gives to write to.

    Args:
        path: the file to write.
    """
    path = Path(path)
    return path.with_name(f".partial-{path.name}")  # no name that anybody gives to a file, and no file of a data set
