"""Terms of `compile(consistency=...)` in a training step: their passes, the objective, and saving."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import consistency, layers, models, nodes
from ssdgm_tf.engine.trace_bounds import UNLABELLED
from ssdgm_tf.layers.random_state import CONSISTENCY
from ssdgm_tf.models.step_passes import StepPasses
from tests.schema.examples import every_kind, rows
from tests.tiers import tiers

ALL = "views,virtual_adversarial,entropy,class_balance"


def images(size=60):
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(size, 6, 5, 1)).astype(np.float32)
    return x, np.where(np.arange(size) < size // 3, np.arange(size) % 3, -1)


def noisy_m2(**options):
    """An M2 whose q(y|x) moves images, drops features out, and normalises over the batch."""
    network = keras.Sequential(
        [layers.RandomAffine(seed=1), layers.ConvEncoder((4,), 8, dropout=0.5, seed=2), keras.layers.BatchNormalization()]
    )
    model = models.M2(3, 2, hidden_units=(8,), classifier=network, seed=1)
    model.build((None, 6, 5, 1))
    model.compile(keras.optimizers.Adam(1e-2, use_ema=True), **options)
    return model


def passes_of(model, x):
    """The passes of a training step, after its own."""
    seed = model.next_seed()
    passes = StepPasses(model, {"x": tf.constant(x)}, ("x",), seed)
    passes.follow(model.pass_over({"x": tf.constant(x)}, complete=("x",), training=True, seed=seed))
    return passes


def test_a_pass_of_the_same_noise_is_the_steps_own():
    model, (x, _) = noisy_m2(), images(9)
    passes = passes_of(model, x)
    own, same = passes.log_q("y"), passes.log_q_of(passes.x, ("y",), same_noise=True)["y"]
    np.testing.assert_allclose(own, same, rtol=1e-5, atol=1e-6)
    assert not np.allclose(own, passes.log_q_of(passes.x, ("y",))["y"], atol=1e-3), "another noise"
    np.testing.assert_allclose(np.exp(passes.log_prior("y")), 1 / 3, rtol=1e-5)


def test_a_label_after_a_drawn_variable_is_averaged_over_the_same_draws():
    """In an ADGM q(y|a,x) has a draw of a before it."""
    model = models.ADGM(3, 2, auxiliary_dim=2, hidden_units=(8,), seed=1)
    model.build((None, 6, 5, 1))
    model.compile("adam", num_samples=3)
    passes = passes_of(model, images(9)[0])
    same = passes.log_q_of(passes.x, ("y",), same_noise=True)["y"]
    np.testing.assert_allclose(passes.log_q("y"), same, rtol=1e-5, atol=1e-6)


def test_inner_passes_leave_no_trace():
    model, (x, _) = noisy_m2(), images(9)
    passes = passes_of(model, x)
    before = [variable.numpy() for variable in model.variables]
    for averaged in (False, True):
        passes.log_q_of({"x": passes.x["x"] + 0.1}, ("y",), averaged=averaged)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable, err_msg=variable.path)


def test_a_teacher_has_the_averaged_weights():
    model, (x, y) = noisy_m2(), images()
    model.fit(x, y, epochs=2, verbose=0, seed=0)
    passes = passes_of(model, x[:9])
    taught = passes.log_q_of(passes.x, ("y",), same_noise=True, averaged=True)["y"]
    averages = model.optimizer._model_variables_moving_average
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        variable.assign(average)
    same = passes.log_q_of(passes.x, ("y",), same_noise=True)["y"]
    np.testing.assert_allclose(taught, same, rtol=1e-5, atol=1e-6)


def test_the_objective_has_the_terms_and_the_bound_does_not():
    x = {"x": tf.constant(images(9)[0])}
    model = noisy_m2()
    states = [state.numpy() for state in [*model.noise_states(), model.seed_generator.state]]

    def terms(spec):
        model.compile(keras.optimizers.Adam(1e-2), consistency=spec)
        for state, value in zip([*model.noise_states(), model.seed_generator.state], states, strict=True):
            state.assign(value)
        return model.unlabelled_terms(x, ("x",), training=True)

    plain = terms(None)
    weights = {"views": 0.5, "virtual_adversarial": 2.0, "entropy": 0.1, "class_balance": 3.0}
    found = terms(",".join(f"{name}={weight}" for name, weight in weights.items()))
    assert set(found) - set(plain) == set(weights)
    for name in set(plain) - {"objective"}:
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-5, atol=1e-5, err_msg=name)
    added = sum(weight * found[name] for name, weight in weights.items())
    np.testing.assert_allclose(found["objective"], plain["objective"] - added, rtol=1e-5)
    assert np.all(np.asarray(found["virtual_adversarial"]) > 0) and UNLABELLED[0] == model.unlabelled_bound


def test_no_state_of_a_model_without_training():
    x = {"x": tf.constant(images(9)[0])}
    assert not set(noisy_m2(consistency=ALL).unlabelled_terms(x)) & set(ALL.split(",")), "evaluation has bounds only"


@pytest.mark.parametrize("jit_compile", tiers([False, True], first=[False]))
def test_fit_logs_them_and_evaluate_does_not(jit_compile):
    x, y = images()
    model = models.M2(3, 2, hidden_units=(8,), seed=1)
    free = consistency.Views(selection="free_match")
    model.compile(
        "adam", consistency=[free, consistency.VirtualAdversarial(), consistency.ClassBalance()], jit_compile=jit_compile
    )
    logs = model.fit(x, y, batch_size=16, epochs=2, verbose=0, seed=0).history
    for name in ("views", "virtual_adversarial", "class_balance"):
        assert np.isfinite(logs[name]).all() and min(logs[name]) >= -1e-6
    total = logs["virtual_adversarial"][-1] + logs["class_balance"][-1]
    assert total > 0 and not set(model.evaluate(x, y, verbose=0, return_dict=True)) & {"views", "class_balance"}
    assert float(free.states["y_level"]) != pytest.approx(1 / 3)


def test_terms_have_gradients_of_q_alone():
    """What the decoder learns does not depend on them."""
    x = {"x": tf.constant(images(9)[0])}
    model = models.M2(3, 2, hidden_units=(8,), seed=1)
    model.build((None, 6, 5, 1))
    for spec in ALL.split(","):
        model.compile("adam", consistency=[consistency.Views(threshold=0.01)] if spec == "views" else spec)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.unlabelled_terms(x, ("x",), training=True)[spec])
        gradients = tape.gradient(loss, model.trainable_variables)
        moved = {v.path.split("/")[1] for v, g in zip(model.trainable_variables, gradients, strict=True) if g is not None}
        assert moved == {"q_y"}, spec


def test_a_saved_model_goes_on_as_if_it_had_not_been(tmp_path):
    x, y = images()

    def model_of():
        model = models.M2(3, 2, hidden_units=(8,), seed=1)
        model.compile("adam", consistency=[consistency.Views(selection="free_match", strong=layers.RandomSwap(seed=3))])
        return model

    keras.utils.set_random_seed(1)
    whole = model_of()
    whole.fit(x, y, batch_size=20, epochs=4, verbose=0, seed=0)
    keras.utils.set_random_seed(1)
    half = model_of()
    half.fit(x, y, batch_size=20, epochs=2, verbose=0, seed=0)
    half.save(tmp_path / "half.keras")
    again = keras.models.load_model(tmp_path / "half.keras")
    assert isinstance(again.consistency[0], consistency.Views) and set(again.consistency_states) == set(
        half.consistency_states
    )
    again.fit(x, y, batch_size=20, epochs=4, initial_epoch=2, verbose=0, seed=0)
    for one, other in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=one.path)
    for name, state in whole.consistency_states.items():
        assert name.startswith(CONSISTENCY)
        np.testing.assert_allclose(state, again.consistency_states[name], rtol=1e-5)
    plain = keras.models.load_model(tmp_path / "half.keras", compile=False)
    assert plain.consistency == ()


@pytest.mark.parametrize("selection", ["fixed", "free_match"])
def test_a_model_may_be_built_between_compile_and_fit(selection, eager):
    x, y = images()
    model = models.M2(3, 2, hidden_units=(8,), seed=1)
    model.compile("adam", consistency=[consistency.Views(selection=selection, threshold=0.01)])
    model.build((None, 6, 5, 1))
    assert model.fit(x, y, epochs=1, verbose=0, seed=0).history["views"][0] > 0


def test_a_compile_that_is_refused_leaves_the_metrics():
    model = noisy_m2(consistency="views")
    with pytest.raises(ValueError, match="needs a name of its own"):
        model.compile("adam", consistency="entropy", metrics=["accuracy", "accuracy"])
    assert "views" in [metric.name for metric in model.metrics]


def test_the_teacher_of_a_first_step_has_the_weights_themselves():
    model, (x, _) = noisy_m2(), images(9)
    passes = passes_of(model, x)
    taught = passes.log_q_of(passes.x, ("y",), same_noise=True, averaged=True)["y"]
    np.testing.assert_allclose(taught, passes.log_q("y"), rtol=1e-5, atol=1e-6)


def test_a_mean_teacher_trains(eager):
    x, y = images()
    model = noisy_m2(consistency="mean_teacher")
    logs = model.fit(x, y, epochs=2, verbose=0, seed=0).history["mean_teacher"]
    assert all(0 < value < 2 for value in logs)


def test_gaps_stay_gaps_where_the_networks_do_not_see_them(eager):
    x, y = images()
    x[::3, 0, 0] = np.nan
    model = models.M2(3, 2, hidden_units=(8,), likelihood="normal", gaps=False, seed=1)
    model.compile("adam", consistency="virtual_adversarial,views")
    assert np.isfinite(model.fit(x, y, epochs=1, verbose=0, seed=0).history["virtual_adversarial"]).all()


def test_tables_with_gaps_and_several_classes(eager):
    schema, generator = every_kind(), np.random.default_rng(0)
    x = rows(generator, 40).astype(np.float32)
    x[generator.uniform(size=x.shape) < 0.2] = np.nan
    of_table = models.M2(3, 2, schema=schema, hidden_units=(8,), seed=1)
    of_table.compile("adam", consistency=[consistency.Views(threshold=0.05), consistency.Entropy()])
    y = np.where(np.arange(40) < 12, np.arange(40) % 3, -1)
    assert np.isfinite(of_table.fit(x, y, epochs=2, verbose=0, seed=0).history["views"]).all()
    generative = {"a": nodes.OneHotCategorical(2), "b": nodes.OneHotCategorical(3)}
    generative["x"] = nodes.Normal(4, parents=("a", "b"))
    recognition = {name: nodes.OneHotCategorical(size, parents="x") for name, size in (("a", 2), ("b", 3))}
    model = models.GraphicalModel(generative, recognition, "x", ("a", "b"))
    model.compile("adam", consistency="entropy,virtual_adversarial")
    labels = {"a": np.full(20, -1), "b": np.arange(20) % 3}
    labels["b"][8:] = -1
    logs = model.fit(generator.normal(size=(20, 4)).astype(np.float32), labels, epochs=1, verbose=0, seed=0).history
    assert 0 < logs["entropy"][0] < np.log(2) + np.log(3) + 1e-5


def class_after_a_draw():
    """A class that q infers from a discrete variable with the score function."""
    generative = {"a": nodes.OneHotCategorical(2), "y": nodes.OneHotCategorical(3, parents="a")}
    generative["x"] = nodes.Normal(4, parents="y")
    recognition = {"a": nodes.OneHotCategorical(2, parents="x", estimator="score_function")}
    recognition["y"] = nodes.OneHotCategorical(3, parents=("x", "a"))
    return models.GraphicalModel(generative, recognition, "x", "y")


def conditional_class():
    """A class whose p has a parent."""
    generative = {"a": nodes.OneHotCategorical(2), "b": nodes.OneHotCategorical(3, parents="a")}
    generative["x"] = nodes.Normal(4, parents="b")
    recognition = {"a": nodes.OneHotCategorical(2, parents="x"), "b": nodes.OneHotCategorical(3, parents="x")}
    return models.GraphicalModel(generative, recognition, "x", ("a", "b"))


@pytest.mark.parametrize(
    ("make", "spec", "message"),
    [
        (lambda: models.VAE(2), "entropy", "is of supervised classes, which are none. Received: a model without any"),
        (
            lambda: models.M2(3, 2),
            [consistency.Entropy(variables=["v"])],
            "consistency='entropy' is of supervised classes, which are y. Received: 'v'",
        ),
        (
            lambda: models.M2(3, 2, schema=every_kind()),
            "virtual_adversarial",
            "moves real numbers; for tables, counts and classes take 'views'. Received: 'x', which must",
        ),
        (
            conditional_class,
            "class_balance",
            r"compares with p\(y\), which must have no parents. Received: 'b'",
        ),
        (
            class_after_a_draw,
            "entropy",
            "needs gradients through all that comes before its variables in q. Received: 'a', whose estimator is the score",
        ),
        (
            lambda: models.M2(3, 2),
            [consistency.Views(averaged=True)],
            "averaged=True needs an optimizer that averages weights: use_ema=True",
        ),
    ],
)
def test_models_that_do_not_suit_are_refused(make, spec, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        model.compile("adam", consistency=spec)
    assert not model.compiled


# -- labelled examples that lack some classes --
def two_classes(consistency_terms):
    """Two classes, a and b. Each is inferred from x only."""
    keras.utils.set_random_seed(0)
    generative = {
        "a": nodes.OneHotCategorical(3),
        "b": nodes.OneHotCategorical(2),
        "x": nodes.Bernoulli(6, parents=("a", "b"), network=layers.MLP((8,))),
    }
    recognition = {
        "a": nodes.OneHotCategorical(3, parents="x", network=layers.MLP((8,))),
        "b": nodes.OneHotCategorical(2, parents="x", network=layers.MLP((8,))),
    }
    model = models.GraphicalModel(generative, recognition, observed="x", supervised=("a", "b"), seed=0)
    model.compile("adam", consistency=consistency_terms)
    return model


def test_terms_are_of_the_classes_that_a_labelled_example_lacks():
    x = np.random.default_rng(0).uniform(size=(4, 6)).astype("float32")
    y = {"a": tf.constant([0, 1, 2, 0]), "b": tf.constant([0, -1, -1, 1])}
    with_it, without = two_classes("entropy=0.5"), two_classes(None)
    complete, given = ("a", "x"), {"x": tf.constant(x)}
    found, plain = (model.labelled_terms(given, y, complete, training=True) for model in (with_it, without))
    q = with_it.predict(x, verbose=0)["b"]
    expected = np.where(np.asarray(y["b"]) < 0, -np.sum(q * np.log(q), axis=1), 0)
    np.testing.assert_allclose(found["entropy"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["objective"], plain["objective"] - 0.5 * expected, rtol=1e-4)
    known = with_it.labelled_terms(given, y | {"b": tf.zeros(4, tf.int32)}, ("a", "b", "x"), training=True)
    assert "entropy" not in known


@pytest.mark.parametrize("spec", ["views", "free_match,class_balance", "virtual_adversarial"])
def test_a_model_without_an_unlabelled_example_has_terms_too(spec):
    generator = np.random.default_rng(0)
    x, y = generator.uniform(size=(40, 6)).astype("float32"), {"a": np.arange(40) % 3, "b": np.arange(40) % 4 // 2}
    y["b"] = np.where(np.arange(40) % 4 == 0, y["b"], -1)
    model = two_classes(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logs = model.fit(x, y, batch_size=10, labelled_batch_size=10, epochs=2, verbose=0, seed=0).history
    for name in ("views" if "_match" in part else part for part in spec.split(",")):
        assert np.isfinite(logs[name]).all(), name


# -- the weight of the bound beside log q(y|x) and terms --
@pytest.mark.usefixtures("eager")
def test_the_objective_has_the_weight_of_the_bound_and_the_logged_bound_has_not():
    x, y = images(9)
    made = {}
    for weight in (None, 0.25):
        model = models.M2(3, 2, hidden_units=(8,), seed=1)
        model.build((None, 6, 5, 1))
        model.compile("adam", consistency="entropy=2", bound_weight=weight)
        model.set_weights([np.full(w.shape, 0.1, np.float32) if w.dtype == "float32" else w for w in model.get_weights()])
        given = {"x": tf.constant(x)}
        made[weight] = model.unlabelled_terms(given, ("x",), training=True)
        labelled = model.labelled_terms(given, {"y": tf.constant(np.abs(y))}, ("x", "y"), training=True)
        np.testing.assert_allclose(labelled["objective"], (weight or 1) * labelled["bound_labelled"], rtol=1e-5)
    for name in ("bound_unlabelled", "entropy"):
        np.testing.assert_allclose(made[0.25][name], made[None][name], rtol=1e-5)
    bound, entropy = made[0.25]["bound_unlabelled"], made[0.25]["entropy"]
    np.testing.assert_allclose(made[0.25]["objective"], 0.25 * bound - 2 * entropy, rtol=1e-5)


def test_a_schedule_of_the_weight_follows_the_step_and_is_saved(tmp_path):
    x, y = images()
    model = models.M2(3, 2, hidden_units=(8,), seed=1)
    model.compile("adam", bound_weight=keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.001, 1.0]))
    model.build((None, 6, 5, 1))
    seen = []
    for _ in range(4):
        seen.append(float(model.bound_weight_in_use))
        model.train_on_batch(x, y)
    assert seen == pytest.approx([0.001, 0.001, 0.001, 1.0])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert float(again.bound_weight_in_use) == 1.0 and again.bound_weight.boundaries == [2]
    with pytest.raises(ValueError, match=r"bound_weight must be greater than 0\. Received: bound_weight=0"):
        model.compile("adam", bound_weight=0)
