"""Training through `fit`: what is logged, what is seen, what is traced, what is saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import objectives
from ssdgm_tf.layers import NormalNode, kernels
from ssdgm_tf.models import M2, compilation
from tests.tiers import tiers

TRAINING_METRICS = {"loss", "bound_unlabelled", "bound_labelled", "classification_loss", "error", "log_px", "kl_z", "kl_y"}


@pytest.mark.usefixtures("eager")
def test_history_holds_every_term_by_name(tiny, tiny_m2):
    x, y = tiny
    validation = np.arange(120) % 3
    history = tiny_m2.fit(x, y, batch_size=50, epochs=2, validation_data=(x, validation), verbose=0).history
    assert set(history) == TRAINING_METRICS | {"skipped_steps"} | {f"val_{name}" for name in TRAINING_METRICS | {"ece"}}
    assert all(len(values) == 2 and np.all(np.isfinite(values)) for values in history.values())


@pytest.mark.usefixtures("eager")
def test_loss_is_minus_the_objective_of_the_logged_terms(tiny):
    """One step on the whole data set, so that batch means are data-set means."""
    x, y = tiny
    model = M2(3, 2, hidden_units=(8,), seed=0)
    model.compile("sgd", gamma=2.0, classification_weight=7.0)
    logs = {name: values[0] for name, values in model.fit(x, y, batch_size=200, verbose=0).history.items()}
    expected = logs["bound_unlabelled"] + 2.0 * 12 / 108 * (logs["bound_labelled"] - 7.0 * logs["classification_loss"])
    assert logs["loss"] == pytest.approx(-expected, rel=1e-5)
    assert logs["bound_unlabelled"] == pytest.approx(logs["log_px"] - logs["kl_z"] - logs["kl_y"], rel=1e-5)


@pytest.mark.usefixtures("eager")
def test_evaluate_counts_every_example_as_unlabelled_and_those_with_a_label_as_labelled(tiny, tiny_m2):
    x, _ = tiny
    y = np.arange(120) % 3
    hidden = np.where(np.arange(120) < 30, y, -1)
    results = tiny_m2.evaluate(x, hidden, batch_size=32, verbose=0, return_dict=True)
    probs = tiny_m2.predict(x, verbose=0)
    assert results["error"] == pytest.approx(np.mean(np.argmax(probs[:30], axis=1) != y[:30]), abs=1e-6)
    assert results["classification_loss"] == pytest.approx(-np.mean(np.log(probs[np.arange(30), y[:30]])), rel=1e-4)
    log_likelihood = tiny_m2.log_likelihood(x, num_samples=50).mean()
    assert results["bound_unlabelled"] <= log_likelihood
    without = tiny_m2.evaluate(x, verbose=0, return_dict=True)
    assert without["loss"] == pytest.approx(-without["bound_unlabelled"], rel=1e-5)


@pytest.mark.usefixtures("eager")
def test_evaluate_and_validation_take_a_dataset_of_pairs(tiny, tiny_m2):
    x, y = tiny
    tiny_m2.fit(x, y, validation_data=tf.data.Dataset.from_tensor_slices((x, y)).batch(40), verbose=0)
    state = tiny_m2.seed_generator.state.numpy()
    expected = tiny_m2.evaluate(x, y, batch_size=40, verbose=0, return_dict=True)
    tiny_m2.seed_generator.state.assign(state)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(40)
    assert tiny_m2.evaluate(dataset, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)
    probs = tiny_m2.predict(dataset.map(lambda x, y: x), verbose=0)
    np.testing.assert_allclose(probs, tiny_m2.predict(x, verbose=0), rtol=1e-5)


@pytest.mark.parametrize(("num_labelled", "weight"), [(100, 50.0), (50, 100.0), (3000, 50.0), (50_000, 0.1), (0, 0.0)])
def test_the_weight_of_a_label_of_an_image_does_not_fall_with_their_number(num_labelled, weight):
    model = M2(3, 2, hidden_units=(8,), seed=0)
    model.compile("sgd", num_unlabelled=50_000 - num_labelled, num_labelled=num_labelled)
    assert model.objective_scale is None  # the shape of an example is not known yet
    model.build((None, 28, 28, 1))
    model.compile("sgd", num_unlabelled=50_000 - num_labelled, num_labelled=num_labelled)
    assert model.objective_scale.classification_weight == pytest.approx(weight)


@pytest.mark.usefixtures("eager")
def test_the_default_weights_are_those_of_adgm_and_are_printed(tiny, tiny_m2, capsys):
    tiny_m2.fit(*tiny, verbose=2)
    scale = tiny_m2.objective_scale
    assert (scale.gamma, scale.classification_weight) == pytest.approx(objectives.adgm_weights(0.1, 120, 108, 12))
    printed = capsys.readouterr().out
    assert "N = 108 unlabelled, M = 12 labelled, gamma = 9, classification_weight = 1 nats per labelled example" in printed
    assert "maximises mean U + 1 mean (L + 1 log q(y|x)), supervision rate rho = 0.5" in printed


@pytest.mark.usefixtures("eager")
def test_the_papers_weights_can_be_asked_for(tiny, capsys):
    gamma, weight = objectives.kingma_weights(0.1, 120, 12)
    model = M2(3, 2, hidden_units=(8,), seed=0)
    model.compile("sgd", gamma=gamma, classification_weight=weight)
    model.fit(*tiny, verbose=2)
    assert "maximises mean U + 0.111 mean (L + 1 log q(y|x)), supervision rate rho = 0.1" in capsys.readouterr().out


def test_fit_sees_every_unlabelled_example_once_an_epoch_and_redraws_labelled_ones(tiny, tiny_m2):
    x, y = tiny
    x = x.copy()
    x[:, 0, 0] = np.arange(120) / 120  # each image holds its own index
    seen = {"labelled": [], "unlabelled": []}
    step = tiny_m2.train_step

    def spy(data):
        for key, batch in (("labelled", data["labelled"][0]["x"]), ("unlabelled", data["unlabelled"]["x"])):
            tf.py_function(
                lambda pixels, key=key: seen[key].extend(np.rint(120 * pixels.numpy()).astype(int)), [batch[:, 0, 0]], []
            )
        return step(data)

    tiny_m2.train_step = spy
    tiny_m2.fit(x, y, batch_size=20, labelled_batch_size=6, epochs=3, verbose=0)
    assert len(seen["unlabelled"]) == 3 * 108
    for epoch in range(3):
        assert sorted(seen["unlabelled"][108 * epoch : 108 * (epoch + 1)]) == list(range(12, 120))
    counts = np.bincount(seen["labelled"], minlength=12)
    assert counts.sum() == 3 * 6 * 6 and counts.min() == counts.max() == 9


@pytest.mark.usefixtures("eager")
def test_balanced_labels_are_of_every_class_equally_often(tiny, tiny_m2):
    x, y = tiny
    y[3:12] = np.where(y[3:12] > 0, 0, y[3:12])  # 10 labels of class 0, and one of each other
    seen, step = [], tiny_m2.train_step

    def spy(data):
        seen.append(data["labelled"][1]["y"].numpy())
        return step(data)

    tiny_m2.train_step = spy
    tiny_m2.fit(x, y, batch_size=27, labelled_batch_size=6, balance=True, epochs=2, verbose=0)
    assert [np.bincount(labels).tolist() for labels in seen] == 8 * [[2, 2, 2]]
    seen.clear()
    tiny_m2.fit(x, y, batch_size=108, labelled_batch_size=12, verbose=0)
    assert [np.bincount(labels).tolist() for labels in seen] == [[10, 1, 1]]


@pytest.mark.usefixtures("eager")
def test_fit_takes_a_dataset_of_two_streams(tiny, tiny_m2):
    x, y = tiny
    labelled = tf.data.Dataset.from_tensor_slices((x[:12], y[:12])).repeat().batch(6)
    unlabelled = tf.data.Dataset.from_tensor_slices(x[12:]).batch(27)
    dataset = tf.data.Dataset.zip({"labelled": labelled, "unlabelled": unlabelled})
    history = tiny_m2.fit(dataset, epochs=2, verbose=0).history
    assert set(history) == TRAINING_METRICS | {"skipped_steps"}
    assert int(tiny_m2.step) == 8
    assert (tiny_m2.objective_scale.num_unlabelled, tiny_m2.objective_scale.num_labelled) == (27, 6)


@pytest.mark.usefixtures("eager")
def test_the_sizes_given_to_compile_weigh_a_dataset(tiny):
    x, y = tiny
    model = M2(3, 2, hidden_units=(8,), seed=0)
    model.compile("sgd", gamma=1.0, num_unlabelled=1000, num_labelled=10, classification_weight=2.0)
    dataset = tf.data.Dataset.from_tensors({"labelled": (x[:12], y[:12]), "unlabelled": x[12:]})
    logs = {name: values[0] for name, values in model.fit(dataset, verbose=0).history.items()}
    expected = logs["bound_unlabelled"] + 0.01 * (logs["bound_labelled"] - 2.0 * logs["classification_loss"])
    assert logs["loss"] == pytest.approx(-expected, rel=1e-5)


def test_nothing_is_traced_again_after_the_first_step(tiny, tiny_m2):
    x, y = tiny
    counts = {"train": 0, "test": 0, "predict": 0}

    def count(name, step):
        def traced(data):
            counts[name] += 1
            return step(data)

        return traced

    for name in counts:
        setattr(tiny_m2, f"{name}_step", count(name, getattr(tiny_m2, f"{name}_step")))
    for _ in range(2):  # 108 = 5 * 20 + 8: the last batch of an epoch is smaller
        tiny_m2.fit(x, y, batch_size=20, epochs=3, validation_data=(x[:50], y[:50]), verbose=0)
    for batch_size in (32, 50):
        tiny_m2.evaluate(x, y, batch_size=batch_size, verbose=0)
        tiny_m2.predict(x, batch_size=batch_size, verbose=0)
    assert counts == {"train": 1, "test": 1, "predict": 1}


@pytest.mark.slow
def test_large_steps_have_kernels_and_learn_the_same(tiny, monkeypatch):
    x, y = tiny
    histories = []
    for smallest, jit_compile in ((1.0, "auto"), (1e18, "auto"), (1.0, False)):
        monkeypatch.setattr(compilation, "_SMALLEST_STEP", smallest)
        monkeypatch.setattr(kernels, "_SMALLEST_FUSED", 1)
        keras.utils.set_random_seed(3)
        model = M2(3, 2, hidden_units=(8,), seed=0)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
        histories.append(model.fit(x, y, batch_size=20, epochs=2, seed=0, verbose=0).history["loss"])
        assert model.fuses_kernels == (smallest == 1.0 and jit_compile == "auto")
        assert model.get_compile_config()["jit_compile"] == jit_compile
        assert not model.jit_compile
    np.testing.assert_allclose(histories[0], histories[2], rtol=1e-5)
    np.testing.assert_array_equal(histories[1], histories[2])


def test_other_weights_make_a_new_step(tiny, tiny_m2):
    x, y = tiny
    tiny_m2.fit(x, y, verbose=0)
    tiny_m2.fit(x[:60], y[:60], verbose=0)
    assert tiny_m2.objective_scale.num_unlabelled == 48
    logs = {name: values[0] for name, values in tiny_m2.fit(x[:60], y[:60], batch_size=100, verbose=0).history.items()}
    weight = tiny_m2.objective_scale.classification_weight
    assert weight == pytest.approx(0.1 * 60 / 12)
    expected = logs["bound_unlabelled"] + logs["bound_labelled"] - weight * logs["classification_loss"]
    assert logs["loss"] == pytest.approx(-expected, rel=1e-5)


@pytest.mark.usefixtures("eager")
def test_training_is_reproducible_given_the_seeds(tiny):
    def weights():
        keras.utils.set_random_seed(5)
        model = M2(3, 2, hidden_units=(8,), seed=0)
        model.compile(keras.optimizers.Adam(1e-2))
        model.fit(*tiny, batch_size=54, epochs=2, seed=1, verbose=0)
        return model.get_weights()

    for a, b in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("eager")
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tiny, tmp_path):
    """Saved after the first of 2 epochs and loaded: weights, optimizer, random state and data order go on."""

    def fresh():
        keras.utils.set_random_seed(5)
        model = M2(3, 2, hidden_units=(8,), seed=0)
        model.build((None, 4, 3))
        model.compile(keras.optimizers.Adam(1e-2))
        return model

    whole, half = fresh(), fresh()
    whole.fit(*tiny, batch_size=54, epochs=2, seed=1, verbose=0)
    half.fit(*tiny, batch_size=54, epochs=1, seed=1, verbose=0)
    half.save(tmp_path / "half.keras")
    resumed = keras.models.load_model(tmp_path / "half.keras")
    assert int(resumed.step) == 2
    resumed.fit(*tiny, batch_size=54, epochs=2, initial_epoch=1, seed=1, verbose=0)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("eager")
def test_a_loaded_model_evaluates_as_the_saved_one(tiny, tiny_m2, tmp_path):
    x, y = tiny
    tiny_m2.fit(x, y, epochs=2, verbose=0)
    tiny_m2.save(tmp_path / "m2.keras")
    loaded = keras.models.load_model(tmp_path / "m2.keras")
    first = tiny_m2.evaluate(x, y, verbose=0, return_dict=True)
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(first, rel=1e-5)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), tiny_m2.predict(x, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(loaded.generate({"y": [0, 1]}, seed=1), tiny_m2.generate({"y": [0, 1]}, seed=1), rtol=1e-6)


@pytest.mark.slow
def test_training_lowers_the_loss_and_the_error(digits):
    model = M2(10, 10, hidden_units=(64,), activation="relu", likelihood="normal", seed=0)
    model.compile(keras.optimizers.Adam(3e-3), gamma=10.0, classification_weight=30.0)
    before = None
    for epochs in (1, 12):
        model.fit(digits.x_train, digits.y_train, epochs=epochs, verbose=0)
        results = model.evaluate(digits.x_test, digits.y_test, verbose=0, return_dict=True)
        before = before or results
    assert results["loss"] < before["loss"] - 20
    assert results["error"] < 0.35


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("policy", tiers(["mixed_bfloat16", "mixed_float16"], first=["mixed_float16"]))
def test_mixed_precision_trains_and_logs_float32(policy, tiny):
    x, y = tiny
    model = M2(3, 2, hidden_units=(8,), seed=0, dtype=policy)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(x, y, batch_size=54, epochs=5, verbose=0).history
    assert np.all(np.isfinite(history["loss"])) and history["loss"][-1] < history["loss"][0]
    reference = M2(3, 2, hidden_units=(8,), seed=0)
    reference.build((None, 4, 3))
    reference.compile("sgd")
    reference.set_weights(model.get_weights())
    reference.seed_generator.state.assign(model.seed_generator.state)
    terms = model.unlabelled_terms({"x": tf.constant(x)})
    assert {term.dtype for name, term in terms.items() if name != "predictions"} == {tf.float32}
    expected = reference.unlabelled_terms({"x": tf.constant(x)})["bound_unlabelled"]
    np.testing.assert_allclose(terms["bound_unlabelled"], expected, rtol=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_float64_trains_and_evaluates(tiny):
    x, y = tiny
    model = M2(3, 2, hidden_units=(8,), seed=0, dtype="float64")
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(x, y, batch_size=54, epochs=2, validation_data=(x, y), verbose=0).history
    assert history["val_loss"][1] < history["val_loss"][0]
    assert model.unlabelled_terms({"x": tf.constant(x)})["bound_unlabelled"].dtype == "float64"
    assert np.mean(model.log_likelihood(x, num_samples=20)) > history["val_bound_unlabelled"][1]
    assert model.analogies(x[:2]).shape == (2, 3, 4, 3)


def test_xla_agrees_with_eager(tiny, monkeypatch):
    """The training step, compiled and not, from the same state and noise: losses to 1e-4 of their size.

    XLA's random bits are others than TensorFlow's for the same seed, so the noise is held fixed.
    """
    noise = np.random.default_rng(0).normal(size=(3, 1, 1, 2)).astype("float32")

    def draws(self, q, num_samples, seed, common_noise):
        return q.mean() + q.stddev() * noise[: q.batch_shape[0]]

    monkeypatch.setattr(NormalNode, "draws", draws)
    results = {}
    for jit_compile in (True, False):
        keras.utils.set_random_seed(5)
        model = M2(3, 2, hidden_units=(8,), seed=0)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=jit_compile, run_eagerly=not jit_compile)
        history = model.fit(*tiny, batch_size=54, epochs=2, seed=1, verbose=0).history
        results[jit_compile] = history["loss"]
    np.testing.assert_allclose(results[True], results[False], rtol=1e-4)


def test_steps_per_execution_take_the_same_steps(tiny):
    losses = []
    for steps in (1, 3):
        keras.utils.set_random_seed(5)
        model = M2(3, 2, hidden_units=(8,), seed=0)
        model.compile(keras.optimizers.Adam(1e-2), steps_per_execution=steps)
        losses.append(model.fit(*tiny, batch_size=18, epochs=2, seed=1, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
