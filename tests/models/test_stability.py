"""Numbers that hold: two thousand steps in mixed precision of every model, and data at the ends of what data may be."""

import keras
import numpy as np
import pytest

from ssdgm_tf import layers, models, nodes
from tests.conformance.descriptors import DESCRIPTORS
from tests.tiers import tiers

MODELS = [name for name in DESCRIPTORS if name in models.__all__]
# The first tier takes a tenth of the steps, of one model.
STEPS = [pytest.param(name, 2000, marks=pytest.mark.slow) for name in MODELS] + [("M2", 200)]


def data_for(model, size=48):
    """Images, and labels of the first dozen, in the form that the model takes."""
    generator = np.random.default_rng(0)
    x, y, shown = {}, {}, np.arange(size) < 12
    for name, head in (model.data_format.observed | model.data_format.supervised).items():
        if head.num_states:
            values = np.arange(size) % head.num_classes
        else:
            values = generator.uniform(size=(size, *head.event_shape)).astype(np.float32)
            values /= 1.0 if name in model.graph.observed else np.linalg.norm(values, axis=-1, keepdims=True)
        if name in model.graph.observed:
            x[name] = values
        else:
            hidden = -1 if head.num_states else np.nan
            y[name] = np.where(shown.reshape(-1, *[1] * (values.ndim - 1)), values, hidden)
    return x, y or None


@pytest.mark.filterwarnings("ignore:No (un)?labelled example")
@pytest.mark.parametrize("policy", tiers(["mixed_bfloat16", "mixed_float16"], first=["mixed_float16"]))
@pytest.mark.parametrize(("name", "num_steps"), STEPS)
def test_two_thousand_steps_in_mixed_precision(name, num_steps, policy):
    """In float16 Keras scales the loss; a step in which that overflows is left out, and the scale halved."""
    model = DESCRIPTORS[name].make(dtype=policy)
    x, y = data_for(model)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    per_epoch = -(-36 // 12) if y else 48 // 12
    history = model.fit(
        x, y, batch_size=12, labelled_batch_size=6, epochs=1, steps_per_epoch=num_steps, seed=0, verbose=0
    ).history
    assert model.num_steps == num_steps and per_epoch <= 20
    assert all(np.all(np.isfinite(values)) for values in history.values())
    assert history["skipped_steps"][0] <= (0 if policy == "mixed_bfloat16" else num_steps / 100)
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


EXTREMES = {
    "pixels all 0": lambda x, y: (np.zeros_like(x), y),
    "pixels all 1": lambda x, y: (np.ones_like(x), y),
    "labels of a single class": lambda x, y: (x, np.where(y >= 0, 0, -1)),
    "one label": lambda x, y: (x, np.where(np.arange(len(y)) == 0, y, -1)),
}
CASES = [(likelihood, extreme) for likelihood in ("bernoulli", "normal", "discretized_logistic") for extreme in EXTREMES]


@pytest.mark.filterwarnings("ignore:No labelled example of class")
@pytest.mark.slow
@pytest.mark.parametrize(("likelihood", "extreme"), CASES)
def test_extreme_data_end_without_nan(tiny, likelihood, extreme):
    x, y = EXTREMES[extreme](*tiny)
    scale = {} if likelihood == "bernoulli" else {"likelihood_scale": None}  # learned: it may fall without end
    model = models.M2(3, latent_dim=2, hidden_units=(8,), likelihood=likelihood, seed=0, **scale)
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    history = model.fit(x, y, batch_size=20, epochs=60, seed=0, verbose=0).history
    assert all(np.all(np.isfinite(values)) for values in history.values())
    assert sum(history["skipped_steps"]) == 0
    assert np.all(np.isfinite(model.predict(x, verbose=0)))
    assert np.all(np.isfinite(model.log_likelihood(x[:5], num_samples=5)))


def test_counts_of_a_sequencing_size_train():
    """A few genes of tens of thousands of counts beside many of a few, as they come."""
    generator = np.random.default_rng(0)
    mean = np.exp(generator.normal(0, 1.5, 50))
    mean[:2] = 3000
    counts = generator.poisson(mean * generator.gamma(2, 0.5, (400, 1)))
    labels = np.where(np.arange(400) < 80, np.arange(400) % 2, -1)
    generative = {"y": nodes.OneHotCategorical(2), "z": nodes.Normal(4)}
    generative["x"] = nodes.Poisson(50, parents=("y", "z"), network=layers.MLP((32,)))
    recognition = {"y": nodes.OneHotCategorical(2, parents="x", network=layers.MLP((32,)))}
    recognition["z"] = nodes.Normal(4, parents=("x", "y"), network=layers.MLP((32,)))
    model = models.GraphicalModel(generative, recognition, observed="x", supervised="y", seed=1)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(counts, labels, epochs=10, verbose=0, seed=0).history
    assert not any(history["skipped_steps"])
    assert history["loss"][-1] < history["loss"][0] / 2
