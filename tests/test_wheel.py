"""The wheel, in an environment that has the package from nowhere else."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
SEEN = """
import pathlib, ssdgm_tf
folder = pathlib.Path(ssdgm_tf.__file__).parent
print(folder)
print(*(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
"""


def ran(*words, **kwargs):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, env=environment, **kwargs)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of programs of a fresh environment: the wheel, and this environment's packages as dependencies."""
    root = tmp_path_factory.mktemp("wheel")
    source = root / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "ssdgm_tf", source / "ssdgm_tf", ignore=shutil.ignore_patterns("__pycache__"))
    pip = (sys.executable, "-m", "pip")
    ran(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", f"--wheel-dir={root}", source, cwd=root)
    shutil.rmtree(source)
    venv.create(root / "env")
    programs = root / "env" / "bin"
    (wheel,) = root.glob("*.whl")
    ran(*pip, f"--python={programs / 'python'}", "install", "--no-deps", "--no-index", wheel, cwd=root)
    # A line of a .pth file adds a folder, but not what the .pth files in that folder add: the editable install stays out.
    (site,) = (root / "env").rglob("site-packages")
    (site / "dependencies.pth").write_text("\n".join({sysconfig.get_path(kind) for kind in ("purelib", "platlib")}))
    return programs


def test_it_has_every_module_and_file_of_the_package(installed, tmp_path):
    folder, files = ran(installed / "python", "-c", SEEN, cwd=tmp_path).strip().splitlines()[-2:]
    assert Path(folder).is_relative_to(installed.parent)
    wanted = {path.relative_to(ROOT / "ssdgm_tf").as_posix() for path in (ROOT / "ssdgm_tf").rglob("*") if path.is_file()}
    wanted = {name for name in wanted if "__pycache__" not in name}
    assert wanted == {name for name in files.split() if "__pycache__" not in name}
    assert {"py.typed", "tables/published.json", "runs/report_template.html"} <= wanted


def test_its_commands_train(installed, tmp_path):
    assert "--workdir" in ran(installed / "ssdgm-train", "--help", cwd=tmp_path)
    fields = {"epochs": 2, "hidden_units": "(8,)", "latent_dim": 2, "num_importance_samples": 2}
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    ran(installed / "ssdgm-train", "--config=m2_digits", *words, "--workdir=run", cwd=tmp_path)
    assert 0 <= json.loads((tmp_path / "run" / "results.json").read_text())["error"] <= 1
    assert (tmp_path / "run" / "report.html").exists()
