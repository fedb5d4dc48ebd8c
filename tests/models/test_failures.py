"""What a device or XLA cannot do ends in the rule and what was received."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.models import M2, GraphicalModel, failures
from tests.tiers import tiers

pytestmark = pytest.mark.filterwarnings("ignore:No labelled example", "ignore:Gradients do not exist")

X = np.random.default_rng(0).uniform(size=(12, 4)).astype(np.float32)


class Looked(keras.layers.Layer):
    """A network with an operation that only Python knows."""

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda value: value, [x], tf.float32), x.shape)

    def compute_output_shape(self, input_shape):
        return input_shape


def model_of(network):
    recognition = {"z": nodes.Normal(2, parents="x", network=network)}
    generative = {"z": nodes.Normal(2), "x": nodes.Normal(4, parents="z")}
    model = GraphicalModel(generative, recognition, observed="x")
    model.compile("adam", jit_compile=True)
    return model


NAMED = [(call, nested) for call in ("fit", "evaluate") for nested in (True, False)]


@pytest.mark.parametrize(("call", "nested"), tiers(NAMED, first=[("fit", True), ("evaluate", False)]))
def test_an_operation_that_xla_does_not_know_is_named_with_its_node(call, nested):
    network = keras.Sequential([keras.layers.Dense(3), Looked(name="looked")]) if nested else Looked(name="looked")
    with pytest.raises(ValueError, match=r"Received: PyFunc in the network of q_z \(.*looked.*/PyFunc\)$"):
        getattr(model_of(network), call)(X, verbose=0)


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_too_little_memory_says_what_to_lower(call, monkeypatch):
    model = M2(3, 2, hidden_units=(4,))
    model.build((None, 4))
    model.compile("adam", num_samples=7)

    def full(*args, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[7,9]\nmore")

    monkeypatch.setattr(model, {"fit": "train_step", "evaluate": "test_step", "predict": "predict_step"}[call], full)
    monkeypatch.setattr(keras.Model, call, full)
    rule = r"lower batch_size, labelled_batch_size or num_samples.*Received: batch_size=6.*num_samples=7; OOM when.*\[7,9\]$"
    with pytest.raises(MemoryError, match=rule):
        getattr(model, call)(X, batch_size=6)


def test_other_errors_are_raised_as_they_are():
    model = model_of(None)
    for error in (tf.errors.InvalidArgumentError(None, None, "other"), ValueError("mine")):
        with pytest.raises(type(error), match=r"other|mine") as found, failures.in_words(model):
            raise error
        assert found.value is error
