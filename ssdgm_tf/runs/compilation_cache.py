"""The folder in which XLA keeps the programs that it has compiled, for later starts. Imports no TensorFlow."""

import contextlib
import hashlib
import os
import platform
import re
import time
from importlib import metadata
from pathlib import Path

_FLAG = "--tf_xla_persistent_cache_directory"
# Programs that were not used for so long are removed.
_KEPT_SECONDS = 30 * 24 * 3600


def use() -> None:
    """Lets XLA keep programs, unless `TF_XLA_FLAGS` names a folder already. Must come before TensorFlow is imported.

    The folder is `ssdgm_tf/xla` in the user's cache folder (`XDG_CACHE_HOME`, by default `~/.cache`). It has a part for each
    kind of machine, because a program runs on the processor that it was compiled for. Where the folder cannot be written,
    nothing is kept.
    """
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if _FLAG in flags:
        return
    try:
        folder = directory()
        folder.mkdir(parents=True, exist_ok=True)
        _clean(folder)
    except (OSError, RuntimeError, ImportError):  # no home of the user, or a TensorFlow of another name
        return
    if os.access(folder, os.W_OK) and not re.search(r"\s", str(folder)):  # which would end the flag
        os.environ["TF_XLA_FLAGS"] = f"{flags} {_FLAG}={folder}".strip()


def directory() -> Path:
    """The folder of this machine's programs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # as the standard of freedesktop.org says
        cache = Path.home() / ".cache"
    return cache / "ssdgm_tf" / "xla" / _machine()


def _machine() -> str:
    """A name of the processors, the driver, the version of TensorFlow and the flags of XLA."""
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith("--xla_dump")]
    parts = [*flags, platform.machine(), metadata.version("tensorflow"), _first("/proc/driver/nvidia/version", r"^.*$")]
    parts += [_first("/proc/cpuinfo", rf"^{field}\s*:.*$") for field in ("model name", "flags", "Features")]
    parts += [_first(str(gpu), r"^Model:.*$") for gpu in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _first(file: str, pattern: str) -> str:
    """The first line of a file that matches; nothing without one."""
    try:
        found = re.search(pattern, Path(file).read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found.group() if found else ""


def _clean(folder: Path) -> None:
    """Removes programs that were not used for long (one that is read counts as used), and files that are damaged.

    TensorFlow fails on a file that a full disk or a lost machine left behind half-written.
    """
    for file in folder.glob("*.pb"):
        with contextlib.suppress(OSError):  # another process removes it too
            status = file.stat()
            if time.time() - max(status.st_atime, status.st_mtime) > _KEPT_SECONDS or not _is_whole(file):
                file.unlink()


def _is_whole(file: Path) -> bool:
    """Whether a file is a protocol buffer of messages and bytes, to its end."""
    left = file.stat().st_size
    with file.open("rb") as stream:
        while left > 0:
            tag, size, shift = stream.read(1), 0, 0
            if not tag or tag[0] & 7 != 2:  # a field with a length, seven bits a byte
                return False
            while byte := stream.read(1):
                size |= (byte[0] & 127) << shift
                shift += 7
                if byte[0] < 128:
                    break
            if not byte or shift > 63:
                return False
            stream.seek(size, os.SEEK_CUR)
            left = file.stat().st_size - stream.tell()
    return left == 0 and file.stat().st_size > 0
