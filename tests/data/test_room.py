import errno
import os
import shutil
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest

from ssdgm_tf.data import room


def test_little_is_in_memory_and_much_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(room, "_MOST_IN_MEMORY", 24)
    for shape, dtype, kind in (((3, 2), np.float32, np.ndarray), ((3, 2), np.float64, np.memmap)):
        made = room.room(shape, dtype)
        assert type(made) is kind and made.shape == shape and made.dtype == dtype
        made[:] = 7
        assert made.sum() == 42 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("free", [0, 2**40], ids=["seen before", "seen while it is made"])
def test_a_full_disk_is_one_line(free, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(room, "_MOST_IN_MEMORY", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    reason = "No space left on device" if free else "0.0 GiB free"
    rule = r"which TMPDIR names; smaller. Received: 0.5 GiB of 8192 x 65536, and .* " + rf"\({reason}\)"
    with pytest.raises(ValueError, match=rule):
        room.room((8192, 65536), np.uint8, "; smaller")
