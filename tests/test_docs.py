"""Everything public is documented, and what the documents say is run."""

import inspect
import re
from pathlib import Path

import pytest

import ssdgm_tf
from benchmarks import render
from tests.tiers import tiers

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]


def public():
    for name in ("objectives", "layers", "nodes", "models", "data", "baselines", "sklearn"):
        module = getattr(ssdgm_tf, name)
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=lambda value: value if isinstance(value, str) else "")
def test_everything_public_has_a_docstring(name, thing):
    assert inspect.getdoc(thing), name
    if inspect.isclass(thing):
        of_keras = {member for base in thing.__mro__ if base.__module__.startswith("keras") for member in vars(base)}
        for member, value in vars(thing).items():
            if callable(value) and not member.startswith("_") and member not in of_keras:
                assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"


@pytest.mark.parametrize(("name", "thing"), list(public()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_argument_is_named_in_the_docstring(name, thing):
    parameters = [
        p.name for p in inspect.signature(thing).parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    text = inspect.getdoc(thing)
    missing = [p for p in parameters if not re.search(rf"\b{p}\b", text)]
    assert not missing, name


def code_blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("page", tiers(PAGES, first=["README.md"]))
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """In the order of the page, in one namespace, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    namespace, ran = {}, 0
    for block in code_blocks(ROOT / page):
        exec(compile(block, page, "exec"), namespace)
        ran += 1
    assert ran == (ROOT / page).read_text().count("```python")


def test_the_readme_has_examples():
    assert len(code_blocks(ROOT / "README.md")) >= 2


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "benchmarks/README.md",
        "results/README.md",
        "results/tries.md",
        *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
    ],
)
def test_links_inside_the_repository_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_that_documents_name_are_there(page):
    for name in re.findall(r"`(tests/[^`]*)`", (ROOT / page).read_text()):
        assert (ROOT / name).exists(), name


def test_tables_are_those_of_the_committed_results():
    import importlib.util

    spec = importlib.util.spec_from_file_location("results", ROOT / "results" / "results.py")
    results = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(results)
    for path, text in results.documents().items():
        assert path.read_text() == text, f"{path.name}: run `python results/results.py`"


def test_benchmark_tables_are_those_of_the_committed_results():
    for path, text in render.documents().items():
        assert path.read_text() == text, f"{path.name}: run `python -m benchmarks.render`"
