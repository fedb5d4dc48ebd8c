"""`--strategy`: the devices that a run trains on."""

import json
import os

import tensorflow as tf

from ssdgm_tf import choices
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.names import STRATEGIES

# Errors of a cluster that has lost a worker.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


def make(name: str) -> tf.distribute.Strategy:
    """The strategy of a name. It must be made before anything is computed.

    Args:
        name: "none" (one device), "mirrored" (every local GPU; without one, every logical CPU) or "multi_worker" (the
            cluster that TF_CONFIG describes).

    Raises:
        UserError: another name, or "multi_worker" without a TF_CONFIG that names this worker.
    """
    choices.check("--strategy", name, STRATEGIES, UserError)
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        config = json.loads(os.environ.get("TF_CONFIG", ""))
        config["cluster"][config["task"]["type"]][config["task"]["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(
            "--strategy=multi_worker needs TF_CONFIG, such as "
            '\'{"cluster": {"worker": ["host1:port", "host2:port"]}, "task": {"type": "worker", "index": 0}}\'. '
            f"Received: {os.environ.get('TF_CONFIG')!r}"
        ) from error
    return tf.distribute.MultiWorkerMirroredStrategy()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the run's files. Exactly one worker does."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_type == "worker" and resolver.task_id == 0


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether it trains on the processes of a cluster."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_lost_worker(error: BaseException, strategy: tf.distribute.Strategy) -> bool:
    """Whether an error says that the cluster has lost another worker."""
    return is_multi_worker(strategy) and isinstance(error, _LOST)
