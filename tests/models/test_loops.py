"""Many steps in one program take the steps that are taken one by one, and what fills up a step does not count."""

import functools
import os
import re
import subprocess
import sys
import textwrap
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers, nodes, rows
from ssdgm_tf.engine import counted
from ssdgm_tf.models import ADGM, M2, GraphicalModel, loops
from ssdgm_tf.models.metrics import ObjectiveLoss
from ssdgm_tf.models.order import InOrder
from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel
from ssdgm_tf.nodes.estimators import Draw
from tests.tiers import tiers

SIZE, KNOWN = 23, 7


def m2():
    return M2(3, 2, hidden_units=(6,), seed=1)


def adgm():
    return ADGM(3, 2, auxiliary_dim=2, hidden_units=(6,), seed=1)


def two_labels():
    generative = {"y": nodes.OneHotCategorical(3), "w": nodes.Normal(1)}
    generative["x"] = nodes.Normal((4, 4, 1), parents=("y", "w"), network=layers.MLP((6,)))
    recognition = {"y": nodes.OneHotCategorical(3, parents="x"), "w": nodes.Normal(1, parents=("x", "y"))}
    return GraphicalModel(generative, recognition, observed="x", supervised=("y", "w"), seed=1)


def convolutional():
    generative = {"y": nodes.OneHotCategorical(3), "z": nodes.Normal(2)}
    generative["x"] = nodes.Bernoulli((4, 4, 1), parents=("y", "z"), network=layers.MLP((6,)))
    network = keras.Sequential(
        [keras.layers.Conv2D(3, 3, activation="relu"), keras.layers.Dropout(0.2), keras.layers.Flatten()]
    )
    recognition = {"y": nodes.OneHotCategorical(3, parents="x", network=network)}
    recognition["z"] = nodes.Normal(2, parents=("x", "y"), network=layers.MLP((6,)))
    return GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1)


CASES = [(make, steps) for make in (m2, adgm, two_labels, convolutional) for steps in (3, "auto")]


def make_data(model):
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(SIZE, 4, 4, 1)).astype(np.float32)
    y = {"y": np.where(np.arange(SIZE) % 3 == 0, np.arange(SIZE) % 4 % 3, -1)}
    if "w" in model.graph.supervised:
        y["w"] = np.where(np.arange(SIZE) % 4 == 0, generator.normal(size=SIZE), np.nan)[:, None].astype(np.float32)
    return x, y


def stateful():
    """An optimizer that has a state of every kind."""
    rate = keras.optimizers.schedules.PolynomialDecay(0.02, 10, 0.001)
    return keras.optimizers.Adam(rate, use_ema=True, ema_overwrite_frequency=4, gradient_accumulation_steps=2)


def compiled(make, optimizer="sgd", **options):
    """A model. Its optimizer is plain descent, which is the quickest to trace, unless a test needs another."""
    keras.utils.set_random_seed(5)
    model = make()
    model.build((None, 4, 4, 1))
    model.compile(optimizer, kl_weight=keras.optimizers.schedules.PolynomialDecay(0.1, 8, 1.0), **options)
    return model


def fitted(make, epochs=3, optimizer=None, **options):
    """A model after three epochs of 4 steps, the last of fewer examples, and its logs. Its optimizer is a stateful one."""
    model = compiled(make, optimizer or stateful(), **options)
    x, y = make_data(model)
    options = {"batch_size": 4, "labelled_batch_size": 3, "validation_data": (x[:9], {k: v[:9] for k, v in y.items()})}
    return model, model.fit(x, y, epochs=epochs, seed=3, verbose=0, validation_batch_size=4, **options).history


def streaming(monkeypatch):
    """Within the test arrays stream, batch by batch."""
    monkeypatch.setattr(loops, "fit_into_memory", lambda arrays, held: False)


@pytest.fixture(scope="module")
def streamed():
    """A function of a model that gives it fitted on arrays that stream; each is fitted once, and not changed."""

    @functools.cache
    def fit(make):
        with pytest.MonkeyPatch.context() as monkeypatch:
            streaming(monkeypatch)
            return fitted(make)

    return fit


def assert_same(one, other, **tolerance):
    (model, history), (other_model, other_history) = one, other
    for weight, other_weight in zip(model.variables, other_model.variables, strict=True):
        np.testing.assert_allclose(weight, other_weight, err_msg=weight.path, **tolerance)
    for name, values in history.items():
        np.testing.assert_allclose(values, other_history[name], err_msg=name, **tolerance)


