"""Presets: one file for each model and data set. `common` and `photographs` hold the fields that they share."""

from pathlib import Path

_HELPERS = {"__init__", "common", "from_json", "photographs"}


def presets() -> list[str]:
    """The names of the presets."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _HELPERS)
