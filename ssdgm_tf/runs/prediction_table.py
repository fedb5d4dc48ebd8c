"""The predictions of a SavedModel of `ssdgm-export` for many examples, written as CSV while they are read.

The tables are UTF-8. A byte of a file's name that is no UTF-8 is written as \\xNN, so that every reader opens the table.
"""

import contextlib
import csv
import heapq
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from ssdgm_tf import data, files
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs.prediction_files import PredictionFiles
from ssdgm_tf.runs.saved_run import CLASS_NAMES, COLUMNS, LIMITS, RESIZE, SCHEMA
from ssdgm_tf.schema import Column, from_document

# Examples in one call of a signature.
_BATCH = 200


class Predictor:
    """A SavedModel that predicts all columns of the table.

    Args:
        saved_model: its folder.

    Attributes:
        observed: names of the observed variables.
        shape: shape of one example.
        resizes: whether images were resized to that shape for training.
        limits: whether it was trained with gaps, so that elements of an example may be missing; and on numbers in [0, 1].
        input_columns: names of the columns of the training table, in the order of an example; () where it had none.
        schema: the columns of a model of tables; None for others.
        targets: {variable: its column} of a model of tables; {} for others.

    Raises:
        UserError: not a SavedModel of this package, or one with several observed variables.
    """

    def __init__(self, saved_model: Path) -> None:
        try:
            self.loaded = tf.saved_model.load(str(saved_model))
            takes = self.loaded.signatures["log_likelihood"].structured_input_signature[1]
        except Exception as error:  # TensorFlow raises the errors of its readers
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"--model must be a run, or a SavedModel of ssdgm-export. Received: {saved_model} ({reason})"
            ) from error
        self.observed = [name for name in takes if name not in ("num_samples", "seed")]
        if len(self.observed) > 1:
            raise UserError(
                f"Predictions need a model of one observed variable. Received: {saved_model}, with {self.observed}"
            )
        self.shape = tuple(takes[self.observed[0]].shape[1:])
        self.dtype: str = takes[self.observed[0]].dtype.name
        limits = saved_model / "assets.extra" / LIMITS
        self.limits = data.Limits(**json.loads(limits.read_text())[self.observed[0]]) if limits.exists() else data.Limits()
        self.resizes = (saved_model / "assets.extra" / RESIZE).exists()
        of_table = saved_model / "assets.extra" / COLUMNS
        self.input_columns: tuple[str, ...] = tuple(json.loads(of_table.read_text())) if of_table.exists() else ()
        of_columns = saved_model / "assets.extra" / SCHEMA
        self.schema, self.targets = None, dict[str, Column]()
        if of_columns.exists():
            self.schema, targets = from_document(of_columns.read_text(encoding="utf-8"))
            self.targets = targets.variables
        names = saved_model / "assets.extra" / CLASS_NAMES
        by_variable = json.loads(names.read_text()) if names.exists() else {}
        is_only = "classify" in self.loaded.signatures
        self.class_names = {"" if is_only else name: of_one for name, of_one in by_variable.items()}

    @property
    def columns(self) -> list[str]:
        """The columns of a row."""
        return list(self.rows(np.zeros((1, *self.shape), self.dtype))[0])

    def rows(self, x: np.ndarray) -> list[dict[str, Any]]:
        """The row of each example, {column: value}.

        Args:
            x: raw examples [B, ...].
        """
        given = {self.observed[0]: tf.constant(x)}
        rows: list[dict[str, Any]] = [{} for _ in range(len(x))]
        for signature, function in self.loaded.signatures.items():
            kind, _, name = signature.partition("_")
            if signature == "novelty":
                made = {key: value.numpy() for key, value in function(**given).items()}
                for i, row in enumerate(rows):
                    row |= {"novelty": float(made["novelty"][i]), "novelty_p_value": float(made["p_value"][i])}
            elif kind in ("classify", "estimate"):
                made = {key: value.numpy() for key, value in function(**given).items()}
                columns = self._of_class if kind == "classify" else self._of_number
                column = self.targets.get(name or "y")
                if column is not None and kind == "estimate":
                    made = {"mean": column.loc + column.scale * made["mean"], "stddev": column.scale * made["stddev"]}
                    columns = self._of_one_number
                named = column.name if column is not None and name else name
                for i, row in enumerate(rows):
                    row |= columns(named, {key: value[i] for key, value in made.items()})
        return rows

    def _of_class(self, name, made):
        prefix = f"{name}_" if name else ""
        column = next((column for column in self.targets.values() if column.name == name or not name), None)
        known = list(column.categories) if column is not None else self.class_names.get(name)
        names = known or [str(k) for k in range(len(made["probabilities"]))]
        row = {prefix + "class": names[int(made["class"])], prefix + "entropy": float(made["entropy"])}
        return row | {f"{prefix}p_{label}": float(p) for label, p in zip(names, made["probabilities"], strict=True)}

    @staticmethod
    def _of_one_number(name, made):
        prefix = f"{name}_" if name else ""
        return {prefix + key: float(made[key].reshape(-1)[0]) for key in ("mean", "stddev")}

    @staticmethod
    def _of_number(name, made):
        prefix = f"{name}_" if name else ""
        arrays = {key: made[key].reshape(-1) for key in ("mean", "stddev")}
        return {f"{prefix}{key}_{i}": float(value) for key, values in arrays.items() for i, value in enumerate(values)}


