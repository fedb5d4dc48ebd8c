"""Runs cells one after another, each in its own process: its memory is freed, and its failure stops no other cell."""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from ssdgm_tf import data, files
from ssdgm_tf.configs.common import EARLIER_EPOCHS
from ssdgm_tf.engine_version import ENGINE
from ssdgm_tf.tables import records, today
from ssdgm_tf.tables.cells import Cell, Options, command, config, needed
from ssdgm_tf.tables.definitions import Table

# An interrupted run is killed after this time. Its checkpoint is undamaged either way.
_GRACE_SECONDS = 30
_LOG_LINES = 8


def run(
    table: Table,
    cells: list[Cell],
    options: Options,
    launch: Callable[[list[str], Path], int] | None = None,
    after: Callable[[], None] = lambda: None,
) -> dict[Cell, str]:
    """Runs the cells of `plan` and writes a results file for each that succeeds.

    Args:
        table: the table of the cells.
        cells: the cells to run, in this order.
        options: where and how.
        launch: (command line, log file) -> exit status; by default `launch_process`.
        after: called when a cell has ended.

    Returns:
        {cell: reason} of the failures.
    """
    failed: dict[Cell, str] = {}
    if not cells:
        return failed
    minutes = Minutes(records.read_all(options.results / table.home)[0])
    bar_format = "{desc} {n_fmt}/{total_fmt} |{bar}| {elapsed}{postfix}"
    with tqdm(total=len(cells), desc=table.name, bar_format=bar_format) as bar:
        for number, cell in enumerate(cells):
            bar.set_postfix_str(f"{cell.name}, {minutes.left(cells[number:])}")
            below = needed(table, cell)
            if below in failed:
                failed[cell] = f"needs {below.name}, which failed"
            else:
                _say(bar, f"{number + 1} of {len(cells)}: {cell.name}, {minutes.left(cells[number:])}")
                bar.clear()
                try:
                    record = run_one(table, cell, options, launch or launch_process)
                    minutes.add(record)
                    _say(bar, f"{cell.name}: {_outcome(record)}")
                except RunFailed as error:
                    failed[cell] = str(error)
            if cell in failed:
                bar.write(f"{cell.name} FAILED: {failed[cell]}", file=sys.stderr)
            bar.update()
            after()
    return failed


def _say(bar: tqdm, text: str) -> None:
    """Writes a line above the bar, unless there is none because of --quiet."""
    if not bar.disable:
        bar.write(text, file=sys.stderr)


class RunFailed(Exception):
    """A cell's run that ended without a result: its exit status and the end of its log."""


def plan(table: Table, asked: list[Cell], options: Options) -> tuple[list[Cell], list[str]]:
    """The cells that are still to be run, each after the cell that it builds on, and the faults of damaged files.

    Args:
        table: the table of the cells.
        asked: the cells of `cells.select`.
        options: where and how.
    """
    todo: dict[Cell, None] = {}
    damaged: dict[str, None] = {}

    def whole(cell: Cell) -> bool:
        if not (path := options.results_file(cell)).exists():
            return False
        try:
            record = records.read(path)
            _check_today(table, cell, record)
        except ValueError as error:
            damaged[str(error)] = None
            return False
        cut = record["results"].get("budget_seconds")
        return cut is None or (options.budget is not None and options.budget <= cut)

    for cell in asked:
        if whole(cell):
            continue
        below = needed(table, cell)
        # Its results file is not enough: the trained model itself is needed.
        if below and not (whole(below) and (options.run_folder(below) / "results.json").exists()):
            todo[below] = None
        todo[cell] = None
    return list(todo), list(damaged)


def _check_today(table: Table, cell: Cell, record: dict) -> None:
    """Raises ValueError where a record is of another preset or engine than a run would be now."""
    old = f"Received: {cell.table}/{cell.name}, which was run with another"
    if changed := today.changed_fields(table, record):
        raise ValueError(
            f"A cell has the config of its preset. {old} {', '.join(changed)}; remove the folder of its old run"
        )
    origin = record["results"], record["revision"]
    if not today.is_of_engine(table.rows[cell.row], *origin):
        raise ValueError(f"A cell is of today's engine. {old}, {today.engine_of(*origin)}; remove the folder of its old run")


def check(table: Table, cells: list[Cell], todo: list[Cell], options: Options) -> None:
    """Checks the configs and the data of cells before any training.

    Args:
        table: the table of the cells.
        cells: the cells whose configs are built, those of `todo` among them.
        todo: the cells whose data are looked for.
        options: where and how.

    Raises:
        ValueError: an invalid config, or a data set of an unknown form.
        FileNotFoundError: missing data.
    """
    configs = {cell: config(table, cell) for cell in cells}
    for name in dict.fromkeys(configs[cell]["data"] for cell in todo):
        data.require(name, options.data_dir, options.download)


def run_one(table: Table, cell: Cell, options: Options, launch: Callable[[list[str], Path], int]) -> dict:
    """Runs one cell and writes its results file.

    Args:
        table: the table of the cell.
        cell: the cell.
        options: where and how.
        launch: (command line, log file) -> exit status.

    Returns:
        The record that was written.

    Raises:
        RunFailed: the process failed, or left no valid result; or its folder holds a run of other epochs.
    """
    folder = options.run_folder(cell)
    _check_epochs(folder / "config.json", config(table, cell)["epochs"])
    _check_engine(table, cell, folder)
    folder.mkdir(parents=True, exist_ok=True)
    is_finished = (folder / "results.json").exists()
    revision, log, start = _note_revision(folder / "revision.txt", is_finished), folder / "log.txt", time.monotonic()
    status = launch(command(table, cell, options), log)
    if status:
        raise RunFailed(f"exit status {status}; the end of {log}:\n{_tail(log)}")
    try:
        record = records.collect(cell, folder, revision, time.monotonic() - start)
    except ValueError as error:
        raise RunFailed(str(error)) from error
    records.write(options.results_file(cell), record)
    return record


