"""One rule for every prediction: `predict`, `evaluate`, validation, the log of `fit` and what is served agree."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.models import ADGM, GraphicalModel, HierarchicalVAE
from tests.tiers import tiers

N = 60


def drawn_before():
    """q(a|x) q(y|x,a): a is drawn before the label."""
    generative = {"a": nodes.Normal(1), "y": nodes.OneHotCategorical(3), "x": nodes.Normal(1, parents=("a", "y"))}
    recognition = {"a": nodes.Normal(1, parents="x"), "y": nodes.OneHotCategorical(3, parents=("x", "a"))}
    return generative, recognition, "y"


def relaxed_before():
    """The same with a relaxed class in place of a."""
    generative = {"a": nodes.OneHotCategorical(4), "y": nodes.OneHotCategorical(3), "x": nodes.Normal(1, parents=("a", "y"))}
    recognition = {
        "a": nodes.OneHotCategorical(4, parents="x", estimator="relaxed"),
        "y": nodes.OneHotCategorical(3, parents=("x", "a")),
    }
    return generative, recognition, "y"


def label_before():
    """Two supervised variables, q(c|x) q(y|x,c): c comes before y."""
    generative = {"c": nodes.OneHotCategorical(2), "y": nodes.OneHotCategorical(3, parents="c")}
    generative["x"] = nodes.Normal(1, parents="y")
    recognition = {"c": nodes.OneHotCategorical(2, parents="x"), "y": nodes.OneHotCategorical(3, parents=("x", "c"))}
    return generative, recognition, ("c", "y")


def angle_after():
    """A supervised angle with a drawn parent."""
    generative = {"a": nodes.Normal(1), "y": nodes.VonMises(1), "x": nodes.Normal(1, parents=("a", "y"))}
    recognition = {"a": nodes.Normal(1, parents="x"), "y": nodes.VonMises(1, parents=("x", "a"))}
    return generative, recognition, "y"


GRAPHS = {make.__name__: make for make in (drawn_before, relaxed_before, label_before, angle_after)}


def make_model(name, **options):
    generative, recognition, supervised = GRAPHS[name]()
    model = GraphicalModel(generative, recognition, observed="x", supervised=supervised, seed=1, **options)
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape) * 2)
    model.compile(keras.optimizers.SGD(0.0))
    return model


def make_data(model):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(N, 1)).astype(np.float32)
    y = {name: generator.integers(size, size=N) for name, size in model.data_format.classes.items()}
    y |= {name: generator.uniform(-3, 3, size=(N, 1)) for name in model.graph.supervised if name not in y}
    return x, y


def errors_of(model, y, predicted):
    """{name: mean error} of what `predict` gave, by hand."""
    predicted = predicted if len(y) > 1 else {next(iter(y)): predicted}
    found = {}
    for name, value in y.items():
        if name in model.data_format.classes:
            found[name] = np.mean(predicted[name].argmax(axis=1) != value)
        else:
            turn = np.abs((predicted[name]["mean"] - value + np.pi) % (2 * np.pi) - np.pi)
            found[name] = np.degrees(turn.mean())
    return found


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.filterwarnings("ignore:No unlabelled example")
@pytest.mark.usefixtures("eager")
def test_the_errors_of_all_methods_are_those_of_predict(name):
    model = make_model(name)
    x, y = make_data(model)
    predicted = model.predict(x, verbose=0)
    found = {}
    found["evaluate"] = model.evaluate(x, y, batch_size=7, verbose=0, return_dict=True)
    logs = model.fit(x, y, batch_size=N, epochs=1, verbose=0, validation_data=(x, y)).history
    found["validation"] = {name.removeprefix("val_"): value[0] for name, value in logs.items() if name.startswith("val_")}
    found["fit"] = {name: value[0] for name, value in logs.items()}
    for variable, expected in errors_of(model, y, predicted).items():
        metric = model.monitor.errors[variable].name
        for method, metrics in found.items():
            np.testing.assert_allclose(metrics[metric], expected, rtol=1e-4, err_msg=method)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_prediction_depends_on_its_example_alone(name):
    model = make_model(name)
    x, _ = make_data(model)
    whole = keras.tree.flatten(model.predict(x, verbose=0))
    parts = [keras.tree.flatten(model.predict(x[i : i + 1], verbose=0)) for i in range(3)]
    for i, part in enumerate(parts):
        for of_one, of_all in zip(part, whole, strict=True):
            np.testing.assert_allclose(of_one[0], of_all[i], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", tiers(GRAPHS, first=["relaxed_before", "angle_after"]))
def test_a_served_model_predicts_the_same(name, tmp_path):
    model = make_model(name)
    x, _ = make_data(model)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    predicted = model.predict(x, verbose=0)
    for variable in model.graph.supervised:
        suffix = f"_{variable}" if len(model.graph.supervised) > 1 else ""
        expected = predicted[variable] if suffix else predicted
        if variable in model.data_format.classes:
            found = served["classify" + suffix](x=x)["probabilities"]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        else:
            found = served["estimate" + suffix](x=x)
            for moment in ("mean", "stddev"):
                np.testing.assert_allclose(found[moment], expected[moment], rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("eager")
def test_more_prediction_samples_come_closer_to_the_exact_probabilities():
    """q(y|x) by quadrature over a. 4,000 common draws: an error of 0.05 has a probability below 1e-9 (Hoeffding)."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    x = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
    model = make_model("drawn_before", num_prediction_samples=4000)
    q = model.recognition["a"].distribution([x])
    logits = [
        model.recognition["y"].distribution([x, np.asarray(q.mean() + q.stddev() * point, np.float32)]).probs_parameter()
        for point in points
    ]
    exact = np.tensordot(weights / weights.sum(), np.array(logits), 1)
    np.testing.assert_allclose(model.predict(x, verbose=0), exact, atol=0.05)
    few = make_model("drawn_before", num_prediction_samples=1).predict(x, verbose=0)
    assert np.abs(few - exact).max() > 0.05


