"""Two replicas take the steps of one device: in a process of its own, for logical devices are made before anything else."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Of each model the loss curves on one device and on two, of batches that do not part evenly: 101 and 31, the last of 54.
CURVES = """
import contextlib, json, sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from ssdgm_tf import data, layers, models, nodes, rows
digits = data.load_digits(num_labels=31, seed=0)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def classes():  # nothing is drawn: both must take the very same steps
    p = {"y": nodes.OneHotCategorical(10), "x": nodes.Normal((8, 8, 1), scale=0.5, parents="y", network=layers.MLP((16,)))}
    return models.GraphicalModel(p, {"y": nodes.OneHotCategorical(10, parents="x", network=layers.MLP((16,)))}, "x", "y")

def general():
    p = {"y": nodes.OneHotCategorical(10), "z": nodes.Normal(3),
         "x": nodes.Normal((8, 8, 1), scale=0.5, parents=("y", "z"), network=layers.MLP((16,)))}
    q = {"z": nodes.Normal(3, parents="x", network=layers.MLP((16,))),
         "y": nodes.OneHotCategorical(10, parents=("x", "z"), network=layers.MLP((16,)))}
    return models.GraphicalModel(p, q, "x", "y", seed=1)

sizes = {"latent_dim": 4, "hidden_units": (32,), "seed": 1}
makers = {"classes": classes, "M2": lambda: models.M2(10, **sizes), "general": general,
          "ADGM": lambda: models.ADGM(10, auxiliary_dim=4, **sizes | {"seed": 3})}
curves = {}
for name, make in makers.items():
    for devices, scope in enumerate((contextlib.nullcontext(), strategy.scope()), start=1):
        keras.utils.set_random_seed(0)
        with scope:
            model = make()
            model.compile(keras.optimizers.Adam(1e-3))
        held = rows.Rows if name == "classes" and devices == 2 else lambda x: x  # read by rows, it must be the same
        curves[f"{name} {devices}"] = model.fit(
            held(digits.x_train), digits.y_train, batch_size=101, epochs=3, seed=0, verbose=0,
            validation_data=(held(digits.x_test), digits.y_test), validation_batch_size=99).history
        curves[f"{name} {devices} steps"] = model.num_steps
    curves[f"{name} probabilities"] = model.predict(digits.x_test[:3], verbose=0).sum(axis=-1).tolist()
    curves[f"{name} bound"] = model.evaluate(digits.x_test, digits.y_test, verbose=0, return_dict=True)["bound_unlabelled"]
refused = []
with strategy.scope():
    for options in ({"jit_compile": True}, {"steps_per_execution": 2}):
        try:
            models.M2(10, **sizes).compile("adam", **options)
        except ValueError as error:
            refused.append(str(error))
curves["refused"] = refused
print(json.dumps(curves))
"""


@pytest.fixture(scope="module")
def curves():
    done = subprocess.run([sys.executable, "-c", CURVES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_without_draws_two_devices_take_the_very_steps_of_one(curves):
    one, two = curves["classes 1"], curves["classes 2"]
    assert set(one) == set(two) and "val_ece" in one
    for name in one:
        assert two[name] == pytest.approx(one[name], rel=1e-5, abs=1e-6), name
    assert curves["classes 1 steps"] == curves["classes 2 steps"] == 39


@pytest.mark.parametrize("name", ["M2", "ADGM", "general"])
def test_with_draws_of_their_own_two_devices_have_the_same_loss_curve(curves, name):
    """Three means over 1,266 examples with a draw each, apart by the noise of those draws: 0.1 to 1.5 per cent here.

    Of ADGM with other seeds one run in three, of one device as of two, has a first epoch 3 to 27 per cent worse, by rare
    draws of the auxiliary variable.
    """
    for term in ("loss", "bound_unlabelled", "val_loss"):
        assert curves[f"{name} 2"][term] == pytest.approx(curves[f"{name} 1"][term], rel=0.04), term
        assert curves[f"{name} 2"][term] != curves[f"{name} 1"][term]
    assert curves[f"{name} probabilities"] == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    assert curves[f"{name} bound"] == pytest.approx(curves[f"{name} 2"]["val_bound_unlabelled"][-1], rel=0.04)


def test_what_several_replicas_cannot_do_is_refused_with_the_reason(curves):
    jit, steps = curves["refused"]
    assert "jit_compile must be False or 'auto'. Received: jit_compile=True, 2 replicas" in jit
    assert "steps_per_execution must be 1. Received: steps_per_execution=2, 2 replicas" in steps


MIXED = (
    CURVES[: CURVES.index("def general")]
    + """
policy, curves = sys.argv[1], {}
def in_policy():
    network = lambda: layers.MLP((16,), dtype=policy)
    one_hot = lambda **parts: nodes.OneHotCategorical(10, dtype=policy, **parts)
    x = nodes.Normal((8, 8, 1), scale=0.5, parents="y", network=network(), dtype=policy)
    return models.GraphicalModel({"y": one_hot(), "x": x}, {"y": one_hot(parents="x", network=network())}, "x", "y")

for name, make in (("classes", in_policy), ("M2", lambda: models.M2(10, 4, hidden_units=(32,), seed=1, dtype=policy))):
    for devices, scope in enumerate((contextlib.nullcontext(), strategy.scope()), start=1):
        keras.utils.set_random_seed(0)
        with scope:
            model = make()
            model.compile(keras.optimizers.Adam(1e-3))
        curves[f"{name} {devices}"] = model.fit(
            digits.x_train, digits.y_train, batch_size=101, epochs=2, seed=0, verbose=0,
            validation_data=(digits.x_test, digits.y_test), validation_batch_size=99).history
print(json.dumps(curves))
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_in_mixed_precision_two_devices_train_as_one(policy):
    """Without draws the same steps, up to the order of sums; with draws the same curve, once a loss scale has settled."""
    done = subprocess.run([sys.executable, "-c", MIXED, policy], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    curves = json.loads(done.stdout.splitlines()[-1])
    for term in ("loss", "val_loss", "error", "val_error"):
        assert curves["classes 2"][term] == pytest.approx(curves["classes 1"][term], rel=1e-3, abs=5e-3), term
    assert curves["classes 2"]["skipped_steps"] == [0, 0] and curves["M2 2"]["skipped_steps"][1] == 0
    for term in ("loss", "val_loss"):
        assert curves["M2 2"][term][1] == pytest.approx(curves["M2 1"][term][1], rel=0.04), term


# The smallest program that XLA refuses on replicas. Where it compiles, `devices.check` can let XLA through.
VARIABLE = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    variable = tf.Variable(1.0)
doubled = tf.function(lambda: 2.0 * variable, jit_compile=True)
tf.function(lambda: strategy.run(doubled))()
"""


def test_xla_still_wants_the_variables_of_all_replicas_on_one_device():
    done = subprocess.run([sys.executable, "-c", VARIABLE], capture_output=True, text=True)
    assert done.returncode and "Trying to access resource Variable/replica_1" in done.stderr
