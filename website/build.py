"""Builds the site.

    python -m website.build

The sources are gathered in one folder with the layout of the repository, so that every link between documents is the same on
the site and in the repository. Pages of the API and sections of the pages of models are written there from docstrings and
results. A warning of Sphinx, such as a link that leads nowhere, fails the build.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from website import first_page, model_pages
from website.reference import ROOT, Reference

# What the site shows of the repository; other files only where a page links to them.
_PROJECT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
_DOCUMENTS = (*_PROJECT, "docs/**/*.md", "docs/notebooks/*.ipynb", "results/*.md", "benchmarks/*.md")
# Pages that have others below them in the navigation.
_PARENTS = {"results/README.md": "results/*.md"}
_LISTED = {"results/generation.md", "results/imputation.md", "results/tries.md"}  # in index.md itself
_LARGEST_FIRST_PAGE = 300_000  # bytes
_ANCHOR = re.compile(r'<a id="(\w+)"></a>')
_FILES = (
    "LICENSE",
    "examples/*.py",
    "examples/cluster/*.*",
    "examples/cluster/Dockerfile",
    "docs/**/*.png",
    "benchmarks/results/*.png",
)


def gather(source: Path) -> None:
    """Writes the sources of the site.

    Args:
        source: a folder, made anew.
    """
    shutil.rmtree(source, ignore_errors=True)
    for pattern in (*_DOCUMENTS, *_FILES):
        for path in ROOT.glob(pattern):
            _write(source / path.relative_to(ROOT), path.read_bytes())
    website = Path(__file__).parent
    for name in ("index.md", "conf.py", "_static/site.css"):
        _write(source / name, (website / name).read_bytes())
    _write(source / "_static" / "icon.svg", (ROOT / "ssdgm_tf" / "app" / "page" / "icon.svg").read_bytes())
    reference = Reference()
    for name, text in reference.pages().items():
        _write(source / name, text.encode())
    for path in (source / "docs" / "models").glob("*.md"):
        path.write_text(model_pages.filled_in(path.read_text(), reference))
    for path in (source / "docs").glob("*.md"):  # anchors of HTML, as MyST writes them
        path.write_text(_ANCHOR.sub(r"(\1)=\n", path.read_text()))
    for parent, pattern in _PARENTS.items():
        names = sorted(path.stem for path in source.glob(pattern) if str(path.relative_to(source)) not in _LISTED | {parent})
        with (source / parent).open("a") as file:
            file.write("\n```{toctree}\n:hidden:\n\n" + "\n".join(names) + "\n```\n")


def build(source: Path, output: Path) -> int:
    """Runs Sphinx; its exit status. Warnings are errors, and all of them are shown.

    Args:
        source: the gathered sources.
        output: the folder of the HTML.
    """
    shutil.rmtree(output, ignore_errors=True)
    doctrees = source.parent / "doctrees"
    options = ["--builder", "html", "--fail-on-warning", "--quiet", "--doctree-dir", str(doctrees)]
    return subprocess.run([sys.executable, "-m", "sphinx", *options, str(source), str(output)]).returncode


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main() -> None:
    """The command."""
    output, source = ROOT / "build" / "site", ROOT / "build" / "site-source"
    gather(source)
    if status := build(source, output):
        raise SystemExit(status)
    page = output / "index.html"
    if (size := first_page.size(page)) > _LARGEST_FIRST_PAGE:
        raise SystemExit(f"The first page must be at most {_LARGEST_FIRST_PAGE} bytes with what it loads. Received: {size}")
    print(f"The site is in {output}; its first page is {page}, {size / 1000:.0f} KB with what it loads")


if __name__ == "__main__":
    main()
