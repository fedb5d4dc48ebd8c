"""Runs a command on a node of a Kubernetes job with the TF_CONFIG that TensorFlow's clusters need.

    python with_tf_config.py ssdgm-train --config=adgm_digits --workdir=/runs/digits --strategy=multi_worker

It reads NUM_WORKERS, JOB_COMPLETION_INDEX (which Kubernetes sets in an indexed job) and WORKER_ADDRESS, the address of a
worker with {index} in it, such as digits-node-0-{index}.digits:2222. See trainjob.yaml.
"""

import json
import os
import sys


def tf_config(environment):
    """The text of TF_CONFIG.

    Args:
        environment: as `os.environ`.

    Raises:
        SystemExit: a variable is missing, or the index is not one of the workers'.
    """
    missing = [name for name in ("NUM_WORKERS", "JOB_COMPLETION_INDEX", "WORKER_ADDRESS") if name not in environment]
    if missing:
        sys.exit(f"NUM_WORKERS, JOB_COMPLETION_INDEX and WORKER_ADDRESS must be set. Received: no {missing[0]}")
    size, index = int(environment["NUM_WORKERS"]), int(environment["JOB_COMPLETION_INDEX"])
    if not 0 <= index < size:
        sys.exit(f"JOB_COMPLETION_INDEX must be in [0, NUM_WORKERS). Received: {index} of {size}")
    workers = [environment["WORKER_ADDRESS"].format(index=number) for number in range(size)]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


if __name__ == "__main__":
    os.environ["TF_CONFIG"] = tf_config(os.environ)
    os.execvp(sys.argv[1], sys.argv[1:])