def test_latent_variables_are_predicted_from_as_many_draws():
    """Without labels, the latent variables are predicted: here z1, and z2 given draws of z1."""
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    found = []
    for samples in (1, 2000, 4000):
        model = HierarchicalVAE((3, 2), hidden_units=(6,), likelihood="normal", num_prediction_samples=samples, seed=1)
        model.build((None, 4))
        generator = np.random.default_rng(0)
        for weight in model.trainable_variables:
            weight.assign(generator.normal(size=weight.shape))
        found.append(model.predict(x, verbose=0))
    last = list(found[0])[-1]
    assert np.abs(found[1][last] - found[0][last]).max() > 0.05
    np.testing.assert_allclose(found[1][last], found[2][last], atol=0.2)


def test_what_is_not_drawn_takes_one_pass():
    assert not make_model("label_before").graph.is_drawn_before("c", "y")  # enumerated: summed exactly
    assert make_model("drawn_before").graph.is_drawn_before("y")


@pytest.mark.usefixtures("eager")
def test_the_classification_loss_of_several_samples_is_of_their_mean_probability():
    """-log (1/S) sum_s q(y|x,a_s), which tends to -log q(y|x); with one sample it is Maaloe's -log q(y|x,a)."""
    model = ADGM(3, 2, 2, hidden_units=(4,), likelihood="normal", seed=1)
    model.build((None, 4))
    model.compile("sgd", num_samples=3, labelled_bound="conditional")
    x = {"x": tf.constant(np.random.default_rng(0).normal(size=(6, 4)), tf.float32)}
    y = {"y": tf.constant([0, 1, 2, 0, 1, 2])}
    one_pass = model.pass_over(x, y, ("y",), seed=tf.constant([1, 2]))
    log_q = np.asarray(one_pass.log_q("y"), np.float64)[0]  # [S, B]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "next_seed", lambda: tf.constant([1, 2]))
        terms = model.labelled_terms(x, y, ("y",))
    assert log_q.shape == (3, 6) and np.ptp(log_q, axis=0).max() > 0.01
    np.testing.assert_allclose(terms["classification_loss"], -np.log(np.mean(np.exp(log_q), axis=0)), rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_a_supervised_root_of_q_trains_and_predicts():
    generative = {"y": nodes.OneHotCategorical(3), "z": nodes.Normal(2), "x": nodes.Normal(2, parents=("y", "z"))}
    recognition = {"y": nodes.OneHotCategorical(3, prior="learned"), "z": nodes.Normal(2, parents=("x", "y"))}
    model = GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1)
    model.compile("sgd")
    x = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    y = [0, 1, 2, -1, -1, -1]
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert np.isfinite(model.evaluate(x, y, verbose=0)).all()
    np.testing.assert_allclose(model.predict(x, verbose=0).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.usefixtures("eager")
def test_what_layers_add_for_a_prediction_is_no_part_of_the_loss():
    """A prediction of 1 draw or of 50: the same loss."""
    losses = []
    for samples in (1, 50):
        generative, _, _ = drawn_before()
        network = keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(1.0))
        recognition = {"a": nodes.Normal(1, parents="x")}
        recognition["y"] = nodes.OneHotCategorical(3, parents=("x", "a"), network=network)
        model = GraphicalModel(generative, recognition, "x", "y", num_prediction_samples=samples, seed=1)
        for i, weight in enumerate(model.trainable_variables):
            weight.assign(np.random.default_rng(i).normal(size=weight.shape))
        model.compile(keras.optimizers.SGD(0.0))
        x, y = make_data(model)
        y["y"][30:] = -1
        losses.append(model.fit(x, y, batch_size=30, verbose=0, shuffle=False, seed=0).history["loss"][0])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_a_prediction_infers_nothing_after_what_is_predicted():
    calls = []

    class Counting(keras.layers.Dense):
        def call(self, inputs):
            calls.append(self.name)
            return super().call(inputs)

    def given(name):
        return {"network": keras.Sequential([Counting(2, name=name)])}

    generative = {"y": nodes.OneHotCategorical(3), "z": nodes.Normal(1), "x": nodes.Normal(1, parents=("y", "z"))}
    recognition = {
        "y": nodes.OneHotCategorical(3, parents="x", **given("of_y")),
        "z": nodes.Normal(1, parents=("x", "y"), **given("of_z")),
    }
    model = GraphicalModel(generative, recognition, observed="x", supervised="y")
    model.build((None, 1))
    calls.clear()
    model(np.zeros([4, 1], np.float32))
    assert calls == ["of_y"]
