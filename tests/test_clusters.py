"""The recipes of examples/cluster, on this machine."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import yaml

FOLDER = Path(__file__).parent.parent / "examples" / "cluster"


def entry():
    spec = importlib.util.spec_from_file_location("with_tf_config", FOLDER / "with_tf_config.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def manifest(kind):
    (found,) = (part for part in yaml.safe_load_all((FOLDER / "trainjob.yaml").read_text()) if part["kind"] == kind)
    return found


def test_a_node_of_the_manifest_finds_itself_among_the_workers():
    job = manifest("TrainJob")
    environment = {variable["name"]: variable["value"] for variable in job["spec"]["trainer"]["env"]}
    config = json.loads(entry().tf_config(environment | {"JOB_COMPLETION_INDEX": "1"}))
    assert config == {
        "cluster": {"worker": ["digits-node-0-0.digits:2222", "digits-node-0-1.digits:2222"]},
        "task": {"type": "worker", "index": 1},
    }
    runtime = manifest("TrainingRuntime")
    (node,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    name = job["metadata"]["name"]
    assert environment["WORKER_ADDRESS"] == f"{name}-{node['name']}-0-{{index}}.{name}:2222"
    sizes = job["spec"]["trainer"]["numNodes"], runtime["spec"]["mlPolicy"]["numNodes"], int(environment["NUM_WORKERS"])
    assert sizes == (2, 2, 2)
    assert (FOLDER.parent.parent / job["spec"]["trainer"]["command"][1]).exists()


def test_what_the_entry_cannot_use_is_refused():
    whole = {"NUM_WORKERS": "2", "JOB_COMPLETION_INDEX": "1", "WORKER_ADDRESS": "a{index}:1"}
    for name in whole:
        with pytest.raises(SystemExit, match=rf"must be set\. Received: no {name}"):
            entry().tf_config({other: value for other, value in whole.items() if other != name})
    with pytest.raises(SystemExit, match=r"JOB_COMPLETION_INDEX must be in \[0, NUM_WORKERS\)\. Received: 2 of 2"):
        entry().tf_config(whole | {"JOB_COMPLETION_INDEX": "2"})


def neighbouring_ports():
    """The shared beginning of two free ports that end with 0 and 1."""
    for beginning in range(2100, 3200):
        try:
            for index in range(2):
                with socket.socket() as end:
                    end.bind(("localhost", int(f"{beginning}{index}")))
        except OSError:
            continue
        return beginning
    raise AssertionError("no two neighbouring ports are free")


@pytest.mark.slow
def test_two_nodes_train_one_run(tmp_path):
    """As the manifest starts them, with the addresses of this machine."""
    trainer = manifest("TrainJob")["spec"]["trainer"]
    command = [word.replace("/runs/", f"{tmp_path}/").replace("python", sys.executable) for word in trainer["command"]]
    command = [*command, "--config.epochs=1", "--config.labels_spread=False"]
    command[2] = str(Path(sys.executable).parent / command[2])
    given = {"NUM_WORKERS": "2", "WORKER_ADDRESS": f"localhost:{neighbouring_ports()}{{index}}"}
    nodes = [
        subprocess.Popen(command, env=os.environ | given | {"JOB_COMPLETION_INDEX": str(index)}, cwd=FOLDER.parent.parent)
        for index in range(2)
    ]
    assert [node.wait() for node in nodes] == [0, 0]
    assert json.loads((tmp_path / "digits" / "results.json").read_text())["error"] < 0.9


@pytest.mark.slow
def test_ray_trains_on_two_workers(tmp_path):
    script = FOLDER / "ray_train.py"
    done = subprocess.run([sys.executable, script, "2", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = Path(done.stdout.strip().splitlines()[-1].partition("the model is in ")[2])
    assert keras.saving.load_model(folder / "model.keras").num_steps == 2 * 13
