import functools
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


def pytest_addoption(parser):
    parser.addoption("--vary-seed", action="store_true", help="other random numbers in every run, as in TFP's tests")


def pytest_configure(config):
    """Random graphs: the same in every run, so that a failure is one of the code; --vary-seed draws others.

    The first tier sees fewer, and does not look for a smaller one that fails, which takes minutes.
    """
    is_first = config.option.markexpr == "not slow"
    hypothesis.settings.register_profile(
        "tests",
        max_examples=10 if is_first else 30,
        phases=[phase for phase in hypothesis.Phase if not (is_first and phase == hypothesis.Phase.shrink)],
        deadline=None,
        derandomize=not config.getoption("--vary-seed"),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def exact_products():
    """Tests are exact on a GPU too, where TensorFlow would round the factors of its products to 11 bits."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


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
    """Imported objects live until the end, so the collector of garbage need not visit them, nor come as often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def pytest_runtest_teardown(item, nextitem):
    """Models and their graphs refer to one another: they go when a module ends, not when Python comes to it."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()


def seed_everything(config) -> int:
    """Seeds Python, NumPy and Keras, and returns the seed; with --vary-seed another one, which is printed."""
    import keras

    seed = secrets.randbelow(2**31) if config.getoption("--vary-seed") else 17
    if seed != 17:
        print(f"random seed {seed}")
    keras.utils.set_random_seed(seed)
    return seed


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """What tests share starts from the same random state too, whichever worker makes it and when."""
    if fixturedef.scope in ("module", "session"):
        seed_everything(request.config)


@pytest.fixture(autouse=True)
def random_seed(request):
    """Every test starts from the same random state, whatever ran before it; with --vary-seed from a printed one."""
    return seed_everything(request.config)


@pytest.fixture
def eager(monkeypatch):
    """Models that the test compiles run eagerly: a few steps of a small one then cost less than the trace of a step."""
    from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel

    compile = functools.partialmethod(SemiSupervisedModel.compile, run_eagerly=True)
    monkeypatch.setattr(SemiSupervisedModel, "compile", compile)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Prepared data sets outside the repository; a test that needs them says so when they are not there."""
    folder = Path(os.environ.get("SSDGM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "tfds" / "mnist").is_dir():
        pytest.skip(f"needs prepared data sets under $SSDGM_DATA; none at {folder}")
    return folder


@pytest.fixture(scope="session")
def digits():
    import ssdgm_tf

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
    import keras

    import ssdgm_tf

    model = ssdgm_tf.models.M2(num_classes=3, latent_dim=2, hidden_units=(8,), seed=3)
    model.build((None, 4, 3))
    model.compile(keras.optimizers.Adam(1e-2))
    return model
