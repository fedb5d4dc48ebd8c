"""Files that are written whole or not at all, and JSON that people can read."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# In indented JSON; within a text there is no line break.
_LIST_OF_NUMBERS = re.compile(r'\[\n([^][{}"]*)\]')


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


def flush(path: str | os.PathLike) -> None:
    """Waits until a file, or the entries of a folder, are on the disk.

    Args:
        path: the file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_text(value: Any, indent: int) -> str:
    """Indented JSON in which a list of numbers, such as a row of a matrix, stands on one line.

    Args:
        value: any value of JSON.
        indent: spaces of a level.
    """
    return _LIST_OF_NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(value, indent=indent))


def partial(path: str | os.PathLike) -> Path:
    """The file beside `path` that `whole` gives to write to.

    Args:
        path: the file to write.
    """
    path = Path(path)
    return path.with_name(f".partial-{path.name}")  # no name that anybody gives to a file, and no file of a data set
