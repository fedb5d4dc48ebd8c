"""Processes that measure one row each: several get ready at once, and then they measure one after the other."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from unittest import mock

from benchmarks import interleave
from benchmarks.gpu_rows import Values

#: What the variables of every process add to those of this one.
VARIABLES = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


class Row(NamedTuple):
    """What one process measures.

    Attributes:
        name: its name in the results if it fails.
        kind: one of `gpu_rows.KINDS`.
        settings: arguments of the function of that kind.
        variables: environment variables of the process.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    variables: dict[str, str]


class Part(NamedTuple):
    """Rows that share a time.

    Attributes:
        name: its name in the results.
        rows: what is measured, the most important first.
        seconds: the time of the part.
        measuring: the part of these seconds that is kept for measuring.
        at_once: how many processes get ready at the same time.
    """

    name: str
    rows: list[Row]
    seconds: float
    measuring: float
    at_once: int


class Process:
    """The process of one row.

    Args:
        row: what it measures.

    Attributes:
        ready_seconds: from its start until it was ready.
    """

    def __init__(self, row: Row) -> None:
        self.row, self.ready_seconds = row, 0.0
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from benchmarks import gpu_rows; gpu_rows.work({row.kind!r}, {row.settings!r})"],
            cwd=interleave.ROOT,
            env=os.environ | row.variables | VARIABLES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,  # a group of its own, so that `end` kills its children too
        )

    def get_ready(self, seconds: float) -> None:
        """Waits until it is ready.

        Args:
            seconds: how long at most.
        """
        self._answer(seconds, "was not ready")
        self.ready_seconds = time.perf_counter() - self.start

    def measure(self, seconds: float) -> dict[str, Values]:
        """Lets it measure; {name: values}.

        Args:
            seconds: how long at most.
        """
        requests = cast(IO[str], self.process.stdin)
        requests.write("\n")
        requests.flush()
        return self._answer(seconds, "did not end measuring")

    def end(self) -> None:
        """Kills the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends it, and waits until it has given everything back."""
        self.end()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):
                cast(IO[str], stream).close()

    def _answer(self, seconds: float, failure: str) -> dict:
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            self.end()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        line = cast(IO[str], self.process.stdout).readline()
        timer.cancel()
        if line:
            return json.loads(line)
        if is_late.is_set():
            raise TimeoutError(f"{failure} after {seconds:.0f} s")
        self.errors.seek(0)
        raise RuntimeError(reason(self.errors.read()))


def reason(errors: str) -> str:
    """The error message in what a process wrote to its error stream.

    Args:
        errors: what it wrote.
    """
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return [*(named or lines or ["the process ended without a word"])][-1][:300]


def measure(part: Part) -> Iterator[tuple[str, Values]]:
    """Measures the rows of a part; gives each as soon as it is known, or the reason why it is not.

    Args:
        part: the part.
    """
    ends = time.monotonic() + part.seconds
    processes: dict[str, Process] = {}

    def ready(row: Row) -> Process:
        left = ends - part.measuring - time.monotonic()
        if left < 1:
            raise TimeoutError(f"not begun: the {part.seconds:.0f} s of its part were over")
        processes[row.name] = Process(row)
        processes[row.name].get_ready(left)
        return processes[row.name]

    pool = concurrent.futures.ThreadPoolExecutor(part.at_once)
    try:
        waiting = {row.name: pool.submit(ready, row) for row in part.rows}
        concurrent.futures.wait(waiting.values())
        for name, future in waiting.items():
            try:
                rows = future.result().measure(max(1, ends - time.monotonic()))
            except (OSError, RuntimeError, ValueError) as error:
                yield name, {"skipped": str(error)}
                continue
            for own, values in rows.items():
                yield own, values | {"ready_seconds": round(processes[name].ready_seconds, 1)}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(processes.values()):
            process.end()
        for process in list(processes.values()):
            process.close()


def variables(cache: Path | None, **more: str) -> dict[str, str]:
    """Environment variables of a process that keeps its programs in a cache, as the commands do.

    Args:
        cache: the cache folder of a user; None for the usual one.
        **more: other variables.
    """
    from ssdgm_tf.runs import compilation_cache

    own = {} if cache is None else {"XDG_CACHE_HOME": str(cache), "TF_XLA_FLAGS": ""}
    with mock.patch.dict(os.environ, own):
        compilation_cache.use()  # here, because a process must have it before it imports TensorFlow
        return own | {"TF_XLA_FLAGS": os.environ.get("TF_XLA_FLAGS", "")} | more
