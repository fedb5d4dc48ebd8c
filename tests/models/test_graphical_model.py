"""General graphs through Keras: several supervised variables, any missing; every estimator and bound under XLA; files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import layers, nodes
from ssdgm_tf.layers import kernels
from ssdgm_tf.models import GraphicalModel
from ssdgm_tf.nodes import estimators
from tests.models.conftest import PEOPLE, SIZE
from tests.tiers import tiers


def mlp():
    return layers.MLP((8,), "tanh")


def faces(estimator=None, seed=3, lighting=nodes.VonMisesFisher, **kwargs):
    """The faces graph, small: who and lighting supervised, style latent, lighting inferred before who."""
    p = {
        "who": nodes.OneHotCategorical(PEOPLE),
        "lighting": lighting(3),
        "style": nodes.Normal(2),
        "image": nodes.Normal((4, 3), scale=0.5, parents=("who", "lighting", "style"), network=mlp()),
    }
    q = {
        "lighting": lighting(3, parents="image", network=mlp()),
        "who": nodes.OneHotCategorical(PEOPLE, parents=("image", "lighting"), network=mlp(), estimator=estimator),
        "style": nodes.Normal(2, parents=("image", "lighting", "who"), network=mlp()),
    }
    model = GraphicalModel(p, q, observed="image", supervised=("who", "lighting"), seed=seed)
    model.compile(keras.optimizers.Adam(1e-2), **kwargs)
    return model


@pytest.mark.usefixtures("eager")
class TestSupervision:
    def test_metrics_of_several_variables_carry_their_names(self, data):
        x, y = data
        model = faces(lighting=nodes.Normal)
        history = model.fit(x, y, batch_size=22, epochs=2, validation_data=(x, y), verbose=0).history
        terms = {"bound_labelled", "bound_unlabelled", "classification_loss", "loss"}
        terms |= {"log_p_image", "kl_who", "kl_lighting", "kl_style", "who_error", "lighting_mae"}
        assert set(history) == terms | {"skipped_steps"} | {f"val_{name}" for name in (*terms, "who_ece")}
        assert all(np.all(np.isfinite(values)) for values in history.values())
        assert (model.objective_scale.num_labelled, model.objective_scale.num_unlabelled) == (18, 22)

    def test_a_variable_that_is_left_out_is_not_known(self, data):
        x, y = data
        model = faces(lighting=nodes.Normal)
        without = model.bound(x, {"who": y["who"]}, num_samples=3, seed=1)
        unknown = model.bound(x, {"who": y["who"], "lighting": np.full((SIZE, 3), np.nan)}, num_samples=3, seed=1)
        np.testing.assert_array_equal(without, unknown)
        model.fit(x, {"who": y["who"]}, verbose=0)
        assert model.complete == ("who", "image") and model.objective_scale.num_labelled == 12

    def test_errors_count_only_what_is_known(self, data):
        x, y = data
        model = faces()
        results = model.evaluate(x, y, verbose=0, return_dict=True, batch_size=SIZE)
        prediction = model.encode(x)
        known = y["who"] >= 0
        model.num_prediction_samples = 2000
        who = model.predict(x, verbose=0)["who"]
        assert results["who_error"] == pytest.approx(np.mean(np.argmax(who[known], axis=1) != y["who"][known]), abs=0.26)
        known = ~np.isnan(y["lighting"][:, 0])
        direction = prediction["lighting"] / np.linalg.norm(prediction["lighting"], axis=1, keepdims=True)
        angles = np.degrees(np.arccos(np.sum(direction[known] * y["lighting"][known], axis=1)))
        assert results["lighting_degrees"] == pytest.approx(angles.mean(), rel=1e-4)

    def test_what_training_data_lacked_may_be_missing_in_an_evaluation(self, data):
        """Trained where everyone's identity is known, evaluated where some have lighting alone: masks, not streams."""
        x, y = data
        model = faces(lighting=nodes.Normal)
        known = np.where(np.isnan(y["lighting"][:, 0]), y["who"], np.maximum(y["who"], 0))
        model.fit(x, {"who": known, "lighting": y["lighting"]}, epochs=1, verbose=0)
        assert model.complete == ("who", "image")
        state = model.seed_generator.state.numpy()
        results = model.evaluate(x, y, verbose=0, return_dict=True)
        fresh = faces(lighting=nodes.Normal)
        fresh.set_weights(model.get_weights())
        fresh.seed_generator.state.assign(state)
        fresh._set_objective_scale(22, 18)
        expected = fresh.evaluate(x, y, verbose=0, return_dict=True)
        assert results["bound_labelled"] == pytest.approx(expected["bound_labelled"], rel=1e-5)
        assert results["classification_loss"] == pytest.approx(expected["classification_loss"], rel=1e-5)

    def test_fully_supervised_and_fully_unsupervised_data_are_special_cases(self, data):
        x, _ = data
        model = faces(lighting=nodes.Normal)
        who, lighting = np.arange(SIZE) % PEOPLE, np.tile([[0.0, 0.6, 0.8]], (SIZE, 1))
        with pytest.warns(UserWarning, match="No unlabelled example: training as a supervised model"):
            history = model.fit(x, {"who": who, "lighting": lighting}, verbose=0).history
        assert model.complete == ("who", "lighting", "image") and "bound_unlabelled" not in history
        with pytest.warns(UserWarning, match="No labelled example: training as an unsupervised model"):
            history = model.fit(x, verbose=0).history
        assert "bound_labelled" not in history and "classification_loss" not in history

    def test_streams_of_a_dataset_may_lack_labels_too(self, data):
        x, y = data
        labelled = ({"image": x["image"][:18]}, {name: values[:18] for name, values in y.items()})
        streams = {"labelled": labelled, "unlabelled": {"image": x["image"][18:]}}
        model = faces(lighting=nodes.Normal)
        history = model.fit(tf.data.Dataset.from_tensors(streams), verbose=0).history
        arrays = faces(lighting=nodes.Normal).fit(x, y, batch_size=SIZE, shuffle=False, verbose=0).history
        assert set(history) == set(arrays) and np.isfinite(history["loss"][0])

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            ({"who": np.zeros(SIZE, int), "age": np.zeros(SIZE)}, r"y may hold \['lighting', 'who'\]. Received: \['age'\]"),
            (np.zeros(SIZE, int), r"y must be a dict of \['lighting', 'who'\]. Received: y=ndarray"),
            ({"who": np.full(SIZE, PEOPLE)}, "Labels of who must lie in 0..3, or be -1"),
            ({"lighting": np.ones((SIZE, 3))}, "lighting must be unit vectors. Received: lighting in"),
            ({"lighting": np.full((SIZE, 3), np.inf)}, "lighting must be finite"),
            ({"lighting": np.full((SIZE, 2), np.nan)}, r"lighting must have the shape .*\(3,\) per example"),
            ({"lighting": np.full((7, 3), np.nan)}, f"one value per example, {SIZE}. Received: lighting of 7"),
            ({"lighting": np.tile([0.0, 1.0, np.nan], (SIZE, 1))}, "known, or NaN in every element"),
        ],
    )
    def test_refuses(self, y, message, data):
        with pytest.raises(ValueError, match=message):
            faces().fit(data[0], y, verbose=0)