def _check_epochs(path: Path, epochs: int) -> None:
    """Refuses a run of other epochs, now or before it went on: where its rate falls along them, it is not its preset's."""
    try:
        settings = json.loads(path.read_text())
        numbers = [*settings.get(EARLIER_EPOCHS, []), settings["config"]["epochs"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # a new run, or one that the command itself refuses
    if numbers != [epochs] and not (epochs == 0 and len(numbers) == 1):  # 0 leaves them to the data
        received = ", then ".join(map(str, numbers))
        raise RunFailed(f"A cell is one run of {epochs} epochs: remove {path.parent}. Received: a run of {received} epochs")


def _check_engine(table: Table, cell: Cell, folder: Path) -> None:
    """Refuses a finished run of an earlier engine, which the command would leave as it is."""
    try:
        results = json.loads((folder / "results.json").read_text())
        revision = (folder / "revision.txt").read_text() if (folder / "revision.txt").exists() else None
        number = today.engine_of(results, revision)
    except (OSError, ValueError, TypeError, AttributeError):
        return  # a new run, or one that the command itself refuses
    if not today.is_of_engine(table.rows[cell.row], results, revision):
        raise RunFailed(f"A cell is of today's engine, {ENGINE}: remove {folder}. Received: a run of engine {number}")


def _note_revision(path: Path, is_finished: bool) -> str | None:
    """The git revisions at which this run was started and resumed, this start included unless the run is finished."""
    known = path.read_text().splitlines() if path.exists() else []
    revision = records.git_revision()
    if revision is not None and revision not in known and not is_finished:
        known.append(revision)
        with files.whole(path) as partial:
            partial.write_text("\n".join(known) + "\n")
    return ", ".join(known) or None


def _tail(log: Path) -> str:
    """The last lines of a log, without the states that a progress bar overwrote."""
    text = log.read_text(errors="replace").replace("\r\n", "\n") if log.exists() else ""
    lines = [line.rsplit("\r", 1)[-1] for line in text.split("\n") if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])


def _outcome(record: dict) -> str:
    error = record["results"].get("error")
    measured = "done" if error is None else f"test error {100 * error:.2f} %"
    return f"{measured}, {record['minutes']:.1f} minutes"


class Minutes:
    """Estimates how long cells take.

    Args:
        finished: the records of cells that are finished.
    """

    def __init__(self, finished: list[dict]) -> None:
        self._by_row: dict[str, list[float]] = {}
        for record in finished:
            self.add(record)

    def add(self, record: dict) -> None:
        """Adds a finished cell.

        Args:
            record: the record of the cell.
        """
        self._by_row.setdefault(record["row"], []).append(record["minutes"])

    def left(self, cells: list[Cell]) -> str:
        """The time that `cells` will take, in words: the mean of finished cells of the same row, or of all rows.

        Args:
            cells: the cells still to run.
        """
        if not self._by_row:
            return "time left not known yet"
        overall = statistics.mean(value for values in self._by_row.values() for value in values)
        left = sum(statistics.mean(self._by_row.get(cell.row, [overall])) for cell in cells)
        return f"about {left / 60:.1f} hours left" if left >= 90 else f"about {left:.0f} minutes left"


def launch_process(words: list[str], log: Path) -> int:
    """Runs a command to its end, with its output in `log`, and on the terminal if there is one.

    An interruption (KeyboardInterrupt) is passed on to the command, which may then end.

    Args:
        words: the command line.
        log: the file that the output is appended to.

    Returns:
        The exit status.
    """
    if not (sys.stderr.isatty() and os.name == "posix"):
        return launch_unseen(words, log)
    with log.open("ab", buffering=0) as file:
        # With its own terminal the run draws its progress bar as usual. The output is copied from there into the log.
        import pty
        import termios

        leader, output = pty.openpty()
        termios.tcsetwinsize(output, termios.tcgetwinsize(sys.stderr.fileno()))
        copying = threading.Thread(target=_copy, args=(leader, file), daemon=True)
        copying.start()
        try:
            return _wait(words, output)
        finally:
            os.close(output)
            copying.join(timeout=5)


def launch_unseen(words: list[str], log: Path) -> int:
    """Runs a command with its output in a file only.

    Args:
        words: the command line.
        log: the file that the output is appended to.

    Returns:
        The exit status.
    """
    with log.open("ab", buffering=0) as file:
        return _wait(words, file.fileno())


def _wait(words: list[str], output: int) -> int:
    """Runs a command with its output in a file descriptor."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}  # so that the log is up to date
    # In its own session a run gets an interruption once: from here.
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
    )
    try:
        return process.wait()
    except BaseException:
        # A command started in the background ignores SIGINT, and so do its children.
        ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _copy(leader: int, file) -> None:
    """Copies the output of a terminal to stderr and to `file`, until its other end is closed."""
    with open(leader, "rb", buffering=0) as shown:
        try:
            while chunk := shown.read(65536):
                file.write(chunk)
                os.write(sys.stderr.fileno(), chunk)
        except OSError:  # Linux raises this at the end
            return
