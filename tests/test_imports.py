"""Imports point one way, tfp.layers is never used, and --help waits for no TensorFlow."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ssdgm_tf"

# Which parts of the package each part may import.
ALLOWED = {
    "choices": set(),
    "errors": set(),
    "rows": set(),
    "checks": {"rows"},
    "files": set(),
    "durations": set(),
    "engine_version": set(),
    "schema": {"choices"},
    "keras_internals": set(),
    "objectives": set(),
    "trust": set(),
    "generation": set(),
    "labelling": {"choices", "errors", "files", "rows"},
    "layers": {"choices", "rows", "checks", "keras_internals", "schema"},
    "data": {"choices", "rows", "checks", "files", "schema"},
    "baselines": {"choices", "rows", "checks", "keras_internals", "objectives", "layers", "consistency", "schema"},
    "configs": set(),
    "nodes": {"choices", "layers", "schema"},
    "engine": {"objectives", "layers", "nodes"},
    "consistency": {"choices", "keras_internals", "objectives", "layers", "engine"},
    "models": {
        "choices",
        "rows",
        "checks",
        "keras_internals",
        "schema",
        "data",
        "objectives",
        "layers",
        "nodes",
        "engine",
        "consistency",
        "trust",
        "plots",
    },
    "models/zoo": {"choices", "schema", "data", "layers", "nodes", "engine", "models", "plots"},
    "sklearn": {"schema", "models", "models/zoo"},
    "plots": set(),
    "tables": {"choices", "files", "durations", "engine_version", "data", "configs"},
    "runs": {
        "choices",
        "durations",
        "keras_internals",
        "rows",
        "engine_version",
        "errors",
        "files",
        "schema",
        "objectives",
        "models",
        "models/zoo",
        "trust",
        "labelling",
        "data",
        "plots",
        "baselines",
        "configs",
    },
    "app": {"errors", "rows", "files", "configs", "data", "engine", "layers", "models", "models/zoo", "labelling", "runs"},
    "trainers": {"choices", "errors", "files", "durations", "configs", "data", "runs", "tables", "app"},
}


def imported(path):
    """Dotted names that a file imports, anywhere in it; `from a import b` counts as a.b."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(name):
    """The part of the package that holds a file or an imported name, such as models/zoo/m2."""
    return "models/zoo" if name.startswith("models/zoo") else name.split("/")[0]


FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    part = part_of(path.relative_to(PACKAGE).with_suffix("").as_posix())
    parts = {part_of(name.removeprefix("ssdgm_tf.").replace(".", "/")) for name in imported(path) if "ssdgm_tf." in name}
    # The list of models, which users import, is made of the zoo's.
    assert path == PACKAGE / "models" / "__init__.py" or parts - {part} <= ALLOWED[part]


@pytest.mark.parametrize("path", list((PACKAGE / "configs").glob("*.py")), ids=lambda path: path.name)
def test_configs_import_ml_collections_alone(path):
    outside = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
    assert outside <= {"ml_collections", "ssdgm_tf"}


@pytest.mark.parametrize("path", list((PACKAGE / "objectives").glob("*.py")), ids=lambda path: path.name)
def test_objectives_do_not_import_keras(path):
    assert not any(name.split(".")[0] in ("keras", "tf_keras") for name in imported(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tfp_layers_and_the_legacy_switch_are_not_used(path):
    text = path.read_text()
    assert "tfp.layers" not in text and "TF_USE_LEGACY_KERAS" not in text
    assert not any(name.startswith("tf_keras") for name in imported(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_of_keras_have_one_module(path):
    uses = any(name == "keras.src" or name.startswith("keras.src.") for name in imported(path))
    assert not uses or path.name == "keras_internals.py"


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_answers_before_tensorflow_is_imported(command, tmp_path):
    arguments = [sys.executable, "-X", "importtime", "-m", f"ssdgm_tf.trainers.{command}", "--help"]
    result = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert result.returncode == 0 and "--workdir" in result.stdout
    for name in ("tensorflow", "keras", "scipy", "sklearn", "matplotlib", "pandas"):
        assert not re.search(rf"\b{name}\b", result.stderr)
