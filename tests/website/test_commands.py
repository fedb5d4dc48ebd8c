"""The commands that documents show: their flags, presets and fields exist."""

import re
import shlex

import pytest

from ssdgm_tf import configs
from ssdgm_tf.configs.common import model_config
from website.reference import ROOT

TRAINERS = ROOT / "ssdgm_tf" / "trainers"
PAGES = [ROOT / "README.md", ROOT / "results" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIELDS = set(model_config(model="m2", data="digits"))


def flags_of(command):
    """The flags of a command, as its file, those that it shares and absl define them."""
    texts = [(TRAINERS / f"{name}.py").read_text() for name in (command, "flags")]
    names = set(re.findall(r"DEFINE_\w+\(\s*\"(\w+)\"", "\n".join(texts)))
    return names | {"help"}


def commands(text):
    """[words] of the lines in fenced blocks, and in backticks, that call a command."""
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`(ssdgm-[a-z]+ --[^`\n]*)`", text)
    return [shlex.split(line, comments=True) for line in lines if line.startswith("ssdgm-")]


SHOWN = [(path.relative_to(ROOT).as_posix(), words) for path in PAGES for words in commands(path.read_text())]


def test_there_are_commands():
    assert len(SHOWN) > 40


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
