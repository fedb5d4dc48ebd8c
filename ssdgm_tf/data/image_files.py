"""Finds the image files below a folder, and counts those that it passes over. Training and predictions both use it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ssdgm_tf.data.names import shown

# Ends of the names of images. Those of formats that are not read (".heic") make a bad example, not a file passed over.
_READ = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".webp")
_NOT_READ = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".psd", ".svg", ".dng")
# Files and folders that systems put beside images.
_OF_SYSTEMS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin")


class _Kind(NamedTuple):
    """One kind of thing that is passed over, in words for one and for several."""

    one: str
    several: str


_NO_CLASS = _Kind("file that belongs to no class", "files that belong to no class")
_NO_IMAGE = _Kind("file whose name is not that of an image", "files whose names are not those of images")
_AGAIN = _Kind("folder that a link leads to again", "folders that links lead to again")


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or one that systems put beside images, such as Thumbs.db."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def visible(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, by name.

    Raises:
        ValueError: a folder that cannot be read.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))
    except OSError as error:
        raise _unreadable(error) from error


class ImageFiles:
    """Finds the image files in folders, and keeps a list of the files that it passes over.

    Args:
        root: the folder that names are printed relative to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passed_over: dict[_Kind, list[Path]] = {_NO_CLASS: [], _NO_IMAGE: [], _AGAIN: []}

    def below(self, folder: Path) -> list[Path]:
        """The images in a folder and its sub-folders, sorted by their paths. Links are followed.

        A file is an image if its name has an image's suffix, or none. Passed over are other files, and folders that were
        read already, or lie above, because links lead in a circle or twice to one place.

        Raises:
            ValueError: a folder that cannot be read.
        """
        files, again = _walk(folder)
        images = [file for file in files if file.suffix.lower() in ("", *_READ, *_NOT_READ)]
        self.passed_over[_NO_IMAGE] += sorted(set(files) - set(images))
        self.passed_over[_AGAIN] += again
        return images

    def leave_out(self, entries: Iterable[Path]) -> None:
        """Remembers files, and all files in folders, as belonging to no class.

        Raises:
            ValueError: a folder that cannot be read.
        """
        for entry in entries:
            self.passed_over[_NO_CLASS] += _walk(entry)[0] if entry.is_dir() else [entry]

    def report(self) -> None:
        """Prints how many files were passed over, and one of each kind; nothing where there were none."""
        parts = [
            f"{len(paths)} {kind.one if len(paths) == 1 else kind.several}, such as {shown(paths[0].relative_to(self.root))}"
            for kind, paths in self.passed_over.items()
            if paths
        ]
        if parts:
            print(f"Passed over: {'; '.join(parts)}")


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files below a folder that are not hidden, sorted, and the folders that were not read a second time."""
    files: list[Path] = []
    again: list[Path] = []
    seen = {_identity(above) for above in (*folder.absolute().parents, *folder.resolve().parents)}
    for at, names, of_files in os.walk(folder, followlinks=True, onerror=_stop):
        if _identity(at) in seen:
            again.append(Path(at))
            names.clear()
            continue
        seen.add(_identity(at))
        names[:] = sorted(name for name in names if not is_hidden(name))
        files += [Path(at, name) for name in of_files if not is_hidden(name)]
    return sorted(files), sorted(again)


def _identity(folder: str | Path) -> tuple[int, int]:
    """The same number for every path of a folder."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _stop(error: OSError) -> None:
    raise _unreadable(error) from error


def _unreadable(error: OSError) -> ValueError:
    path, reason = error.filename, error.strerror
    return ValueError(f"A folder of images must be readable. Received: {shown(path)} ({reason})")
