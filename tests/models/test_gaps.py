"""Models of data with missing elements: every method, every way in, and what the networks see."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import distributions as tfd

from ssdgm_tf import layers, models, nodes
from tests.schema.examples import every_kind, rows
from tests.tolerances import assert_close

SHARE = 0.3


def data(shape=(5,), size=60, seed=0):
    """Examples with gaps, one of them all gaps and some without any, and labels of a third."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(size, *shape)).astype(np.float32)
    x[generator.uniform(size=x.shape) < SHARE] = np.nan
    x[3], x[5:9] = np.nan, 0.5
    return x, np.where(np.arange(size) < size // 3, np.arange(size) % 3, -1)


def m2(**options):
    model = models.M2(3, 2, hidden_units=(8,), likelihood="normal", likelihood_scale=None, seed=1, **options)
    model.compile(keras.optimizers.Adam(1e-2))
    return model


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(3)
    model = m2()
    model.fit(*data(), batch_size=20, epochs=2, seed=0, verbose=0)
    return model


def test_fit_takes_gaps_from_the_data_and_says_so(capsys):
    model = m2()
    losses = model.fit(*data(), batch_size=20, epochs=3, seed=0, verbose=2).history["loss"]
    assert np.all(np.isfinite(losses)) and losses[-1] < losses[0]
    assert "elements of x may be missing (NaN)" in capsys.readouterr().out
    assert model.recognition["y"].network.input_layers[0].kernel.shape == (10, 8)


def test_networks_see_what_is_missing(trained):
    """A missing element is not the same as one of the value that stands for it."""
    x = np.zeros((1, 5), np.float32)
    gap = np.where([[False, True, False, False, False]], np.nan, x)
    assert not np.allclose(trained.predict(gap, verbose=0), trained.predict(x, verbose=0))


@pytest.mark.parametrize("method", ["predict", "evaluate", "encode", "reconstruct", "bound", "log_likelihood", "impute"])
def test_every_method_takes_gaps(trained, method):
    """Finite results, which for an example do not depend on the others."""
    x, _ = data(seed=1)
    arguments = {"seed": 1} if method in ("bound", "log_likelihood") else {}
    made = getattr(trained, method)(x, **arguments)
    assert all(np.all(np.isfinite(array)) for array in keras.tree.flatten(made))


def test_what_is_known_is_left_as_it_is(trained):
    x, y = data(seed=1)
    filled = trained.impute(x, y, seed=1)
    np.testing.assert_array_equal(filled["x"][~np.isnan(x)], x[~np.isnan(x)])
    np.testing.assert_array_equal(filled["y"][y >= 0], y[y >= 0])
    drawn = trained.impute(x, y, num_draws=3, seed=1)["x"]
    assert drawn.shape == (3, *x.shape)
    assert np.all(drawn[0][np.isnan(x)] != drawn[1][np.isnan(x)])
    np.testing.assert_array_equal(drawn[:, ~np.isnan(x)], np.repeat(x[~np.isnan(x)][None], 3, axis=0))


def test_an_example_without_gaps_is_scored_as_by_a_model_without():
    """The density of known elements is the density."""
    complete = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    model = m2(gaps=False)
    model.build((None, 5))
    head, features = model.generative["x"].head, np.random.default_rng(1).normal(size=(7, 8)).astype(np.float32)
    q = head.distribution(features)
    assert_close(
        head.log_density_of_known(q, tf.constant(complete), tf.ones((7, 5), tf.bool)),
        head.log_density(q, complete),
        rtol=1e-5,
    )


@pytest.mark.parametrize("model_class", [models.M2, models.ADGM])
@pytest.mark.usefixtures("eager")
def test_a_step_on_complete_examples_looks_for_no_gaps(model_class):
    """A fully observed example costs nothing more: the compiled step of complete arrays asks for no NaN.

    ADGM's step makes predictions in a pass of their own.
    """

    def operations(x, y):
        model = model_class(3, 2, hidden_units=(8,), likelihood="normal", seed=1)
        model.compile("sgd")
        model.fit(x, y, batch_size=40, seed=0, verbose=0)
        step = tf.function(model.train_step, autograph=False)
        x, y = tf.constant(x), tf.constant(y)
        batch = {"labelled": ({"x": x[:20]}, {"y": y[:20]}), "unlabelled": {"x": x[20:]}}
        return [operation.type for operation in step.get_concrete_function(batch).graph.get_operations()]

    x, y = data()
    assert "IsNan" in operations(x, y)
    assert "IsNan" not in operations(np.nan_to_num(x), y)


@pytest.mark.usefixtures("eager")
def test_batches_with_gaps_are_trained_on_like_arrays():
    x, y = data()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    model = m2()
    with pytest.raises(ValueError, match=r"must hold labelled and unlabelled examples as the first one does"):
        model.fit(batches, verbose=0)  # the second batch holds no label
    streams = tf.data.Dataset.zip(
        {
            "labelled": tf.data.Dataset.from_tensor_slices((x[:20], y[:20])).batch(10),
            "unlabelled": tf.data.Dataset.from_tensor_slices(x[20:]).batch(20),
        }
    )
    assert np.isfinite(model.fit(streams, verbose=0).history["loss"][0])
    found, of_arrays = (
        model.evaluate(batches, verbose=0, return_dict=True),
        model.evaluate(x, y, verbose=0, return_dict=True),
    )
    assert set(found) == set(of_arrays) and np.isfinite(found["loss"])
    assert_close(model.predict(batches, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    assert np.isfinite(model.train_on_batch(x, y, return_dict=True)["loss"])


@pytest.mark.usefixtures("eager")
def test_a_gap_that_comes_after_a_first_batch_without():
    """It is refused, with what to do about it; a node with gaps=True takes it."""
    x, _ = data()
    first = np.nan_to_num(x)
    batches = tf.data.Dataset.from_tensor_slices(np.concatenate([first, x])).batch(60)
    with pytest.raises(
        ValueError, match=r"no element of the first batch is missing; with gaps=True .* Received: \d+ that are"
    ):
        m2().fit(batches, verbose=0)
    assert np.isfinite(m2(gaps=True).fit(batches, verbose=0).history["loss"][0])


@pytest.mark.usefixtures("eager")
def test_a_model_that_was_built_without_gaps_says_so():
    """It fills them with a value in the middle; its bounds are exact all the same."""
    x, y = data()
    model = m2()
    model.build((None, 5))
    with pytest.warns(UserWarning, match="x has missing elements, and the networks were built without gaps"):
        model.fit(x, y, verbose=0)
    assert np.all(np.isfinite(model.predict(x, verbose=0)))


def test_keras_file_and_saved_model(trained, tmp_path):
    x, _ = data(seed=1)
    expected = trained.predict(x, verbose=0)
    trained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.data_format.observed["x"].gaps
    assert_close(loaded.predict(x, verbose=0), expected, rtol=1e-6)
    trained.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported").signatures["classify"](x=tf.constant(x))
    assert_close(served["probabilities"], expected, rtol=1e-5, atol=1e-6)


def test_the_loss_of_a_step_is_the_same_under_xla():
    """Nothing is drawn: a model whose only hidden variable is its label."""

    def loss(jit_compile):
        keras.utils.set_random_seed(3)
        p = {"y": nodes.OneHotCategorical(3), "x": nodes.Normal(None, parents="y")}
        q = {"y": nodes.OneHotCategorical(3, parents="x", network=layers.MLP((8,)))}
        model = models.GraphicalModel(p, q, observed="x", supervised="y", seed=1)
        model.compile(keras.optimizers.SGD(1e-2), jit_compile=jit_compile)
        return model.fit(*data(), batch_size=20, epochs=2, seed=0, verbose=0).history["loss"]

    assert_close(loss(True), loss(False), rtol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        lambda: layers.ConvEncoder((4,), 6),
        lambda: keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(6)]),
        lambda: keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(6)]),
    ],
    ids=["convolutional", "any", "made for the values alone"],
)
@pytest.mark.usefixtures("eager")
def test_images_with_gaps(network):
    """Half of each image missing; a network that is made for the shape of the values sees the values only."""
    x, y = data((4, 4, 2))
    x[10:30, :2] = np.nan
    model = m2(classifier=network())
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert np.all(np.isfinite(model.predict(x, verbose=0)))


