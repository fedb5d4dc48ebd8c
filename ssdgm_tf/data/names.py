"""What a data set may be called, and where its files are looked for."""

from pathlib import Path

FORMS = (
    "'digits', 'npz:FILE', 'npz:TRAIN,TEST', 'idx:FOLDER', 'folder:FOLDER', 'faces:FILE', 'canvases:DATA SET', "
    "or a name of TensorFlow Datasets such as 'mnist' or 'svhn_cropped'"
)


def resolve(path: str, data_dir: str | None = None) -> Path:
    """A path as a config gives it: a relative one starts at `data_dir` where that is given, else at the current folder."""
    return Path(data_dir or "").expanduser() / Path(path).expanduser()
