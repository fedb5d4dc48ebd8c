"""The documentation site: built from the documents of this repository and the docstrings of the package."""
