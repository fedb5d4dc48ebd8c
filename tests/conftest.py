import gc
import os
import secrets
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# One thread for a sum: pytest-xdist starts a worker for every core, and each of them may start a process.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import keras

import ssdgm_tf

# Random graphs: the same in every run, so that a failure is one of the code; --vary-seed draws others.
hypothesis.settings.register_profile(
    "fixed", max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.register_profile("varied", parent=hypothesis.settings.get_profile("fixed"), derandomize=False)


def pytest_addoption(parser):
    parser.addoption("--vary-seed", action="store_true", help="other random numbers in every run, as in TFP's tests")


def pytest_configure(config):
    hypothesis.settings.load_profile("varied" if config.getoption("--vary-seed") else "fixed")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """Tests that share a fixture of their module, with the same parameter, run in one worker, which makes it once."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs
        shared = sorted(name for name, definitions in fixtures.items() if definitions[-1].scope == "module")
        if shared:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            group = [str(parameters[name]) for name in shared if name in parameters]
            item.add_marker(pytest.mark.xdist_group("-".join([item.path.stem, *group])))


def pytest_collection_finish():
    """What was imported lives to the end: no collection of garbage needs to look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_graphs_of_finished_tests():
    """Models and their graphs refer to one another: they go when the test ends, not when Python comes to it."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def random_seed(request):
    """Every test starts from the same random state, whatever ran before it; with --vary-seed from a printed one."""
    seed = secrets.randbelow(2**31) if request.config.getoption("--vary-seed") else 17
    if seed != 17:
        print(f"random seed {seed}")
    keras.utils.set_random_seed(seed)
    return seed


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Prepared data sets outside the repository; a test that needs them says so when they are not there."""
    folder = Path(os.environ.get("SSDGM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "tfds" / "mnist").is_dir():
        pytest.skip(f"needs prepared data sets under $SSDGM_DATA; none at {folder}")
    return folder


@pytest.fixture(scope="session")
def digits():
    return ssdgm_tf.data.load_digits(num_labels=30, seed=0)


@pytest.fixture
def tiny():
    """120 random 4x3 images of 3 classes, 12 of them labelled."""
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(120, 4, 3)).astype(np.float32)
    y = np.full(120, -1)
    y[:12] = np.arange(12) % 3
    return x, y


@pytest.fixture
def tiny_m2():
    """An M2 for `tiny`, built and compiled."""
    model = ssdgm_tf.models.M2(num_classes=3, latent_dim=2, hidden_units=(8,), seed=3)
    model.build((None, 4, 3))
    model.compile(keras.optimizers.Adam(1e-2))
    return model
