"""Labels in the forms of Label Studio: JSON, tasks with annotations; and CSV, a row for each label."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ssdgm_tf.labelling.label_file import Labels

_COLUMNS = ("index", "variable", "label")


def to_tasks(labels: Labels, names: Mapping[str, Sequence[str]], ids: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Label Studio's JSON: a task for each example, with a choice for each variable.

    Args:
        labels: the labels.
        names: {variable: names of its classes}.
        ids: what the source calls each example; () for none.
    """
    tasks: dict[int, dict[str, Any]] = {}
    for name, index, chosen in _flat(labels, names):
        data = {"index": index} | ({"id": ids[index]} if ids else {})
        task = tasks.setdefault(index, {"data": data, "annotations": [{"result": []}]})
        task["annotations"][0]["result"].append(
            {"from_name": name, "to_name": "example", "type": "choices", "value": {"choices": [chosen]}}
        )
    return [tasks[index] for index in sorted(tasks)]


def to_csv(labels: Labels, names: Mapping[str, Sequence[str]], ids: Sequence[str] = ()) -> str:
    """A row for each label: the index of the example, the variable and the name of the class; and the example's id.

    Args:
        labels: the labels.
        names: {variable: names of its classes}.
        ids: what the source calls each example; () for none.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(["id"] if ids else [])])
    writer.writerows([index, name, chosen, *ids[index : index + 1]] for name, index, chosen in _flat(labels, names))
    return stream.getvalue()


def from_text(text: str, names: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The events of `ssdgm_tf.labelling.label_file` that such a file stands for.

    Args:
        text: Label Studio's JSON, whole, with one annotation of each example that was not cancelled, or in its short form;
            or CSV with the columns index and label. The column variable may be left out where there is one.
        names: {variable: names of its classes}.

    Raises:
        ValueError: another form, or a class that is not among the names. Nothing is taken then.
    """
    try:
        found = _of_json(json.loads(text), names) if text.lstrip()[:1] in ("[", "{") else _of_csv(text, names)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(
            "Labels come as Label Studio's JSON, or as CSV with the columns index and label. "
            f"Received: a file of another form ({error})"
        ) from error
    events = []
    for name, index, chosen in found:
        if name not in names or chosen not in names[name]:
            known = ", ".join(names.get(name, names))[:200]
            raise ValueError(f"A label must be one of {known}. Received: {chosen!r:.100} of {name!r:.100}")
        events.append({"event": "label", "index": index, "variable": name, "value": list(names[name]).index(chosen)})
    return events


def _flat(labels: Labels, names: Mapping[str, Sequence[str]]) -> list[tuple[str, int, str]]:
    """(variable, index, name of the class) of every label."""
    return [
        (name, index, names[name][int(value)])
        for name, of_each in labels.values.items()
        if name in names
        for index, value in sorted(of_each.items())
    ]


def _of_json(value: Any, names: Mapping[str, Sequence[str]]) -> list[tuple[str, int, str]]:
    found = []
    for task in value if isinstance(value, list) else [value]:
        if "annotations" not in task:  # the short form: {"index": 3, "label": "cat"}, or the names of variables
            own = {name: task[name] for name in names if name in task} or {next(iter(names)): task["label"]}
            found += [(name, _whole(task["index"]), str(chosen)) for name, chosen in own.items()]
            continue
        standing = [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]
        if len(standing) > 1:
            raise ValueError(f"{len(standing)} annotations of example {task['data']['index']}, where one is taken")
        for one in (one for annotation in standing for one in annotation["result"]):
            name = one["from_name"] if one["from_name"] in names or len(names) > 1 else next(iter(names))
            (chosen,) = one["value"]["choices"]
            found.append((name, _whole(task["data"]["index"]), str(chosen)))
    return found


def _whole(index: Any) -> int:
    if type(index) is not int:
        raise ValueError(f"the index {index!r:.40}")
    return index


def _of_csv(text: str, names: Mapping[str, Sequence[str]]) -> list[tuple[str, int, str]]:
    lines = csv.DictReader(io.StringIO(text))
    if not {"index", "label"} <= set(lines.fieldnames or ()):
        raise ValueError(f"columns {', '.join(lines.fieldnames or ())[:100]}")
    return [(line.get("variable") or next(iter(names)), int(line["index"]), line["label"]) for line in lines]
