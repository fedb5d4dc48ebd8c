"""Training goes on with the labels that people gave: `ssdgm-train` in a process of its own."""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from ssdgm_tf.app.session import Session, errors_of
from ssdgm_tf.configs.common import EARLIER_EPOCHS
from ssdgm_tf.errors import UserError

# The share of the epochs of a run that it goes on for.
_SHARE = 0.25
_LOOK_SECONDS = 0.3


class Training:
    """Trains the model of a session on, one training at a time.

    Args:
        session: the opened run.
        lock: a descriptor of a lock, which the process of a training holds too; None for none.
    """

    def __init__(self, session: Session, lock: int | None = None) -> None:
        self.session, self.lock = session, lock
        self._process: subprocess.Popen | None = None
        self._state: dict[str, Any] = {
            "running": False,
            "percent": 0,
            "line": "",
            "before": None,
            "after": None,
            "failed": "",
        }

    @property
    def state(self) -> dict[str, Any]:
        """How far it is: "running", "percent", a "line" in words, the test errors "before" and "after", and why it "failed",
        "" where it did not.
        """
        return dict(self._state)

    def start(self) -> None:
        """Starts it.

        Raises:
            ValueError: one is running, or nobody labelled anything.
        """
        session = self.session
        with session.lock:
            if self._state["running"]:
                raise ValueError("One training goes on at a time. Received: another one")
            if not session.file.path.exists():
                raise ValueError("Training goes on with new labels. Received: none yet")
            before = errors_of(session.folder.load_results() or {}) or self._state["before"]
            self._state |= {"running": True, "percent": 0, "line": "starting", "before": before, "after": None, "failed": ""}
            threading.Thread(target=self._run, args=(_flags(session),), daemon=True).start()

    def stop(self) -> None:
        """Ends the process of a training; its checkpoints stay."""
        if self._process is not None:
            self._process.terminate()

    def _run(self, command: list[str]) -> None:
        try:
            self._train(command)
        except Exception as error:  # whatever it is, the page says it
            self._state["failed"] = str(error) or type(error).__name__
        finally:
            self._state["running"] = False

    def _train(self, command: list[str]) -> None:
        """Runs the command to its end. The model is read as soon as it is measured, before the report is drawn.

        Raises:
            UserError: it ended with an error.
        """
        session, first = self.session, _epochs_done(self.session)
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            held = () if self.lock is None else (self.lock,)
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, pass_fds=held)
            target = int(command[-1].partition("=")[2])
            is_claimed = not session.folder.results.exists()
            while self._process.poll() is None:
                time.sleep(_LOOK_SECONDS)
                is_claimed = is_claimed or not session.folder.results.exists()
                if self._state["after"] is None and is_claimed and session.folder.results.exists():
                    self._read()
                elif self._state["after"] is None:
                    self._look(first, target)
            if self._process.returncode:
                output.seek(0)
                lines = [line.strip() for line in output.read().replace("\r", "\n").splitlines() if line.strip()]
                raise UserError(lines[-1] if lines else f"ssdgm-train ended with {self._process.returncode}")
        if self._state["after"] is None:
            self._read()

    def _look(self, first: int, target: int) -> None:
        """Notes how far the training is."""
        done = _epochs_done(self.session)
        self._state["percent"] = round(100 * max(0, done - first) / max(1, target - first))
        self._state["line"] = f"epoch {done} of {target}" if done < target else "measuring"

    def _read(self) -> None:
        """Opens the model that training has written."""
        self._state |= {"percent": 100, "line": "reading the model"}
        self.session.reload()
        self._state["after"] = errors_of(self.session.folder.load_results() or {})


def _epochs_done(session: Session) -> int:
    with contextlib.suppress(OSError, KeyError):
        if rows := session.folder.load_metrics():
            return int(rows[-1]["epoch"])
    return 0


def _flags(session: Session) -> list[str]:
    """The command that goes on with a run, or finishes one that was stopped; its last word has the epochs."""
    folder, settings = session.folder, session.folder.load_config()
    epochs, is_finished = settings["config"]["epochs"], folder.results.exists()
    if is_finished:
        first = (settings.get(EARLIER_EPOCHS) or [epochs])[0]
        epochs += max(1, round(_SHARE * first))
    return [
        sys.executable,
        "-m",
        "ssdgm_tf.trainers.train",
        f"--config={folder.config}",
        f"--workdir={folder.path}",
        f"--labels={folder.labels if is_finished else folder.training_labels}",
        f"--precision={settings['precision']}",
        f"--jit_compile={settings['jit_compile']}",
        *([f"--data_dir={session.data_dir}"] if session.data_dir else []),
        *(["--download"] if session.download else []),
        f"--config.epochs={epochs}",
    ]
