"""Values, gradients and draws of the stochastic nodes, each against the distribution that it wraps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from ssdgm_tf import layers

tfd = tfp.distributions

NODES = {
    "normal": lambda **kwargs: layers.NormalNode(3, **kwargs),
    "normal_fixed_scale": lambda **kwargs: layers.NormalNode(3, scale=0.5, **kwargs),
    "bernoulli": lambda **kwargs: layers.BernoulliNode(3, **kwargs),
    "one_hot": lambda **kwargs: layers.OneHotCategoricalNode(3, **kwargs),
    "relaxed": lambda **kwargs: layers.RelaxedOneHotCategoricalNode(3, temperature=0.7, **kwargs),
}
PRIORS = {
    "normal": "standard",
    "normal_fixed_scale": "standard",
    "bernoulli": "uniform",
    "one_hot": "uniform",
    "relaxed": "uniform",
}


@pytest.fixture
def inputs():
    return np.random.default_rng(1).normal(size=(4, 5)).astype("float32")


@pytest.mark.parametrize("name", NODES)
def test_a_call_is_a_fresh_draw_and_distribution_is_of_tfp(name, inputs):
    node = NODES[name](seed=1)
    first = node(inputs)
    assert first.shape == (4, 3)
    assert isinstance(node.distribution(inputs), tfd.Distribution)
    assert node.distribution(inputs).batch_shape == (4,) and node.distribution(inputs).event_shape == (3,)
    assert not all(np.array_equal(first, node(inputs)) for _ in range(20))


@pytest.mark.parametrize("name", NODES)
def test_the_same_seed_gives_the_same_draws(name, inputs):
    a, b = NODES[name](seed=7), NODES[name](seed=7)
    a.build(inputs.shape)
    b.build(inputs.shape)
    b.set_weights(a.get_weights())
    for _ in range(3):
        np.testing.assert_array_equal(a(inputs), b(inputs))


@pytest.mark.parametrize("name", NODES)
def test_distribution_builds_a_new_node(name, inputs):
    node = NODES[name]()
    assert not node.built
    node.distribution(inputs)
    assert node.built


@pytest.mark.parametrize("name", NODES)
def test_distribution_of_a_symbolic_tensor_says_what_to_do_instead(name):
    with pytest.raises(ValueError, match=r"needs values.*Received: inputs=<KerasTensor"):
        NODES[name]().distribution(keras.Input((5,)))


@pytest.mark.parametrize("name", NODES)
def test_log_prob_is_the_density_of_the_distribution(name, inputs):
    node = NODES[name]()
    value = node(inputs)
    expected = node.distribution(inputs).log_prob(value)
    np.testing.assert_allclose(node.log_prob(inputs, value), expected, rtol=1e-5, atol=1e-5)


def test_bernoulli_log_prob_of_grey_pixels_is_minus_the_cross_entropy(inputs):
    node = layers.BernoulliNode((2, 2))
    grey = np.random.default_rng(0).uniform(size=(4, 2, 2)).astype("float32")
    probs = node.distribution(inputs).mean()
    expected = -4 * keras.losses.binary_crossentropy(grey.reshape(4, 4), tf.reshape(probs, (4, 4)))
    np.testing.assert_allclose(node.log_prob(inputs, grey), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("node", "prior"),
    [
        (layers.NormalNode(3, prior="standard"), tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3))),
        (layers.NormalNode(3, scale=0.5, prior="standard"), tfd.MultivariateNormalDiag(tf.zeros(3), tf.ones(3))),
        (layers.BernoulliNode(3, prior="uniform"), tfd.Independent(tfd.Bernoulli(probs=[0.5] * 3, dtype="float32"), 1)),
        (layers.OneHotCategoricalNode(3, prior="uniform"), tfd.OneHotCategorical(probs=[1 / 3] * 3, dtype="float32")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_added_loss_is_the_kl(node, prior, inputs):
    """Against a Monte-Carlo KL of 40,000 draws: within 5 standard errors, so a failure has probability below 1e-6."""
    node(inputs)
    (added,) = node.losses
    q = node.distribution(inputs)
    draws = q.sample(40_000, seed=(1, 2))
    log_ratio = np.asarray(q.log_prob(draws) - prior.log_prob(draws)).mean(axis=1)
    np.testing.assert_allclose(added, log_ratio.mean(), atol=5 * log_ratio.std() / 200)


def test_the_kl_of_the_relaxed_node_is_unbiased(inputs):
    """The mean of 4,000 single-draw estimates against 40,000 draws: within 5 standard errors of both."""
    node = layers.RelaxedOneHotCategoricalNode(3, temperature=0.7, prior="uniform", seed=0)
    node(inputs)

    @tf.function(autograph=False)
    def added():
        node(inputs)
        return node.losses[-1]

    estimates = np.array([added() for _ in range(4000)])
    q = node.distribution(inputs).distribution
    draws = q.sample(40_000, seed=(1, 2))
    log_ratio = np.asarray(q.log_prob(draws) - node.make_prior().distribution.log_prob(draws)).mean(axis=1)
    error = 5 * np.hypot(estimates.std() / np.sqrt(4000), log_ratio.std() / 200)
    np.testing.assert_allclose(estimates.mean(), log_ratio.mean(), atol=error)


def test_a_node_without_a_prior_adds_no_loss(inputs):
    node = layers.NormalNode(3)
    node(inputs)
    assert node.losses == []


def test_normal_draws_have_the_distributions_moments():
    """20,000 draws, 5 standard errors: failure probability below 1e-5."""
    node = layers.NormalNode(3, seed=0)
    inputs = np.tile(np.random.default_rng(0).normal(size=(1, 5)).astype("float32"), (20_000, 1))
    q = node.distribution(inputs[:1])
    draws, scale = np.asarray(node(inputs)), np.asarray(q.stddev()[0])
    np.testing.assert_allclose(draws.mean(axis=0), q.mean()[0], atol=5 * scale.max() / np.sqrt(20_000))
    np.testing.assert_allclose(draws.std(axis=0) / scale, 1, atol=5 / np.sqrt(40_000))


def test_discrete_draws_follow_their_probabilities():
    """Chi-square of 20,000 draws against the probabilities: p > 1e-5."""
    inputs = np.tile(np.random.default_rng(0).normal(size=(1, 5)).astype("float32"), (20_000, 1))
    node = layers.OneHotCategoricalNode(3, seed=0)
    expected = np.asarray(node.distribution(inputs[:1]).probs_parameter()[0], np.float64)
    counts = np.asarray(node(inputs)).sum(axis=0)
    assert stats.chisquare(counts, 20_000 * expected / expected.sum()).pvalue > 1e-5
    node = layers.BernoulliNode(1, seed=0)
    p = float(node.distribution(inputs[:1]).mean()[0, 0])
    assert stats.binomtest(int(np.asarray(node(inputs)).sum()), 20_000, p).pvalue > 1e-5


@pytest.mark.parametrize("name", ["bernoulli", "one_hot"])
def test_discrete_draws_are_exact_and_their_gradient_is_straight_through(name, inputs):
    """d draw = d mean: the gradient of any linear function of the draw is that of the mean."""
    node = NODES[name](seed=0)
    weights = tf.constant([1.0, -2.0, 3.0])
    node(inputs)
    with tf.GradientTape(persistent=True) as tape:
        draw, mean = node(inputs), node.distribution(inputs).mean()
        of_draw, of_mean = tf.reduce_sum(weights * draw), tf.reduce_sum(weights * mean)
    assert set(np.unique(draw)) <= {0.0, 1.0}
    kernel = node.projection.kernel.value
    np.testing.assert_allclose(tape.gradient(of_draw, kernel), tape.gradient(of_mean, kernel), rtol=1e-5)
    assert np.abs(tape.gradient(of_draw, kernel)).max() > 1e-3


@pytest.mark.parametrize("name", ["normal", "relaxed"])
def test_reparameterised_gradients_agree_with_finite_differences(name):
    """At a fixed seed the draw is a smooth function of the projection's bias."""
    inputs = np.random.default_rng(1).normal(size=(4, 5))
    node = NODES[name](seed=0, dtype="float64")
    node.build(inputs.shape)

    def value(bias):
        parameters = tf.constant(inputs) @ tf.convert_to_tensor(node.projection.kernel) + bias
        return tf.reduce_sum(node.make_distribution(parameters).sample(seed=(1, 2)) ** 2)

    bias = tf.zeros(node.num_parameters, "float64")
    (exact,), (numerical,) = tf.test.compute_gradient(value, [bias], delta=1e-5)
    np.testing.assert_allclose(exact, numerical, rtol=1e-4, atol=1e-7)
    assert np.abs(exact).max() > 1e-3


