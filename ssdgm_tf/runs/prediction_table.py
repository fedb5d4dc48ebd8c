"""The predictions of a SavedModel of `ssdgm-export` for many examples, written as CSV while they are read."""

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
from ssdgm_tf.runs.saved_run import CLASS_NAMES

#: Tables that are written beside the predictions.
ERRORS, TOP_UNCERTAIN = "errors.csv", "top_uncertain.csv"
# Examples in one call of a signature.
_BATCH = 200


class Predictor:
    """A SavedModel that predicts all columns of the table.

    Args:
        saved_model: its folder.
        num_samples: importance samples of the bound on log p(x).
        seed: seed of the draws.

    Raises:
        UserError: not a SavedModel of this package, or one with several observed variables.
    """

    def __init__(self, saved_model: Path, num_samples: int = 10, seed: int = 0) -> None:
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
        self.num_samples, self.seed = tf.constant(num_samples, tf.int32), tf.constant(seed, tf.int64)
        names = saved_model / "assets.extra" / CLASS_NAMES
        by_variable = json.loads(names.read_text()) if names.exists() else {}
        is_only = "classify" in self.loaded.signatures
        self.class_names = {"" if is_only else name: of_one for name, of_one in by_variable.items()}

    def rows(self, x: np.ndarray) -> list[dict[str, Any]]:
        """The row of each example, {column: value}.

        Args:
            x: raw examples [B, ...].
        """
        given = {self.observed[0]: tf.constant(x)}
        rows: list[dict[str, Any]] = [{} for _ in range(len(x))]
        for signature, function in self.loaded.signatures.items():
            kind, _, name = signature.partition("_")
            if signature == "log_likelihood":
                log_px = function(**given, num_samples=self.num_samples, seed=self.seed)["log_likelihood"].numpy()
                for row, value in zip(rows, log_px, strict=True):
                    row["ood_score"] = -float(value)
            elif kind in ("classify", "estimate"):
                made = {key: value.numpy() for key, value in function(**given).items()}
                columns = self._of_class if kind == "classify" else self._of_number
                for i, row in enumerate(rows):
                    row |= columns(name, {key: value[i] for key, value in made.items()})
        return rows

    def _of_class(self, name, made):
        prefix = f"{name}_" if name else ""
        names = self.class_names.get(name) or [str(k) for k in range(len(made["probabilities"]))]
        row = {prefix + "class": names[int(made["class"])], prefix + "entropy": float(made["entropy"])}
        return row | {f"{prefix}p_{label}": float(p) for label, p in zip(names, made["probabilities"], strict=True)}

    @staticmethod
    def _of_number(name, made):
        prefix = f"{name}_" if name else ""
        arrays = {key: made[key].reshape(-1) for key in ("mean", "stddev")}
        return {f"{prefix}{key}_{i}": float(value) for key, values in arrays.items() for i, value in enumerate(values)}


def write(predictor: Predictor, examples: data.Examples, output: Path, top_uncertain: int = 0) -> tuple[int, int]:
    """Predicts every example and writes `output`; beside it errors.csv and, if asked for, top_uncertain.csv.

    Args:
        predictor: the model.
        examples: the examples to predict.
        output: the .csv file.
        top_uncertain: number of examples in top_uncertain.csv: those with the largest entropy.

    Returns:
        The numbers of predictions and of bad examples.

    Raises:
        UserError: the output has the name of a table beside it.
    """
    if output.name in (ERRORS, TOP_UNCERTAIN):
        raise UserError(f"--output must not be a table that is written beside it. Received: {output}")
    output.parent.mkdir(parents=True, exist_ok=True)
    errors, top = output.with_name(ERRORS), output.with_name(TOP_UNCERTAIN)
    written, num_bad = 0, 0
    most_uncertain: list[tuple[float, int, str, dict[str, Any]]] = []
    with _Table(output) as table, _Table(errors, ("name", "reason")) as of_errors:
        with tqdm(total=examples.total, desc="predicting", unit="example", delay=2, leave=False) as progress:
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
    if top_uncertain:
        with _Table(top) as table:
            for *_, name, row in sorted(most_uncertain, reverse=True):
                table.write({"name": name} | row)
    return written, num_bad


class _Table:
    """A CSV file, written row by row and moved into place when it is whole. The first row gives the columns."""

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self.path, self.columns = path, columns
        self.writer: csv.DictWriter[str] | None = None
        self.open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        partial = self.open.enter_context(files.whole(self.path))
        self.file = self.open.enter_context(partial.open("w", newline="", encoding="utf-8"))
        if self.columns:
            self.writer = self._start(self.columns)
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        if self.writer is None:
            self.writer = self._start(list(row))
        self.writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})

    def _start(self, columns: Sequence[str]) -> "csv.DictWriter[str]":
        writer = csv.DictWriter(self.file, columns)
        writer.writeheader()
        return writer

    def __exit__(self, *error: Any) -> None:
        self.open.__exit__(*error)
