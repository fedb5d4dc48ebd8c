"""What a user of Keras expects of any model: metrics, added losses, single batches, a summary, clear errors."""

import keras
import numpy as np
import pytest

from ssdgm_tf import layers, models, nodes

SMALL = {"latent_dim": 2, "hidden_units": (8,), "seed": 3}


class Counted(keras.layers.Layer):
    """The identity, which counts its traces and adds a loss."""

    traces = 0

    def call(self, x):
        type(self).traces += 1
        self.add_loss(2.0 * keras.ops.ones(()))
        return x

    def compute_output_shape(self, input_shape):
        return input_shape


@pytest.mark.usefixtures("eager")
class TestMetrics:
    def test_accuracy_is_one_minus_the_error(self, tiny):
        x, y = tiny
        model = models.M2(3, **SMALL)
        model.compile("adam", metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(3, name="top3")])
        history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, np.arange(120) % 3)).history
        for prefix in ("", "val_"):
            np.testing.assert_allclose(history[prefix + "accuracy"], 1 - np.array(history[prefix + "error"]), atol=1e-6)
            assert history[prefix + "top3"] == [1.0, 1.0]

    def test_they_are_of_examples_whose_label_is_known(self, tiny):
        x, y = tiny
        model = models.M2(3, **SMALL)
        model.compile("adam", metrics="accuracy")
        model.fit(x, y, verbose=0)
        measured = model.evaluate(x, y, batch_size=50, verbose=0, return_dict=True)
        hits = model.predict(x[:12], verbose=0).argmax(axis=1) == y[:12]
        np.testing.assert_allclose(measured["accuracy"], hits.mean(), atol=1e-6)

    def test_each_variable_has_its_own(self, data):
        model = faces()
        model.compile("adam", metrics={"who": "accuracy", "lighting": ["mse"]})
        measured = model.fit(*data, verbose=0).history
        assert {"who_accuracy", "lighting_mse"} <= set(measured)

    def test_a_saved_model_has_them_too(self, tiny, tmp_path):
        x, y = tiny
        model = models.M2(3, **SMALL)
        model.compile("adam", metrics=["accuracy"])
        model.fit(x, y, verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert "accuracy" in loaded.evaluate(x, y, verbose=0, return_dict=True)

    @pytest.mark.parametrize(
        ("metrics", "message"),
        [
            ({"z": "accuracy"}, r"metrics are of supervised variables, \['y'\]\. Received: \['z'\]"),
            ([keras.metrics.Mean(name="error")], r"needs a name of its own\. Received: \['error'\]"),
        ],
    )
    def test_others_are_refused(self, metrics, message):
        with pytest.raises(ValueError, match=message):
            models.M2(3, **SMALL).compile("adam", metrics=metrics)

    def test_several_variables_need_names(self):
        with pytest.raises(ValueError, match=r"metrics must be {variable: metrics}"):
            faces().compile("adam", metrics=["accuracy"])


def faces():
    p = {
        "who": nodes.OneHotCategorical(4),
        "lighting": nodes.Normal(3),
        "image": nodes.Normal((4, 3), parents=("who", "lighting"), network=layers.MLP((8,))),
    }
    q = {
        "who": nodes.OneHotCategorical(4, parents="image", network=layers.MLP((8,))),
        "lighting": nodes.Normal(3, parents="image", network=layers.MLP((8,))),
    }
    return models.GraphicalModel(p, q, observed="image", supervised=("who", "lighting"), seed=1)


@pytest.mark.usefixtures("eager")
def test_calibration_is_of_examples_whose_label_is_known(tiny):
    x, y = tiny
    model = models.M2(3, **SMALL)
    model.compile("adam")
    model.fit(x, y, verbose=0)
    of_all = model.evaluate(x, y, verbose=0, return_dict=True)
    of_known = model.evaluate(x[:12], y[:12], verbose=0, return_dict=True)
    np.testing.assert_allclose(of_all["ece"], of_known["ece"], atol=1e-6)
    assert of_all["ece"] > 0


@pytest.mark.usefixtures("eager")
class TestAddedLosses:
    @staticmethod
    def model(network):
        keras.utils.set_random_seed(0)  # the same weights, whatever the network adds to the loss
        model = models.M2(3, **SMALL, classifier=keras.Sequential([keras.layers.Flatten(), network]))
        model.compile(keras.optimizers.SGD(0.0))
        model.build((None, 4, 3))
        return model

    def test_a_weight_regularizer_counts_once(self, tiny):
        x, y = tiny
        plain, penalised = (
            self.model(keras.layers.Dense(4, kernel_initializer="ones", kernel_regularizer=penalty))
            for penalty in (None, keras.regularizers.L2(10.0))
        )
        losses = []
        for model in (plain, penalised):
            losses.append(model.fit(x, y, verbose=0, seed=0).history["loss"][0])
            losses.append(model.evaluate(x, y, verbose=0, return_dict=True)["loss"])
        assert sum(float(loss) for loss in penalised.losses) == pytest.approx(10.0 * 12 * 4)
        np.testing.assert_allclose(np.subtract(losses[2:], losses[:2]), 480.0, rtol=1e-4)

    def test_its_gradient_reaches_the_weights(self, tiny):
        x, y = tiny
        model = self.model(keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e4)))
        model.compile(keras.optimizers.Adam(1e-2))
        before = np.abs(model.recognition["y"].network.layers[1].kernel).sum()
        model.fit(x, y, epochs=3, verbose=0)
        assert np.abs(model.recognition["y"].network.layers[1].kernel).sum() < 0.9 * before

    def test_what_a_layer_adds_counts_for_both_streams(self, tiny):
        """The classifier is called once for each stream of a step; its layer adds 2 nats at each call."""
        x, y = tiny
        losses = [
            self.model(layer).fit(x, y, verbose=0, seed=0).history["loss"][0]
            for layer in (Counted(), keras.layers.Identity())
        ]
        assert losses[0] - losses[1] == pytest.approx(4.0, abs=1e-3)


