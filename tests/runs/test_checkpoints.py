"""Nothing is lost: runs killed at random moments, damaged checkpoints, full disks."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from ssdgm_tf.configs import m2_digits
from ssdgm_tf.configs.common import PLAIN
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import checkpoints, run
from tests.runs.test_run import settings

# Seconds to the latest kill, of the start or of the first epoch that the run trains.
_LONGEST = 4.0
# A process that has imported everything and forks a run of the settings in each line it reads, so that a start costs
# seconds. It says the process's number, then how it ended.
FORKS_RUNS = """
import json, os, sys
from ssdgm_tf.runs import run

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        run.train(asked["settings"], asked["workdir"], execution=run.Execution(checkpoint_seconds=0.0))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """`FORKS_RUNS`, asked for one run after the other."""

    def __init__(self):
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, "-c", FORKS_RUNS], text=True, env=environment, **pipes)

    def run(self, workdir, kill_after=None, trained=False, **fields):
        """How the run ended: 0, or -9 where it was killed so many seconds after its start, or after it `trained` on."""
        asked = {"settings": settings(**fields), "workdir": str(workdir)}
        before = epochs_trained(workdir)
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if kill_after is not None:
            while trained and epochs_trained(workdir) <= before and alive(child):
                time.sleep(0.01)
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.communicate()


def epochs_trained(workdir):
    """The rows of a run's metrics. A checkpoint says less: every start writes one."""
    try:
        return (workdir / "metrics.jsonl").read_text().count("\n")
    except FileNotFoundError:
        return 0


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def forks():
    made = Forks()
    yield made
    made.close()


def weights(workdir):
    return keras.models.load_model(workdir / "model.keras").get_weights()


@pytest.mark.filterwarnings("ignore:The model must be a .keras file")
@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_ends_as_one_that_is_not(forks, tmp_path):
    """Kills at random moments: while it starts, trains, writes a checkpoint (every epoch), measures or draws its report.

    Every second one is counted from the first epoch since the start, so that a slow machine gets that far too.
    """
    num_kills, epochs = 20, 60
    fields = {"epochs": epochs}
    assert forks.run(tmp_path / "whole", **fields) == 0
    moments, kills, ended, steps = random.Random(0), 0, 0, []
    workdir = tmp_path / "killed0"
    while kills < num_kills:
        if forks.run(workdir, moments.uniform(0.1, _LONGEST), trained=kills % 2 == 1, **fields) == 0:
            ended += 1  # it ended before its time: the next kills are another run's
            workdir = tmp_path / f"killed{ended}"
            continue
        kills += 1
        if checkpoints.exists(workdir / "model.keras"):
            steps.append(int(checkpoints.load(workdir / "model.keras").step))  # there is always one that is whole
    assert forks.run(workdir, **fields) == 0
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, epochs + 1))
    for one, other in zip(weights(workdir), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    first, second = (json.loads((w / "results.json").read_text()) for w in (workdir, tmp_path / "whole"))
    assert first["error"] == second["error"]
    assert len(set(steps)) > num_kills // 6 and not list(workdir.glob("*partial*"))


def trained(workdir, epochs):
    run.train(settings(epochs=epochs), workdir, execution=run.Execution(checkpoint_seconds=0.0))


def saved_twice(model, path):
    """Two checkpoints, of steps 1 and 2; returns the bytes of the last."""
    for _ in range(2):
        model.step.assign_add(1)
        checkpoints.save(model, path)
    return bytearray(path.read_bytes())


# Of h5py and NumPy; pytest.warns raises what it does not look for.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "absent"])
def test_a_damaged_checkpoint_is_passed_over(tiny_m2, tmp_path, damage):
    path = tmp_path / "model.keras"
    content = saved_twice(tiny_m2, path)
    assert int(checkpoints.load(path).step) == 2
    content[len(content) // 2] ^= 255
    if damage == "absent":  # killed between two renames
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-50], "flipped": content, "empty": b""}[damage])
    with pytest.warns(UserWarning, match=r"Received: .*model\.keras .* The checkpoint before it is taken\."):
        assert int(checkpoints.load(path).step) == 1


