"""The file of labels that people give: one line of JSON for each thing that they do, and nothing is ever changed in it.

    {"format": 1, "examples": 1297, "fingerprint": "5f0c...", "classes": {"y": ["0", "1", ...]}}
    {"event": "label", "index": 17, "variable": "y", "value": 3, "time": "2026-11-30T10:12:13Z", "by": "ada"}
    {"event": "none", "index": 18, "variable": "y", ...}      of none of the classes: training leaves the example out
    {"event": "skip", "index": 19, "variable": "y", ...}      not now
    {"event": "class", "variable": "y", "name": "seven", ...} a new class, the next number
    {"event": "undo", ...}                                    takes back the last line that holds

A line is on the disk before `append` returns. A last line without its end was never acknowledged, and is passed over.
"""

import datetime
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssdgm_tf import rows
from ssdgm_tf.errors import UserError

_FORMAT = 1
_EVENTS = ("label", "none", "skip", "class", "undo")
# Examples that the fingerprint of a data set is made of.
_LOOKED_AT = 100
#: The longest name of a class.
LONGEST_NAME = 100


class Labels(NamedTuple):
    """What holds at some point of the file.

    Attributes:
        values: {variable: {index of a training example: class or number}}.
        none: {variable: the indices of examples that are of none of the classes}.
        skipped: {variable: the indices of examples that were put off}.
        new_classes: {variable: names of classes that training did not know}.
        events: how many lines these are, the first apart.
        last: the last line that holds, which "undo" takes back; None where none does.
    """

    values: dict[str, dict[int, Any]]
    none: dict[str, set[int]]
    skipped: dict[str, set[int]]
    new_classes: dict[str, list[str]]
    events: int
    last: dict[str, Any] | None = None

    @property
    def number(self) -> int:
        """How many values were given."""
        return sum(map(len, self.values.values()))


def fingerprint(x: Any) -> str:
    """What tells the training examples of a data set from others: a hash of their shape and of a hundred of them.

    Args:
        x: the examples, [N, ...].
    """
    some = np.unique(np.linspace(0, len(x) - 1, _LOOKED_AT).astype(int))
    values = np.ascontiguousarray(rows.take(x, some), np.float32)
    return hashlib.blake2b(repr(x.shape).encode() + values.tobytes(), digest_size=16).hexdigest()


class LabelFile:
    """The labels of one data set.

    Args:
        path: the file. The first `append` makes it.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    def read(self, events: int | None = None) -> Labels:
        """What holds after some of the lines.

        Args:
            events: how many lines after the first; None for all.

        Raises:
            UserError: a line that is not of such a file.
        """
        standing: list[dict[str, Any]] = []
        lines = list(self._lines())
        taken = lines[1:] if events is None else lines[1 : events + 1]
        for event in taken:
            if event["event"] != "undo":
                standing.append(event)
            elif standing:
                standing.pop()
        return _labels(standing, len(taken))

    def check(self, x: Any, classes: Mapping[str, Sequence[str]]) -> None:
        """Refuses the labels of other examples or classes.

        Args:
            x: the training examples.
            classes: {variable: names of its classes}; {} of numbers.

        Raises:
            UserError: they are of others, or the file is no file of labels.
        """
        head = next(self._lines(), None)
        if head is None:
            return
        wanted = self._head(x, classes)
        if differing := [name for name in wanted if head.get(name) != wanted[name]]:
            raise UserError(
                "Labels belong to the training examples that they were given to: the same data, split and preprocessing. "
                f"Received: {self.path}, with {differing[0]} = {_short(head.get(differing[0]))}, where this run has "
                f"{_short(wanted[differing[0]])}"
            )
        for name, values in self.read().values.items():
            if outside := [index for index in values if not 0 <= index < len(x)]:
                raise UserError(
                    f"Labels must be of the {len(x)} training examples. Received: {self.path}, with {name} of {outside[0]}"
                )

    def append(self, event: Mapping[str, Any], x: Any, classes: Mapping[str, Sequence[str]], by: str = "") -> None:
        """Writes a line, and returns when it is on the disk.

        Args:
            event: its "event", and what belongs to it.
            x: the training examples, of which a new file keeps a fingerprint.
            classes: {variable: names of its classes}, before any new one.
            by: who did it.

        Raises:
            OSError: the disk is full, or the file cannot be written.
        """
        time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = [] if any(True for _ in self._lines()) else [self._head(x, classes)]
        text = "".join(json.dumps(line) + "\n" for line in [*lines, dict(event) | {"time": time, "by": by}])
        with open(self.path, "ab") as stream:
            before = self._complete
            stream.truncate(before)
            try:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                os.truncate(self.path, before)
                raise

    @property
    def num_events(self) -> int:
        """How many whole lines there are, the first apart."""
        return max(0, len(list(self._lines())) - 1)

    @property
    def _complete(self) -> int:
        """The bytes of the whole lines."""
        return self.path.read_bytes().rfind(b"\n") + 1 if self.path.exists() else 0

    def _lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines.

        Raises:
            UserError: one that is not of such a file.
        """
        text = self.path.read_bytes()[: self._complete] if self.path.exists() else b""
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                found = json.loads(line)
                if number == 1 and found["format"] != _FORMAT:
                    raise ValueError(f"format {found['format']}")
                if number > 1:
                    _check_event(found)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"A file of labels must be one that ssdgm-label wrote. Received: {self.path}, line {number} ({error!r})"
                ) from error
            yield found

    @staticmethod
    def _head(x: Any, classes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "examples": len(x),
            "fingerprint": fingerprint(x),
            "classes": {name: list(names) for name, names in classes.items()},
        }


def _check_event(found: dict[str, Any]) -> None:
    """Refuses a line without what its event needs.

    Raises:
        ValueError: an unknown event, or a bad value.
        KeyError: something is missing.
        TypeError: something of another type.
    """
    kind = found["event"]
    if kind not in _EVENTS:
        raise ValueError(f"event {kind!r}")
    if kind != "undo" and not isinstance(found["variable"], str):
        raise TypeError("variable")
    if kind == "class" and not (isinstance(found["name"], str) and 0 < len(found["name"]) <= LONGEST_NAME):
        raise ValueError("name")
    if kind in ("label", "none", "skip") and (type(found["index"]) is not int or found["index"] < 0):
        raise ValueError("index")
    if kind == "label" and (type(found["value"]) not in (int, float) or not math.isfinite(found["value"])):
        raise ValueError("value")


def _labels(standing: list[dict[str, Any]], events: int) -> Labels:
    """What holds after the lines that were not taken back: of an example and a variable, the last."""
    found = Labels({}, {}, {}, {}, events, standing[-1] if standing else None)
    for event in standing:
        name = event["variable"]
        if event["event"] == "class":
            found.new_classes.setdefault(name, []).append(event["name"])
            continue
        index = event["index"]
        for kind in (found.none, found.skipped):
            kind.setdefault(name, set()).discard(index)
        found.values.setdefault(name, {}).pop(index, None)
        if event["event"] == "label":
            found.values[name][index] = event["value"]
        else:
            (found.none if event["event"] == "none" else found.skipped)[name].add(index)
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
