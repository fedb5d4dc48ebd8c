"""The API reference: every public name, and docstrings as the site shows them."""

import inspect

import griffe
import pytest

import ssdgm_tf
from ssdgm_tf.models import zoo
from website import model_pages
from website.reference import MODULES, ROOT, Reference


@pytest.fixture(scope="module")
def reference():
    return Reference()


@pytest.fixture(scope="module")
def pages(reference):
    return reference.pages()


def test_every_public_module_has_a_page(pages):
    assert set(MODULES) == set(ssdgm_tf.__all__)
    assert set(pages) == {"api/index.md", *(f"api/{module}.md" for module in MODULES)}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_an_entry(module, pages):
    for name in getattr(ssdgm_tf, module).__all__:
        thing = getattr(getattr(ssdgm_tf, module), name)
        kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
        assert f"{{py:{kind}}} ssdgm_tf.{module}.{name}" in pages[f"api/{module}.md"], name


@pytest.mark.parametrize("module", MODULES)
def test_every_public_method_with_a_docstring_is_shown_with_its_class_or_a_public_base(module, pages):
    shown = "\n".join(pages.values())
    paths = {
        getattr(getattr(ssdgm_tf, each), name): f"ssdgm_tf.{each}.{name}"
        for each in MODULES
        for name in getattr(ssdgm_tf, each).__all__
        if inspect.isclass(getattr(getattr(ssdgm_tf, each), name))
    }
    for cls in [cls for cls, path in paths.items() if path.startswith(f"ssdgm_tf.{module}.")]:
        for name in dir(cls):
            owner = next((base for base in cls.__mro__ if name in vars(base)), object)
            member = getattr(vars(owner).get(name), "__func__", vars(owner).get(name))
            if name.startswith("_") or not owner.__module__.startswith("ssdgm_tf"):
                continue
            if not inspect.isfunction(member) or not member.__doc__:
                continue
            bases = [paths[base] for base in cls.__mro__ if base in paths and owner in base.__mro__]
            assert any(f"{{py:method}} {base}.{name}(" in shown for base in bases), (cls, name)


def entry(docstring, signature="def f(a, b=1): ...", reference=None):
    thing = griffe.visit("page", filepath=ROOT / "page.py", code=signature.replace("...", f"'''{docstring}'''"))["f"]
    thing.docstring.parser = "google"
    return reference._entry("page.f", thing)


def test_a_docstring_becomes_markdown(reference):
    text = entry(
        """Sums. See `layers.MLP` and `nothing.known`.

    a = b < c

| name | meaning |
|---|---|
| a | first |

Args:
    a: an array,
        [N].
    b: a number, or `layers.MLP`.

Returns:
    {name: values}, [N].

Raises:
    ValueError: no array.
""",
        reference=reference,
    )
    assert text.startswith(":::{py:function} page.f(a, b=1)\n")
    assert "\n    a = b < c\n" in text
    assert "| a | first |" in text
    assert ":param a: an array,\n    [N]." in text
    assert "{py:obj}`layers.MLP <ssdgm_tf.layers.MLP>` and `nothing.known`" in text
    assert ":param b: a number, or {py:obj}`layers.MLP <ssdgm_tf.layers.MLP>`." in text
    assert ":returns: {name: values}, [N]." in text
    assert ":raises ValueError: no array." in text


def test_the_signature_is_that_of_the_call(reference):
    signature = "def f(model: int, a: str, /, *, b: int = 2, **options: int) -> bool: ..."
    assert "page.f(a: str, /, *, b: int = 2, **options) -> bool\n" in entry("Text.", signature, reference)


def test_what_looks_like_a_tag_is_text(reference):
    assert "p \\<b>c and `<d>`" in entry("If p <b>c and `<d>`.", reference=reference)


def test_a_section_that_it_does_not_know_is_an_error(reference):
    with pytest.raises(ValueError, match="a section that the reference does not know"):
        entry("Text.\n\nExamples:\n    f()\n", reference=reference)


def test_every_named_model_has_a_page_with_its_story_and_its_figures(reference):
    places = {}
    for path in (ROOT / "docs" / "models").glob("*.md"):
        text = path.read_text()
        for model in model_pages._MEASURED.findall(text):
            places[model] = model_pages.filled_in(text, reference)
    assert set(places) == set(zoo.names())
    for model, text in places.items():
        assert "generative     p(" in text, model
        assert "<!--" not in text, model


def test_figures_of_a_model_are_those_of_the_rows_that_train_it():
    assert "| 100 | M2 |" in model_pages.measured("m2")
    assert "ADGM" not in model_pages.measured("m2")
    assert "Public tables, 50 labels" in model_pages.measured("table")
    assert "M1 + transductive SVM" in model_pages.measured("vae") and "M1 + M2" not in model_pages.measured("vae")
    assert model_pages.measured("hierarchical_vae") == "No table has an error of it yet."
