"""Every public layer and model: config, .keras, SavedModel, XLA, mixed precision. An unregistered one fails."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers, models
from tests.conformance.descriptors import ABSTRACT, DESCRIPTORS, HELPERS
from tests.tiers import tiers
from tests.tolerances import assert_close

every = pytest.mark.parametrize("name", DESCRIPTORS)
# The models of the largest graphs, whose layers and engine the first tier conforms in the others.
LARGEST = ("SDGM", "Faces", "MultiDigit")
all_but_the_largest = pytest.mark.parametrize("name", tiers(DESCRIPTORS, second=LARGEST))
# XLA takes a second or more for each: the first tier has one of each kind.
XLA_FIRST = (
    "NormalNode",
    "OneHotCategoricalNode",
    "RelaxedOneHotCategoricalNode",
    "MLP",
    "ConvEncoder",
    "RandomAffine",
    "M2",
)
# A SavedModel of a node is that of its base.
SAVED = [name for name in DESCRIPTORS if name in layers.__all__]
SAVED_FIRST = [name for name in SAVED if not name.endswith("Node")] + ["NormalNode", "OneHotCategoricalNode"]


def inputs(descriptor, number=7):
    generator = np.random.default_rng(0)
    if isinstance(descriptor.input_shape, list):
        return [generator.uniform(size=(number, *shape)).astype("float32") for shape in descriptor.input_shape]
    x = generator.uniform(size=(number, *descriptor.input_shape)).astype("float32")
    return {"x": x, "y": np.arange(number) % descriptor.num_classes} if descriptor.num_classes else x


def as_model(descriptor, **kwargs):
    """The thing itself if it is a model, else a functional model of it alone."""
    made = descriptor.make(**kwargs)
    if isinstance(made, keras.Model):
        return made
    given = symbolic(descriptor)
    return keras.Model(given, made(given))


def symbolic(descriptor):
    """`keras.Input` for `inputs`."""
    shapes = descriptor.input_shape
    return [keras.Input(shape) for shape in shapes] if isinstance(shapes, list) else keras.Input(shapes)


def test_everything_public_is_registered():
    public = set(layers.__all__) | set(models.__all__)
    assert public == set(DESCRIPTORS) | ABSTRACT | HELPERS


@every
def test_config_round_trip(name):
    original = DESCRIPTORS[name].make()
    config = original.get_config()
    copy = type(original).from_config(config)
    made = {id(part) for part in vars(original).values() if isinstance(part, keras.layers.Layer)}
    assert not made & {id(part) for part in vars(copy).values()}  # a copy, which shares no weights
    assert keras.saving.serialize_keras_object(copy.get_config()) == keras.saving.serialize_keras_object(config)
    assert keras.saving.get_registered_name(type(original)) == f"ssdgm_tf>{name}"


@every
def test_output_shape_in_functional_and_eager_use(name):
    descriptor = DESCRIPTORS[name]
    x = inputs(descriptor)
    assert descriptor.output(descriptor.make()(x)).shape == (7, *descriptor.output_shape)
    if not isinstance(descriptor.make(), keras.Model):
        output = descriptor.make()(symbolic(descriptor))
        assert output.shape == (None, *descriptor.output_shape)


@pytest.mark.parametrize("name", tiers([name for name in DESCRIPTORS if name in models.__all__], second=LARGEST))
def test_a_prediction_does_not_depend_on_the_rest_of_the_batch(name):
    model, x = DESCRIPTORS[name].make(), inputs(DESCRIPTORS[name])
    last = keras.tree.map_structure(lambda values: values[-1:], x)
    together, alone = (keras.tree.flatten(model.predict(values, verbose=0)) for values in (x, last))
    for of_all, of_one in zip(together, alone, strict=True):
        assert_close(of_all[-1:], of_one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", tiers([name for name in DESCRIPTORS if name in models.__all__], second=LARGEST))
def test_what_is_novel_does_not_depend_on_the_rest_of_the_batch(name):
    model, x = DESCRIPTORS[name].make(), inputs(DESCRIPTORS[name])
    model.fit_novelty(inputs(DESCRIPTORS[name], 105))
    of_all, of_one = model.novelty(x), model.novelty(keras.tree.map_structure(lambda values: values[-1:], x))
    assert of_all.shape == (7,) and np.all(np.isfinite(of_all))
    assert_close(of_all[-1:], of_one, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", tiers([name for name in DESCRIPTORS if name in models.__all__], second=LARGEST))
def test_a_calibration_scales_what_is_predicted(name):
    model, x = DESCRIPTORS[name].make(), inputs(DESCRIPTORS[name])
    if not model.data_format.classes:
        pytest.skip("no class is supervised")
    labels = {variable: np.arange(7) % size for variable, size in model.data_format.classes.items()}
    before, several = model.predict(x, verbose=0), len(model.graph.supervised) > 1
    model.calibrate(x, labels)
    after, sets = model.predict(x, verbose=0), model.predict_sets(x, coverage=0.5)
    for variable, own in model.calibration.items():
        values = [found[variable] if several else found for found in (before, after, sets)]
        assert_close(values[1], own.scaling(values[0]), rtol=1e-3, atol=1e-5)
        assert values[2].shape == values[0].shape and values[2].dtype == bool


@all_but_the_largest
def test_keras_file_round_trip(name, tmp_path):
    """The same outputs, draws included: the random state is saved too."""
    descriptor = DESCRIPTORS[name]
    model, x = as_model(descriptor), inputs(descriptor)
    model(x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    first, of_loaded, second = (np.asarray(descriptor.output(m(x))) for m in (model, loaded, model))
    assert_close(of_loaded, first, rtol=1e-6)
    assert np.array_equal(second, first) != descriptor.is_random


@pytest.mark.parametrize("name", tiers(SAVED, first=SAVED_FIRST))
def test_saved_model_round_trip(name, tmp_path):
    """A SavedModel answers for any batch size; a random one draws anew at every call.

    Those of models: tests/models/test_saved_model.py.
    """
    descriptor = DESCRIPTORS[name]
    model, x = as_model(descriptor), inputs(descriptor)
    model(x)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    outputs = [
        np.asarray(descriptor.output(exported.serve(tf.nest.map_structure(lambda a, n=n: tf.constant(a[:n], "float32"), x))))
        for n in (7, 7, 2)
    ]
    assert [out.shape for out in outputs] == [(n, *descriptor.output_shape) for n in (7, 7, 2)]
    if descriptor.is_random:
        assert not np.array_equal(outputs[0], outputs[1])
    else:
        assert_close(outputs[0], descriptor.output(model.predict(x, verbose=0)), rtol=1e-5)


@pytest.mark.parametrize("name", tiers(DESCRIPTORS, first=XLA_FIRST))
def test_xla_compiles_outputs_and_gradients(name):
    descriptor = DESCRIPTORS[name]
    made, x = descriptor.make(), keras.tree.map_structure(tf.constant, inputs(descriptor))
    made(x)

    def value_and_gradients():
        with tf.GradientTape() as tape:
            out = descriptor.output(made(x))
            value = tf.reduce_sum(out**2) + sum(made.losses)
        return out, tape.gradient(value, made.trainable_variables)

    out, gradients = tf.function(value_and_gradients, jit_compile=True, autograph=False)()
    eager, _ = value_and_gradients()
    assert np.all(np.isfinite(out)) and out.shape == eager.shape
    reached = any(gradient is not None and np.abs(gradient).max() > 0 for gradient in gradients)
    assert reached == descriptor.has_gradient
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients if gradient is not None)
    if not descriptor.is_random:
        assert_close(out, eager, rtol=1e-4)


@all_but_the_largest
@pytest.mark.parametrize("policy", tiers(["mixed_bfloat16", "mixed_float16"], first=["mixed_bfloat16"]))
def test_mixed_precision(name, policy):
    """Weights and losses stay float32; a layer's output has the compute dtype, a model's is float32; trained or not."""
    descriptor = DESCRIPTORS[name]
    made = descriptor.make(dtype=policy)
    expected = "float32" if isinstance(made, keras.Model) else policy.removeprefix("mixed_")
    takes_training = "training" in inspect.signature(made.call).parameters

    @tf.function(autograph=False)  # dtypes are strict in a graph
    def run(modes):
        return descriptor.output(made(inputs(descriptor), **modes)), made.losses

    for modes in ({}, {"training": True})[: 1 + takes_training]:
        out, losses = run(modes)
        assert out.dtype == expected and np.all(np.isfinite(tf.cast(out, "float32")))
        assert all(loss.dtype == "float32" and np.isfinite(loss) for loss in losses)
    assert {weight.dtype for weight in made.trainable_variables} <= {"float32"}


def test_a_saved_model_loads_in_a_script_that_only_imports_the_package(tmp_path):
    """Importing ssdgm_tf registers its classes, also in a script whose name begins like a command."""
    DESCRIPTORS["M2"].make().save(tmp_path / "m2.keras")
    script = tmp_path / "ssdgm-mine"
    script.write_text(
        f"import ssdgm_tf, keras\nprint(type(keras.models.load_model({str(tmp_path / 'm2.keras')!r})).__name__)"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.stdout.strip() == "M2", done.stderr[-500:]
