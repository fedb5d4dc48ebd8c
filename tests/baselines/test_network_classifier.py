import keras
import numpy as np
import pytest

from ssdgm_tf import layers
from ssdgm_tf.baselines import NetworkClassifier


def shapes():
    """Bars: class 0 has a bright row, class 1 a bright column; images [60, 4, 4, 1], a third of them unlabelled."""
    generator = np.random.default_rng(0)
    x = generator.normal(0, 0.1, size=(60, 4, 4, 1)).astype("float32")
    y = np.arange(60) % 2
    where = generator.integers(4, size=60)
    x[y == 0, where[y == 0]] += 1
    x[y == 1, :, where[y == 1]] += 1
    return x, np.where(np.arange(60) < 40, y, -1), y


def built(network):
    network.build((None, 16) if isinstance(network, layers.MLP) else (None, 4, 4, 1))
    return network


NETWORKS = {
    "mlp": lambda: layers.MLP((16,)),
    "sequential": lambda: keras.Sequential([keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Dropout(0.1)]),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_learns_and_leaves_the_network_as_it_was(kind):
    x, y, y_true = shapes()
    network = built(NETWORKS[kind]())
    before = network.get_weights()
    classifier = NetworkClassifier(network, 2, learning_rate=1e-2, num_steps=80).fit(x, y)
    assert classifier.score(x[40:], y_true[40:]) > 0.9
    assert len(network.weights) == len(before) > 0
    for weight, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_a_network_that_was_not_built_stays_unbuilt():
    x, y, _ = shapes()
    network = layers.MLP((4,))
    NetworkClassifier(network, 2, num_steps=1).fit(x, y)
    assert not network.built


def test_same_seed_same_weights_other_seed_others():
    x, y, _ = shapes()

    def logits(seed):
        classifier = NetworkClassifier(NETWORKS["sequential"](), 2, num_steps=5, batch_size=8, seed=seed).fit(x, y)
        return classifier._model.predict(x, verbose=0)

    first = logits(1)
    np.testing.assert_array_equal(first, logits(1))
    assert np.abs(first - logits(2)).max() > 1e-3


def test_examples_without_a_label_are_not_seen():
    x, y, _ = shapes()
    changed = np.where((y == -1)[:, None, None, None], 100.0, x)
    first, second = (NetworkClassifier(layers.MLP((4,)), 2, num_steps=5).fit(data, y) for data in (x, changed))
    np.testing.assert_array_equal(first._model.predict(x, verbose=0), second._model.predict(x, verbose=0))


def test_without_hidden_layers_it_is_softmax_regression():
    """The minimum of the cross-entropy of two one-hot inputs with label frequencies 3/4 and 1/4: those frequencies."""
    x = np.repeat(np.eye(2), 4, axis=0)
    y = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    network = keras.layers.Activation("linear")
    classifier = NetworkClassifier(network, 2, learning_rate=0.05, num_steps=300).fit(x, y)
    probabilities = keras.ops.softmax(classifier._model.predict(np.eye(2), verbose=0))
    np.testing.assert_allclose(probabilities, [[0.75, 0.25], [0.25, 0.75]], atol=0.01)


def test_refuses_labels_beyond_its_outputs():
    x, y, _ = shapes()
    with pytest.raises(ValueError, match=r"Labels of y must lie in 0\.\.1.*Received: \[2\]"):
        NetworkClassifier(layers.MLP((4,)), 2).fit(x, np.where(y == 1, 2, y))
