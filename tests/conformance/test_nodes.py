"""Every kind of variable in every role through every method of a model. A node without a case fails."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf import models, nodes
from ssdgm_tf.layers.supports import Classes
from tests.schema.examples import every_kind, rows
from tests.tiers import tiers

N, KNOWN = 8, 5


class Case(NamedTuple):
    """A kind of variable.

    Attributes:
        make: a function of the node's options that makes it.
        values: a function of a generator and N that draws values as a user has them.
        can_be_predicted: whether it may be supervised.
    """

    make: Callable
    values: Callable
    can_be_predicted: bool = True


@keras.saving.register_keras_serializable(package="tests")
def gumbel(parameters):
    """A distribution that no node of ours wraps."""
    loc, raw_scale = tf.split(parameters, 2, axis=-1)
    return tfd.Independent(tfd.Gumbel(loc, tf.nn.softplus(raw_scale)), 1)


def directions(generator, num):
    vectors = generator.normal(size=(num, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


CASES = {
    "Bernoulli": Case(lambda **k: nodes.Bernoulli(2, **k), lambda r, n: r.integers(2, size=(n, 2))),
    "Beta": Case(lambda **k: nodes.Beta(2, **k), lambda r, n: r.beta(2, 2, size=(n, 2))),
    "Categorical": Case(lambda **k: nodes.Categorical((2, 2), 3, **k), lambda r, n: r.integers(3, size=(n, 2, 2))),
    "Columns": Case(lambda **k: nodes.Columns(every_kind(), **k), rows, False),
    "ContinuousBernoulli": Case(lambda **k: nodes.ContinuousBernoulli(2, **k), lambda r, n: r.uniform(size=(n, 2))),
    "Dirichlet": Case(lambda **k: nodes.Dirichlet(3, **k), lambda r, n: r.dirichlet([2] * 3, size=n)),
    "DiscretizedLogistic": Case(
        lambda **k: nodes.DiscretizedLogistic(2, 5, **k), lambda r, n: r.integers(5, size=(n, 2)) / 4
    ),
    "Distribution": Case(lambda **k: nodes.Distribution(2, 4, gumbel, **k), lambda r, n: r.gumbel(size=(n, 2))),
    "Gamma": Case(lambda **k: nodes.Gamma(2, **k), lambda r, n: r.gamma(2, size=(n, 2))),
    "Laplace": Case(lambda **k: nodes.Laplace(2, **k), lambda r, n: r.laplace(size=(n, 2))),
    "LogNormal": Case(lambda **k: nodes.LogNormal(2, **k), lambda r, n: np.exp(r.normal(size=(n, 2)))),
    "Normal": Case(lambda **k: nodes.Normal((2, 2), **k), lambda r, n: r.normal(size=(n, 2, 2))),
    "OneHotCategorical": Case(lambda **k: nodes.OneHotCategorical(3, **k), lambda r, n: np.arange(n) % 3),
    "OneMore": Case(lambda **k: nodes.OneMore(4, **k), lambda r, n: np.arange(n) % 4),
    "PixelCNN": Case(
        lambda **k: nodes.PixelCNN((2, 2, 1), 5, 4, **k), lambda r, n: r.integers(5, size=(n, 2, 2, 1)) / 4, False
    ),
    "Poisson": Case(lambda **k: nodes.Poisson(2, **k), lambda r, n: r.poisson(2, size=(n, 2))),
    "RelaxedOneHotCategorical": Case(
        lambda **k: nodes.RelaxedOneHotCategorical(3, **k), lambda r, n: r.dirichlet([2] * 3, size=n), False
    ),
    "NegativeBinomial": Case(
        lambda **k: nodes.NegativeBinomial(2, target_sum=10.0, shared_concentration=True, **k),
        lambda r, n: r.negative_binomial(2, 0.4, size=(n, 2)),
    ),
    "ZeroInflatedNegativeBinomial": Case(
        lambda **k: nodes.ZeroInflatedNegativeBinomial(2, **k), lambda r, n: r.negative_binomial(2, 0.4, size=(n, 2))
    ),
    "ZeroInflatedPoisson": Case(lambda **k: nodes.ZeroInflatedPoisson(2, **k), lambda r, n: r.poisson(1, size=(n, 2))),
    "StudentT": Case(lambda **k: nodes.StudentT(2, **k), lambda r, n: r.standard_t(5, size=(n, 2))),
    "VonMises": Case(lambda **k: nodes.VonMises(2, **k), lambda r, n: r.uniform(-np.pi, np.pi, size=(n, 2))),
    "VonMisesFisher": Case(lambda **k: nodes.VonMisesFisher(3, **k), directions),
    "VonMisesFisherMixture": Case(lambda **k: nodes.VonMisesFisherMixture(3, 2, **k), directions),
}
ROLES = ("latent", "supervised in part", "supervised wholly", "observed", "observed in part")
PAIRS = [(name, role) for name in CASES for role in ROLES]
# The first tier has one kind of each sort of support as a label, and one of them in every role.
FIRST = ("Bernoulli", "Categorical", "Dirichlet", "Gamma", "OneHotCategorical", "VonMises")
PAIRS_FIRST = [(name, "supervised in part") for name in FIRST] + [("Beta", role) for role in ROLES]
# A node that exports as a latent variable or a label exports in the other roles; each export takes seconds.
EXPORTED = [(name, role) for name in CASES for role in ROLES[1::2] if CASES[name].can_be_predicted or role == "observed"]


def test_every_family_has_a_case():
    families = {name for name in nodes.__all__ if inspect.isfunction(getattr(nodes, name))}
    assert families == set(CASES)


def make_model(name, role):
    """A model with the variable v of this kind in this role: beside an image x, or observed alone."""
    case = CASES[name]
    network = lambda: keras.layers.Dense(4, "tanh")  # noqa: E731
    if role.startswith("observed"):
        gaps = True if role == "observed in part" and case.make().head.has_independent_elements else None
        generative = {"z": nodes.Normal(2), "v": case.make(parents="z", network=network(), gaps=gaps)}
        model = models.GraphicalModel(generative, {"z": nodes.Normal(2, parents="v")}, observed="v", seed=1)
    else:
        generative = {"v": case.make(), "x": nodes.Normal(2, parents="v", network=network())}
        recognition = {"v": case.make(parents="x", network=network())}
        supervised = "v" if role.startswith("supervised") else ()
        model = models.GraphicalModel(generative, recognition, observed="x", supervised=supervised, seed=1)
    model.compile(keras.optimizers.SGD(1e-3))
    return model


def make_data(name, role):
    """(x, y) of `make_model`; values that are missing are NaN, or -1 of a class."""
    generator = np.random.default_rng(0)
    values = CASES[name].values(generator, N)
    is_class = values.ndim == 1
    values = values if is_class else values.astype(np.float32)
    if role.endswith("in part"):
        values[KNOWN:] = -1 if is_class else np.nan
    if role.startswith("observed"):
        return values, None
    return generator.normal(size=(N, 2)).astype(np.float32), None if role == "latent" else values


def all_finite(values):
    return all(np.all(np.isfinite(np.asarray(value, np.float64))) for value in keras.tree.flatten(values))


@pytest.mark.filterwarnings("ignore:No (un)?labelled example", "ignore:impute")
@pytest.mark.parametrize(("name", "role"), tiers(PAIRS, first=PAIRS_FIRST))
@pytest.mark.usefixtures("eager")
def test_every_method(name, role):
    if role.startswith("supervised") and not CASES[name].can_be_predicted:
        with pytest.raises(ValueError, match=r"supervised variable is predicted by its mean.* Received: 'v'"):
            make_model(name, role)
        return
    model, (x, y) = make_model(name, role), make_data(name, role)
    model.summary(print_fn=lambda line: None)
    model.describe(print_fn=lambda line: None)
    head = model.data_format.observed.get("v") or model.recognition["v"].head
    if role == "observed in part" and not head.has_independent_elements:
        methods = (model.evaluate, model.predict, model.encode, model.log_likelihood, model.bound, model.reconstruct)
        for method in (lambda x: model.fit(x, verbose=0), *methods):
            with pytest.raises(ValueError, match=r"v must|Labels of v must"):
                method(x)
        if isinstance(head.support, Classes):
            return
        filled = model.impute(x, num_steps=3)["v"]
        np.testing.assert_array_equal(filled[:KNOWN], x[:KNOWN])
        assert filled.shape == x.shape and all_finite(filled)
        return

    logs = model.fit(x, y, batch_size=3, verbose=0, validation_data=(x, y), seed=0).history
    assert logs["skipped_steps"] == [0] and all_finite(logs)
    measured = model.evaluate(x, y, verbose=0, return_dict=True)
    assert all_finite(measured) and set(measured) == {name.removeprefix("val_") for name in logs if name.startswith("val_")}
    predicted = model.predict(x, verbose=0)
    means, draws = model.encode(x, y), model.encode(x, y, num_samples=2, seed=0)
    event = () if isinstance(head.support, Classes) else head.event_shape
    if role.startswith("supervised"):
        if isinstance(head.support, Classes):
            np.testing.assert_allclose(predicted.sum(axis=-1), 1, rtol=1e-5)
        else:
            assert set(predicted) == {"mean", "stddev"} and np.all(predicted["stddev"] > 0)
            assert predicted["mean"].shape == predicted["stddev"].shape == (N, *event)
        known = model.data_format.y(y, N)["v"][:KNOWN]
        np.testing.assert_allclose(head.support.point(means["v"])[:KNOWN], known, rtol=1e-5)  # what is given is kept
        np.testing.assert_array_equal(model.impute(x, y)["v"][:KNOWN], known)
    if not role.startswith("observed"):
        # Draws are values that the variable may take; they can be given again.
        again = draws["v"][0].argmax(-1) if isinstance(head.support, Classes) else draws["v"][0]
        assert all_finite(model.encode(x, {"v": again})) and all_finite(model.generate({"v": again}))
    if role == "observed in part":
        filled = model.impute(x, num_samples=3)["v"]
        np.testing.assert_array_equal(filled[:KNOWN], x[:KNOWN])
        assert all_finite(filled) and np.all(head.observed_support.contains(model.impute(x, num_draws=2)["v"]))
    if role == "observed":
        drawn = model.generate(num_samples=3, seed=0, draw=True)
        drawn = drawn if not isinstance(head.support, Classes) else drawn.argmax(-1)
        np.testing.assert_array_equal(model.generate({"v": drawn}), model.generate({"v": drawn}, draw=True))
        assert len(drawn) == 3 and (isinstance(head.support, Classes) or np.all(head.support.contains(drawn)))
    everything = (predicted, means, draws, model.reconstruct(x, y), model.generate(num_samples=3, seed=0))
    assert all_finite(everything)
    for values in (model.log_likelihood(x, y, num_samples=2, seed=0), model.bound(x, y, seed=0)):
        assert values.shape == (N,) and all_finite(values)


@pytest.mark.parametrize(
    ("name", "role"), tiers(EXPORTED, first=[("Normal", "supervised in part"), ("Categorical", "observed")])
)
def test_export(name, role, tmp_path):
    model, (x, _) = make_model(name, role), make_data(name, role)
    if role.startswith("observed") and not model.built:
        model.build((None, *x.shape[1:]))
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    observed, value = ("v", x) if role == "observed" else ("x", x)
    dtype = next(iter(served["encode"].structured_input_signature[1].values())).dtype
    given = {observed: tf.constant(value, dtype)}
    for variable, mean in model.encode(x).items():
        np.testing.assert_allclose(served["encode"](**given)[variable], mean, rtol=1e-4, atol=1e-5)
    if role.startswith("supervised"):
        predicted = model.predict(x, verbose=0)
        if "classify" in served:
            np.testing.assert_allclose(served["classify"](**given)["probabilities"], predicted, rtol=1e-4, atol=1e-5)
        else:
            for moment, expected in predicted.items():
                np.testing.assert_allclose(served["estimate"](**given)[moment], expected, rtol=1e-4, atol=1e-5)
