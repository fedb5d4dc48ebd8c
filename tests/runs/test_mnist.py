"""On real MNIST, where it is prepared: two epochs with 100 labels beat what the labels give alone."""

import pytest

from ssdgm_tf import baselines
from ssdgm_tf.configs import m2_mnist
from ssdgm_tf.runs import building
from ssdgm_tf.runs.loading import load_data


@pytest.mark.slow
def test_m2_on_mnist_is_soon_better_than_nearest_neighbours(shared_data):
    config = m2_mnist.get_config("labels=100,seed=0").to_dict()
    dataset = load_data(config, str(shared_data / "tfds"), download=False)
    model = building.model({"config": config, "precision": "float32", "jit_compile": "auto"}, dataset)
    model.fit(dataset.x_train, dataset.y_train, batch_size=config["batch_size"], epochs=2, seed=0, verbose=0)
    x, y = dataset.x_test[:2000], dataset.y_test[:2000]
    error = model.evaluate(x, y, verbose=0, return_dict=True)["error"]
    assert error < 1 - baselines.NearestNeighbours().fit(*dataset.labelled).score(x, y)
