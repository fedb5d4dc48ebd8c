"""The names of data sets, and the paths of their files."""

import os
from pathlib import Path

FORMS = (
    "'digits', 'npz:FILE', 'npz:TRAIN,TEST', 'npy:X,Y', 'mat:FILE', 'csv:FILE', 'parquet:FILE', 'idx:FOLDER', "
    "'folder:FOLDER', 'records:FOLDER', 'faces:FILE', 'tables:NAME', 'series:FILE', 'canvases:DATA SET', or a name of "
    "TensorFlow Datasets such as 'mnist' or 'svhn_cropped'"
)
# How many files a name may list, and that in words.
_ONE_OR_TWO = (1, 2), "one file, or two separated by a comma"
_COUNTS: dict[str, tuple[tuple[int, ...], str]] = {
    "npz": _ONE_OR_TWO,
    "mat": _ONE_OR_TWO,
    "csv": _ONE_OR_TWO,
    "parquet": _ONE_OR_TWO,
    "npy": ((2, 4), "two files, or four, separated by commas"),
}


def resolve(path: str, data_dir: str | None = None) -> Path:
    """The path that a config names. A relative one starts from `data_dir` where given, else from the current folder."""
    return Path(data_dir or "").expanduser() / Path(path).expanduser()


def find_files(kind: str, path: str, data_dir: str | None = None) -> list[Path]:
    """The files that a name such as `npz:TRAIN,TEST` lists. Does not open them.

    Args:
        kind: "npz", "npy", "mat", "csv" or "parquet".
        path: the rest of the name: paths, separated by commas.
        data_dir: folder that relative paths start from; None for the current one.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: another number of names, or an empty name.
    """
    parts, (counts, words) = path.split(","), _COUNTS[kind]
    if len(parts) not in counts or not all(parts):
        raise ValueError(f"{kind}: takes {words}. Received: '{kind}:{path}'")
    files = [resolve(part, data_dir) for part in parts]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(
                f"{kind}:FILE must name a file; relative paths start from --data_dir where given. Received: no file {file}"
            )
    return files


def shown(path: str | os.PathLike) -> str:
    """A path as text that can be printed and written in one line: bytes that are no UTF-8, and line breaks, are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
