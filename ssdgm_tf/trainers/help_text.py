"""What `--help` and `--list` print. Imports no TensorFlow."""

import textwrap
from collections.abc import Sequence

from absl import flags

from ssdgm_tf import configs

_WIDTH, _MOST_FIGURES = 110, 2


def of_flags(description: str, groups: Sequence[str]) -> str:
    """A description, and the flags of the command, group by group.

    Args:
        description: the docstring of the command.
        groups: the groups, in the order in which they stand; a group without flags is left out.
    """
    known = [group for group in groups if flags.FLAGS.get_key_flags_for_module(group)]
    parts = [flags.FLAGS.module_help(group).replace("\n    (default: 'None')", "").strip() for group in known]
    return "\n\n".join([description.strip(), *parts])


def presets() -> dict[str, dict]:
    """{preset: {"trains": one line, "measured": lines}}, those that are recommended first."""
    measured = configs.measured()
    names = dict.fromkeys([*configs.RECOMMENDED, *configs.presets()])
    return {name: {"trains": configs.about(name), "measured": measured.get(name, [])} for name in names}


def of_presets() -> str:
    """The text of `--list`: what each preset trains, and its first measured figures."""
    lines = ["Presets of ssdgm-train --config=NAME; the demo and the recommended ones first. Errors are of test examples,"]
    lines += ["minutes are on two CPU cores, † is of an earlier engine or preset. --json shows all figures.", ""]
    for name, found in presets().items():
        lines += [name, *_wrapped(found["trains"], "")]
        for text in found["measured"][:_MOST_FIGURES]:
            lines += _wrapped(text, "- ")
        if more := found["measured"][_MOST_FIGURES:]:
            lines.append(f"    - and {len(more)} more")
    return "\n".join(lines)


def _wrapped(text: str, mark: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"    {mark}", subsequent_indent=" " * (4 + len(mark)))
