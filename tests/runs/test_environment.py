"""What a result was measured with."""

import pytest
import tensorflow as tf

from ssdgm_tf.runs import environment

CPUINFO = """processor\t: 0
model name\t: Some Processor
flags\t\t: fpu avx2 {}

processor\t: 1
model name\t: Another
"""


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """A function that writes what Linux says of a processor with these instructions."""
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "cpuinfo")
    return lambda flags: (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags))


def test_versions_and_hardware(processor):
    processor("")
    found = environment.environment()
    assert found["processor"] == "Some Processor" and found["tensorflow"] == tf.__version__ and found["cpu_cores"] >= 1


@pytest.mark.parametrize(
    ("precision", "flags", "expected"),
    [
        ("bfloat16", "", True),
        ("bfloat16", "avx512_fp16", True),
        ("bfloat16", "amx_bf16 avx512_bf16", False),
        ("float16", "amx_bf16", True),
        ("float16", "avx512_fp16", False),
        ("float32", "", False),
    ],
)
def test_a_precision_without_instructions_is_emulated(processor, precision, flags, expected):
    processor(flags)
    assert environment.emulates(precision) == expected


def test_nothing_is_said_of_a_processor_that_is_not_known(processor):
    assert environment.environment()["processor"] == "unknown" and not environment.emulates("bfloat16")
