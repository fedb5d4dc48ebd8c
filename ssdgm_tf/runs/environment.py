"""The versions and the hardware that a result was measured with, without paths or names of machines."""

import os
import platform
from importlib import metadata
from pathlib import Path

import tensorflow as tf

from ssdgm_tf.engine_version import ENGINE

_PACKAGES = ("ssdgm_tf", "tensorflow", "keras", "tensorflow-probability", "tf-keras", "numpy")
_CPUINFO = Path("/proc/cpuinfo")
# The flags in which Linux lists a processor's instructions for each precision, on x86_64.
_INSTRUCTIONS = {"bfloat16": {"amx_bf16", "avx512_bf16"}, "float16": {"amx_fp16", "avx512_fp16"}}


def environment() -> dict:
    """Versions of Python, packages and the engine; the processor, its cores and the accelerators."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        **versions,
        "engine": ENGINE,
        "machine": platform.machine(),
        "processor": _processor().get("model name", "unknown"),
        "cpu_cores": os.cpu_count(),
        "accelerators": [
            tf.config.experimental.get_device_details(device).get("device_name", "GPU")
            for device in tf.config.list_physical_devices("GPU")
        ],
    }


def emulates(precision: str) -> bool:
    """Whether this machine must emulate a precision, which is then slower than float32.

    Args:
        precision: as in `ssdgm-train`.

    Returns:
        True without an accelerator, on a processor that lists its instructions and has none for the precision.
    """
    flags = _processor().get("flags")
    if precision not in _INSTRUCTIONS or flags is None or tf.config.list_physical_devices("GPU"):
        return False
    return _INSTRUCTIONS[precision].isdisjoint(flags.split())


def _processor() -> dict[str, str]:
    """The description of the first processor on Linux, {field: text}; {} elsewhere."""
    if not _CPUINFO.exists():
        return {}
    lines = _CPUINFO.read_text().split("\n\n")[0].splitlines()
    return {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