@pytest.mark.parametrize(("make", "steps"), tiers(CASES, first=[(m2, 3), (m2, "auto")]))
def test_weights_and_logs_do_not_depend_on_the_steps_at_once(make, steps, streamed):
    """To the last bits: a loop may add in another order."""
    assert streamed(make)[0].num_steps == (9 if make is two_labels else 12)
    assert_same(fitted(make, steps_per_execution=steps), streamed(make), rtol=1e-4, atol=1e-6)


def momentum():
    """An optimizer of one state, which XLA compiles sooner."""
    return keras.optimizers.SGD(0.01, momentum=0.9)


COMPILED = [(m2, momentum), *((make, stateful) for make in (m2, adgm, two_labels))]


@pytest.mark.parametrize(("make", "optimizer"), tiers(COMPILED, second=COMPILED))
def test_under_xla_too(make, optimizer, monkeypatch):
    many = fitted(make, optimizer=optimizer(), steps_per_execution=3, jit_compile=True)
    streaming(monkeypatch)
    assert_same(many, fitted(make, optimizer=optimizer(), jit_compile=True), rtol=1e-4, atol=1e-6)


@pytest.fixture
def exact(monkeypatch):
    """Nothing is random."""
    monkeypatch.setattr(nodes.Reparameterized, "draw", lambda self, head, q, axes, seed, step: Draw(head.mean(q)))


def filling(monkeypatch):
    monkeypatch.setattr(SemiSupervisedModel, "fills_steps", property(lambda self: True))


FILLED = [(make, free_bits) for make in (m2, two_labels) for free_bits in (0.0, 2.0)]


@pytest.mark.parametrize(("make", "free_bits"), tiers(FILLED, first=[(m2, 0.0), (two_labels, 2.0)]))
@pytest.mark.usefixtures("exact", "eager")
def test_what_fills_up_a_step_does_not_count(make, free_bits, monkeypatch):
    """With plain descent, which sees a loss of another scale."""
    options = {"free_bits": free_bits, "labelled_bound": "conditional", "optimizer": "sgd"}
    expected = fitted(make, epochs=1, **options)
    filling(monkeypatch)
    assert_same(fitted(make, epochs=1, **options), expected, rtol=1e-4, atol=1e-6)
    streaming(monkeypatch)
    assert_same(fitted(make, epochs=1, **options), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["labelled", "unlabelled"])
