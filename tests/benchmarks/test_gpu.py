"""What is measured on a GPU runs on a CPU in small; numbers, reasons and the table are right."""

import copy
import json
import os
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from benchmarks import gpu, gpu_rows, processes

ROWS: dict[str, dict[str, dict]] = {
    "steps": {
        "product of 8 x 8, tf32": {"precision": "tf32", "ms": 1.0, "quartiles": [0.9, 1.1], "tflops": 400.0},
        "M2 2 + 1, tf32": {"size": "2 + 1", "precision": "tf32", "ms": 2.0, "quartiles": [1.9, 2.1], "tflops": 100.0},
        "M2 2 + 1, bfloat16": {"size": "2 + 1", "precision": "bfloat16", "ms": 1.0, "quartiles": [1, 1], "tflops": 100.0},
    },
    "fit": {
        "fit, M2 2 + 1, tf32": {
            "size": "2 + 1",
            "precision": "tf32",
            "ms": 3.0,
            "quartiles": [2.5, 3.5],
            "to_bare_step": 1.5,
            "peak_mib": 12.3,
        },
        "fit, M2 2 + 1, bfloat16": {"skipped": "Error: a | b"},
    },
    "torch": {"PyTorch, whole step in one CUDA graph, M2 2 + 1, tf32": {"ms": 1.5, "quartiles": [1.5, 1.5]}},
    "start": {"cold": {"ready_seconds": 40.04}},
}


@pytest.fixture
def products_as_before():
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    yield
    tf.config.experimental.enable_tensor_float_32_execution(before)


def test_rate_of_a_step_against_a_count_by_hand():
    """One labelled image and two unlabelled ones, so three rows of images and 21 of images with a class."""
    of_pixels = 2 * (3 * 784 * 600) * 2 * 2  # two first layers, forward and once backward
    of_images = 3 * (600 * 600 + 600 * 10) * 2 * 3
    of_classes = 21 * (600 * 600 + 600 * 100 + 50 * 600 + 600 * 600 + 600 * 784) * 2 * 3
    assert gpu_rows.tflops(2, 1, ms=1e3) == pytest.approx((of_pixels + of_images + of_classes) / 1e12)


def test_the_table_says_everything_that_was_measured():
    rows = copy.deepcopy(ROWS)
    gpu.relate(rows)
    lines = gpu.table({"memory": "device", "parts": rows}).splitlines()
    assert "peak device memory, MiB" in lines[0]
    assert lines[2:] == [
        "| product of 8 x 8, tf32 | 1 (0.9-1.1) | 400 |  |  |  |  |",
        "| M2 2 + 1, tf32 | 2 (1.9-2.1) | 100 | 25% |  |  |  |",
        "| M2 2 + 1, bfloat16 | 1 (1-1) | 100 |  |  |  |  |",
        "| fit, M2 2 + 1, tf32 | 3 (2.5-3.5) |  |  | 12 |  | 1.50 of a bare step; 2.00 of PyTorch's CUDA graph |",
        "| fit, M2 2 + 1, bfloat16 |  |  |  |  |  | left out: Error: a \\| b |",
        "| PyTorch, whole step in one CUDA graph, M2 2 + 1, tf32 | 1.5 (1.5-1.5) |  |  |  |  |  |",
        "| cold |  |  |  |  | 40.0 |  |",
    ]


def test_median_and_quartiles():
    assert gpu_rows.summary([1.0, 2.0, 3.0, 4.0, 5.0]) == {"ms": 3000.0, "quartiles": [2000.0, 4000.0]}


def test_a_round_is_as_long_as_asked(monkeypatch):
    clock, taken = [0.0], []

    def take(number):
        taken.append(number)
        clock[0] += 0.01 * number

    monkeypatch.setattr(gpu_rows.time, "perf_counter", lambda: clock[0])
    assert gpu_rows.time_rounds(take, rounds=2, seconds=0.101) == pytest.approx([0.01, 0.01])
    assert taken == [3, 10, 10]


def test_pytorch_needs_a_gpu_and_itself():
    assert gpu.why_no_pytorch([], True) == "PyTorch is compared on a GPU. Received: none"
    assert gpu.why_no_pytorch(["H100"], False) == "PyTorch is not installed: pip install -e '.[bench]'"
    assert gpu.why_no_pytorch(["H100"], True) is None


def test_the_reason_is_the_error():
    assert processes.reason("Traceback\n  a\nValueError: no\n\nWARNING: later\n") == "ValueError: no"
    assert processes.reason("W0000 first\nlast\n") == "last"
    assert processes.reason("") == "the process ended without a word"


