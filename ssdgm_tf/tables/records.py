"""The results file of a cell: written once from its run, checked whenever it is read.

table, row, labels, seed     the cell
config, precision, ...       the run's settings
revision                     git revision of the package when the run was started
minutes                      minutes of training
results                      the run's results, with versions and hardware under "environment"
metrics                      {name: values by epoch}, to 5 digits
digest                       sha256 of the rest, as canonical JSON
"""

import hashlib
import json
import re
import subprocess
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ssdgm_tf import files
from ssdgm_tf.tables.cells import Cell

_PACKAGE = Path(__file__).parent.parent
# A path from the root, a home folder or a drive, at the start of a text or after a separator; not the // of an address.
_ABSOLUTE_PATH = re.compile(r"(?:^|[\s:,=\"'(\[])(?:~?/(?!/)[^/\s]+/|[A-Za-z]:\\)")


def collect(cell: Cell, folder: Path, revision: str | None, seconds: float) -> dict:
    """The record of a finished run.

    Args:
        cell: the cell.
        folder: the folder of its run.
        revision: see `git_revision`.
        seconds: how long the command took, used where the run does not record its training time.

    Raises:
        ValueError: the run's files are unreadable, or hold a path of the machine.
    """
    try:
        settings = json.loads((folder / "config.json").read_text())
        results = json.loads((folder / "results.json").read_text())
        metrics = _columns(folder / "metrics.jsonl")
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"A finished run must have a config.json and a results.json. Received: {folder} ({error})"
        ) from error
    record = {"table": cell.table, "row": cell.row, "labels": cell.labels, "seed": cell.seed, **settings}
    record |= {"revision": revision, "minutes": round(results.get("training_seconds", seconds) / 60, 3)}
    record = without_folders(record | {"results": results, "metrics": metrics})
    return record | {"digest": digest(record)}


def _columns(path: Path) -> dict:
    """metrics.jsonl by column; empty where a run has none."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {name: [float(f"{row[name]:.5g}") for row in rows] for name in rows[-1]} if rows else {}


def digest(record: dict) -> str:
    """sha256 of a record without its own digest.

    Args:
        record: any value of JSON.
    """
    rest = {name: value for name, value in record.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write(path: Path, record: dict) -> None:
    """Writes a record whole or not at all, with one line for each column of metrics and each list of numbers.

    Args:
        path: the results file.
        record: the record, see `collect`.
    """
    rest = {name: value for name, value in record.items() if name != "metrics"}
    columns = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in record["metrics"].items())
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as partial:
        partial.write_text(files.json_text(rest, indent=1)[:-2] + f',\n "metrics": {{\n{columns}\n }}\n}}\n')


def read(path: Path) -> dict:
    """The record in a results file.

    Args:
        path: the results file.

    Raises:
        ValueError: it is half-written, edited, or belongs to another cell.
    """
    try:
        record = json.loads(path.read_text())
        cell = Cell(record["table"], record["row"], record["labels"], record["seed"])
        if record["digest"] != digest(record):
            raise ValueError("its digest does not fit: it was edited")
        if (cell.table, f"{cell.name}.json") != (path.parent.name, path.name):
            raise ValueError(f"it is the file of {cell.table}/{cell.name}")
    except (ValueError, KeyError, TypeError) as error:
        reason = f"without {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"A results file must be as it was written. Received: {path.parent.name}/{path.name} ({reason})"
        ) from error
    return record


def read_all(folder: Path) -> tuple[list[dict], list[str]]:
    """Every record of a table in order of name, and the faults of the files that are left out.

    Args:
        folder: RESULTS/TABLE.
    """
    records, damaged = [], []
    for path in sorted(folder.glob("*_seed*.json")):
        try:
            records.append(read(path))
        except ValueError as error:
            damaged.append(str(error))
    return records, damaged


def without_folders(value: Any) -> Any:
    """`value` with every absolute path replaced by the name of its file; relative paths stay.

    Args:
        value: any value of JSON.

    Raises:
        ValueError: a text holds a path in an unknown form.
    """
    if isinstance(value, dict):
        return {name: without_folders(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in value]
    if not isinstance(value, str):
        return value
    source, colon, paths = value.partition(":")
    known = bool(colon) and len(source) > 1 and source.isalpha() and not paths.startswith("//")
    text = f"{source}:{','.join(map(_file_name, paths.split(',')))}" if known else _file_name(value)
    if _ABSOLUTE_PATH.search(text):
        raise ValueError(f"A results file must hold no path of the machine. Received: {value!r}")
    return text


def _file_name(path: str) -> str:
    absolute = PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith("~")
    return PureWindowsPath(path).name if absolute else path


def git_revision() -> str | None:
    """The commit of the package's checkout, with "-dirty" where the package differs from it; None outside a checkout.

    Results files and documents beside the package do not make it dirty.
    """

    def git(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["git", "-C", str(_PACKAGE), *words], capture_output=True, text=True, check=False)

    try:
        if git("ls-files", "--error-unmatch", "__init__.py").returncode:
            return None
        revision = git("describe", "--always").stdout.strip()
        return f"{revision}-dirty" if git("diff", "--quiet", "HEAD", "--", ".").returncode else revision
    except FileNotFoundError:
        return None
