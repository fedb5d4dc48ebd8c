"""Inference and generation for a general graph: two supervised variables, one of them real, and a latent one."""

import keras
import numpy as np
import pytest

from ssdgm_tf import layers, nodes
from ssdgm_tf.models import GraphicalModel

SIZE = 12


@pytest.fixture
def model():
    """p(who) p(pose) p(z) p(x|who,pose,z); q(pose|x) q(who|x,pose) q(z|x,pose,who); untrained."""

    def mlp():
        return layers.MLP((8,), "tanh")

    p = {
        "who": nodes.OneHotCategorical(4),
        "pose": nodes.Normal(1),
        "z": nodes.Normal(2),
        "x": nodes.Normal((4, 3), scale=0.5, parents=("who", "pose", "z"), network=mlp()),
    }
    q = {
        "pose": nodes.Normal(1, parents="x", network=mlp()),
        "who": nodes.OneHotCategorical(4, parents=("x", "pose"), network=mlp()),
        "z": nodes.Normal(2, parents=("x", "pose", "who"), network=mlp()),
    }
    model = GraphicalModel(p, q, observed="x", supervised=("who", "pose"), seed=3)
    model.compile(keras.optimizers.Adam(1e-2))
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape))
    return model


@pytest.fixture
def x():
    return np.random.default_rng(1).normal(size=(SIZE, 4, 3)).astype(np.float32)


def mean(model, **values):
    node = model.generative["x"]
    return np.asarray(node.head.mean(node.distribution([np.asarray(values[name], np.float32) for name in node.parents])))


def test_encode_takes_means_along_the_recognition_model(model, x):
    code = model.encode(x)
    pose = model.recognition["pose"].distribution([x]).mean()
    np.testing.assert_allclose(code["pose"], pose, rtol=1e-5)
    who = model.recognition["who"].distribution([x, pose]).probs_parameter()
    np.testing.assert_allclose(code["who"], who, rtol=1e-5)
    z = model.recognition["z"].distribution([x, pose, np.eye(4, dtype=np.float32)[np.argmax(who, axis=1)]]).mean()
    np.testing.assert_allclose(code["z"], z, rtol=1e-5)


def test_encode_holds_whatever_is_given_latent_variables_too(model, x):
    pose = np.where(np.arange(SIZE)[:, None] < 5, 0.7, np.nan)
    code, free = model.encode(x, {"pose": pose}), model.encode(x)
    np.testing.assert_allclose(code["pose"][:5], 0.7, rtol=1e-6)
    np.testing.assert_allclose(code["pose"][5:], free["pose"][5:], rtol=1e-6)
    np.testing.assert_allclose(code["z"][5:], free["z"][5:], rtol=1e-5)
    assert not np.allclose(code["who"][:5], free["who"][:5])
    held = model.encode(x, {"z": np.ones((SIZE, 2)), "who": np.full(SIZE, 2)})
    np.testing.assert_array_equal(held["z"], np.ones((SIZE, 2)))
    np.testing.assert_array_equal(held["who"], np.eye(4)[[2] * SIZE])


def test_draws_follow_the_recognition_model(model, x):
    """2,000 draws: means within 6 standard errors of those of many passes (failure below 1e-6); given values held."""
    draws = model.encode(x[:3], {"who": [1, -1, -1]}, num_samples=2000, seed=1)
    assert draws["pose"].shape == (2000, 3, 1) and draws["who"].shape == (2000, 3, 4) and draws["z"].shape == (2000, 3, 2)
    q = model.recognition["pose"].distribution([x[:3]])
    assert np.all(np.abs(draws["pose"].mean(0) - q.mean()) < 6 * q.stddev() / np.sqrt(2000))
    np.testing.assert_array_equal(draws["who"][:, 0], np.tile(np.eye(4)[1], (2000, 1)))
    assert set(np.unique(draws["who"])) == {0.0, 1.0}
    again = model.encode(x[:3], {"who": [1, -1, -1]}, num_samples=2000, seed=1)
    np.testing.assert_array_equal(again["z"], draws["z"])
    model.num_prediction_samples = 4000
    np.testing.assert_allclose(draws["who"].mean(0)[1:], model.predict(x[:3], verbose=0)["who"][1:], atol=0.07)


def test_predict_averages_over_what_comes_before(model, x):
    """Class probabilities, and mean and spread of a real variable; the same for the same x."""
    prediction = model.predict(x, verbose=0)
    assert set(prediction) == {"who", "pose"} and set(prediction["pose"]) == {"mean", "stddev"}
    np.testing.assert_allclose(prediction["who"].sum(axis=1), 1, rtol=1e-5)
    q = model.recognition["pose"].distribution([x])
    np.testing.assert_allclose(prediction["pose"]["mean"], q.mean(), rtol=1e-5)
    np.testing.assert_allclose(prediction["pose"]["stddev"], q.stddev(), rtol=1e-4)
    np.testing.assert_array_equal(model.predict(x, verbose=0)["who"], prediction["who"])
    model.num_prediction_samples, few = 3000, prediction["who"]
    model.predict_function = None
    many = model.predict(x, verbose=0)["who"]
    point = model.encode(x)["who"]
    assert np.abs(many - few).max() < 0.5 and np.abs(many - point).max() > 0.01