def test_a_variational_autoencoder_needs_no_label(data):
    p = {"z": nodes.Normal(2), "x": nodes.Normal((4, 3), parents="z", network=mlp())}
    model = GraphicalModel(p, {"z": nodes.Normal(2, parents="x", network=mlp())}, observed="x")
    model.compile(keras.optimizers.Adam(1e-2))
    x = data[0]["image"]
    history = model.fit(x, batch_size=20, epochs=10, verbose=0).history
    terms = {"loss", "bound_unlabelled", "log_px", "kl_z"}
    assert set(history) == terms | {"skipped_steps"} and history["loss"][-1] < history["loss"][0]
    np.testing.assert_allclose(history["loss"], -np.array(history["bound_unlabelled"]), rtol=1e-6)
    assert set(model.evaluate(x, verbose=0, return_dict=True)) == terms
    assert model.predict(x, verbose=0).shape == (SIZE, 2)


def test_a_conditional_autoencoder_has_labels_among_its_observed_variables(data):
    p = {"y": nodes.OneHotCategorical(3), "z": nodes.Normal(2), "x": nodes.Normal((4, 3), parents=("y", "z"), network=mlp())}
    q = {"z": nodes.Normal(2, parents=("x", "y"), network=mlp())}
    model = GraphicalModel(p, q, observed=("x", "y"))
    model.compile("adam")
    x = {"x": data[0]["image"], "y": np.arange(SIZE) % 3}
    assert np.isfinite(model.fit(x, verbose=0).history["loss"][0])
    reconstruction = model.reconstruct(x)
    assert reconstruction["x"].shape == (SIZE, 4, 3) and reconstruction["y"].shape == (SIZE, 3)
    z = model.encode(x)["z"]
    expected = model.generative["x"].head.mean(model.generative["x"].distribution([np.eye(3)[x["y"]], z]))
    np.testing.assert_allclose(reconstruction["x"], expected, rtol=1e-5)
    np.testing.assert_allclose(model.generate({"y": x["y"], "z": z})["x"], expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"Labels of y must lie in 0..2. Received: \[-1\]"):
        model.bound(x | {"y": np.full(SIZE, -1)})


