"""What a result was measured with: versions and hardware, no paths and no names of machines."""

import os
import platform
from importlib import metadata

import tensorflow as tf

_PACKAGES = ("ssdgm_tf", "tensorflow", "keras", "tensorflow-probability", "tf-keras", "numpy")


def environment() -> dict:
    """Versions of Python and the packages that numbers depend on, number of cores, and accelerators."""
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
        "cpu_cores": os.cpu_count(),
        "accelerators": [
            tf.config.experimental.get_device_details(device).get("device_name", "GPU")
            for device in tf.config.list_physical_devices("GPU")
        ],
    }