def test_failures_of_the_tests_are_named():
    output = (
        "..F\nFAILED tests/a.py::test_b[x - y] - AssertionError\nERROR tests/c.py\n2 failed, 30 passed, 1 error in 4.00s\n"
    )
    names = ["tests/a.py::test_b[x - y]", "tests/c.py"]
    assert gpu.outcome(output) == {"failed": 2, "passed": 30, "error": 1, "failures": names}
    assert gpu.outcome("usage: pytest\n") == {}


def test_a_whole_training_needs_its_data(tmp_path):
    assert gpu.whole(str(tmp_path))["skipped"].startswith("MNIST is not prepared")


def test_a_row_that_fails_is_left_out_with_its_reason():
    rows = [processes.Row("nobody", "step", {"size": 1}, {}), processes.Row("nothing", "nothing", {}, {})]
    found = dict(processes.measure(processes.Part("steps", rows, 60, measuring=1, at_once=2)))
    assert "TypeError" in found["nobody"]["skipped"] and "KeyError" in found["nothing"]["skipped"]


def test_a_row_that_hangs_is_ended_and_the_next_is_not_begun(monkeypatch):
    begun = []

    class Hanging(processes.Process):
        def __init__(self, row):
            popen = subprocess.Popen
            with monkeypatch.context() as patched:
                patched.setattr(processes.subprocess, "Popen", lambda command, **options: popen(["sleep", "60"], **options))
                super().__init__(row)
            begun.append(self.process)

    monkeypatch.setattr(processes, "Process", Hanging)
    rows = [processes.Row(name, "step", {}, {}) for name in ("hangs", "waits")]
    begin = time.monotonic()
    found = dict(processes.measure(processes.Part("steps", rows, 2, measuring=0.5, at_once=1)))
    assert time.monotonic() - begin < 30
    assert "was not ready after" in found["hangs"]["skipped"] and "not begun" in found["waits"]["skipped"]
    assert [process.returncode for process in begun] == [-9]


def test_the_second_start_finds_what_the_first_keeps(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_of_user")
    before = dict(os.environ)
    rows = gpu.starts(gpu.FULL, tmp_path, has_gpu=True)
    folders = [row.variables["TF_XLA_FLAGS"] for row in rows]
    assert folders[0] == folders[1] != folders[2] and all(str(tmp_path) in folder for folder in folders)
    assert rows[2].variables["XLA_FLAGS"] == "--xla_of_user --xla_gpu_autotune_level=0"
    assert len(gpu.starts(gpu.FULL, tmp_path, has_gpu=False)) == 2 and dict(os.environ) == before


def test_every_row_has_a_name_of_its_own():
    rows = gpu.steps(gpu.FULL, {}) + gpu.fits(gpu.FULL, {}) + gpu.of_pytorch(gpu.FULL)
    names = [row.name for row in rows]
    assert len(set(names)) == len(names) == 1 + 9 + 3 + 4 + 6
    assert {row.kind for row in rows} | {"start"} == set(gpu_rows.KINDS)
    json.dumps([row.settings for row in rows])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["M2", "ADGM", "four-node graph", "fast_mnist"])
def test_steps_of_every_model_can_be_timed(model, products_as_before):
    (row,) = gpu_rows.step(model, 8, 4, "bfloat16", "auto", rounds=2, seconds=0.01)().values()
    assert row["size"] == "8 + 4" and row["ms"] > 0 and row["peak_mib"] > 0 and ("tflops" in row) == (model == "M2")


@pytest.mark.slow
def test_small_sizes_run_on_a_cpu_and_the_results_are_written(tmp_path):
    output = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "benchmarks.gpu", "--small", "--at_once=2", f"--output={output}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=gpu.interleave.ROOT)
    results = json.loads(output.read_text())
    skipped = [name for rows in results["parts"].values() for name, values in rows.items() if "skipped" in values]
    assert list(results["parts"]) == ["start", "steps", "fit", "torch"] and skipped in ([], ["PyTorch"])
    assert all(values["ready_seconds"] > 0 for values in results["parts"]["start"].values())
    (fit,) = results["parts"]["fit"].values()
    assert fit["to_bare_step"] > 0 and fit["peak_mib"] > 0
    assert ended.stdout.endswith(f"Results in {output}\n") and gpu.table(results) in ended.stdout


def test_without_a_gpu_it_says_what_it_needs(monkeypatch, tmp_path):
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    monkeypatch.setattr(sys, "argv", ["gpu", f"--output={tmp_path / 'gpu.json'}"])
    monkeypatch.setattr(gpu.os, "environ", dict(os.environ))
    with pytest.raises(SystemExit, match=r"needs a GPU\. Received: none, on .*; --small needs none"):
        gpu.main()
    assert not list(tmp_path.iterdir())