def write(predictor: Predictor, examples: data.Examples, tables: PredictionFiles, top_uncertain: int = 0) -> tuple[int, int]:
    """Predicts every example and writes the tables, all of them at the end, or none after an error.

    A table of errors, or of uncertain examples, of an earlier prediction of the same name is removed where this has none.

    Args:
        predictor: the model.
        examples: the examples to predict.
        tables: the files to write.
        top_uncertain: number of examples in the table of uncertain ones: those with the largest entropy.

    Returns:
        The numbers of predictions and of bad examples.
    """
    tables.predictions.parent.mkdir(parents=True, exist_ok=True)
    columns = ["name", *predictor.columns]
    written, num_bad = 0, 0
    most_uncertain: list[tuple[float, int, str, dict[str, Any]]] = []
    with contextlib.ExitStack() as opened:
        table = opened.enter_context(_Table(tables.predictions, columns))
        of_errors = opened.enter_context(_Table(tables.errors, ("name", "reason"), keep_empty=False))
        of_uncertain = opened.enter_context(_Table(tables.top_uncertain, columns, keep_empty=False))
        progress = opened.enter_context(tqdm(total=examples.total, desc="predicting", unit="example", delay=2, leave=False))
        for names, x, bad in examples.batches(_BATCH):
            rows = predictor.rows(x) if names else []
            for name, row in zip(names, rows, strict=True):
                table.write({"name": name} | row)
                entropy = sum(value for column, value in row.items() if column.endswith("entropy"))
                heapq.heappush(most_uncertain, (entropy, -written, name, row))
                if len(most_uncertain) > top_uncertain:
                    heapq.heappop(most_uncertain)
                written += 1
            for example in bad:
                of_errors.write(example._asdict())
            num_bad += len(bad)
            progress.update(len(names) + len(bad))
        for *_, name, row in sorted(most_uncertain, reverse=True):
            of_uncertain.write({"name": name} | row)
    return written, num_bad


class _Table:
    """A CSV file, written row by row and moved into place when it is whole.

    Args:
        path: the file.
        columns: its columns.
        keep_empty: whether a table without rows is kept; if not, one from before is removed.
    """

    def __init__(self, path: Path, columns: Sequence[str], keep_empty: bool = True) -> None:
        self.path, self.columns = path, columns
        self.is_kept = keep_empty
        self.open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        partial = self.open.enter_context(files.whole(self.path))
        self.file = self.open.enter_context(partial.open("w", newline="", encoding="utf-8"))
        self.writer = csv.DictWriter(self.file, self.columns)
        self.writer.writeheader()
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        self.is_kept = True
        self.writer.writerow({column: _written(value) for column, value in row.items()})

    def __exit__(self, *error: Any) -> None:
        self.open.__exit__(*error)
        if error[0] is None and not self.is_kept:
            self.path.unlink(missing_ok=True)


def _written(value: Any) -> Any:
    """A cell: numbers with six digits, and text that is UTF-8 whatever a file is called."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"{value:.6g}" if isinstance(value, float) else value
