"""Training goes on with the labels that people gave: `ssdgm-train` in a process of its own."""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from ssdgm_tf.app.session import Session
from ssdgm_tf.configs.common import EARLIER_EPOCHS
from ssdgm_tf.errors import UserError
from ssdgm_tf.labelling import LabelFile
from ssdgm_tf.models import zoo
from ssdgm_tf.models.experiment import LABELLER

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
        self.session, self.lock, self._of_what = session, lock, ""
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
            ValueError: one is running, there are no new labels, or the run builds on one elsewhere.
        """
        session = self.session
        with session.lock:
            if self._state["running"]:
                raise ValueError("One training goes on at a time. Received: another one")
            command = _command(session)
            before = session.errors or self._state["before"]
            self._state |= {"running": True, "percent": 0, "line": "starting", "before": before, "after": None, "failed": ""}
            words = " of a training that was stopped, with the labels that it began with"
            self._of_what = "" if session.folder.results.exists() else words
            threading.Thread(target=self._run, args=(command,), daemon=True).start()

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
        first, target = _epochs_done(self.session), int(command[-1].partition("=")[2])
        results = self.session.folder.results
        is_claimed, held = not results.exists(), () if self.lock is None else (self.lock,)
        with (
            tempfile.TemporaryFile("w+", errors="replace") as output,
            # At the end of the block its end is waited for, after an error too: no other may train in the folder.
            subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, pass_fds=held) as process,
        ):
            while process.poll() is None:
                time.sleep(_LOOK_SECONDS)
                is_claimed = is_claimed or not results.exists()
                if self._state["after"] is None and is_claimed and results.exists():
                    self._read()
                elif self._state["after"] is None:
                    self._look(first, target)
            if process.returncode:
                output.seek(0)
                lines = [line.strip() for line in output.read().replace("\r", "\n").splitlines() if line.strip()]
                raise UserError(lines[-1] if lines else f"ssdgm-train ended with {process.returncode}")
        if self._state["after"] is None:
            self._read()

    def _look(self, first: int, target: int) -> None:
        """Notes how far the training is."""
        done = _epochs_done(self.session)
        self._state["percent"] = round(100 * max(0, done - first) / max(1, target - first))
        self._state["line"] = f"epoch {done} of {target}{self._of_what}" if done < target else "measuring"

    def _read(self) -> None:
        """Opens the model that training has written."""
        self._state |= {"percent": 100, "line": "reading the model"}
        self.session.reload()
        self._state["after"] = self.session.errors


def _epochs_done(session: Session) -> int:
    with contextlib.suppress(OSError, KeyError):
        if rows := session.folder.load_metrics():
            return int(rows[-1]["epoch"])
    return 0


def _command(session: Session) -> list[str]:
    """The command that goes on with a run, or finishes one that was stopped; its last word has the epochs.

    Raises:
        ValueError: there are no new labels, or the run builds on one elsewhere.
    """
    folder, settings = session.folder, session.folder.load_config()
    part = zoo.find(settings["config"]["model"]).part_of(settings["config"])
    if part is not None and folder.part_results(part.field).exists() and not (folder.path / part.field).exists():
        raise ValueError(
            "A run that was trained with --part goes on with ssdgm-train --part=PART --labels=labels.jsonl, and more "
            f"--config.epochs. Received: {folder.path}"
        )
    if part is LABELLER:
        raise ValueError(
            "New labels are for the labeller of a second stage: train that on, and the second stage anew by --part. "
            f"Received: {folder.path}"
        )
    if "budget_seconds" in (folder.load_results() or {}):
        raise ValueError(
            f"A run that a budget ended goes on with ssdgm-train and a larger --budget. Received: {folder.path}"
        )
    epochs, is_finished = settings["config"]["epochs"], folder.results.exists()
    if is_finished:
        epochs += max(1, round(_SHARE * (settings.get(EARLIER_EPOCHS) or [epochs])[0]))
        if session.given.labels.teaches_as(LabelFile(folder.training_labels).read()):
            raise ValueError("Training goes on with new labels. Received: none since the last training")
    return [
        sys.executable,
        "-m",
        "ssdgm_tf.trainers.train",
        f"--config={folder.config}",
        f"--workdir={folder.path}",
        f"--precision={settings['precision']}",
        f"--jit_compile={settings['jit_compile']}",
        *([f"--labels={folder.labels}"] if is_finished else []),
        *([f"--data_dir={session.data_dir}"] if session.data_dir else []),
        *(["--download"] if session.download else []),
        f"--config.epochs={epochs}",
    ]