class TestObjectives:
    @pytest.mark.usefixtures("eager")
    @pytest.mark.parametrize("kind", ["conditional", "importance", "importance_weighted"])
    def test_the_loss_is_minus_the_objective_of_the_logged_terms(self, kind, data):
        x, y = data
        unlabelled = "importance_weighted" if kind == "importance_weighted" else "evidence_lower_bound"
        model = faces(
            lighting=nodes.Normal,
            labelled_bound=kind,
            unlabelled_bound=unlabelled,
            num_samples=3,
            gamma=2.0,
            classification_weight=5.0,
        )
        logs = {name: values[0] for name, values in model.fit(x, y, batch_size=SIZE, verbose=0).history.items()}
        expected = logs["bound_unlabelled"] + 2.0 * 18 / 22 * (logs["bound_labelled"] - 5.0 * logs["classification_loss"])
        assert logs["loss"] == pytest.approx(-expected, rel=1e-4)

    def test_kl_warm_up_is_a_function_of_the_step_and_leaves_the_logged_bound_alone(self, data):
        x = {name: tf.constant(value) for name, value in data[0].items()}
        schedule = keras.optimizers.schedules.PolynomialDecay(0.0, decay_steps=10, end_learning_rate=1.0)
        model = faces(lighting=nodes.Normal, kl_weight=schedule)
        seed = model.next_seed()
        for step, weight in ((0, 0.0), (5, 0.5), (10, 1.0), (50, 1.0)):
            model.step.assign(step)
            result = model.bound_of(model.pass_over(x, seed=seed), "evidence_lower_bound")
            np.testing.assert_allclose(result.bound, sum(result.terms.values()), rtol=1e-4)
            expected = result.bound - (1 - weight) * result.terms["style"]  # style alone is never given
            np.testing.assert_allclose(result.warmed, expected, rtol=1e-4, atol=1e-4)

    def test_free_bits_stop_the_gradient_of_a_kl_below_them(self, data):
        x = {name: tf.constant(value) for name, value in data[0].items()}
        model = faces(free_bits=1e3, labelled_bound="conditional")
        weights = model.recognition["style"].head.projection.trainable_variables
        seed = model.next_seed()

        def gradient(free_bits):
            model.free_bits = free_bits
            with tf.GradientTape() as tape:
                result = model.bound_of(model.pass_over(x, seed=seed), "evidence_lower_bound")
                value = tf.reduce_mean(result.warmed)
            return tape.gradient(value, weights), result

        free, result = gradient(1e3)
        np.testing.assert_allclose(result.warmed, result.bound - result.terms["style"] - 1e3, rtol=1e-4)
        plain, result = gradient(1e-9)
        np.testing.assert_allclose(result.warmed, result.bound, rtol=1e-6)
        assert not np.allclose(free[0], plain[0])

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"labelled_bound": "iwae"}, "labelled_bound must be one of None, .* Received: labelled_bound='iwae'"),
            ({"unlabelled_bound": "importance"}, "unlabelled_bound must be one of"),
            ({"free_bits": -1.0}, "free_bits must not be negative"),
            ({"free_bits": 1.0, "labelled_bound": "importance"}, "free_bits belong to the evidence lower bound"),
            ({"free_bits": 1.0}, "ask for labelled_bound='conditional'.* the bound 'importance' chosen from the graph"),
            (
                {"estimator": nodes.ScoreFunction("learned"), "unlabelled_bound": "importance_weighted"},
                "A learned baseline serves the evidence lower bound.* Received: score_function.* for 'who'",
            ),
        ],
    )
    def test_compile_refuses_and_changes_nothing(self, kwargs, message):
        estimator = kwargs.pop("estimator", None)
        model = faces(estimator)
        before = model.get_compile_config()
        with pytest.raises(ValueError, match=message):
            model.compile("sgd", **kwargs)
        assert model.get_compile_config() == before


