"""The files of a prediction: their names, and where they may lie. Imports no TensorFlow."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from ssdgm_tf import files
from ssdgm_tf.errors import UserError

# Suffixes of the files of a run.
_OF_RUNS = (".json", ".jsonl", ".keras", ".npz", ".html", ".png")
_ERRORS, _TOP_UNCERTAIN = "_errors", "_top_uncertain"


class PredictionFiles(NamedTuple):
    """The tables of one prediction.

    Attributes:
        predictions: NAME.csv, one row for each example that was predicted.
        errors: NAME_errors.csv, one row for each example that was not; there is none without such examples.
        top_uncertain: NAME_top_uncertain.csv, where it is asked for.
    """

    predictions: Path
    errors: Path
    top_uncertain: Path

    @classmethod
    def of(cls, output: str) -> Self:
        """The tables of `--output`.

        Args:
            output: the table of predictions.

        Raises:
            UserError: no .csv file, or the name of another table of a prediction.
        """
        path = Path(output)
        if path.suffix != ".csv" or path.stem.endswith((_ERRORS, _TOP_UNCERTAIN)):
            raise UserError(
                f"--output must be a .csv file whose name does not end in {_ERRORS} or {_TOP_UNCERTAIN}, as those of the "
                f"tables beside it do. Received: {output}"
            )
        return cls(path, *(path.with_name(f"{path.stem}{end}.csv") for end in (_ERRORS, _TOP_UNCERTAIN)))

    def check(self, source: Path, model: Path) -> None:
        """Refuses tables that would be written over the input or the model, be read as input, or be lost. Reads nothing.

        Args:
            source: the folder or file of examples.
            model: the folder of the run or SavedModel.

        Raises:
            UserError: such a table, or one that cannot be written there.
        """
        if source.is_dir() and _is_inside(self.predictions, source):
            raise UserError(
                f"--output must lie outside the folder --input, whose files are the examples. Received: {self.predictions}"
            )
        written = [path for table in self for path in (table, files.partial(table))]
        if over := next((path for path in written if _is_same(path, source)), None):
            raise UserError(f"--output must leave the input as it is. Received: {over}, which is --input={source}")
        if _is_inside(self.predictions, model):
            self._check_inside_model(model, written)
        for table in self:
            if table.is_dir():
                raise UserError(f"--output must name a file. Received: {table}, a folder")
        parent = next(path for path in self.predictions.absolute().parents if path.exists())
        if not parent.is_dir():
            raise UserError(f"--output must lie in a folder. Received: {self.predictions}, in the file {parent}")

    def _check_inside_model(self, model: Path, written: list[Path]) -> None:
        """Refuses tables in a SavedModel, which an export replaces as a whole, or over a file of a run."""
        if (model / "saved_model.pb").exists():
            raise UserError(
                f"--output must lie outside a SavedModel, which is replaced as a whole. Received: {self.predictions}"
            )
        own = [path for path in model.rglob("*") if path.is_file() and path.suffix != ".csv"]
        if over := next((path for path in written if any(_is_same(path, file) for file in own)), None):
            raise UserError(f"--output must leave the files of the run as they are. Received: {over}")


def check_written(outputs: Sequence[Path], source: Path | None, model: Path) -> None:
    """Refuses files that would be written over the input or a file of the run, or that cannot be written. Reads nothing.

    Args:
        outputs: the files.
        source: the input, or None.
        model: the folder of the run.

    Raises:
        UserError: such a file.
    """
    written = [path for output in outputs for path in (output, files.partial(output))]
    if source is not None and (over := next((path for path in written if _is_same(path, source)), None)):
        raise UserError(f"--output must leave the input as it is. Received: {over}, which is --input={source}")
    own = [path for path in model.rglob("*") if path.is_file() and path.suffix in _OF_RUNS]
    if over := next((path for path in written if any(_is_same(path, file) for file in own)), None):
        raise UserError(f"--output must leave the files of the run as they are. Received: {over}")
    for output in outputs:
        if output.is_dir():
            raise UserError(f"--output must name a file. Received: {output}, a folder")
    parent = next(path for path in outputs[0].absolute().parents if path.exists())
    if not parent.is_dir():
        raise UserError(f"--output must lie in a folder. Received: {outputs[0]}, in the file {parent}")


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder, by whatever links."""
    return path.resolve().is_relative_to(folder.resolve())


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by whatever links."""
    if path.resolve() == other.resolve():
        return True
    return path.exists() and other.exists() and path.samefile(other)
