"""The names of data sets, and the paths of their files."""

from pathlib import Path

FORMS = (
    "'digits', 'npz:FILE', 'npz:TRAIN,TEST', 'idx:FOLDER', 'folder:FOLDER', 'faces:FILE', 'canvases:DATA SET', "
    "or a name of TensorFlow Datasets such as 'mnist' or 'svhn_cropped'"
)


def resolve(path: str, data_dir: str | None = None) -> Path:
    """The path that a config names. A relative one starts from `data_dir` where given, else from the current folder."""
    return Path(data_dir or "").expanduser() / Path(path).expanduser()
