"""What is not finite: steps that are left out and counted, and the first term of the first step, by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers, nodes
from ssdgm_tf.models import M2, GraphicalModel


@keras.saving.register_keras_serializable(package="tests")
class Spoils(keras.layers.Dense):
    """A dense layer whose values are NaN from a given call on, in training."""

    def __init__(self, first_bad=0, units=4, **kwargs):
        super().__init__(units, **kwargs)
        self.calls = self.add_weight(name="calls", shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.first_bad = first_bad

    def call(self, x, training=False):
        values = super().call(x)
        if not training:
            return values
        self.calls.assign_add(1)
        return tf.where(tf.convert_to_tensor(self.calls) > self.first_bad, float("nan"), values)


def spoilt(first_bad, **options):
    """A model of the same weights whose p(x|...) gives NaN after so many passes, two a step: one of each stream."""
    keras.utils.set_random_seed(0)
    generative = {
        "y": nodes.OneHotCategorical(3),
        "z": nodes.Normal(2),
        "x": nodes.Normal((4, 3), scale=1.0, parents=("y", "z"), network=Spoils(first_bad)),
    }
    recognition = {
        "y": nodes.OneHotCategorical(3, parents="x", network=layers.MLP((4,))),
        "z": nodes.Normal(2, parents=("x", "y"), network=layers.MLP((4,))),
    }
    model = GraphicalModel(generative, recognition, observed="x", supervised="y", seed=0)
    model.compile(keras.optimizers.Adam(1e-2), **options)
    return model


def fit(model, tiny):
    return model.fit(*tiny, batch_size=54, labelled_batch_size=6, epochs=2, seed=0, verbose=0).history


@pytest.mark.parametrize("jit_compile", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_step_that_is_not_finite_is_left_out_and_counted(tiny, jit_compile):
    model = spoilt(first_bad=4, jit_compile=jit_compile)  # two good steps, an epoch, then two bad ones
    history = fit(model, tiny)
    assert history["skipped_steps"] == [0.0, 2.0] and model.num_steps == 4
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


@pytest.mark.usefixtures("eager")
def test_steps_are_not_left_out_without_need(tiny, tiny_m2):
    assert fit(tiny_m2, tiny)["skipped_steps"] == [0.0, 0.0]


@pytest.mark.usefixtures("eager")
def test_a_loss_scale_looks_for_itself(tiny):
    """Zeros in the place of an overflow would keep its scale where it is for ever."""
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2), initial_scale=2.0**15)
    model = spoilt(first_bad=0)
    model.compile(optimizer)
    history = fit(model, tiny)
    assert history["skipped_steps"] == [2.0, 2.0] and float(optimizer.dynamic_scale) == 2.0**11


@pytest.mark.parametrize(("first_bad", "step", "stream"), [(4, 3, "labelled"), (3, 2, "unlabelled")])
def test_debug_nans_names_the_first_term_the_stream_and_the_step(tiny, first_bad, step, stream):
    model = spoilt(first_bad, debug_nans=True)
    with pytest.raises(FloatingPointError, match=f"Received: log_px with NaN in step {step}, of {stream} examples"):
        fit(model, tiny)


@pytest.mark.slow
def test_debug_nans_changes_nothing_where_all_is_finite(tiny):
    curves = [fit(spoilt(10**6, debug_nans=debug, jit_compile=False), tiny)["loss"] for debug in (False, True)]
    np.testing.assert_allclose(*curves, rtol=1e-6)


def test_debug_nans_is_not_for_xla():
    with pytest.raises(ValueError, match="Received: debug_nans=True, jit_compile=True"):
        spoilt(0, debug_nans=True, jit_compile=True)


def test_training_ends_when_nothing_comes_of_it_any_more(tiny):
    model = diverged(tiny)
    with pytest.raises(FloatingPointError, match=r"Gradients must be finite.* 25 skipped steps in a row, up to step 25"):
        model.fit(*tiny, batch_size=22, epochs=40, verbose=0)


def test_a_long_epoch_does_not_have_to_end_first(tiny):
    model = diverged(tiny)
    with pytest.raises(FloatingPointError, match=r"Received: 50 skipped steps in a row, up to step 50"):
        model.fit(*tiny, steps_per_epoch=1000, verbose=0)


def test_a_finite_step_starts_the_count_anew(tiny_m2):
    skipped = tiny_m2.monitor.skipped
    for value in (1.0, 1.0, 0.0, 1.0):
        skipped.update_state(tf.constant(value))
    assert (float(skipped.result()), float(skipped.in_a_row)) == (3, 1)
    skipped.reset_state()
    assert (float(skipped.result()), float(skipped.in_a_row)) == (0, 1)


def diverged(tiny):
    """An M2 with a weight that is not finite."""
    model = M2(3, 2, hidden_units=(8,), seed=3)
    model.build(tiny[0].shape)
    model.compile(keras.optimizers.SGD(0.1))
    model.trainable_variables[0].assign(tf.fill(model.trainable_variables[0].shape, np.inf))
    return model
