"""Tolerances of float32, by device: products are exact on all, sums come in another order."""

import numpy as np
import tensorflow as tf

# On a GPU sums of thousands of terms are made of parts, and exp and log are of another library. Not measured yet.
_FACTORS = {"CPU": 1, "GPU": 10}


def assert_close(actual, expected, rtol=0.0, atol=0.0):
    """`numpy.testing.assert_allclose` with the tolerances of a CPU, times a factor for the device of this machine."""
    factor = _FACTORS["GPU" if tf.config.list_logical_devices("GPU") else "CPU"]
    np.testing.assert_allclose(actual, expected, rtol=factor * rtol, atol=factor * atol)
