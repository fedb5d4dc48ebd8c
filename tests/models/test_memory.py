"""Large arrays: kept as they are given, converted in the step, and read from their file where they are in one."""

import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

from ssdgm_tf.models import M2, streams
from ssdgm_tf.models.order import InOrder

ROOT = Path(__file__).parents[2]


def make():
    keras.utils.set_random_seed(3)
    model = M2(3, 2, hidden_units=(8,), seed=3)
    model.build((None, 4, 3))
    model.compile(keras.optimizers.SGD(0.1))
    return model


def fitted(x, y):
    """A model after an epoch of two steps or more, the last of fewer examples; its metrics, and its predictions."""
    model = make()
    history = model.fit(x, y, batch_size=20, seed=0, validation_data=(x, y), verbose=0).history
    results = model.evaluate(x, y, batch_size=30, verbose=0, return_dict=True)
    return history["loss"][-1], history["val_error"][-1], results["error"], model.predict(x, verbose=0)


@pytest.mark.usefixtures("eager")
def test_an_array_in_a_file_is_read_as_one_in_memory(tiny, tmp_path):
    x, y = tiny[0][:40].astype(np.float32), tiny[1][:40]
    np.save(tmp_path / "x.npy", x)
    in_file = np.load(tmp_path / "x.npy", mmap_mode="r")
    for expected, got in zip(fitted(x, y), fitted(in_file, y), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert isinstance(make().data_format.x(in_file)["x"], np.memmap)


@pytest.mark.parametrize("dtype", [">i2", ">f4", "<f8", "<f2", "|b1"])
def test_a_file_of_any_dtype_holds_the_same_numbers(dtype, tiny, tmp_path):
    x = np.round(tiny[0]).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    in_file, model = np.load(tmp_path / "x.npy", mmap_mode="r"), make()
    taken = model.data_format.x(in_file)
    assert isinstance(taken["x"], np.memmap)
    ((batch, _),) = streams.in_order(streams.Arrays(taken, {}, InOrder(120, 120), fills=False))
    np.testing.assert_array_equal(batch["x"], x.astype(np.float32))
    np.testing.assert_array_equal(model.encode(in_file)["y"], model.encode(x)["y"])


@pytest.fixture(scope="module")
def of_floats():
    """A list that keeps `fitted` of float32 for the tests that compare others to it."""
    return []


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool, np.float16, np.float64])
@pytest.mark.usefixtures("eager")
def test_the_dtype_changes_nothing(dtype, tiny, of_floats):
    x, y = np.round(tiny[0][:40]), tiny[1][:40]
    of_floats[:] = of_floats or fitted(x.astype(np.float32), y)
    for expected, got in zip(of_floats, fitted(x.astype(dtype), y), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["array", "file"])
def test_a_process_grows_by_little_more_than_the_array(kind, tmp_path):
    """In a process of its own: 200 MB, at most 2.5 times that."""
    program = f"""
        import numpy as np
        from ssdgm_tf.models import M2
        from tests.memory import own_bytes, peak

        def make():
            model = M2(10, 8, hidden_units=(16,))
            model.compile("adam")
            return model

        x = np.random.default_rng(0).integers(0, 2, (200_000_000 // 784, 784), dtype=np.uint8)
        y = np.where(np.arange(len(x)) < 1000, np.arange(len(x)) % 10, -1)
        make().fit(x[:2000], y[:2000], verbose=0)
        size = x.nbytes
        if {kind!r} == "file":
            np.save({str(tmp_path / "x.npy")!r}, x)
            x = np.load({str(tmp_path / "x.npy")!r}, mmap_mode="r")
        before, model = own_bytes(), make()
        print("grew by", (peak(model.fit, x, y, batch_size=100, steps_per_epoch=40, verbose=0) - before) / size)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    grew = float(done.stdout.split("grew by")[1])
    assert grew < (2.5 if kind == "array" else 1.0), grew
