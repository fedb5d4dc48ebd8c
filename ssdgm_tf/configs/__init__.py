"""Presets: one file for each model and data set. `common` and `photographs` hold the fields that they share."""

import ast
import json
from pathlib import Path

_FOLDER = Path(__file__).parent
_HELPERS = {"__init__", "common", "from_json", "photographs"}
#: The demo, and the recommended preset of each kind of data.
RECOMMENDED = ("m2_digits", "grey_images", "colour_images", "vectors", "table")


def presets() -> list[str]:
    """The names of the presets."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem not in _HELPERS)


def about(preset: str) -> str:
    """What a preset trains: the first paragraph of its docstring, in one line.

    Args:
        preset: its name.
    """
    docstring = ast.get_docstring(ast.parse((_FOLDER / f"{preset}.py").read_text("utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def measured() -> dict[str, list[str]]:
    """What was measured with each preset, {name: lines}; a preset without results is left out."""
    return json.loads((_FOLDER / "measured.json").read_text("utf-8"))