@pytest.mark.usefixtures("bare")
@pytest.mark.filterwarnings("ignore:The model must be a .keras file")
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run.measuring, "measure", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        trained(tmp_path / "run", 3)
    path = tmp_path / "run" / "model.keras"
    whole = weights(tmp_path / "run")
    path.write_bytes(path.read_bytes()[:-50])
    trained(tmp_path / "run", 3)
    for one, other in zip(weights(tmp_path / "run"), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_two_damaged_checkpoints_end_the_run(tiny_m2, tmp_path):
    path = tmp_path / "model.keras"
    saved_twice(tiny_m2, path)
    for one in (path, checkpoints.previous(path)):
        one.write_bytes(b"nothing")
    with pytest.warns(UserWarning), pytest.raises(UserError, match=r"must be a \.keras file .*previous-model\.keras"):
        checkpoints.load(path)


@pytest.mark.usefixtures("bare")
def test_a_full_disk_ends_the_run_with_one_message_and_the_last_checkpoint_whole(tmp_path, monkeypatch):
    save = keras.Model.save
    saved = []

    def fill(model, path):
        if len(saved) == 2:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        saved.append(path)
        save(model, path)

    with monkeypatch.context() as patch:
        patch.setattr("ssdgm_tf.models.M2.save", fill)
        with pytest.raises(UserError, match=r"^A run needs room on the disk: .* Received: no space left in"):
            trained(tmp_path, 4)
    assert int(checkpoints.load(tmp_path / "model.keras").step) == 13
    assert not list(tmp_path.glob("partial*"))
    trained(tmp_path, 4)
    assert int(checkpoints.load(tmp_path / "model.keras").step) == 4 * 13


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path, monkeypatch):
    def fail(model, path):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("ssdgm_tf.models.M2.save", fail)
    with pytest.raises(OSError, match="Permission denied"):
        trained(tmp_path, 1)


FULL_DISK = """
set -eu
mount -t tmpfs -o size=16m tmpfs "$1"
"$2" -m ssdgm_tf.trainers.train $3 --workdir="$1/run" & train=$!
until [ -e "$1/run/previous-model.keras" ]; do kill -0 $train; sleep 0.02; done
cat /dev/zero > "$1/filler" 2> /dev/null || true
status=0; wait $train || status=$?
rm "$1/filler"
echo "status $status"
"$2" -c "import sys; from ssdgm_tf.runs import checkpoints
print('step', int(checkpoints._load(sys.argv[1]).step))" "$1/run/model.keras"
ls "$1/run"
"""


@pytest.mark.slow
def test_a_disk_that_is_full(tmp_path):
    """A small disk of its own, filled while the run writes a checkpoint every epoch."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    probe = [*alone, "sh", "-c", f"mount -t tmpfs tmpfs {tmp_path}"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("needs unshare, and leave to mount a disk in a namespace of its own")
    fields = PLAIN | {"latent_dim": 3, "hidden_units": "(16,)", "epochs": 500}
    flags = ["--config=m2_digits:labels=30,seed=0", *(f"--config.{name}={value}" for name, value in fields.items())]
    script = [*alone, "sh", "-c", FULL_DISK, "sh"]
    words = [*script, str(tmp_path), sys.executable, " ".join([*flags, "--checkpoint_seconds=0"])]
    done = subprocess.run(words, capture_output=True, text=True)
    assert "status 1\n" in done.stdout and re.search(r"^step \d+$", done.stdout, re.MULTILINE), done.stderr[-2000:]
    assert done.stderr.count("A run needs room on the disk") == 1 and "Traceback" not in done.stderr
    assert "partial" not in done.stdout


def test_what_remains_after_training_is_the_running_average(tmp_path, unmeasured):
    """The mean teacher has it, and the last checkpoint holds it; a run without it is another one."""
    made, weights = m2_digits.get_config("labels=30,seed=0").to_dict(), {}
    made |= PLAIN | {"epochs": 2, "hidden_units": (8,), "consistency": "mean_teacher"}
    for momentum in (0.9, 0.5):
        settings = {"config": made | {"ema_momentum": momentum}, "precision": "float32", "jit_compile": "auto"}
        run.train(settings, tmp_path / f"run_{momentum}")
        model = checkpoints.load(tmp_path / f"run_{momentum}" / "model.keras")
        assert model.optimizer.use_ema and model.optimizer.ema_momentum == momentum
        averages = model.optimizer._model_variables_moving_average
        for weight, average in zip(model.trainable_variables, averages, strict=True):
            np.testing.assert_allclose(weight, average, rtol=1e-6)
        weights[momentum] = model.trainable_variables[0].numpy()
    assert np.abs(weights[0.9] - weights[0.5]).max() > 1e-4
    with pytest.raises(UserError, match=r"config\.ema_momentum"):
        run.train({"config": made, "precision": "float32", "jit_compile": "auto"}, tmp_path / "without")
