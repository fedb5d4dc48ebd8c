"""The command line: what it accepts, and the one message for what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssdgm_tf.trainers import flags


def run(command, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", f"ssdgm_tf.trainers.{command}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--config=m3"],
            f"--config must be one of {', '.join(flags.presets())}, or an existing .py or .json file. Received: 'm3'",
        ),
        (["--config=m2_digits:label=3"], "defaults labels=30, seed=0. Received: 'label=3'"),
        (["--config=m2_digits:labels=x"], "Received: 'labels=x'"),
        (["--config.latent=3"], "--config.FIELD must name a field of the config. Received: 'latent' Did you mean"),
        (["--config.latent_dim=a"], "flag --config.latent_dim=a: invalid literal for int"),
        (["--precision=int8"], "value should be one of <float32|tf32|bfloat16|float16>"),
        (["--nonsense"], "Unknown command line flag 'nonsense'"),
        (["extra"], "takes flags only. Received: ['extra']"),
    ],
)
def test_a_mistake_gets_one_line_and_leaves_nothing(arguments, message, tmp_path):
    result = run("train", *arguments, cwd=tmp_path)
    assert result.returncode == 1 and message in result.stderr
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--workdir must name the folder of a run. Received: none"),
        (["--workdir=nowhere"], "--workdir must be the folder of a run. Received: nowhere, without a config.json"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "figures"])
def test_what_looks_at_a_run_needs_one(command, arguments, message, tmp_path):
    result = run(command, *arguments, cwd=tmp_path)
    assert result.returncode == 1 and message in result.stderr and "Traceback" not in result.stderr


def test_names_files_and_separate_words_are_resolved(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("")
    preset = f"{flags.CONFIGS / 'm2_mnist'}.py:labels=100,seed=0"
    assert flags.resolve_config(["x", "--config=m2_mnist:labels=100,seed=0"])[1] == f"--config={preset}"
    assert flags.resolve_config(["x", "--config", "m2_mnist:labels=100,seed=0"])[2] == preset
    assert flags.resolve_config(["x", f"--config={own}:a=1"])[1] == f"--config={own}:a=1"
    assert flags.resolve_config(["x", "--workdir=w"])[1] == f"--config={flags.CONFIGS / 'm2_digits'}.py"


def test_presets_are_the_files_of_configs():
    assert {"m1_mnist", "m1m2_norb", "m2_digits", "sdgm_svhn", "baseline_mnist", "fast_mnist"} <= set(flags.presets())
    assert not {"common", "from_json", "__init__"} & set(flags.presets())
    assert all((Path(flags.CONFIGS) / f"{name}.py").exists() for name in flags.presets())