NETWORKS_OF_SERIES = {
    "dense": lambda: keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(6)]),
    "convolutional": lambda: layers.ConvEncoder((4,), 6),
    "recurrent": lambda: keras.layers.Bidirectional(keras.layers.GRU(3)),
}


@pytest.mark.parametrize("name", NETWORKS_OF_SERIES)
def test_the_bound_of_a_series_with_gaps_is_that_of_its_known_elements(name):
    """Exact, element by element: nothing is drawn, because y is the only hidden variable.

    U(x) = sum_y q(y|x) [ log p(y) + sum over known (t, c) of log Normal(x_tc; loc_tc(y), scale_tc(y)) - log q(y|x) ]
    """
    x, _ = data((6, 2), size=12)
    p = {
        "y": nodes.OneHotCategorical(3),
        "x": nodes.Normal(None, parents="y", network=layers.ConvDecoder((6, 4), (4,))),
    }
    q = {"y": nodes.OneHotCategorical(3, parents="x", network=NETWORKS_OF_SERIES[name]())}
    model = models.GraphicalModel(p, q, observed="x", supervised="y", seed=1)
    model.compile(keras.optimizers.Adam(1e-2))
    assert np.isfinite(model.fit(x, np.where(np.arange(12) < 6, np.arange(12) % 3, -1), verbose=0).history["loss"][0])
    of_class = [model.generative["x"].distribution([tf.one_hot([y], 3)]) for y in range(3)]
    log_px = np.stack([np.nansum(stats.norm.logpdf(x, d.mean(), d.stddev()), axis=(1, 2)) for d in of_class], axis=1)
    probs = model.predict(x, verbose=0).astype(np.float64)
    expected = (probs * (log_px - np.log(3) - np.log(probs))).sum(axis=1)
    assert_close(model.bound(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("eager")
def test_several_observed_variables_have_gaps_of_their_own():
    p = {
        "z": nodes.Normal(2),
        "a": nodes.Normal(None, parents="z"),
        "b": nodes.Bernoulli(None, parents="z"),
    }
    q = {"z": nodes.Normal(2, parents=("a", "b"))}
    model = models.GraphicalModel(p, q, observed=("a", "b"), seed=1)
    model.compile("adam")
    a, _ = data()
    b = (np.random.default_rng(0).uniform(size=(60, 3)) > 0.5).astype(np.float32)
    model.fit({"a": a, "b": b}, verbose=0)
    assert [head.gaps for head in model.data_format.observed.values()] == [True, False]
    assert model.recognition["z"].parent_shapes == [(10,), (3,)]
    assert np.all(np.isfinite(model.log_likelihood({"a": a, "b": b})))


@pytest.mark.filterwarnings("ignore:No labelled example")
def test_elements_of_a_vector_cannot_be_missing_alone():
    p = {"z": nodes.Normal(2), "v": nodes.Dirichlet(3, parents="z")}
    model = models.GraphicalModel(p, {"z": nodes.Normal(2, parents="v")}, observed="v", seed=1)
    model.compile("adam")
    v = np.full((5, 3), 1 / 3, np.float32)
    v[2, 1] = np.nan
    with pytest.raises(ValueError, match="v must be finite"):
        model.fit(v, verbose=0)
    p = {"z": nodes.Normal(2), "v": nodes.Dirichlet(3, parents="z", gaps=True)}
    with pytest.raises(ValueError, match=r"Elements of v, a DirichletNode, cannot be missing. Received: gaps=True"):
        models.GraphicalModel(p, {"z": nodes.Normal(2, parents="v")}, observed="v")


@pytest.mark.usefixtures("eager")
def test_a_named_model_of_a_table(tmp_path):
    """M2 on columns of every kind; a file keeps the schema."""
    x = rows(np.random.default_rng(0), 40).astype(np.float32)
    x[::3, :4] = np.nan
    y = np.where(np.arange(40) < 10, np.arange(40) % 2, -1)
    model = models.M2(2, 2, hidden_units=(8,), schema=every_kind(), seed=1)
    model.compile(keras.optimizers.Adam(1e-2))
    assert np.all(np.isfinite(model.fit(x, y, epochs=2, verbose=0).history["loss"]))
    made = model.generate({"y": np.array([0, 1])}, seed=0)
    assert made.shape == (2, 11) and np.all(np.isfinite(made))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.options.schema == every_kind()
    assert_close(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


WAYS = {
    "streams": lambda x, y: {"labelled": (x[:20], y[:20]), "unlabelled": x[20:]},
    "pairs": lambda x, y: (x, y),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("eager")
def test_gaps_of_the_unlabelled_examples_alone_are_seen(way):
    """The first kind of examples is complete, the other is not."""
    x, y = data()
    x[:20] = np.nan_to_num(x[:20])
    batch = WAYS[way](x, y)
    model = m2()
    model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert model.data_format.observed["x"].gaps
    model = m2()
    model.train_on_batch(batch if way == "streams" else x, None if way == "streams" else y)
    assert model.data_format.observed["x"].gaps


@pytest.mark.usefixtures("eager")
def test_variables_that_share_a_head_share_their_gaps():
    x, _ = data()
    first = nodes.Normal(None, parents="z")
    p = {"z": nodes.Normal(2), "a": first, "b": first.given("z")}
    model = models.GraphicalModel(p, {"z": nodes.Normal(2, parents=("a", "b"))}, observed=("a", "b"), seed=1)
    model.compile("adam")
    model.fit({"a": np.nan_to_num(x), "b": x}, verbose=0)
    assert model.recognition["z"].parent_shapes == [(10,), (10,)]


@keras.saving.register_keras_serializable(package="tests")
def gamma(parameters):
    """A distribution whose support the node does not know; 0 has no finite density."""
    return tfd.Independent(tfd.Gamma(*(1 + tf.nn.softplus(part) for part in tf.split(parameters, 2, axis=-1))), 1)


@pytest.mark.usefixtures("eager")
def test_gradients_are_finite_whatever_the_support():
    p = {"z": nodes.Normal(2), "x": nodes.Distribution(5, 10, gamma, parents="z", gaps=True)}
    model = models.GraphicalModel(p, {"z": nodes.Normal(2, parents="x")}, observed="x", seed=1)
    model.compile("adam")
    x, _ = data()
    assert model.fit(np.exp(x), epochs=2, verbose=0).history["skipped_steps"] == [0, 0]


@pytest.mark.usefixtures("eager")
def test_m1m2_on_an_m1_that_took_its_gaps_from_the_data():
    x, y = data()
    m1 = models.VAE(4, hidden_units=(8,), likelihood="normal", seed=1)
    m1.compile("adam")
    m1.fit(x, verbose=0)
    model = models.M1M2.from_m1(m1, 3, 2, top_units=(5,), seed=1)
    model.compile("adam")
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])


@pytest.mark.usefixtures("eager")
def test_a_part_that_knows_no_gaps_gets_no_nan():
    x, _ = data()
    part = m2()
    part.fit(np.nan_to_num(x), data()[1], verbose=0)
    p = {"w": nodes.Normal(2), "x": nodes.Normal(None, parents="w")}
    q = {
        "style": nodes.Deterministic(("x", "label"), nodes.NodeMean(part.recognition["z"])),
        "label": nodes.Deterministic("x", nodes.NodeMean(part.recognition["y"])),
        "w": nodes.Normal(2, parents="style"),
    }
    model = models.GraphicalModel(p, q, observed="x", seed=1)
    model.compile("adam")
    model.fit(x, verbose=0)
    assert np.all(np.isfinite(model.predict(x, verbose=0)))


@pytest.mark.usefixtures("eager")
def test_what_is_filled_in_are_rows_of_the_table():
    """Means too: counts are whole, and a category is one."""
    x = rows(np.random.default_rng(0), 40).astype(np.float32)
    x[::3, ::2] = np.nan
    model = models.M2(2, 2, hidden_units=(8,), schema=every_kind(), seed=1)
    model.compile("adam")
    model.fit(x, np.where(np.arange(40) < 10, np.arange(40) % 2, -1), verbose=0)
    for made in (model.impute(x)["x"], model.generate(num_samples=3), model.generate(num_samples=3, draw=True)):
        assert set(every_kind().decode(made)) == set(every_kind().names)
        assert np.all(np.isfinite(model.log_likelihood(made, num_samples=2)))


@pytest.mark.parametrize("num_draws", [None, 2])
def test_imputing_complete_examples(trained, num_draws):
    x = np.nan_to_num(data()[0])
    found = trained.impute(x, num_draws=num_draws)["x"]
    np.testing.assert_array_equal(found, x if num_draws is None else np.stack([x, x]))


FORMS = {
    "None": lambda x: [[None if np.isnan(value) else float(value) for value in row] for row in x],
    "masked": lambda x: np.ma.masked_array(np.nan_to_num(x, nan=7.0), np.isnan(x)),
    "float64": lambda x: x.astype(np.float64),
}


@pytest.mark.filterwarnings("ignore:impute")
@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_gaps_in_any_form_are_filled_in(form, gaps):
    """None and masked values are gaps too, whether the networks know of gaps or not."""
    x, _ = data()
    model = m2(gaps=gaps)
    model.build((None, 5))
    expected, found = (model.impute(given, seed=1, num_steps=2)["x"] for given in (x, FORMS[form](x)))
    assert np.all(np.isfinite(found))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "limits"), [({"likelihood": "normal", "gaps": True}, (True, False)), ({}, (False, True))]
)
def test_a_model_says_what_it_takes_in_new_examples(options, limits):
    model = models.M2(3, 2, hidden_units=(8,), **options)
    model.build((None, 5))
    assert model.data_format.limits("x") == limits
