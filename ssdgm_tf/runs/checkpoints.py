"""Checkpoints of a run: written whole or not at all. The previous one is kept, and loaded if the last one is damaged."""

import errno
import os
import warnings
import zipfile
from pathlib import Path

import keras

from ssdgm_tf import files, models
from ssdgm_tf.errors import UserError

# A full disk or quota, as an error number, and in the messages of libraries that keep no number.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")


def previous(path: Path) -> Path:
    """Where the checkpoint before the last one is kept."""
    return path.with_name(f"previous-{path.name}")


def save(model: keras.Model, path: Path) -> None:
    """Writes a checkpoint. The last one stays in place until the new one is on the disk, and is then kept beside it.

    Args:
        model: the model, with its optimizer and random state.
        path: the `.keras` file.
    """
    partial = _write(model, path)
    if path.exists():
        os.replace(path, previous(path))
    os.replace(partial, path)
    files.flush(path.parent)


def replace(model: keras.Model, path: Path) -> None:
    """Writes a model over the file of another one. Unlike `save`, it keeps no earlier file.

    Args:
        model: the model, with its optimizer and random state.
        path: the `.keras` file.
    """
    os.replace(_write(model, path), path)
    files.flush(path.parent)


def _write(model: keras.Model, path: Path) -> Path:
    """Writes a model beside `path`, onto the disk, and returns its file."""
    partial = path.with_name(f"partial-{path.name}")
    try:
        model.save(partial)
        files.flush(partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return partial


def exists(path: Path) -> bool:
    """Whether there is a checkpoint: the last one or the one before it."""
    return path.exists() or previous(path).exists()


def load(path: Path) -> models.SemiSupervisedModel:
    """The last undamaged checkpoint.

    Args:
        path: the `.keras` file.

    Raises:
        UserError: there is none, or it does not hold a model of this package.

    Warns:
        UserWarning: the last one is damaged, and the one before it is loaded.
    """
    if not previous(path).exists():
        return _load(path)
    try:
        return _load(path)
    except UserError as error:
        warnings.warn(f"{error} The checkpoint before it is taken.", stacklevel=2)
        return _load(previous(path))


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of any library says that the disk is full."""
    return getattr(error, "errno", None) in _FULL or any(words in str(error) for words in _FULL_IN_WORDS)


def _load(path):
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} in it is damaged")
        model = keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # Keras raises the errors of its zip, HDF5 and JSON readers
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"The model must be a .keras file that ssdgm_tf saved. Received: {path} ({reason})") from error
    if not isinstance(model, models.SemiSupervisedModel):
        raise UserError(f"The model must be one of ssdgm_tf. Received: {path}, a {type(model).__name__}")
    return model
