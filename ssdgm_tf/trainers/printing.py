"""What a command prints, and where to. Imports no TensorFlow."""

import contextlib
import functools
import math
import os
import sys
from collections.abc import Iterator
from typing import Any

from tqdm.std import tqdm


def whole(text: str) -> None:
    """Prints a text. It is no error if the reader stops early, as `| head` does.

    Args:
        text: the text.
    """
    try:
        print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def finite(value: Any) -> Any:
    """A value of JSON with null in place of NaN and infinity, which JSON does not have.

    Args:
        value: dicts, lists, texts and numbers.
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def directed(quiet: bool, is_json: bool) -> Iterator[None]:
    """Sends what is printed to nowhere with --quiet, and to the error output with --json.

    Args:
        quiet: whether nothing is printed; progress bars are switched off for the rest of the process.
        is_json: whether stdout is left to the JSON object.
    """
    if quiet:
        tqdm.__init__ = functools.partialmethod(tqdm.__init__, disable=True)  # of every bar of this process
        with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    else:
        with contextlib.redirect_stdout(sys.stderr) if is_json else contextlib.nullcontext():
            yield
