"""The commands that documents show: their flags, presets and fields exist."""

import ast
import re
import shlex

import pytest

from ssdgm_tf import configs
from ssdgm_tf.configs.common import model_config
from website.reference import ROOT

TRAINERS = ROOT / "ssdgm_tf" / "trainers"
PAGES = [ROOT / "README.md", ROOT / "results" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIELDS = set(model_config(model="m2", data="digits"))


def _called(tree):
    """The calls below a node of syntax: {name of the function: its calls}."""
    calls = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            calls.setdefault(getattr(node.func, "attr", getattr(node.func, "id", "")), []).append(node)
    return calls


def _defined(tree):
    return {
        call.args[0].value
        for name, calls in _called(tree).items()
        if name.startswith("DEFINE_")
        for call in calls
        if call.args
    }


def flags_of(command):
    """The flags of a command: those that its file defines, that all commands have, and of the functions that it calls."""
    own, shared = (ast.parse((TRAINERS / f"{name}.py").read_text()) for name in (command, "flags"))
    functions = {node.name: node for node in shared.body if isinstance(node, ast.FunctionDef)}
    waiting, used = set(_called(own)) & set(functions), set()
    while waiting:
        used |= waiting
        waiting = {name for of in waiting for name in _called(functions[of]) if name in functions} - used
    parts = [own, *(node for node in shared.body if node not in functions.values()), *(functions[name] for name in used)]
    return set().union({"help"}, *map(_defined, parts))


def commands(text):
    """[words] of the lines in fenced blocks, and in backticks, that call a command."""
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(block for tag, block in blocks if tag in ("", "bash")).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`(ssdgm-[a-z]+ --[^`\n]*)`", text)
    return [shlex.split(line, comments=True) for line in lines if line.startswith("ssdgm-")]


SHOWN = [(path.relative_to(ROOT).as_posix(), words) for path in PAGES for words in commands(path.read_text())]


def test_there_are_commands():
    assert len(SHOWN) > 55 and {"README.md", "docs/tour.md"} <= {page for page, _ in SHOWN}


def test_a_flag_of_another_command_is_none_of_this_one():
    assert {"workdir", "strategy", "quiet", "config"} <= flags_of("train")
    assert not {"workdir", "strategy", "config"} & flags_of("predict") and "strategy" not in flags_of("export")


@pytest.mark.parametrize(("page", "words"), SHOWN, ids=[f"{page}-{k}" for k, (page, _) in enumerate(SHOWN)])
def test_a_command_has_flags_presets_and_fields_that_exist(page, words):
    known = flags_of(words[0].removeprefix("ssdgm-"))
    for word in words[1:]:
        if not word.startswith("--"):
            continue
        name, _, value = word.removeprefix("--").partition("=")
        if name.startswith("config."):
            assert name.removeprefix("config.") in FIELDS | {"FIELD"}, word
        else:
            assert name in known, word
        if name == "config" and re.fullmatch(r"\w+(:.*)?", value) and value != "NAME":
            assert value.partition(":")[0] in configs.presets(), word