ESTIMATORS = {
    "enumerate": nodes.Enumerate(),
    "relaxed": nodes.Relaxed(keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.9)),
    "straight_through": nodes.StraightThrough(),
    "score_function": nodes.ScoreFunction(),
    "learned baseline": nodes.ScoreFunction("learned"),
    "top_k": nodes.TopK(2),
}


XLA_CASES = [(name, "importance") for name in ESTIMATORS]
XLA_CASES += [(name, "importance_weighted") for name in ("enumerate", "score_function", "top_k")]
# Kernels are the same whatever the estimator, and as many small ones take long to compile: two cases have them too.
KERNEL_CASES = [("enumerate", "importance"), ("score_function", "importance_weighted")]


@pytest.mark.slow  # the first tier has M2's: tests/models/test_semi_supervised_model.py
@pytest.mark.parametrize(("name", "kind"), XLA_CASES)
def test_xla_agrees_with_eager_for_every_estimator_and_both_paths(name, kind, data, monkeypatch):
    """Losses of two steps of both streams, labels masked, to 1e-4 of their size (M2's test has labels held).

    XLA's random bits are others than TensorFlow's for the same seed, so all noise is held fixed.
    """
    x, y = data
    noise = np.random.default_rng(0).uniform(0.05, 0.95, size=10_000).astype(np.float32)

    def fixed(shape, seed, dtype):
        return tf.reshape(tf.constant(noise)[: tf.reduce_prod(shape)], shape)

    def draws(q, num_samples, seed):
        """A stand-in for drawing: a fixed quantile of what is normal, a fixed state."""
        shape = tf.concat([q.batch_shape_tensor(), q.event_shape_tensor()], axis=0)
        if hasattr(q, "logits_parameter"):
            value = tf.one_hot(tf.argmax(q.logits_parameter() + 3 * fixed(shape, None, None), -1), PEOPLE)
        elif hasattr(q, "temperature"):
            value = tf.nn.softmax((q.distribution.logits_parameter() + fixed(shape, None, None)) / q.temperature)
        else:
            value = q.mean() + q.stddev() * (fixed(shape, None, None) - 0.5)
        axis = q.batch_shape.rank - 2
        if num_samples > 1 and q.batch_shape[axis] == 1:
            value = tf.repeat(value, num_samples, axis=axis)
        return value

    monkeypatch.setattr(estimators, "draws", draws)
    for head in (layers.StochasticNode, layers.NormalNode):
        monkeypatch.setattr(
            head, "draws", lambda self, q, num_samples, seed, common_noise=False: draws(q, num_samples, seed)
        )
    monkeypatch.setattr(kernels, "_SMALLEST_FUSED", 1)
    monkeypatch.setattr(estimators, "_uniform", fixed)
    unlabelled = "importance_weighted" if kind == "importance_weighted" else "evidence_lower_bound"
    losses = {}
    for mode in ("eager", True, "auto") if (name, kind) in KERNEL_CASES else ("eager", True):
        keras.utils.set_random_seed(5)
        model = faces(
            ESTIMATORS[name],
            lighting=nodes.Normal,  # directions take long to compile; the conformance suite does
            labelled_bound=kind,
            unlabelled_bound=unlabelled,
            num_samples=2,
            jit_compile=False if mode == "eager" else mode,
            run_eagerly=mode == "eager",
        )
        losses[mode] = model.fit(x, y, batch_size=22, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses["eager"]))
    for mode in losses:
        np.testing.assert_allclose(losses[mode], losses["eager"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_training_raises_the_bound_with_every_estimator(name, data):
    x, y = data
    model = faces(ESTIMATORS[name], lighting=nodes.Normal, num_samples=2)
    model.compile(keras.optimizers.Adam(1e-2), num_samples=2)
    history = model.fit(x, y, batch_size=22, epochs=40, seed=0, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 5


@pytest.mark.slow  # the first tier has M2's
def test_nothing_is_traced_again_after_the_first_step(data):
    x, y = data
    model = faces(lighting=nodes.Normal)
    count, step = {"train": 0}, model.train_step

    def traced(data):
        count["train"] += 1
        return step(data)

    model.train_step = traced
    for _ in range(2):
        model.fit(x, y, batch_size=10, epochs=2, verbose=0)  # 22 = 10 + 10 + 2
    assert count["train"] == 1


@pytest.mark.slow
def test_steps_per_execution_take_the_same_steps(data):
    x, y = data
    losses = []
    for steps in (1, 2):
        keras.utils.set_random_seed(5)
        model = faces(steps_per_execution=steps, lighting=nodes.Normal)
        losses.append(model.fit(x, y, batch_size=11, epochs=2, seed=1, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_accumulated_gradients_move_the_weights_every_second_step(data):
    x, y = data
    model = faces(lighting=nodes.Normal)
    model.compile(keras.optimizers.SGD(1e-3, gradient_accumulation_steps=2))
    before = [w.numpy() for w in model.trainable_variables]
    model.fit(x, y, batch_size=22, epochs=1, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True))
    model.fit(x, y, batch_size=22, epochs=1, verbose=0)
    assert not all(np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("policy", tiers(["mixed_bfloat16", "mixed_float16"], first=["mixed_bfloat16"]))
def test_mixed_precision_trains_in_float32_densities(policy, data):
    x, y = data
    keras.config.set_dtype_policy(policy)
    try:
        model = faces(lighting=nodes.Normal)
        history = model.fit(x, y, batch_size=22, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.all(np.isfinite(values)) for values in history.values())
    assert model.generative["image"].compute_dtype == policy.removeprefix("mixed_")
    assert {w.dtype for w in model.trainable_variables} == {"float32"}
    terms = model.unlabelled_terms({"image": tf.constant(x["image"])})
    assert terms["bound_unlabelled"].dtype == tf.float32


@pytest.mark.usefixtures("eager")
def test_describe_and_plot_graph(data, capsys):
    model = faces(lighting=nodes.Normal)
    model.fit(*data, verbose=0)
    model.describe()
    text = capsys.readouterr().out
    for line in (
        "p(who) p(lighting) p(style) p(image | who, lighting, style)",
        "q(lighting | image) q(who | image, lighting) q(style | image, lighting, who)",
        "partly supervised  OneHotCategorical  (4)       enumerate (4 states)",
        "importance bound (chosen from the graph: the weights w vary)",
        "N = 22 unlabelled, M = 18 labelled",
    ):
        assert line in text
    figure = model.plot_graph()
    labels = {text.get_text() for text in figure.axes[0].texts}
    assert labels == {"image", "who", "lighting", "style"}
    arrows = [p for p in figure.axes[0].patches if type(p).__name__ == "FancyArrowPatch"]
    assert len(arrows) == 3 + 6
