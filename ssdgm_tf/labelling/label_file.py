"""The file of labels that people give: one line of JSON for each thing that they do, and nothing is ever changed in it.

    {"format": 1, "examples": 1297, "shape": [8, 8, 1], "fingerprint": [3.52, ...], "classes": {"y": ["0", "1", ...]}}
    {"event": "label", "index": 17, "variable": "y", "value": 3, "time": "2026-11-30T10:12:13Z", "by": "ada"}
    {"event": "none", "index": 18, "variable": "y", ...}      of none of the classes: training leaves the example out
    {"event": "skip", "index": 19, "variable": "y", ...}      not now
    {"event": "class", "variable": "y", "name": "seven", ...} a new class, the next number
    {"event": "undo", ...}                                    takes back the last line that holds

A line is on the disk before `append` returns. A last line without its end was never acknowledged, and is passed over.
"""

import datetime
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssdgm_tf import files, rows
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
        values: {variable: {index of a training example: class}}.
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

    def teaches_as(self, other: "Labels") -> bool:
        """Whether training learns the same from other labels.

        Args:
            other: those.
        """
        ours, theirs = (
            [{name: given for name, given in kind.items() if given} for kind in (labels.values, labels.none)]
            for labels in (self, other)
        )
        return ours == theirs


def fingerprint(x: Any) -> list[float]:
    """What tells the training examples of a data set from others: the norms of a hundred of them, evenly spread.

    A preprocessing such as PCA may differ in its last digits and its signs from one machine to another; norms do not.

    Args:
        x: the examples, [N, ...].
    """
    some = np.unique(np.linspace(0, len(x) - 1, _LOOKED_AT).astype(int))
    values = np.nan_to_num(np.asarray(rows.take(x, some), np.float64)).reshape(len(some), -1)
    return [float(f"{norm:.6g}") for norm in np.sqrt(np.sum(values**2, axis=1))]


class LabelFile:
    """The labels of one data set.

    Args:
        path: the file. The first `append` makes it.
        content: its bytes at some moment, which are read in place of the file; None for the file as it is.
    """

    def __init__(self, path: str | os.PathLike, content: bytes | None = None) -> None:
        self.path, self._content = Path(path), content

    @property
    def content(self) -> bytes:
        """The bytes of its whole lines; none where there is no file."""
        if self._content is None and not self.path.exists():
            return b""
        content = self.path.read_bytes() if self._content is None else self._content
        return content[: content.rfind(b"\n") + 1]

    def snapshot(self) -> "LabelFile":
        """The file as it is now, whatever is added to it later."""
        return LabelFile(self.path, self.content)

    def read(self) -> Labels:
        """What holds.

        Raises:
            UserError: a line that is not of such a file.
        """
        standing: list[dict[str, Any]] = []
        taken = list(self._lines())[1:]
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
        if differing := [name for name in wanted if not _is_same(head.get(name), wanted[name])]:
            raise UserError(
                "Labels belong to the training examples that they were given to: the same data, split and preprocessing. "
                f"Received: {self.path}, with {differing[0]} = {_short(head.get(differing[0]))}, where this run has "
                f"{_short(wanted[differing[0]])}"
            )
        held = self.read()
        for name in {*held.values, *held.none, *held.new_classes}:
            if name not in classes:
                raise UserError(
                    f"Labels must be of {', '.join(classes)}. Received: {self.path}, with labels of {name!r:.100}"
                )
            for index in {*held.values.get(name, ()), *held.none.get(name, ())}:
                if index >= len(x):
                    raise UserError(
                        f"Labels must be of the {len(x)} training examples. Received: {self.path}, with {name} of {index}"
                    )
            number = len(classes[name]) + len(held.new_classes.get(name, ()))
            for index, value in held.values.get(name, {}).items():
                if value not in range(number):
                    raise UserError(
                        f"Labels of {name} must be classes 0..{number - 1}. Received: {self.path}, with {value} of {index}"
                    )

    def append(
        self, events: Sequence[Mapping[str, Any]], x: Any, classes: Mapping[str, Sequence[str]], by: str = ""
    ) -> None:
        """Writes a line for each event, all or none, and returns when they are on the disk.

        Args:
            events: of each its "event", and what belongs to it.
            x: the training examples, of which a new file keeps a fingerprint.
            classes: {variable: names of its classes}, before any new one.
            by: who did it.

        Raises:
            OSError: the disk is full, or the file cannot be written.
        """
        time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = len(self.content)
        lines = [] if before else [self._head(x, classes)]
        text = "".join(
            json.dumps(line) + "\n" for line in [*lines, *(dict(event) | {"time": time, "by": by} for event in events)]
        )
        with open(self.path, "ab") as stream:
            stream.truncate(before)
            try:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
                if not before:
                    files.flush(self.path.parent)
            except OSError:
                os.truncate(self.path, before)
                raise

    def _lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines.

        Raises:
            UserError: one that is not of such a file.
        """
        for number, line in enumerate(self.content.splitlines(), start=1):
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
            "shape": [int(size) for size in x.shape[1:]],
            "fingerprint": fingerprint(x),
            "classes": {name: list(names) for name, names in classes.items()},
        }


def _is_same(found: Any, wanted: Any) -> bool:
    """Whether two values of the first line are the same, numbers up to rounding."""
    if not isinstance(wanted, list) or not isinstance(found, list):
        return found == wanted
    return len(found) == len(wanted) and bool(np.allclose(np.asarray(found, float), wanted, rtol=1e-3, atol=1e-6))


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
