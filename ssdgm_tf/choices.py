"""A name out of a list, and the nearest one where it is not in the list. Standard library only."""

import difflib
from collections.abc import Iterable
from typing import Any


def check(what: str, name: Any, names: Iterable[Any], error: type[Exception] = ValueError) -> None:
    """Refuses a name that is not in the list.

    Args:
        what: the argument, the field or the flag, for the message.
        name: the name.
        names: the names that there are.
        error: the type of the error.

    Raises:
        ValueError: the name is not in the list; the message has the list, and the nearest name. Another type with `error`.
    """
    names = list(names)
    if name not in names:
        listed = ", ".join(map(str, names))
        raise error(f"{what} must be one of {listed}. Received: {what}={name!r}{nearest(name, names)}")


def nearest(name: Any, names: Iterable[Any]) -> str:
    """The end of a message about a name that is not in a list: `. Did you mean 'm2_digits'?`, or "" where none is near.

    Args:
        name: the name.
        names: the names that there are.
    """
    texts = [other for other in names if isinstance(other, str)]
    by_folded = {other.casefold(): other for other in texts}
    near = difflib.get_close_matches(str(name).casefold(), by_folded, n=1)
    return f". Did you mean {by_folded[near[0]]!r}?" if near else ""