class TestSingleBatches:
    @pytest.mark.usefixtures("eager")
    def test_training_on_one_is_the_step_of_fit(self, tiny):
        x, y = tiny
        weights = []
        for way in ("fit", "examples", "streams"):
            model = models.M2(3, **SMALL)
            model.compile(keras.optimizers.SGD(1e-3), num_unlabelled=108, num_labelled=12)
            model.build((None, 4, 3))
            keras.utils.set_random_seed(0)
            model.set_weights([np.full_like(weight, 0.1) for weight in model.get_weights()])
            if way == "fit":
                model.fit(x, y, batch_size=108, labelled_batch_size=12, shuffle=False, verbose=0)
            elif way == "examples":
                model.train_on_batch(x, y)
            else:
                model.train_on_batch({"labelled": (x[:12], y[:12]), "unlabelled": x[12:]})
            assert model.num_steps == 1
            weights.append([np.asarray(weight) for weight in model.trainable_variables])
        for other in weights[1:]:
            for ours, theirs in zip(other, weights[0], strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)

    def test_the_step_is_traced_once(self, tiny):
        x, y = tiny
        model = TestAddedLosses.model(Counted())
        model.train_on_batch(x[:20], y[:20])
        Counted.traces = 0
        logs = [model.train_on_batch(x[:20], y[:20], return_dict=True) for _ in range(3)]
        assert Counted.traces == 0
        assert all(np.isfinite(each["loss"]) and each["skipped_steps"] == 0 for each in logs)

    @pytest.mark.usefixtures("eager")
    def test_testing_on_one_is_evaluate(self, tiny, tiny_m2):
        x, y = tiny
        tiny_m2.fit(x, y, verbose=0)
        tiny_m2.num_samples = 1
        tested = tiny_m2.test_on_batch(x, y, return_dict=True)
        evaluated = tiny_m2.evaluate(x, y, batch_size=120, verbose=0, return_dict=True)
        assert set(tested) == set(evaluated) and tested["error"] == pytest.approx(evaluated["error"])

    @pytest.mark.usefixtures("eager")
    @pytest.mark.parametrize("first", ["labelled", "unlabelled"])
    def test_the_first_batch_of_a_kind_stands_for_it(self, tiny, first):
        x, y = tiny
        batches = {"labelled": {"labelled": (x[:12], y[:12])}, "unlabelled": {"unlabelled": x[12:60]}}
        model = models.M2(3, **SMALL)
        model.compile("sgd", gamma=2.0)
        model.evaluate(x, y, verbose=0)  # counts every example once, and leaves that open
        assert model.objective_scale is None
        model.train_on_batch(batches.pop(first))
        model.train_on_batch(*batches.values())
        assert model.objective_scale[:3] == (48, 12, 2.0)

    def test_bad_ones_are_refused(self, tiny, tiny_m2):
        x, y = tiny
        with pytest.raises(ValueError, match="y must be None"):
            tiny_m2.train_on_batch({"unlabelled": x}, y)
        with pytest.raises(ValueError, match="one label per example"):
            tiny_m2.train_on_batch(x, y[:3])