def test_reconstruct_decodes_the_code(model, x):
    y = {"who": np.where(np.arange(SIZE) < 4, 3, -1)}
    code = model.encode(x, y)
    likeliest = np.eye(4)[np.argmax(code["who"], axis=1)]
    expected = mean(model, who=likeliest, pose=code["pose"], z=code["z"])
    np.testing.assert_allclose(model.reconstruct(x, y), expected, rtol=1e-4, atol=1e-5)


def test_analogies_vary_some_variables_and_hold_the_rest(model, x):
    poses = np.array([[-1.0], [0.0], [2.0]])
    code = model.encode(x)
    who = np.eye(4)[np.argmax(code["who"], axis=1)]
    images = model.analogies(x, vary={"pose": poses})
    assert images.shape == (SIZE, 3, 4, 3)
    for i, pose in enumerate(poses):
        expected = mean(model, who=who, pose=np.tile(pose, (SIZE, 1)), z=code["z"])
        np.testing.assert_allclose(images[:, i], expected, rtol=1e-4, atol=1e-5)
    both = model.analogies(x, vary={"pose": poses, "who": [0, 1, 3]})
    expected = mean(model, who=np.tile(np.eye(4)[3], (SIZE, 1)), pose=np.full((SIZE, 1), 2.0), z=code["z"])
    np.testing.assert_allclose(both[:, 2], expected, rtol=1e-4, atol=1e-5)
    assert model.analogies(x).shape == (SIZE, 4, 4, 3)  # the only class
    with pytest.raises(ValueError, match="as many values of each variable"):
        model.analogies(x, vary={"pose": poses, "who": [0]})


