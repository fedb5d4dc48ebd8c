"""FixMatch and its kin: networks that learn from labels and terms, as estimators and as Keras models."""

import keras
import numpy as np
import pytest

from ssdgm_tf import consistency
from ssdgm_tf.baselines import ConsistentClassifier, ConsistentNetwork
from tests.baselines.test_network_classifier import NETWORKS, shapes

TERMS = ("views", "virtual_adversarial,entropy=0.5", "mean_teacher,class_balance", "free_match", "soft_match")


def few(terms, **options):
    return ConsistentNetwork(NETWORKS["sequential"](), 2, terms, num_steps=6, batch_size=16, **options)


@pytest.mark.parametrize("terms", TERMS)
def test_every_term_trains_a_network_and_leaves_the_given_one(terms):
    x, y, _ = shapes()
    estimator = few(terms).fit(x, y)
    assert not estimator.network.built and set(estimator.predict(x)) <= {0, 1}
    states = [state for term in estimator._model.terms for state in term.states.values()]
    assert all(np.isfinite(state.numpy()).all() for state in states)
    assert len(states) == {"views": 2, "free_match": 5, "soft_match": 5}.get(terms, 0)


def test_it_learns_from_labels_and_terms():
    x, y, y_true = shapes()
    views = consistency.Views(strong=keras.layers.GaussianNoise(0.1, seed=1), threshold=0.7)
    estimator = ConsistentNetwork(NETWORKS["sequential"](), 2, views, 1e-2, num_steps=150, batch_size=60, ema_momentum=0.9)
    assert estimator.fit(x, y).score(x[40:], y_true[40:]) > 0.9


def test_classes_without_any_label_have_no_share_of_the_balance():
    """With all shares equal, a third of the examples would be called a class that nobody has seen."""
    x, y, _ = shapes()
    settings = {"learning_rate": 1e-2, "num_steps": 100, "batch_size": 60, "ema_momentum": 0.9}
    estimator = ConsistentNetwork(NETWORKS["sequential"](), 3, "entropy,class_balance=5", **settings).fit(x, y)
    assert estimator._model.seen.numpy().tolist() == [1, 1, 0]
    assert np.asarray(estimator._model.predict(x, verbose=0))[:, 2].mean() < 0.1


def test_same_seed_same_weights_other_seed_others():
    x, y, _ = shapes()
    first, again, other = (few("entropy", seed=seed).fit(x, y)._model.predict(x, verbose=0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_the_keras_model_is_saved_and_loaded(tmp_path):
    x, y, _ = shapes()
    model = few("free_match,entropy").fit(x, y)._model
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, ConsistentClassifier) and [term.name for term in again.terms] == ["views", "entropy"]
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(again.predict(x, verbose=0).sum(axis=1), 1, rtol=1e-5)


def test_predictions_are_those_of_the_averaged_weights():
    x, y, _ = shapes()
    model = few("entropy").fit(x, y)._model
    for weight, average in zip(model.trainable_variables, model.optimizer._model_variables_moving_average, strict=True):
        np.testing.assert_allclose(weight, average, rtol=1e-6)
