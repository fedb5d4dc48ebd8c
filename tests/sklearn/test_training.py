"""How the estimators train: the steps, the streams, when it stops, and what comes of it."""

import numpy as np
import pytest

import ssdgm_tf as ssdgm
from ssdgm_tf.sklearn import SemiSupervisedClassifier, training
from tests.sklearn.examples import cells, hidden, table_of
from tests.tiers import tiers

FEW = {"latent_dim": 2, "hidden_units": (8,), "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)


ROUNDS = [(1, 1), (7, 1), (11, 11), (20, 2)]  # rounds of ten steps are in the next test too


@pytest.mark.parametrize(("max_iter", "rounds"), tiers(ROUNDS, second=[(20, 2)]))
def test_max_iter_is_the_steps(max_iter, rounds, untraced):
    model = SemiSupervisedClassifier(max_iter=max_iter, **FEW).fit(X, Y)
    assert model.n_iter_ == max_iter == model.model_.num_steps and len(model.loss_curve_) == rounds


def test_it_stops_where_the_loss_falls_no_more(untraced, monkeypatch):
    monkeypatch.setattr(training, "_learning_rate", lambda recipe: 0.0)  # so that chance alone moves the loss
    model = SemiSupervisedClassifier(max_iter=200, n_iter_no_change=20, **FEW).fit(X, Y)
    losses = model.loss_curve_
    assert model.n_iter_ == 10 * len(losses) < 200
    assert np.argmin(losses) == len(losses) - 3


def test_the_learning_rate_rises_and_falls():
    recipe = training.Recipe(2, (8,), 300, 1e-2, 64, None, 0)
    rate = training._learning_rate(recipe)
    np.testing.assert_allclose([rate(step) for step in (0, 10, 20, 160, 300)], [0, 5e-3, 1e-2, 5.25e-3, 5e-4], rtol=1e-4)
    assert float(training._learning_rate(recipe._replace(max_iter=1))(0)) == pytest.approx(1e-2)


@pytest.mark.parametrize(("num_known", "unlabelled"), [(10, 30), (20, 20), (30, 40), (40, 40)])
def test_the_streams(num_known, unlabelled, monkeypatch, untraced):
    seen = {}

    def fit(model, x, y, **options):
        seen.update(x=x, y=y, **options)
        return type("History", (), {"history": {"loss": [0.0]}})

    monkeypatch.setattr(ssdgm.models.Table, "fit", fit)
    y = np.where(np.arange(40) < num_known, Y, -1)
    SemiSupervisedClassifier(max_iter=1, batch_size=32, **FEW).fit(X, y)
    np.testing.assert_array_equal(seen["y"], [*Y[:num_known], *[-1] * unlabelled])
    of_unlabelled = X if unlabelled == 40 else X[num_known:]
    np.testing.assert_allclose(seen["x"], [*X[:num_known], *of_unlabelled], rtol=1e-6)
    assert seen["batch_size"] == min(32, unlabelled) and seen["labelled_batch_size"] == 100


@pytest.mark.filterwarnings("ignore:Column .* is left out:UserWarning")
def test_the_defaults_learn_a_small_table():
    given, classes = cells(300)
    table = table_of("objects", given)
    model = SemiSupervisedClassifier(random_state=0).fit(table, hidden(classes, 60))
    assert model.score(table[60:], classes[60:]) > 0.8  # always the more frequent class: about 0.5
    ages = {label: np.mean(model.sample(200, y=label)[:, 0].astype(float)) for label in ("old", "young")}
    assert ages["old"] > ages["young"] + 10
    assert model.n_iter_ == 300 and model.loss_curve_[-1] < model.loss_curve_[0]
