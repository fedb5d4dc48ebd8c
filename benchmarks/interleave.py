"""Several processes that step in turn, so that a drift of the machine's speed affects all of them alike."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self, cast

ROOT = Path(__file__).parents[1]


class Workers:
    """Worker processes by name, closed on leaving.

    Args:
        settings: {name: settings of the module}.
        module: module that each process runs, with its settings as JSON.

    Attributes:
        first: {name: its first answer, when it was ready}.
    """

    def __init__(self, settings: dict[str, dict], module: str = "benchmarks.worker"):
        self.settings, self.module = settings, module
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.first: dict[str, dict] = {}

    def __enter__(self) -> Self:
        try:
            for name, settings in self.settings.items():  # one after the other, so that nothing else runs while one compiles
                command = [sys.executable, "-m", self.module, json.dumps(settings)]
                self.processes[name] = subprocess.Popen(
                    command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
                self.first[name] = self._read(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate()

    def ask(self, name: str, line: str) -> dict:
        """The answer of one worker to a line."""
        requests = cast(IO[str], self.processes[name].stdin)
        requests.write(f"{line}\n")
        requests.flush()
        return self._read(name)

    def _read(self, name: str) -> dict:
        line = cast(IO[str], self.processes[name].stdout).readline()
        if not line:
            raise RuntimeError(f"{name} ended: {self.processes[name].communicate()[1][-2000:]}")
        return json.loads(line)


def measure(
    workers: Workers, rounds: int, steps: int, progress: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """{name: seconds per step, one figure per round}; every worker steps in every round, in an order that rotates."""
    seconds: dict[str, list[float]] = {name: [] for name in workers.settings}
    names = list(seconds)
    for round_number in range(rounds):
        turn = round_number % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(workers.ask(name, str(steps))["seconds"])
        progress()
    return seconds


def summary(seconds: dict[str, list[float]], against: str) -> dict[str, dict]:
    """{name: median ms, and the median and quartiles of each round's ratio to `against`}."""
    result = {}
    for name, own in seconds.items():
        ratios = [a / b for a, b in zip(own, seconds[against], strict=True)]
        quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        result[name] = {
            "median_ms": round(1e3 * statistics.median(own), 2),
            "ratio": round(statistics.median(ratios), 3),
            "ratio_quartiles": [round(quartiles[0], 3), round(quartiles[2], 3)],
        }
    return result


def write(path: str | Path, values: dict) -> None:
    """Writes a result file; an interrupted call leaves no half-written file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=1) + "\n")
    partial.replace(path)
