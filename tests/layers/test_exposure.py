"""Counts with an exposure, a shared concentration, and networks that see shares of a total."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ssdgm_tf import layers, models, nodes
from ssdgm_tf.layers import supports

GENERATOR = np.random.default_rng(0)
SIZE = GENERATOR.gamma(3, 1 / 3, size=(24, 1)).astype("float32")
COUNTS = GENERATOR.poisson(3 * SIZE * np.ones(4)).astype("float32")
X = {"x": COUNTS, "size": SIZE}
Y = np.where(np.arange(24) < 8, np.arange(24) % 2, -1)


def softplus_of(raw):
    return np.log1p(np.exp(raw + 0.5413248546129181)) + 1e-4


# {family: its probability of a count, given its mean and two further raw parameters}
FAMILIES = {
    "Poisson": lambda n, mean, *_: stats.poisson.pmf(n, mean),
    "NegativeBinomial": lambda n, mean, raw, *_: stats.nbinom.pmf(n, softplus_of(raw), 1 / (1 + mean / softplus_of(raw))),
    "ZeroInflatedPoisson": lambda n, mean, logit, *_: (
        special.expit(logit) * (n == 0) + special.expit(-logit) * FAMILIES["Poisson"](n, mean)
    ),
    "ZeroInflatedNegativeBinomial": lambda n, mean, raw, logit: (
        special.expit(logit) * (n == 0) + special.expit(-logit) * FAMILIES["NegativeBinomial"](n, mean, raw)
    ),
}
OVERDISPERSED = ("NegativeBinomial", "ZeroInflatedNegativeBinomial")


def built(name, **options):
    """A node of two counts given one number, its parameters W z + b at the raw numbers of this test."""
    node = getattr(nodes, name)(2, parents="z", exposure="size", **options)
    node.build([(1,), (1,)])
    number = node.head.num_parameters
    node.head.projection.set_weights([np.linspace(-0.4, 0.5, number)[None], np.linspace(0.3, -0.6, number)])
    return node


def raw_of(node, z):
    kernel, bias = node.head.projection.get_weights()
    return np.split(z * kernel + bias, node.head.num_parameters // 2, axis=-1)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_density_is_that_of_scipy_at_the_mean_times_the_exposure(name):
    node, z, size = built(name), np.array([[0.5], [-1.0], [2.0]]), np.array([[0.1], [1.0], [400.0]])
    log_mean, *rest = raw_of(node, z)
    q = node.distribution([tf.constant(z, tf.float32), tf.constant(size, tf.float32)])
    for n in (np.zeros((3, 2)), np.array([[1.0, 2.0], [0.0, 5.0], [390.0, 7.0]])):
        expected = np.log(FAMILIES[name](n, size * np.exp(log_mean), *rest)).sum(axis=1)
        np.testing.assert_allclose(q.log_prob(n.astype("float32")), expected, rtol=2e-5)


def test_draws_have_the_mean_times_the_exposure():
    """Within 5 standard errors: a failure has probability below 1e-5."""
    node, size = built("NegativeBinomial"), 20.0
    q = node.distribution([tf.zeros([1, 1]), tf.constant([[size]])])
    draws = np.asarray(node.head.sample(q, [20_000], (1, 2)))[:, 0]
    mean = size * np.exp(raw_of(node, 0.0)[0][0])
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * np.sqrt(np.max(q.variance())) / np.sqrt(20_000))


@pytest.mark.parametrize("name", OVERDISPERSED)
def test_a_shared_concentration_is_a_weight_of_each_element(name):
    node = built(name, shared_concentration=True)
    assert node.head.num_parameters == 2 * (1 + name.startswith("Zero"))
    raw = np.array([-1.0, 2.0])
    node.head.set_weights([raw if w.shape == (2,) and "concentration" in w.path else w.numpy() for w in node.head.weights])
    z, size, n = np.array([[0.5]]), np.array([[3.0]]), np.array([[2.0, 0.0]])
    log_mean, *rest = raw_of(node, z)
    expected = np.log(FAMILIES[name](n, size * np.exp(log_mean), raw, *rest)).sum()
    q = node.distribution([tf.constant(z, tf.float32), tf.constant(size, tf.float32)])
    np.testing.assert_allclose(q.log_prob(n.astype("float32"))[0], expected, rtol=2e-5)


def test_a_root_learns_a_shared_concentration():
    node = nodes.NegativeBinomial(2, prior="learned", shared_concentration=True)
    node.build([])
    assert sorted(w.path.split("/")[-1] for w in node.trainable_weights) == ["concentration", "parameters"]


def test_networks_see_shares_of_the_known_total():
    counts = np.array([[1.0, 3.0, 0.0], [100.0, 300.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    support = supports.Whole(target_sum=8.0)
    expected = np.log1p([[2.0, 6.0, 0.0], [2.0, 6.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(support.network_input(counts), expected, rtol=1e-6)
    counts[:, 1] = np.nan
    np.testing.assert_allclose(support.with_gaps().network_input(counts)[0], [np.log1p(8), 0, 0, 1, 0, 1], rtol=1e-6)
    images = supports.Whole(target_sum=8.0, event_rank=2).network_input(np.ones((1, 2, 2)))
    np.testing.assert_allclose(images, np.full((1, 2, 2), np.log1p(2)))


def m2(**options):
    head = layers.NegativeBinomialNode(None, target_sum=10.0, shared_concentration=True, **options)
    model = models.M2(2, latent_dim=2, hidden_units=(8,), likelihood=head, exposure="size", seed=1)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def model():
    return m2()


def test_a_saved_m2_of_counts_is_the_same(model, tmp_path):
    model.save(tmp_path / "m2.keras")
    loaded = keras.models.load_model(tmp_path / "m2.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    for made in (loaded, models.M2.from_config(model.get_config())):
        head, node = made.generative["x"].head, made.generative["x"]
        assert (node.exposure, node.parents) == ("size", ("y", "z", "size"))
        assert (head.target_sum, head.shared_concentration) == (10.0, True)
    given = {"y": [0, 1], "size": [[2.0], [3.0]]}
    np.testing.assert_array_equal(loaded.generate(given, seed=1)["x"], model.generate(given, seed=1)["x"])


def test_what_is_generated_grows_with_the_exposure(model):
    one, many = (model.generate({"y": [0, 1], "size": [[s], [s]]}, seed=1)["x"] for s in (1.0, 7.0))
    np.testing.assert_allclose(many, 7 * one, rtol=1e-5)
    drawn = model.generate({"y": [0, 1]}, seed=1, draw=True)
    assert np.all(drawn["size"] > 0) and np.all(drawn["x"] == np.round(drawn["x"]))


def test_missing_counts_are_filled_and_a_missing_exposure_is_refused(model):
    gaps = COUNTS.copy()
    gaps[0, 1] = np.nan
    assert np.all(np.isfinite(model.impute({"x": gaps, "size": SIZE}, num_samples=5)["x"]))
    for bad, rule in ((np.full_like(SIZE, np.nan), "size must be finite"), (-SIZE, "size must be positive")):
        with pytest.raises(ValueError, match=rf"{rule}.* Received"):
            model.predict({"x": COUNTS, "size": bad}, verbose=0)


def test_an_export_takes_the_exposure(model, tmp_path):
    model.export(tmp_path / "m2", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "m2")).signatures["classify"](x=COUNTS, size=SIZE)
    np.testing.assert_allclose(served["probabilities"], model.predict(X, verbose=0), rtol=1e-5)


def test_the_exposure_broadcasts_with_states_of_several_variables():
    p = {"a": nodes.OneHotCategorical(2), "b": nodes.OneHotCategorical(3), "size": nodes.LogNormal(1, prior="learned")}
    p["x"] = nodes.Poisson(4, parents=("a", "b"), exposure="size", network=layers.MLP((5,)))
    q = {name: nodes.OneHotCategorical(k, parents="x", network=layers.MLP((5,))) for name, k in (("a", 2), ("b", 3))}
    model = models.GraphicalModel(p, q, observed=("x", "size"), seed=1)
    model.compile("adam")
    bounds, node = model.bound(X, seed=1), model.generative["x"]
    terms = []
    for a in range(2):
        for b in range(3):
            states = [np.tile(np.eye(k)[i], (24, 1)).astype("float32") for k, i in ((2, a), (3, b))]
            log_q = [np.asarray(model.recognition[n].distribution([COUNTS]).log_prob(s)) for n, s in zip("ab", states)]  # noqa: B905
            log_p = np.asarray(node.distribution([*states, SIZE]).log_prob(COUNTS)) - np.log(6)
            terms.append(np.exp(sum(log_q)) * (log_p - sum(log_q)))
    expected = np.sum(terms, axis=0) + model.generative["size"].root_distribution().log_prob(SIZE)
    np.testing.assert_allclose(bounds, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nodes.RandomVariable(layers.NormalNode(2), "z", exposure="s"), "Only counts have an exposure"),
        (lambda: nodes.Poisson(2, exposure="s"), "stands beside the parents"),
        (lambda: nodes.Poisson(2, parents=("z", "s"), exposure="s"), "stands beside the parents"),
        (lambda: nodes.Poisson(2, target_sum=0.0), "target_sum must be None or a positive number"),
        (lambda: models.M2(2, exposure="size"), "Only counts have an exposure"),
        (lambda: nodes.Poisson(2, parents="z", exposure="s").build([(1,), (3,)]), "one positive number per example"),
        (
            lambda: nodes.Poisson(2, parents="z", exposure="s").build([(1,), (1,)], [supports.Support(), supports.Whole()]),
            "one positive number per example",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=rf"{message}.* Received: "):
        make()