def test_a_summary_names_variables_and_knows_shapes(tiny_m2):
    lines = []
    tiny_m2.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for name, shape in {"p_x": "(None, 4, 3)", "q_z": "(None, 2)", "q_y": "(None, 3)"}.items():
        assert any(name in line and shape in line for line in text.splitlines()), text


def test_a_node_that_the_user_names_keeps_its_name():
    p = {"z": nodes.Normal(2), "x": nodes.Normal(3, parents="z", name="likelihood")}
    model = models.GraphicalModel(p, {"z": nodes.Normal(2, parents="x")}, observed="x")
    assert model.generative["x"].name == "likelihood" and model.generative["z"].name == "p_z"


def test_every_node_is_a_node():
    made = [nodes.Normal(2), nodes.OneHotCategorical(3), nodes.Deterministic("x", layers.MLP((3,)))]
    assert all(isinstance(node, nodes.Node) for node in made)
    assert [isinstance(node, nodes.RandomVariable) for node in made] == [True, True, False]


@pytest.mark.parametrize("likelihood", ["bernoulli", "normal", "discretized_logistic"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_raw_images_say_divide_by_255(tiny, likelihood, dtype):
    x, y = tiny
    model = models.M2(3, **SMALL, likelihood=likelihood)
    model.compile("adam")
    raw = np.round(x * 255).astype(dtype)
    if likelihood == "normal" and dtype == np.float32:
        with pytest.warns(UserWarning, match="divide by 255"):
            model.fit(raw, y, verbose=0)
        return
    with pytest.raises(ValueError, match=r"divide by 255\. Received: x"):
        model.fit(raw, y, verbose=0)


class TestCallbacks:
    """Keras' own callbacks, with their default arguments."""

    @pytest.mark.parametrize("monitor", ["error", "val_error", "val_bound_unlabelled", "val_log_px", "val_ece", "val_kl_z"])
    @pytest.mark.parametrize("kind", [keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau])
    def test_they_know_which_way_a_metric_goes(self, kind, monitor, tiny_m2):
        callback = kind(monitor)
        tiny_m2.monitor.direct([callback])
        assert callback.mode == ("max" if "bound" in monitor or "log_p" in monitor else "min")

    def test_the_users_metrics_go_where_keras_says(self, tiny_m2):
        tiny_m2.compile("adam", metrics=["accuracy", keras.metrics.Mean(name="other")])
        known, unknown, told = (
            keras.callbacks.EarlyStopping("val_accuracy"),
            keras.callbacks.EarlyStopping("val_other"),
            keras.callbacks.EarlyStopping("val_error", mode="max"),
        )
        tiny_m2.monitor.direct([known, unknown, told])
        assert (known.mode, unknown.mode, told.mode) == ("max", "auto", "max")

    @pytest.mark.usefixtures("eager")
    def test_the_best_model_is_kept(self, tiny, tiny_m2, tmp_path):
        best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_error", save_best_only=True)
        history = tiny_m2.fit(*tiny, validation_data=tiny, epochs=3, verbose=0, callbacks=[best]).history
        assert best.best == min(history["val_error"])

    def test_backup_and_restore_goes_on_with_the_order_of_its_epoch(self, tiny, tmp_path):
        class Interruption(Exception):
            pass

        def stop(epoch, logs):
            if epoch == 2:
                raise Interruption

        def make():
            keras.utils.set_random_seed(3)
            model = models.M2(3, 2, hidden_units=(8,), seed=3)
            model.build((None, 4, 3))
            model.compile(keras.optimizers.SGD(1e-2, momentum=0.9))  # its momentum is restored too
            return model

        def fit(model, *callbacks):
            model.fit(*tiny, batch_size=30, epochs=4, seed=7, verbose=0, callbacks=list(callbacks))

        whole, interrupted, resumed = make(), make(), make()
        fit(whole)
        with pytest.raises(Interruption):
            stopping = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
            fit(interrupted, keras.callbacks.BackupAndRestore(tmp_path), stopping)
        fit(resumed, keras.callbacks.BackupAndRestore(tmp_path))
        assert resumed.num_steps == whole.num_steps
        for expected, got in zip(whole.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
