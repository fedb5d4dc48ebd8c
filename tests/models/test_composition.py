"""Files of arbitrary graphs, weights that are shared, and trained models as parts of larger ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssdgm_tf import nodes
from ssdgm_tf.models import GraphicalModel
from tests.models.conftest import PEOPLE, SIZE
from tests.models.test_graphical_model import mlp


@pytest.mark.usefixtures("eager")
def test_a_graph_of_any_networks_comes_through_a_file(data, tmp_path):
    """Shared and convolutional networks, estimators, schedules, learned priors, compile arguments: all as before."""
    x, y = data
    encoder = keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.Reshape((4, 3, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((PEOPLE + 2,)),
            keras.layers.Dense(12),
            keras.layers.Reshape((4, 3, 1)),
            keras.layers.Conv2D(1, 3, padding="same"),
            keras.layers.Reshape((4, 3)),
        ]
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.9)
    p = {
        "who": nodes.OneHotCategorical(PEOPLE, prior="learned"),
        "style": nodes.Normal(2),
        "image": nodes.Normal((4, 3), scale=0.5, parents=("who", "style"), network=decoder),
    }
    q = {
        "features": nodes.Deterministic("image", encoder),
        "who": nodes.OneHotCategorical(PEOPLE, parents="features", estimator=nodes.Relaxed(schedule)),
        "style": nodes.Normal(2, parents=("features", "who"), network=mlp()),
    }
    model = GraphicalModel(p, q, observed="image", supervised="who", seed=3)
    model.compile(keras.optimizers.Adam(1e-2), kl_weight=schedule, free_bits=0.1)
    model.fit(x, y["who"], epochs=2, verbose=0)
    assert model.generative["image"].gives_parameters
    model.save(tmp_path / "graph.keras")
    loaded = keras.models.load_model(tmp_path / "graph.keras")
    texts = []
    for either in (model, loaded):
        either.describe(texts.append)
    assert texts[0] == texts[1]
    assert isinstance(loaded.kl_weight, keras.optimizers.schedules.ExponentialDecay) and loaded.free_bits == 0.1
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(loaded.bound(x, seed=1), model.bound(x, seed=1), rtol=1e-5)
    np.testing.assert_allclose(loaded.bound(x, y["who"]), model.bound(x, y["who"]), rtol=1e-5)  # the random state too


@pytest.mark.usefixtures("eager")
def test_a_node_shares_its_weights_where_it_is_used_twice(data, tmp_path):
    """`given` makes the same distribution of other parents: one network for two views of a thing."""
    encoder = nodes.Normal(2, parents="left", network=mlp())
    p = {
        "a": nodes.Normal(2),
        "b": nodes.Normal(2),
        "left": nodes.Normal((4, 3), parents="a", network=mlp()),
        "right": nodes.Normal((4, 3), parents="b", network=mlp()),
    }
    model = GraphicalModel(p, {"a": encoder, "b": encoder.given("right")}, observed=("left", "right"))
    model.compile("adam")
    image = data[0]["image"]
    model.fit({"left": image, "right": image}, verbose=0)
    code = model.encode({"left": image, "right": image})
    np.testing.assert_array_equal(code["a"], code["b"])
    model.save(tmp_path / "shared.keras")
    loaded = keras.models.load_model(tmp_path / "shared.keras")
    assert loaded.recognition["a"].network is loaded.recognition["b"].network
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    np.testing.assert_allclose(loaded.encode({"left": image, "right": image})["a"], code["a"], rtol=1e-6)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("frozen", [True, False])
def test_a_trained_model_is_a_part_of_a_larger_one(frozen, data, tmp_path):
    """A decoder's mean as a deterministic node, an encoder as a recognition node: weights dropped in, frozen or not."""
    x, _ = data
    part = GraphicalModel(
        {"z": nodes.Normal(2), "x": nodes.Normal((4, 3), scale=0.5, parents="z", network=mlp())},
        {"z": nodes.Normal(2, parents="x", network=mlp())},
        observed="x",
    )
    part.compile("adam")
    part.fit(x["image"], verbose=0)
    decoder, encoder = part.generative["x"], part.recognition["z"]
    decoder.trainable = encoder.trainable = not frozen
    p = {
        "style": nodes.Normal(2),
        "patch": nodes.Deterministic("style", nodes.NodeMean(decoder)),
        "shade": nodes.OneHotCategorical(2),
        "canvas": nodes.Normal((4, 3), scale=0.5, parents=("patch", "shade"), network=mlp()),
    }
    q = {"style": encoder.given("canvas"), "shade": nodes.OneHotCategorical(2, parents=("canvas", "style"), network=mlp())}
    whole = GraphicalModel(p, q, observed="canvas", supervised="shade", seed=1)
    whole.compile(keras.optimizers.Adam(1e-2))
    weights = [*decoder.variables, *encoder.variables]
    before = [weight.numpy() for weight in weights]
    style = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_allclose(p["patch"].value([tf.constant(style)]), part.generate({"z": style}), rtol=1e-5)
    whole.fit(x["image"], np.where(np.arange(SIZE) < 6, np.arange(SIZE) % 2, -1), epochs=3, verbose=0)
    changed = [not np.array_equal(a, b.numpy()) for a, b in zip(before, weights, strict=True)]
    random_state = [weight.dtype == "uint32" or "seed" in weight.path for weight in weights]
    assert not any(c for c, r in zip(changed, random_state, strict=True) if not r) if frozen else any(changed)
    whole.save(tmp_path / "whole.keras")
    loaded = keras.models.load_model(tmp_path / "whole.keras")
    np.testing.assert_allclose(loaded.bound(x["image"], seed=1), whole.bound(x["image"], seed=1), rtol=1e-5)