@pytest.mark.usefixtures("exact", "eager")
def test_nor_where_examples_are_of_one_kind(kind, monkeypatch):
    def trained():
        model = compiled(m2, num_unlabelled=3, num_labelled=3)
        x, y = make_data(model)
        some = (y["y"] >= 0) == (kind == "labelled")
        with pytest.warns(UserWarning, match=r"No (un)?labelled example"):
            return model, model.fit(x[some], y["y"][some], batch_size=3, seed=1, verbose=0).history

    expected = trained()
    filling(monkeypatch)
    assert_same(trained(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["streams", "pairs"])
@pytest.mark.usefixtures("exact", "eager")
def test_batches_from_elsewhere_are_filled_up_too(form, monkeypatch):
    model = m2()
    x, y = make_data(model)
    order = np.argsort(y["y"] >= 0, kind="stable")[[0, 20, 1, 21, 2, 22, 3, 19, 4, 18, 5]]  # of both kinds in turn
    x, labels = x[order], y["y"][order]
    pairs = tf.data.Dataset.from_tensor_slices((x, labels)).batch(4)
    streams = {"unlabelled": x[labels < 0], "labelled": (x[labels >= 0], labels[labels >= 0])}
    streams = {name: tf.data.Dataset.from_tensor_slices(part).batch(4) for name, part in streams.items()}
    data = pairs if form == "pairs" else tf.data.Dataset.zip(streams)

    def trained():
        model = compiled(m2)
        return model, model.fit(data, validation_data=pairs, verbose=0).history

    expected = trained()
    filling(monkeypatch)
    assert_same(trained(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("exact", "eager")
def test_metrics_of_the_user_and_predictions_are_of_the_examples_alone(monkeypatch):
    def measured():
        model = compiled(m2, metrics=["accuracy"])
        x, y = make_data(model)
        return model.evaluate(x, y, batch_size=10, verbose=0), model.predict(x, batch_size=10, verbose=0)

    expected = measured()
    filling(monkeypatch)
    for found, wanted in zip(measured(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_networks_that_mix_examples_are_not_filled_up():
    def made(*network):
        recognition = {"z": nodes.Normal(2, parents="x", network=keras.Sequential([keras.layers.Dense(3), *network]))}
        generative = {"z": nodes.Normal(2), "x": nodes.Normal(4, parents="z")}
        model = GraphicalModel(generative, recognition, observed="x")
        model.compile("adam", jit_compile=True)
        return model.fills_steps

    class Own(keras.layers.Layer):
        def call(self, x):
            return x - keras.ops.mean(x, axis=0)

    assert made(keras.layers.Dropout(0.1), keras.layers.LayerNormalization()) and made()
    assert not made(keras.layers.BatchNormalization()) and not made(Own())
    assert not made(keras.layers.Dense(2, activity_regularizer="l2"))
    assert not made(keras.layers.UnitNormalization(axis=0)) and not made(layers.NormalNode(2))
    symbolic = keras.Input((3,))
    assert made(keras.Model(symbolic, keras.layers.Dense(2)(symbolic)))
    assert not made(keras.Model(symbolic, symbolic - keras.ops.mean(symbolic, axis=0, keepdims=True)))
    model = m2()
    model.compile("adam")
    assert not model.fills_steps


def test_callbacks_come_as_keras_calls_them():
    def counted(callback, **options):
        model = compiled(m2, **options)
        x, y = make_data(model)
        model.fit(x, y, batch_size=2, epochs=2, verbose=0, callbacks=[callback])
        return model.num_steps

    class Counting(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.ends = []

        def on_train_batch_end(self, batch, logs=None):
            self.ends.append(batch)
            assert set(logs) >= {"loss", "error"}

    every, some = Counting(), Counting()
    assert counted(every) == counted(some, steps_per_execution=3) == 16
    assert every.ends == [*range(8)] * 2 and some.ends == [2, 5, 8] * 2


@pytest.mark.parametrize(
    ("callback", "looks"),
    [
        (keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), True),
        (keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), False),
        (keras.callbacks.ModelCheckpoint("x.keras"), False),
        (keras.callbacks.ModelCheckpoint("x.keras", save_freq=3), True),
        (keras.callbacks.BackupAndRestore("x", save_freq=False), False),
        (keras.callbacks.TensorBoard("x"), False),
        (keras.callbacks.TensorBoard("x", update_freq="batch"), True),
        (keras.callbacks.TerminateOnNaN(), False),
        (keras.callbacks.EarlyStopping(), False),
    ],
)
def test_which_callbacks_look_at_every_batch(callback, looks):
    assert loops._looks_at_batches(callback) == looks


@pytest.mark.parametrize(
    ("num_steps", "work", "expected"), [(600, 1, 50), (7, 1, 7), (120, 1e9, 10), (11, 3e9, 3), (5, 1e12, 1)]
)
def test_an_execution_takes_half_a_second_and_a_part_of_an_epoch(num_steps, work, expected, monkeypatch):
    monkeypatch.setattr(loops.compilation, "work", lambda model, size: work)
    monkeypatch.setattr(loops.compilation, "work_at_once", lambda: 1e10)
    assert loops.steps_at_once(None, num_steps, 1, []) == expected


def test_a_convolution_is_more_work_than_its_weights():
    assert loops.compilation.work(compiled(convolutional), 10) > 16 * 10 * 3 * (9 * 3)


def test_resumed_within_a_run_it_goes_on_with_the_same_steps(streamed):
    whole, _ = streamed(m2)
    parts, _ = fitted(m2, epochs=2, steps_per_execution=2)
    x, y = make_data(parts)
    parts.fit(x, y, 4, epochs=3, initial_epoch=2, labelled_batch_size=3, seed=3, verbose=0)
    for one, other in zip(whole.trainable_variables, parts.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_steps_of_an_epoch_go_on_over_the_ends_of_passes(monkeypatch):
    def trained(steps):
        model = compiled(m2, steps_per_execution=steps)
        x, y = make_data(model)
        return model, model.fit(x, y, 4, epochs=3, steps_per_epoch=7, seed=3, verbose=0).history

    many = trained(5)
    streaming(monkeypatch)
    assert_same(many, trained(1), rtol=1e-4, atol=1e-6)


def test_what_a_callback_does_within_fit_does_not_disturb_it():
    """It evaluates other data, takes a step of its own batch at learning rate 0, and predicts."""

    class Busy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(other, batch_size=5, verbose=0)
            self.model.predict(other, verbose=0)

    other = np.random.default_rng(1).uniform(size=(13, 4, 4, 1)).astype(np.float32)
    model = compiled(m2)
    x, y = make_data(model)
    losses = model.fit(x, y, 4, epochs=2, validation_data=(x, y), verbose=0, callbacks=[Busy()]).history["val_loss"]
    assert model.num_steps == 8 and len(losses) == 2 and not model.passes
    assert losses[-1] == pytest.approx(model.evaluate(x, y, verbose=0, return_dict=True)["loss"], rel=0.2)


@pytest.mark.parametrize("jit_compile", tiers([False, True], first=[False]))
def test_predictions_within_fit_are_of_all_examples(jit_compile):
    """The function of predictions is made before `fit`, whose executions take several steps."""

    class Predicting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            found.append(self.model.predict(x, batch_size=2, verbose=0))

    model = compiled(m2)
    model.compile(keras.optimizers.SGD(0.0), jit_compile=jit_compile)
    x, y = make_data(model)
    found = [model.predict(x, batch_size=2, verbose=0)]
    model.fit(x, y, 2, verbose=0, callbacks=[Predicting()])
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert found[0].shape == (SIZE, 3)


@pytest.mark.parametrize("steps_per_execution", tiers([1, 2, "auto"], first=[2, "auto"]))
def test_as_many_steps_as_asked_for_are_evaluated(steps_per_execution):
    model = compiled(m2, steps_per_execution=steps_per_execution)
    x, y = make_data(model)
    for steps in (3, 5, None):
        model.evaluate(x, y, batch_size=4, steps=steps, verbose=0)
        assert float(model.monitor.loss.totals[0, 1]) == min(4 * (steps or 99), SIZE)
    model.fit(x, y, 4, validation_data=(x, y), validation_batch_size=4, validation_steps=3, verbose=0)
    assert float(model.monitor.loss.totals[0, 1]) == 12


def test_functions_that_run_eagerly_take_the_same_steps():
    expected = fitted(m2, epochs=1, steps_per_execution=3)
    tf.config.run_functions_eagerly(True)
    try:
        assert_same(fitted(m2, epochs=1, steps_per_execution=3), expected, rtol=1e-4, atol=1e-6)
    finally:
        tf.config.run_functions_eagerly(False)


def test_nothing_is_traced_again(monkeypatch):
    counts = Counter()

    def counting(name, own):
        def step(self, data):
            counts[name] += 1
            return own(self, data)

        return step

    for name in ("train_step", "test_step"):
        monkeypatch.setattr(SemiSupervisedModel, name, counting(name, getattr(SemiSupervisedModel, name)))
    model = compiled(m2)
    x, y = make_data(model)
    for _ in range(2):
        model.fit(x, y, 4, epochs=2, validation_data=(x[:9], y["y"][:9]), validation_batch_size=4, verbose=0)
        model.evaluate(x, y, batch_size=5, verbose=0)
    assert counts == {"train_step": 1, "test_step": 1}


def test_nothing_is_left_where_fit_is_refused():
    model = compiled(m2)
    x, y = make_data(model)
    with pytest.raises(ValueError, match="validation_data must be"):
        model.fit(x, y, validation_data=(x, y, x, y), verbose=0)
    assert not model.passes and model.steps_per_execution == 1


def test_bytes_stay_bytes_and_other_conversions_are_other_programs():
    model = compiled(m2)
    images = np.random.default_rng(0).integers(256, size=(SIZE, 4, 4, 1), dtype=np.uint8)
    _, y = make_data(model)
    found = []
    for mapping in (None, lambda x: 1 - x):
        held = rows.Rows(images, mapping=mapping)
        arrays = (held, np.asarray(held))
        found += [model.evaluate(x, y, verbose=0, return_dict=True)["error"] for x in arrays]
        np.testing.assert_allclose(*(model.predict(x, verbose=0) for x in arrays), rtol=1e-6)
    assert found[0] == found[1] and found[2] == found[3]
    parts = loops.Passes(loops.Arrays({"x": held}, {}, InOrder(SIZE, 4), False), None, "test").stored
    assert parts[0]["x"].dtype == tf.uint8


def test_programs_of_few_forms_are_kept(monkeypatch):
    traced = Counter()
    own = SemiSupervisedModel.test_step

    def counted(self, data):
        traced["test"] += 1
        return own(self, data)

    model = compiled(m2)
    x, _ = make_data(model)
    loop = loops.Loop(model, lambda data: counted(model, data))
    for size in (4, 5, 7, 8, 9, 4):
        order = InOrder(size, size)
        passes = loops.Passes(loops.Arrays({"x": x[:size]}, {}, order, False), None, "test")
        loop.advance(passes, 2)
    assert traced["test"] == 6 and len(loop.programs) == 4
    for number in (19, 23, 22):  # other numbers of examples are the same form
        passes = loops.Passes(loops.Arrays({"x": x[:number]}, {}, InOrder(number, 4), False), None, "test")
        loop.advance(passes, 3)
    assert traced["test"] == 7


def test_a_step_of_ones_own_is_taken_batch_by_batch():
    class Own(M2):
        def train_step(self, data):
            return super().train_step(data) | {"mine": tf.constant(2.0)}

    model = Own(3, 2, hidden_units=(6,), seed=1)
    model.compile("sgd")
    x, y = make_data(model)
    assert model.fit(x, y, 4, verbose=0).history["mine"] == [2.0]
    model = m2()
    model.compile("sgd")
    model.train_step = lambda data, own=model.train_step: own(data) | {"mine": tf.constant(3.0)}
    assert model.fit(x, y, 4, verbose=0).history["mine"] == [3.0]


def test_data_beyond_the_memory_of_a_gpu_stream_and_say_so_once(monkeypatch):
    monkeypatch.setattr(loops.keras_internals, "gpu_memory", lambda: 1000)
    model = compiled(m2)
    x, y = make_data(model)
    with pytest.warns(UserWarning, match=r"The data stream to the GPU, step by step.*Received: ") as found:
        model.fit(x, y, 4, epochs=2, verbose=0)
    assert len([warning for warning in found if "stream to the GPU" in str(warning.message)]) == 1 and model.num_steps == 8
    monkeypatch.setattr(loops.keras_internals, "gpu_memory", lambda: 2 * 23 * (64 + 8))  # room for either, not for both
    model.evaluate(x, y, verbose=0)
    with pytest.warns(UserWarning, match="stream to the GPU"):
        model.fit(x, y, 4, validation_data=(x, y), verbose=0)


def test_a_block_is_no_larger_than_large_arrays(monkeypatch):
    arrays = loops.Arrays({"x": np.zeros((100, 5), np.float32)}, {}, InOrder(100, 50), True)
    assert isinstance(loops.of_evaluation(arrays, None), loops.InBlocks)
    monkeypatch.setattr(loops, "_LARGE_BLOCK", 1000)
    assert not isinstance(loops.of_evaluation(arrays, None), loops.InBlocks)
    arrays = loops.Arrays({"x": np.zeros((100, 5), np.float32)}, {}, InOrder(100, 5), True)
    assert isinstance(loops.of_evaluation(arrays, None), loops.InBlocks)


def test_added_losses_count_by_the_examples_that_count():
    metric = ObjectiveLoss()
    for number, added in ((4, 1.0), (1, 6.0)):
        values = tf.ones([4])
        metric.update_state(None, values, None, counted.mask(values, tf.constant(number, tf.int64)), [tf.constant(added)])
    assert float(metric.result()) == pytest.approx(-1.0 + (4 * 1.0 + 6.0) / 5)


def test_a_whole_run_compiles_one_program_for_each_purpose(tmp_path):
    """XLA writes down every program that it compiles."""
    program = """
        import numpy as np
        from ssdgm_tf.models import M2
        x = np.random.default_rng(0).uniform(size=(107, 9)).astype(np.float32)
        y = np.where(np.arange(107) < 30, np.arange(107) % 3, -1)
        model = M2(3, 2, hidden_units=(6,), seed=1)
        model.compile("sgd", jit_compile=True, steps_per_execution=3)
        model.fit(x, y, batch_size=20, epochs=3, validation_data=(x[:53], y[:53]), validation_batch_size=20, verbose=0)
        for size in (93, 100, 1):
            model.evaluate(x[:size], y[:size], batch_size=20, verbose=0)
        model.fit(x, y, batch_size=20, epochs=1, verbose=0)
        model.predict(x, batch_size=20, verbose=0)
    """
    environment = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    names = [path.name.split(".")[1] for path in tmp_path.glob("*before_optimizations.txt")]
    # Training and evaluation are our programs, prediction is Keras'.
    assert Counter(re.sub(r"_\d+__.*", "", name) for name in names) == {
        "a_inference_program": 2,
        "a_inference_one_step_on_data": 1,
    }


def test_log_likelihood_is_the_same_under_xla():
    """Of a graph that draws nothing; the last of two batches is filled up."""
    generative = {"y": nodes.OneHotCategorical(3), "x": nodes.Normal(4, parents="y")}
    recognition = {"y": nodes.OneHotCategorical(3, parents="x")}
    model = GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1)
    x = np.random.default_rng(0).normal(size=(107, 4)).astype(np.float32)
    y = np.where(np.arange(107) % 2, np.arange(107) % 3, -1)
    found = []
    for jit_compile in (False, True):
        model.compile("adam", jit_compile=jit_compile)
        found.append(model.log_likelihood(x, y, num_samples=3))
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert found[0].shape == (107,) and np.ptp(found[0]) > 0.1