def test_generate_holds_any_subset_and_draws_the_rest_from_p(model):
    given = {"who": [0, 1, 2], "pose": [[0.0], [1.0], [2.0]]}
    a, b, c = (model.generate(given, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert a.shape == (3, 4, 3) and not np.allclose(a, c)
    z = np.ones((3, 2))
    np.testing.assert_allclose(
        model.generate(given | {"z": z}), mean(model, who=np.eye(4)[:3], pose=given["pose"], z=z), rtol=1e-4, atol=1e-5
    )
    # Roots are drawn from their priors: 3,000 images, their mean within 6 standard errors of one made of prior draws.
    many = model.generate(num_samples=3000, seed=3)
    generator = np.random.default_rng(0)
    prior = {"who": np.eye(4)[generator.integers(4, size=3000)], "pose": generator.normal(size=(3000, 1))}
    expected = mean(model, **prior, z=generator.normal(size=(3000, 2)))
    error = np.sqrt((many.var(0) + expected.var(0)) / 3000)
    assert np.all(np.abs(many.mean(0) - expected.mean(0)) < 6 * error)


@pytest.mark.filterwarnings("ignore:impute")
def test_impute_fills_what_is_missing_and_leaves_the_rest(model, x):
    y = {"who": np.where(np.arange(SIZE) < 4, 3, -1), "pose": np.where(np.arange(SIZE)[:, None] > 8, 0.5, np.nan)}
    holes = x.copy()
    holes[2, :2] = np.nan
    filled = model.impute(holes, y, num_steps=3)
    assert set(filled) == {"x", "who", "pose"}
    known = ~np.isnan(holes)
    np.testing.assert_array_equal(filled["x"][known], x[known])
    np.testing.assert_array_equal(filled["who"][:4], 3)
    np.testing.assert_allclose(filled["pose"][9:], 0.5, rtol=1e-6)
    assert np.all(filled["who"] >= 0) and all(np.all(np.isfinite(values)) for values in filled.values())
    code = model.encode(filled["x"], y)
    np.testing.assert_array_equal(filled["who"][4:], np.argmax(code["who"], axis=1)[4:])
    np.testing.assert_allclose(filled["pose"][:9], code["pose"][:9], rtol=1e-5)
    # Missing pixels are a fixed point of decoding what was encoded, as far as the rounds go.
    step = model.reconstruct(model.impute(holes, y, num_steps=60)["x"], y)
    np.testing.assert_allclose(model.impute(holes, y, num_steps=61)["x"][2, :2], step[2, :2], rtol=1e-4, atol=1e-4)


def linear(weights, noise=0.05):
    """p(x|z) = N(w z, noise^2), with the exact posterior mean in q; the missing elements tend to E[x_missing | x_known]."""
    generative = {"z": nodes.Normal(1), "x": nodes.Normal(3, scale=noise, parents="z")}
    model = GraphicalModel(generative, {"z": nodes.Normal(1, parents="x")}, observed="x", seed=1)
    model.generative["x"].head.projection.kernel.assign([weights])
    model.generative["x"].head.projection.bias.assign(np.zeros(3))
    gain = np.array(weights) / (np.dot(weights, weights) + noise**2)
    model.recognition["z"].head.projection.kernel.assign(np.stack([gain, np.zeros(3)], axis=1))
    x = np.random.default_rng(0).normal(size=(20, 1)) * np.array([weights])
    x += noise * np.random.default_rng(1).normal(size=x.shape)
    x[5:, 2] = np.nan
    known = np.array(weights[:2])
    return model, x, weights[2] * (x[5:, :2] @ known) / (known @ known + noise**2)


@pytest.mark.filterwarnings("error:impute")
def test_impute_goes_on_until_it_settles():
    model, x, exact = linear([0.4, 0.3, 1.0])  # each round leaves 0.8 of the way
    found = model.impute(x)["x"][5:, 2]
    np.testing.assert_allclose(found, exact, atol=1.5e-3 * np.nanstd(x))


def test_impute_says_when_it_did_not_settle():
    model, x, exact = linear([0.1, 0.1, 1.0])  # 0.98 of the way
    with pytest.warns(UserWarning, match=r"impute: the missing elements of \d+ examples had not settled after 50 rounds"):
        model.impute(x, num_steps=50)
    found = model.impute(x, num_steps=2000)["x"][5:, 2]
    np.testing.assert_allclose(found, exact, atol=3e-3 * np.nanstd(x))


def chain():
    """p(a) p(b|a) p(x|a,b), and q(a|x) q(b|x,a)."""
    generative = {"a": nodes.OneHotCategorical(2), "b": nodes.OneHotCategorical(2, parents="a")}
    generative["x"] = nodes.Normal(1, scale=0.1, parents=("a", "b"))
    recognition = {"a": nodes.OneHotCategorical(2, parents="x"), "b": nodes.OneHotCategorical(2, parents=("x", "a"))}
    model = GraphicalModel(generative, recognition, observed="x", seed=1)
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(2 * generator.normal(size=weight.shape))
    model.generative["b"].head.projection.kernel.assign([[2.0, -2.0], [-2.0, 2.0]])
    return model


def test_what_is_given_passes_down_and_not_up():
    """encode(x, {b}) leaves q(a|x) as it is, and generate({b}) the prior of a."""
    model, x = chain(), np.random.default_rng(0).normal(size=(6, 1)).astype(np.float32)
    b = np.array([0, 1, 0, 1, 0, 1])
    np.testing.assert_allclose(model.encode(x, {"b": b})["a"], model.encode(x)["a"], rtol=1e-6)
    changed = model.encode(x, {"a": b})["b"]
    assert np.abs(changed - model.encode(x)["b"]).max() > 0.01
    made = model.generate({"b": np.ones(10_000, int)}, seed=1)
    of_a = mean(model, a=np.eye(2), b=np.eye(2)[[1, 1]])[:, 0]
    share = np.mean(np.abs(made[:, 0] - of_a[1]) < np.abs(made[:, 0] - of_a[0]))
    p_b = model.generative["b"].distribution([np.eye(2, dtype=np.float32)]).probs_parameter().numpy()[:, 1]
    assert abs(share - 0.5) < 0.03  # P < 1e-8: 6 standard errors of a share of 10,000
    assert abs(p_b[1] / p_b.sum() - 0.5) > 0.1  # p(a|b) is another


def test_log_likelihood_of_what_is_known(model, x):
    """By seed, for a mixture of what is known; its value is what the oracles check."""
    y = {"who": np.where(np.arange(SIZE) < 4, 3, -1), "pose": np.where(np.arange(SIZE)[:, None] > 8, 0.5, np.nan)}
    a, b = (model.log_likelihood(x, y, num_samples=30, seed=1) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert np.all(np.isfinite(a))
    z = model.log_likelihood(x, y, num_samples=30, seed=2)
    assert not np.allclose(a, z)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, x: model.encode(x, np.zeros(SIZE)), "y must be a dict of"),
        (lambda model, x: model.encode(x, {"x": x}), r"y may hold .* Received: \['x'\]"),
        (lambda model, x: model.encode(x, num_samples=0), "num_samples must be at least 1"),
        (lambda model, x: model.bound(x, num_samples=0), "num_samples must be at least 1"),
        (lambda model, x: model.encode({"x": x, "w": x}), r"x may hold \['x'\]. Received: \['w'\]"),
        (lambda model, x: model.encode({}), r"x must hold every observed variable. Received: x without \['x'\]"),
        (lambda model, x: model.generate({"pose": [[np.nan]]}), "generate needs a value of 'pose' per example"),
        (lambda model, x: model.generate({"who": [1]}, num_samples=2), "as many values of each variable"),
    ],
)
def test_refuses(call, message, model, x):
    with pytest.raises(ValueError, match=message):
        call(model, x)
