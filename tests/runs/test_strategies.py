"""`--strategy`: two processes train one run; one of them writes; a worker that dies is reported."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from ssdgm_tf.configs import m1m2_digits
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import run, strategies
from tests.runs.test_run import settings

RUN = """
import sys
sys.path.insert(0, sys.argv[3])
from ssdgm_tf.runs import run, strategies
from ssdgm_tf.errors import UserError
from tests.runs.test_run import settings
strategy = strategies.make(sys.argv[2])
try:
    chosen = settings(epochs=int(sys.argv[4]), labels=31, batch_size=101) | {"precision": sys.argv[5]}
    results = run.train(chosen, sys.argv[1], execution=run.Execution(0.0, strategy))
    print("wrote" if results else "nothing")
except UserError as error:
    print(error)
"""


def started(workdir, strategy, epochs=3, worker=None, ports=(), precision="float32"):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    if worker is not None:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": worker}})
    words = [sys.executable, "-c", RUN, str(workdir), strategy, os.getcwd(), str(epochs), precision]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def two_workers(workdir, epochs=3, precision="float32"):
    with socket.socket() as one, socket.socket() as two:
        for end in (one, two):
            end.bind(("localhost", 0))
        ports = [end.getsockname()[1] for end in (one, two)]
    return [started(workdir, "multi_worker", epochs, worker, ports, precision) for worker in range(2)]


def said(process):
    out, err = process.communicate()
    assert process.returncode == 0, err[-2000:]
    return out.splitlines()[-1]


def losses(workdir):
    return [json.loads(line)["loss"] for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_two_processes_train_one_run_and_the_chief_alone_writes(precision, tmp_path):
    workers = two_workers(tmp_path / "two", precision=precision)
    assert [said(worker) for worker in workers] == ["wrote", "nothing"]
    assert said(started(tmp_path / "one", "none", precision=precision)) == "wrote"
    # Draws of their own: the curves are apart by their noise.
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=0.04)
    assert (tmp_path / "two" / "report.html").exists() and not list((tmp_path / "two").glob("*partial*"))


@pytest.mark.slow
def test_a_worker_that_dies_is_reported_and_the_run_goes_on_when_all_are_back(tmp_path):
    chief, other = two_workers(tmp_path, epochs=12)
    while not (tmp_path / "metrics.jsonl").exists() or len(losses(tmp_path)) < 2:
        assert chief.poll() is None
        time.sleep(0.2)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    message = said(chief)
    assert "A step needs every worker" in message and "a worker that is gone" in message
    before = len(losses(tmp_path))
    assert 2 <= before < 12
    chief, other = two_workers(tmp_path, epochs=12)
    assert [said(chief), said(other)] == ["wrote", "nothing"]
    rows = [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 13))


class Cluster:
    """What a run looks at of a strategy of two workers before it trains, seen from the second."""

    num_replicas_in_sync = 2
    cluster_resolver = None


def test_what_is_not_for_a_cluster_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(strategies, "is_multi_worker", lambda strategy: isinstance(strategy, Cluster))
    execution = run.Execution(strategy=Cluster())
    with pytest.raises(UserError, match=r"must be finished: .* give it by --part\. Received: .*m1, without results\.json"):
        run.train(settings(**m1m2_digits.get_config().to_dict()), tmp_path, execution=execution)
    with pytest.raises(UserError, match="A baseline is fitted on one device"):
        run.train(settings(model="nearest_neighbours"), tmp_path, execution=execution)
    assert not list(tmp_path.iterdir())


def test_a_cluster_must_be_described(monkeypatch):
    for value in ("", "{", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'):
        monkeypatch.setenv("TF_CONFIG", value)
        with pytest.raises(UserError, match="multi_worker needs TF_CONFIG, such as"):
            strategies.make("multi_worker")
    with pytest.raises(
        UserError, match=r"--strategy must be one of none, mirrored, multi_worker\. Received: --strategy='tpu'"
    ):
        strategies.make("tpu")


def test_xla_over_several_devices_is_refused_before_anything_starts():
    words = [sys.executable, "-m", "ssdgm_tf.trainers.train", "--strategy=mirrored", "--jit_compile=on"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "--jit_compile must be off or auto" in done.stderr and "Traceback" not in done.stderr
