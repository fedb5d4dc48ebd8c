"""A small finished run on the digits, which tests copy before they change it."""

import shutil

import pytest

from ssdgm_tf.app.session import Session
from ssdgm_tf.configs import m2_digits
from ssdgm_tf.runs import run
from ssdgm_tf.runs.workdir import Workdir


def settings(**fields):
    config = m2_digits.get_config("labels=30,seed=0").to_dict() | {
        "hidden_units": (100,),
        "latent_dim": 10,
        "epochs": 40,
        "num_importance_samples": 5,
    }
    return {"config": config | fields, "precision": "float32", "jit_compile": "auto"}


def trained(path, **fields):
    """A run without figures and comparisons."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.report, "write", lambda *args: None)
        patch.setattr(run, "compare", lambda compared: {})
        run.train(settings(**fields), str(path))
    return Workdir(path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture
def folder(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "run")
    return Workdir(tmp_path / "run")


@pytest.fixture(scope="session")
def unchanged(finished, tmp_path_factory):
    """An opened run for tests that change nothing."""
    path = tmp_path_factory.mktemp("unchanged") / "run"
    shutil.copytree(finished.path, path)
    return Session(Workdir(path), None, False, "ada")


@pytest.fixture
def session(folder):
    return Session(folder, None, False, "ada")
