"""A small finished run on the digits, which tests copy before they change it."""

import shutil

import numpy as np
import pytest

from ssdgm_tf.app.session import Session
from ssdgm_tf.configs import m2_digits, table
from ssdgm_tf.configs.common import PLAIN
from ssdgm_tf.runs import run
from ssdgm_tf.runs.workdir import Workdir


def settings(**fields):
    config = m2_digits.get_config("labels=30,seed=0").to_dict() | PLAIN
    config |= {
        "hidden_units": (100,),
        "latent_dim": 10,
        "epochs": 40,
        "num_importance_samples": 5,
    }
    return {"config": config | fields, "precision": "float32", "jit_compile": "auto"}


def trained(path, **fields):
    """A run on the digits."""
    return trained_by(settings(**fields), path)


def trained_by(settings, path):
    """A run without figures and comparisons."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.report, "write", lambda *args: None)
        patch.setattr(run, "compare", lambda compared: {})
        run.train(settings, str(path))
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


def run_on_table(path, target):
    """A run on a table of a number, a colour and two columns to predict."""
    generator = np.random.default_rng(0)
    size = 200
    a, b = generator.normal(size=size), generator.integers(0, 3, size)
    label = np.where(a + (b == 1) > 0.3, "yes", "no")
    kind = np.where(a - (b == 2) > 0, "old", "new")
    columns = zip(a, b, label, kind, strict=True)
    rows = [f"{x:.3f},{'rgb'[k]},{text}{f',{other}' if ',' in target else ''}" for x, k, text, other in columns]
    rows[3] = rows[3][rows[3].index(",") :]
    (path / "table.csv").write_text("\n".join([f"size,colour,{target}", *rows]))
    config = table.get_config("labels=60,seed=0").to_dict()
    config |= {"data": f"csv:{path / 'table.csv'}", "target": target, "epochs": 5}
    return trained_by(settings() | {"config": config}, path / "run")
