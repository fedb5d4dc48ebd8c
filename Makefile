# Needs Python 3.11 or later and make; everything else comes from the package index.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all mutants coverage docs dist lint format clean

demo: .venv/installed
	$(BIN)/ssdgm-train --config=m2_digits --workdir=runs/demo

# The first tier; test-all runs the second too.
test: .venv/installed
	$(BIN)/python -m pytest -n auto --durations=20

# The programs that TensorFlow compiled stay in memory, up to 12 GB a process: the notebooks, processes of their own, come after.
test-all: .venv/installed
	$(BIN)/python -m pytest -n auto --durations=20 -m '' --ignore=tests/website
	$(BIN)/python -m pytest -n auto --durations=20 -m '' tests/website

# Faults that the first tier must catch.
mutants: .venv/installed
	$(BIN)/python tests/mutants.py

# The first tier's; the floor is in pyproject.toml.
coverage: .venv/installed
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered

# The site, in build/site; warnings are errors.
docs: .venv/installed
	$(BIN)/python -m website.build

# Wheel and source distribution, in dist/.
dist: .venv/installed
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	$(BIN)/hadolint examples/cluster/Dockerfile

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pinned, tested versions; run again when they or the package's metadata change.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ssdgm_tf needs Python 3.11 or later: make PYTHON=python3.11")'
	@echo 'Installing into .venv, about a minute ...'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv runs *.egg-info build dist
