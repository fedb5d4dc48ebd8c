"""Every named model against its equations written out longhand, and the options that all share."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ssdgm_tf import layers, models, nodes
from tests.tiers import tiers

K, S, B = 3, 2, 5
SIZES = {
    models.VAE: {},
    models.ConditionalVAE: {"num_classes": K},
    models.M2: {"num_classes": K},
    models.DisentangledVAE: {"num_classes": K},
    models.M1M2: {"num_classes": K, "features_dim": 4, "top_units": (7,)},
    models.ADGM: {"num_classes": K, "auxiliary_dim": 4},
    models.SDGM: {"num_classes": K, "auxiliary_dim": 4},
}


def make(model_class, **options):
    model = model_class(**SIZES[model_class], latent_dim=2, hidden_units=(8,), seed=3, **options)
    shape = (None, 4, 3)
    model.build({"x": shape, "y": (None,)} if model_class is models.ConditionalVAE else shape)
    for i, weight in enumerate(model.trainable_variables):
        weight.assign(tf.random.stateless_normal(weight.shape, (i, 7), stddev=0.5))
    model.compile("sgd", num_samples=S)
    return model


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(size=(B, 4, 3)).astype(np.float32)


class Longhand:
    """Densities of one model at the values that one of its passes drew, for one example, sample and label at a time.

    Only the networks are the model's own: their outputs are read as the parameters of SciPy's distributions.
    """

    def __init__(self, model, one_pass, x):
        self.model, self.sites, self.x = model, one_pass.sites, x

    def value(self, name, k, s, b):
        """The value of a variable; of x the image, of y the label k."""
        if name == "x":
            return self.x[b]
        if name == "y":
            return np.eye(K, dtype=np.float32)[k]
        drawn = np.asarray(self.sites[name].value)
        return drawn[min(k, drawn.shape[0] - 1), min(s, drawn.shape[1] - 1), b]

    def _distribution(self, nodes_, name, k, s, b):
        parents = [self.value(parent, k, s, b)[None] for parent in nodes_[name].parents]
        return nodes_[name].distribution(parents)

    def log(self, model, name, k, s, b):
        """log p or log q of a variable given its parents, nats."""
        nodes_ = self.model.generative if model == "p" else self.model.recognition
        if name == "y" and model == "p":
            return np.log(1 / K)
        if not nodes_[name].parents:
            return stats.norm.logpdf(self.value(name, k, s, b)).sum()
        d = self._distribution(nodes_, name, k, s, b)
        if name == "y":
            return float(special.log_softmax(np.asarray(d.logits)[0])[k])
        if name == "x":
            probs = np.asarray(d.mean())[0].astype(np.float64)
            return float(np.sum(self.x[b] * np.log(probs) + (1 - self.x[b]) * np.log1p(-probs)))
        return stats.norm(np.asarray(d.mean())[0], np.asarray(d.stddev())[0]).logpdf(self.value(name, k, s, b)).sum()

    def kl(self, name, k, s, b):
        """KL(q || standard normal) of a Gaussian, in closed form."""
        d = self._distribution(self.model.recognition, name, k, s, b)
        loc, scale = np.asarray(d.mean())[0].astype(np.float64), np.asarray(d.stddev())[0]
        return 0.5 * np.sum(scale**2 + loc**2 - 1 - 2 * np.log(scale))


# log p(x, y, u) - log q(u | x) of each model at label k, with the KL in closed form where the equations have it.
LABELLED = {
    models.VAE: lambda t, i: t.log("p", "x", *i) - t.kl("z", *i),
    models.ConditionalVAE: lambda t, i: t.log("p", "x", *i) + t.log("p", "y", *i) - t.kl("z", *i),
    models.M2: lambda t, i: t.log("p", "x", *i) + t.log("p", "y", *i) - t.kl("z", *i),
    models.DisentangledVAE: lambda t, i: t.log("p", "x", *i) + t.log("p", "y", *i) - t.kl("z", *i),
    models.M1M2: lambda t, i: (
        t.log("p", "x", *i) + t.log("p", "z1", *i) - t.log("q", "z1", *i) + t.log("p", "y", *i) - t.kl("z2", *i)
    ),
    models.ADGM: lambda t, i: (
        t.log("p", "x", *i) + t.log("p", "a", *i) - t.log("q", "a", *i) + t.log("p", "y", *i) - t.kl("z", *i)
    ),
    models.SDGM: lambda t, i: (
        t.log("p", "x", *i) + t.log("p", "a", *i) - t.log("q", "a", *i) + t.log("p", "y", *i) - t.kl("z", *i)
    ),
}


@pytest.mark.parametrize("model_class", LABELLED, ids=lambda c: c.__name__)
def test_the_unlabelled_bound_is_its_equation(model_class, x):
    """U(x) = mean_s sum_k q(k|...) [ L(x, k) - log q(k|...) ], one example, sample and label at a time."""
    model = make(model_class)
    seed, data = model.next_seed(), {"x": x}
    if model_class is models.ConditionalVAE:
        data["y"] = np.array([0, 1, 2, 1, 0])
    t = Longhand(model, model.pass_over(data, seed=seed), x)
    model.next_seed = lambda: seed
    bound = model.unlabelled_terms(data)["bound_unlabelled"]
    for b in range(B):
        terms = []
        for s in range(S):
            if "y" in data:
                terms.append(LABELLED[model_class](t, (data["y"][b], s, b)))
            elif "y" not in model.recognition:
                terms.append(LABELLED[model_class](t, (0, s, b)))
            else:
                log_qy = [t.log("q", "y", k, s, b) for k in range(K)]
                at_label = [LABELLED[model_class](t, (k, s, b)) for k in range(K)]
                terms.append(sum(np.exp(log_qy[k]) * (at_label[k] - log_qy[k]) for k in range(K)))
        assert float(bound[b]) == pytest.approx(np.mean(terms), rel=2e-5)


@pytest.mark.parametrize("model_class", [models.M2, models.M1M2, models.ADGM, models.SDGM], ids=lambda c: c.__name__)
def test_the_labelled_bound_holds_its_label(model_class, x):
    """L(x, y), the conditional form: also where q(y|...) has latent parents."""
    model = make(model_class)
    assert model.labelled_bound_in_use == "conditional"
    seed, y = model.next_seed(), np.array([0, 1, 2, 1, 0], np.int32)
    t = Longhand(model, model.pass_over({"x": x}, {"y": y}, complete=("y",), seed=seed), x)
    model.next_seed = lambda: seed
    terms = model.labelled_terms({"x": x}, {"y": y}, ("y",))
    for b in range(B):
        expected = np.mean([LABELLED[model_class](t, (y[b], s, b)) for s in range(S)])
        assert float(terms["bound_labelled"][b]) == pytest.approx(expected, rel=2e-5)
        log_qy = [t.log("q", "y", y[b], s, b) for s in range(S)]
        assert -float(terms["classification_loss"][b]) == pytest.approx(special.logsumexp(log_qy) - np.log(S), rel=2e-4)


def test_the_disentangled_vae_weighs_its_samples(x):
    """Equation 7 of Siddharth et al. 2017, with the KL of z at the draws themselves."""
    model = make(models.DisentangledVAE)
    assert model.labelled_bound_in_use == "importance"
    seed, y = model.next_seed(), np.array([0, 1, 2, 1, 0], np.int32)
    t = Longhand(model, model.pass_over({"x": x}, {"y": y}, complete=("y",), seed=seed), x)
    model.next_seed = lambda: seed
    bound = model.labelled_terms({"x": x}, {"y": y}, ("y",))["bound_labelled"]
    for b in range(B):
        at = [(y[b], s, b) for s in range(S)]
        log_w = np.array([t.log("q", "y", *i) for i in at])
        log_p = [t.log("p", "x", *i) + t.log("p", "y", *i) + t.log("p", "z", *i) for i in at]
        log_q = [t.log("q", "y", *i) + t.log("q", "z", *i) for i in at]
        log_z = special.logsumexp(log_w) - np.log(S)
        expected = np.mean(np.exp(log_w - log_z) * (np.array(log_p) - log_q)) + log_z
        assert float(bound[b]) == pytest.approx(expected, rel=2e-5)


def test_analogies_vary_a_label_that_is_observed(x):
    """The style stays that of the image with its own label; at that label the analogy is the reconstruction."""
    model, y = make(models.ConditionalVAE), np.array([0, 1, 2, 1, 0], np.int32)
    images = model.analogies({"x": x, "y": y}, vary={"y": np.arange(K)})["x"]
    np.testing.assert_allclose(images[np.arange(B), y], model.reconstruct({"x": x, "y": y})["x"], rtol=1e-5)
    assert all(not np.allclose(images[:, 0], images[:, k]) for k in range(1, K))


@pytest.mark.parametrize(("model_class", "follows"), [(models.M1M2, "z1"), (models.SDGM, "a")], ids=["M1M2", "SDGM"])
def test_what_depends_on_a_varied_label_follows_it(model_class, follows, x):
    """Between the label and the image: the mean of p(z1|y,z2), of p(a|y,z), not what the image had with its own label."""
    model = make(model_class)
    images, code = model.analogies(x), model.encode(x)
    for k in range(K):
        values = code | {"y": np.tile(np.eye(K)[k], (B, 1))}
        between = model.generative[follows]
        values[follows] = between.distribution([tf.constant(values[name], tf.float32) for name in between.parents]).mean()
        node = model.generative["x"]
        expected = node.distribution([tf.constant(values[name], tf.float32) for name in node.parents]).mean()
        np.testing.assert_allclose(images[:, k], np.reshape(expected, (B, 4, 3)), rtol=2e-4, atol=1e-5)
    assert not np.allclose(images[:, 0], images[:, 1])


def test_images_of_a_model_whose_auxiliary_variable_depends_on_them_are_means():
    """p(a|x,y,z) does not make x a variable that has to be drawn."""
    model = make(models.ADGM)
    given = {"y": np.array([0, 1]), "z": np.ones((2, 2), np.float32)}
    first, second = (model.generate(given, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) > 2, "means of Bernoulli pixels, not draws"


class TestM1M2:
    @pytest.fixture(params=tiers([None, "encoder"], first=["encoder"]))
    def m1(self, x, request):
        options = {"hidden_units": (8,), "activation": "relu", "likelihood": "normal", "likelihood_scale": 0.3}
        encoder = request.param and keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(5, "tanh")])
        m1 = models.VAE(4, seed=1, encoder=encoder, **options)
        m1.compile("adam")
        m1.fit(x, epochs=1, verbose=0)
        return m1

    @pytest.mark.usefixtures("eager")
    def test_two_stages_keep_m1_as_it_is_and_train_the_rest(self, m1, x):
        model = models.M1M2.from_m1(m1, K, latent_dim=2, top_units=(7,), seed=2)
        model.compile(keras.optimizers.Adam(1e-2))
        top = [w for name in ("y", "z2") for w in model.recognition[name].trainable_variables]
        before = [w.numpy() for w in top]
        model.fit(x, np.array([0, 1, 2, -1, -1]), epochs=2, verbose=0)
        pairs = [(model.generative["x"], m1.generative["x"]), (model.recognition["z1"], m1.recognition["z"])]
        for copy, original in pairs:
            for a, b in zip(copy.get_weights(), original.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
        assert all(np.any(w.numpy() != old) for w, old in zip(top, before, strict=True))
        np.testing.assert_allclose(model.encode(x)["z1"], m1.encode(x)["z"], rtol=1e-6)

    def test_every_step_draws_the_features_anew(self, m1, x):
        model = models.M1M2.from_m1(m1, K, latent_dim=2, seed=2)
        first, second = (model.pass_over({"x": x}).sites["z1"].value for _ in range(2))
        assert not np.allclose(first, second)

    def test_it_inherits_the_options_of_m1_but_those_given(self, m1):
        model = models.M1M2.from_m1(m1, K, prior="learned")
        config = model.get_config()
        assert (config["likelihood"], config["likelihood_scale"], config["features_dim"]) == ("normal", 0.3, 4)
        assert config["prior"] == "learned" and config["two_stage"] and model.generative["y"].is_learned_root

    @pytest.mark.usefixtures("eager")
    def test_a_saved_one_stays_frozen(self, m1, x, tmp_path):
        model = models.M1M2.from_m1(m1, K, latent_dim=2)
        model.compile("adam")
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert len(loaded.trainable_variables) == len(model.trainable_variables) < len(model.variables) - 2
        for trained, kept in zip(loaded.trainable_variables, model.trainable_variables, strict=True):
            np.testing.assert_array_equal(trained, kept)
        loaded.fit(x, np.array([0, 1, 2, -1, -1]), epochs=2, verbose=0)
        np.testing.assert_allclose(loaded.encode(x)["z1"], m1.encode(x)["z"], rtol=1e-6)

    def test_jointly_everything_is_trained(self):
        model = make(models.M1M2)
        trained = {id(v) for v in model.trainable_variables}
        assert {id(v) for node in model.generative.values() for v in node.weights} <= trained

    def test_a_classifier_reads_the_label_from_the_image(self, x):
        model = make(models.M1M2, classifier=layers.MLP((7,)))
        assert model.recognition["y"].parents == ("x",) and model.generative["z1"].parents == ("y", "z2")
        first, second = (model.pass_over({"x": x}, seed=(1, seed)).sites for seed in (1, 2))
        assert not np.allclose(first["z1"].value, second["z1"].value)
        np.testing.assert_array_equal(first["y"].q.distribution.logits, second["y"].q.distribution.logits)

    def test_it_needs_a_trained_vae(self):
        for wrong in (make(models.M2), models.VAE(2), "m1.keras"):
            with pytest.raises(ValueError, match="from_m1 takes a trained VAE"):
                models.M1M2.from_m1(wrong, K)


class TestOptions:
    def test_priors_of_the_label(self, x):
        probs = np.array([0.5, 0.3, 0.2])
        given = make(models.M2, prior=probs)
        np.testing.assert_allclose(given.generative["y"].distribution().probs_parameter(), probs, rtol=1e-6)
        learned = make(models.M2, prior="learned")
        assert len(learned.trainable_variables) == len(given.trainable_variables) + 1
        y = np.array([0, 0, 1, 2, -1])
        assert models.empirical_prior(y, 3) == pytest.approx((3 / 7, 2 / 7, 2 / 7))
        masked = np.ma.masked_array([0, 0, 1, 2, 1], [False, False, False, False, True])
        assert models.empirical_prior(masked, 3) == pytest.approx((3 / 7, 2 / 7, 2 / 7))
        learned.compile(keras.optimizers.SGD(0.1), classification_weight=0.0)
        learned.fit(np.tile(x, (2, 1, 1)), np.array([0, 0, 0, 0, 0, 0, 1, 2, -1, -1]), epochs=30, verbose=0)
        probs = learned.generative["y"].distribution().probs_parameter()
        assert probs[0] > 0.5 > max(probs[1:])

    @pytest.mark.parametrize(
        "options",
        [
            {"prior": (0.5, 0.5)},
            {"prior": (0.5, 0.5, 0.5)},
            {"prior": "flat"},
            {"likelihood": "poisson"},
            {"normalization": "group"},
            {"estimator": "guess"},
        ],
    )
    def test_bad_ones_are_refused(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            models.M2(3, **options)

    def test_estimators_and_likelihoods_reach_the_graph(self):
        model = make(models.ADGM, estimator="relaxed", likelihood="discretized_logistic")
        assert isinstance(model.graph.estimators["y"], nodes.Relaxed)
        assert isinstance(model.generative["x"].head, layers.DiscretizedLogisticNode)

    @pytest.mark.parametrize("model_class", [models.M2, models.ADGM, models.DisentangledVAE], ids=lambda c: c.__name__)
    def test_a_classifier_of_moved_images_moves_them_in_training_alone(self, model_class, x):
        """What it learns from is another image at every step; what is generated, and predicted from, is x itself."""
        images = np.repeat(np.repeat(x[..., None], 3, axis=1), 3, axis=2)
        classifier = keras.Sequential([layers.RandomAffine(seed=1), layers.ConvEncoder((4,), 8)])
        model = model_class(K, latent_dim=2, hidden_units=(8,), classifier=classifier, seed=3)
        model.build((None, 12, 9, 1))
        model.compile("sgd")

        def logits(training):
            return np.asarray(
                model.pass_over({"x": images}, seed=(1, 2), training=training).sites["y"].q.distribution.logits
            )

        np.testing.assert_array_equal(logits(False), logits(False))
        assert not np.allclose(logits(True), logits(True)) and not np.allclose(logits(True), logits(False))
        first, second = (model.pass_over({"x": images}, seed=(1, 2), training=True).sites["x"].value for _ in range(2))
        np.testing.assert_array_equal(first, second)

    @pytest.mark.parametrize("model_class", [models.ADGM, models.SDGM, models.DisentangledVAE], ids=lambda c: c.__name__)
    def test_a_label_of_several_parents_is_linear_in_them_and_in_what_its_classifier_computes(self, model_class):
        """Hidden layers over the features of few labelled images learn those by heart."""
        model = make(model_class, classifier=layers.MLP((7,)))
        assert model.recognition["y"].network is None and "class_features" in model.recognition["y"].parents
        (kernel,) = [w for w in model.recognition["y"].trainable_variables if w.ndim == 2]
        (other,) = set(model.recognition["y"].parents) - {"class_features"}
        assert kernel.shape == (model.recognition[other].event_shape[0] + 7, K)

    def test_noise_and_dropout_of_keras_go_on_where_a_saved_model_stopped(self, x, tmp_path):
        """What a resumed run draws is what an uninterrupted one would have drawn."""
        noisy = [keras.layers.Flatten(), keras.layers.GaussianNoise(0.5), keras.layers.Dropout(0.5), layers.MLP((8,))]
        model = make(models.M2, classifier=keras.Sequential(noisy))

        def logits(model):
            return np.asarray(model.pass_over({"x": x}, seed=(1, 2), training=True).sites["y"].q.distribution.logits)

        logits(model)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        first = logits(model)
        np.testing.assert_allclose(logits(loaded), first, rtol=1e-6)
        assert not np.allclose(logits(model), first)

    def test_the_recognition_model_of_the_rest_has_an_encoder_of_its_own(self, x):
        images = x[..., None]
        parts = {"encoder": layers.ConvEncoder((4,), 6), "decoder": layers.ConvDecoder((4, 3, 1), (4, 4))}
        model = models.SDGM(K, 2, 2, hidden_units=(8,), **parts)
        model.build((None, 4, 3, 1))
        assert model.recognition["a"].parents == ("features",) and model.recognition["y"].parents == ("a", "x")
        assert model.generative["x"].gives_parameters
        model.compile("adam")
        assert model.reconstruct(images).shape == images.shape
