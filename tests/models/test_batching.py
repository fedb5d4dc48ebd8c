"""Every logged number is a mean over examples: the same for any batches, and in `fit` as in `evaluate`."""

import keras
import numpy as np
import pytest

from ssdgm_tf import nodes
from ssdgm_tf.models import M2, VAE, GraphicalModel
from ssdgm_tf.nodes.estimators import Draw
from tests.tiers import tiers

N, KNOWN = 14, 4


def m2():
    """Of a label that is enumerated, and a Gaussian."""
    return M2(3, 2, hidden_units=(6,), seed=1)


def discrete():
    """Of two discrete variables, both enumerated."""
    generative = {"y": nodes.OneHotCategorical(3), "z": nodes.OneHotCategorical(2, parents="y")}
    generative["x"] = nodes.Normal(4, parents=("y", "z"))
    recognition = {"y": nodes.OneHotCategorical(3, parents="x"), "z": nodes.OneHotCategorical(2, parents=("x", "y"))}
    return GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1)


def two_labels():
    """Of two supervised variables, one of them positive, each known for some examples."""
    generative = {"y": nodes.OneHotCategorical(3), "w": nodes.Gamma(1)}
    generative["x"] = nodes.Normal(4, parents=("y", "w"))
    recognition = {"y": nodes.OneHotCategorical(3, parents="x"), "w": nodes.Gamma(1, parents="x")}
    return GraphicalModel(generative, recognition, observed="x", supervised=("y", "w"), seed=1)


def make_data(model):
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(N, 4)).astype(np.float32)
    known = np.isin(np.arange(N), generator.permutation(N)[:KNOWN])
    y = {"y": np.where(known, np.cumsum(known) % 3, -1)}
    if "w" in model.graph.supervised:
        also = np.isin(np.arange(N), generator.permutation(N)[:KNOWN])
        y["w"] = np.where(also, generator.gamma(2, size=N), np.nan)[:, None]
    return x, y


def ready(make, **options):
    model = make()
    if not model.built:
        model.build((None, 4))
    generator = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(size=weight.shape) * 0.7)
    model.trainable_variables[0].regularizer = keras.regularizers.L2(0.01)
    model.compile(keras.optimizers.SGD(0.0), gamma=3.0, classification_weight=20.0, **options)
    return model


@pytest.mark.parametrize("make", [discrete, two_labels, m2])
@pytest.mark.usefixtures("eager")
def test_the_metrics_of_evaluate_do_not_depend_on_the_batches(make, monkeypatch):
    model = ready(make, num_unlabelled=N - KNOWN, num_labelled=KNOWN)
    monkeypatch.setattr(nodes.Reparameterized, "draw", _means)
    x, y = make_data(model)
    found = [model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True) for size in (1, 5, N)]
    for metrics in found[1:]:
        for name, value in metrics.items():
            np.testing.assert_allclose(value, found[0][name], rtol=1e-4, atol=1e-5, err_msg=name)


def _means(self, head, q, axes, seed, step):
    """In place of a draw: the mean, so that nothing is random."""
    return Draw(head.mean(q))


@pytest.mark.parametrize("make", [discrete, two_labels])
@pytest.mark.parametrize("size", [1, 4, N])
@pytest.mark.usefixtures("eager")
def test_the_log_of_fit_is_what_evaluate_says_of_the_same_examples(make, size, monkeypatch):
    """At learning rate 0. An epoch is whole passes over the labelled examples too."""
    monkeypatch.setattr(nodes.Reparameterized, "draw", _means)
    model = ready(make)
    x, y = make_data(model)
    is_labelled = model.data_format.is_labelled(y)
    num_labelled = int(is_labelled.sum())
    steps = -(-int((~is_labelled).sum()) // size)
    labelled_size = next(s for s in range(1, num_labelled + 1) if steps * s % num_labelled == 0)
    history = model.fit(x, y, batch_size=size, labelled_batch_size=labelled_size, verbose=0, seed=1).history
    logs = {name: value[0] for name, value in history.items()}
    labelled = {name: array[is_labelled] for name, array in y.items()}
    of_labelled = model.evaluate(x[is_labelled], labelled, batch_size=4, verbose=0, return_dict=True)
    of_others = model.evaluate(x[~is_labelled], batch_size=4, verbose=0, return_dict=True)
    for name in ("bound_labelled", "classification_loss", *(metric.name for metric in model.monitor.errors.values())):
        np.testing.assert_allclose(logs[name], of_labelled[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for name in ("bound_unlabelled", "log_px"):
        np.testing.assert_allclose(logs[name], of_others[name], rtol=1e-4, atol=1e-5, err_msg=name)
    scale = model.objective_scale
    rate = scale.gamma * scale.num_labelled / scale.num_unlabelled
    added = sum(float(loss) for loss in model.losses)
    loss = -(logs["bound_unlabelled"] + rate * (logs["bound_labelled"] - 20.0 * logs["classification_loss"])) + added
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-4)
    assert added > 0


@pytest.mark.parametrize("sizes", [(100, 1, 100), (60, 60, 60), (5, 2, 3)])
@pytest.mark.usefixtures("eager")
def test_a_small_last_batch_counts_by_its_examples(sizes):
    first, last, batch_size = sizes
    x = np.concatenate([np.zeros((first, 4)), np.ones((last, 4))]).astype(np.float32)
    model = VAE(1, hidden_units=(4,), seed=0)
    model.build((None, 4))
    model.compile(keras.optimizers.SGD(0.0))
    logs = model.fit(x, batch_size=batch_size, verbose=0, shuffle=False).history
    np.testing.assert_allclose(logs["loss"], -np.array(logs["bound_unlabelled"]), rtol=1e-5)


@pytest.mark.parametrize("steps_per_execution", tiers([2, 3, 7], first=[3, 7]))
def test_an_epoch_has_its_steps_whatever_is_executed_at_once(steps_per_execution):
    model = m2()
    model.build((None, 4))
    model.compile(keras.optimizers.SGD(0.0), steps_per_execution=steps_per_execution)
    x, y = make_data(model)
    steps = -(-(N - KNOWN) // 2)
    seen = model.fit(x, y, batch_size=2, epochs=2, verbose=0).history["loss"]
    assert model.num_steps == 2 * steps and np.all(np.isfinite(seen))
    model.fit(x, y, batch_size=2, epochs=2, steps_per_epoch=4, verbose=0)
    assert model.num_steps == 2 * steps + 8
