"""What a result was measured with: versions and hardware, no paths and no names of machines."""

import os
import platform
from importlib import metadata
from pathlib import Path

import tensorflow as tf

_PACKAGES = ("ssdgm_tf", "tensorflow", "keras", "tensorflow-probability", "tf-keras", "numpy")
_CPUINFO = Path("/proc/cpuinfo")
# What Linux calls a processor's instructions for them, on x86_64.
_INSTRUCTIONS = {"bfloat16": {"amx_bf16", "avx512_bf16"}, "float16": {"amx_fp16", "avx512_fp16"}}


def environment() -> dict:
    """Versions of Python and the packages that numbers depend on, and what computed: processor, cores, accelerators."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        **versions,
        "machine": platform.machine(),
        "processor": _processor().get("model name", "unknown"),
        "cpu_cores": os.cpu_count(),
        "accelerators": [
            tf.config.experimental.get_device_details(device).get("device_name", "GPU")
            for device in tf.config.list_physical_devices("GPU")
        ],
    }


def emulates(precision: str) -> bool:
    """Must this machine emulate a precision, so that it is slower than float32?

    Args:
        precision: as of `ssdgm-train`.

    Returns:
        Whether there is no accelerator, and a processor that says it has no instructions for the precision.
    """
    flags = _processor().get("flags")
    if precision not in _INSTRUCTIONS or flags is None or tf.config.list_physical_devices("GPU"):
        return False
    return _INSTRUCTIONS[precision].isdisjoint(flags.split())


def _processor() -> dict[str, str]:
    """What Linux says of the first processor, {field: text}; nothing elsewhere."""
    if not _CPUINFO.exists():
        return {}
    lines = _CPUINFO.read_text().split("\n\n")[0].splitlines()
    return {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