def test_relaxed_draws_tend_to_one_hot_as_the_temperature_tends_to_zero(inputs):
    def sharpness(temperature):
        node = layers.RelaxedOneHotCategoricalNode(3, temperature=temperature, seed=0)
        return np.mean(np.max(node(np.repeat(inputs, 500, axis=0)), axis=-1))

    assert sharpness(5.0) < 0.6 < sharpness(0.7) < 0.99 < sharpness(0.01)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_densities_are_float32_under_mixed_precision(name, policy, inputs):
    node = NODES[name](dtype=policy, prior=PRIORS[name])
    draw = node(inputs)
    assert draw.dtype == node.compute_dtype == policy.removeprefix("mixed_")
    assert node.log_prob(inputs, draw).dtype == node.losses[0].dtype == "float32"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.NormalNode(0), "event_shape must be a positive integer"),
        (lambda: layers.NormalNode(3, scale=-1.0), "scale must be None .* or positive. Received: scale=-1.0"),
        (lambda: layers.NormalNode(3, prior="uniform"), "prior of None or one of .'standard',.. Received: prior='uniform'"),
        (lambda: layers.OneHotCategoricalNode(1), "num_classes must be at least 2"),
        (lambda: layers.RelaxedOneHotCategoricalNode(3, temperature=0), "temperature must be positive"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_vae_in_ten_lines_learns(digits):
    x = digits.x_train.reshape(len(digits.x_train), -1)
    inputs = keras.Input((64,))
    h = keras.layers.Dense(128, "relu")(inputs)
    z = layers.NormalNode(8, prior="standard")(h)
    h = keras.layers.Dense(128, "relu")(z)
    vae = keras.Model(inputs, keras.layers.Dense(64)(h))

    def minus_log_px(x, logits):
        return 64 * keras.losses.binary_crossentropy(x, logits, from_logits=True)

    vae.compile("adam", minus_log_px)
    history = vae.fit(x, x, epochs=8, batch_size=100, verbose=0).history["loss"]
    constant = -np.sum(stats.bernoulli(x.mean(axis=0)).entropy())
    assert history[-1] < 0.85 * history[0] and history[-1] < -constant + 3.0


def test_a_sequential_model_of_nodes_fits():
    model = keras.Sequential(
        [keras.Input((5,)), layers.NormalNode(3, prior="standard"), layers.BernoulliNode(2, prior="uniform")]
    )
    model.compile("adam", "mse")
    history = model.fit(np.ones((8, 5), "float32"), np.ones((8, 2), "float32"), epochs=2, verbose=0)
    assert all(np.isfinite(history.history["loss"])) and len(model.losses) == 2
