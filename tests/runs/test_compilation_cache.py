"""XLA's programs are kept for later starts: those of this machine, whole ones, and not for ever."""

import os
import subprocess
import sys
import textwrap

import pytest

from ssdgm_tf.runs import compilation_cache

FIELD = b"\x0a\x03abc"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TF_XLA_FLAGS", "")  # so that what is set in the test is undone
    monkeypatch.delenv("TF_XLA_FLAGS")
    return tmp_path


def test_the_folder_is_below_the_users_cache(cache, monkeypatch):
    compilation_cache.use()
    folder = compilation_cache.directory()
    assert folder.is_dir() and folder.parent == cache / "ssdgm_tf" / "xla"
    assert os.environ["TF_XLA_FLAGS"] == f"--tf_xla_persistent_cache_directory={folder}"
    monkeypatch.setattr(compilation_cache, "_first", lambda file, pattern: "another")
    assert compilation_cache.directory() != folder


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("--tf_xla_persistent_cache_directory=mine", "--tf_xla_persistent_cache_directory=mine"),
        ("--tf_xla_auto_jit=1", "--tf_xla_auto_jit=1 --tf_xla_persistent_cache_directory={}"),
    ],
)
def test_flags_of_the_user_stay(before, after, cache, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", before)
    compilation_cache.use()
    assert os.environ["TF_XLA_FLAGS"] == after.format(compilation_cache.directory())


def test_flags_of_xla_have_programs_of_their_own(cache, monkeypatch):
    folder = compilation_cache.directory()
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    assert compilation_cache.directory() == folder
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    assert compilation_cache.directory() != folder


def test_a_path_that_would_end_the_flag_is_not_used(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "John Smith"))
    compilation_cache.use()
    assert "TF_XLA_FLAGS" not in os.environ


def test_a_folder_that_cannot_be_made_is_done_without(cache, monkeypatch):
    (cache / "ssdgm_tf").write_text("a file")
    compilation_cache.use()
    assert "TF_XLA_FLAGS" not in os.environ


@pytest.mark.parametrize("value", ["", "relative", "~/cache"])
def test_a_cache_folder_that_is_not_absolute_is_the_default(value, cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(cache))
    assert compilation_cache.directory().is_relative_to(cache / ".cache")


def test_without_a_home_nothing_is_kept(cache, monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(compilation_cache.Path, "home", unknown)
    compilation_cache.use()
    assert "TF_XLA_FLAGS" not in os.environ


@pytest.mark.parametrize(
    ("content", "stays"),
    [
        (FIELD * 3, True),
        (b"\x0a\x80\x01" + b"x" * 128, True),
        (FIELD[:-1], False),
        (FIELD + b"\x0a", False),
        (b"", False),
        (b"?" * 99, False),
        (b"\x0a\xff", False),
        (b"\x0a" + b"\xff" * 99, False),
    ],
)
def test_damaged_programs_are_removed(content, stays, cache):
    folder = compilation_cache.directory()
    folder.mkdir(parents=True)
    (folder / "1.pb").write_bytes(content)
    compilation_cache.use()
    assert (folder / "1.pb").exists() == stays


def test_programs_that_nobody_used_for_a_month_are_removed(cache):
    folder = compilation_cache.directory()
    folder.mkdir(parents=True)
    for name, times in (("old", (1, 1)), ("written long ago", None)):
        (folder / f"{name}.pb").write_bytes(FIELD)
        if times:
            os.utime(folder / f"{name}.pb", times)
    compilation_cache.use()
    assert [file.stem for file in folder.iterdir()] == ["written long ago"]


@pytest.mark.slow
def test_a_second_start_compiles_nothing(cache):
    """XLA writes down every program that it compiles. The command's own start-up, and a model in XLA and one in kernels."""
    program = """
        import sys
        from ssdgm_tf.trainers import flags
        flags.import_tensorflow_quietly()
        import numpy as np
        from ssdgm_tf.models import M2
        x = np.random.default_rng(0).uniform(size=(300, 784)).astype(np.float32)
        y = np.where(np.arange(300) < 100, np.arange(300) % 10, -1)
        for jit_compile in ("auto", True):
            model = M2(10, 2, hidden_units=(600,), seed=1)
            model.compile("adam", jit_compile=jit_compile)
            model.fit(x, y, batch_size=200, labelled_batch_size=100, validation_data=(x, y), verbose=0)
    """
    compiled = []
    for start in ("first", "second"):
        dump = cache / start
        environment = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={dump} --xla_dump_hlo_as_text"}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr[-3000:]
        compiled.append(len(list(dump.glob("*before_optimizations.txt"))))
    assert compiled[0] > 10 and compiled[1] == 0
