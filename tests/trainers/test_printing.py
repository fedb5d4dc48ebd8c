"""What every command prints: help by groups, presets, completion, one JSON object, or nothing."""

import json
import os
import subprocess
import sys

import pytest

import ssdgm_tf
from ssdgm_tf import configs
from ssdgm_tf.trainers import flags, printing
from tests.trainers.test_flags import run

_EVERY_FLAG = """
import importlib, sys
sys.argv = ["ssdgm-NAME"]  # else the package would import TensorFlow, and its flags
from absl import flags
import absl.logging  # has flags of its own
before = set(flags.FLAGS)
from ssdgm_tf.trainers import flags as command
importlib.import_module("ssdgm_tf.trainers.NAME")
shown = {flag.name for group in command.GROUPS for flag in flags.FLAGS.get_key_flags_for_module(group)}
ours = set(flags.FLAGS) - before
print(sorted(shown), sorted(ours - shown))
"""


@pytest.mark.parametrize("command", ssdgm_tf._COMMANDS)
def test_help_has_every_flag_in_a_group(command, tmp_path):
    code = _EVERY_FLAG.replace("NAME", command)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    shown, hidden = (part.strip("[]\n") for part in found.stdout.split("] ["))
    assert hidden == ""
    text = run(command, "--help", cwd=tmp_path).stdout
    for name in ("quiet", "json", "completion", *shown.replace("'", "").split(", ")):
        assert f"\n  --{name}:" in text or f"\n  --[no]{name}:" in text
    assert f"\n{flags.OUTPUT}:\n" in text and "ssdgm_tf.trainers" not in text


def test_list_shows_every_preset_and_its_first_figures(tmp_path):
    text = run("train", "--list", cwd=tmp_path).stdout.splitlines()
    found = json.loads(run("train", "--list", "--json", cwd=tmp_path).stdout)
    assert list(found)[: len(configs.RECOMMENDED)] == list(configs.RECOMMENDED)
    assert sorted(found) == configs.presets() and set(found) <= set(text)
    assert found["grey_images"]["measured"] == configs.measured()["grey_images"]
    assert f"    - {configs.measured()['grey_images'][0]}" in text
    assert not any(tmp_path.iterdir())


def test_a_list_that_is_cut_off_says_nothing(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)  # the reader has stopped, as `| head` does
    for word in ("--list", "--help", "--completion"):
        command = [sys.executable, "-m", "ssdgm_tf.trainers.train", word]
        found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        assert found.stderr == ""
    os.close(writer)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--config", "=", "m2_dig"], "m2_digits"),
        (["--precision", "="], "float32 tf32 bfloat16 float16"),
        (["--config=m2_dig"], "--config=m2_digits"),
        (["--workdir", "="], ""),
        (["--ji"], "--jit_compile="),
        (["--qu"], "--quiet"),
    ],
)
def test_bash_completes_flags_presets_and_choices(words, expected, tmp_path):
    script = run("train", "--completion", cwd=tmp_path).stdout
    name = script.split("() {")[0].split("\n")[-1]
    listed = " ".join(f"'{word}'" for word in ["ssdgm-train", *words])
    code = f'{script}\nCOMP_WORDS=({listed})\nCOMP_CWORD={len(words)}\n{name}\necho "${{COMPREPLY[*]}}"'
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == expected and found.stderr == ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("printing")


def test_json_is_all_of_the_output(folder):
    found = run("train", "--config=m2_digits", "--config.epochs=1", "--workdir=run", "--json", cwd=folder)
    printed = json.loads(found.stdout)
    assert set(printed) == {"workdir", "report", "results"} and printed["workdir"] == "run"
    assert printed["results"] == json.loads((folder / "run" / "results.json").read_text())
    assert "test error" in found.stderr
    again = run("evaluate", "--workdir=run", "--json", cwd=folder)
    assert json.loads(again.stdout)["results"]["error"] == pytest.approx(printed["results"]["error"])


def test_json_has_null_for_numbers_that_it_lacks():
    found = printing.finite({"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": "nan"}, "e": (1, None)})
    assert found == {"a": None, "b": [1.5, None], "c": {"d": "nan"}, "e": [1, None]}


def test_quiet_needs_a_browser(folder):
    found = run("explore", "--workdir=run", "--quiet", "--noopen", cwd=folder)
    assert found.returncode == 1 and "--quiet hides the address of the page" in found.stderr


def test_quiet_prints_nothing_but_errors(folder):
    found = run("train", "--config=m2_digits", "--config.epochs=1", "--workdir=quiet", "--quiet", cwd=folder)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert (folder / "quiet" / "results.json").exists()
    found = run("export", "--workdir=quiet", "--quiet", "--json", "--output=served", cwd=folder)
    assert found.stderr == "" and json.loads(found.stdout)["output"] == "served"
    found = run("evaluate", "--workdir=none", "--quiet", "--json", cwd=folder)
    assert found.returncode == 1 and found.stdout == "" and found.stderr.startswith("evaluate.py: --workdir must be")
