"""Reads what a person gives to the page: a file, or the cells of a row."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ssdgm_tf import data, rows
from ssdgm_tf.app.session import Session
from ssdgm_tf.app.views import cell_text
from ssdgm_tf.models.examples import of_each_class

#: The largest file, in bytes.
LARGEST = 20_000_000
_ARRAYS = (".npz", ".npy", ".mat", ".csv", ".tsv")


def from_file(session: Session, name: str, content: bytes) -> np.ndarray:
    """The first example of a file, in the form of training, [1, *event].

    Args:
        session: the opened run.
        name: name of the file; its suffix says what it is.
        content: its bytes.

    Raises:
        ValueError: a file that is empty, damaged, or of examples that the model does not take.
    """
    dataset, model = session.dataset, session.learned.model
    suffix = Path(name).suffix.lower()[:8]
    with tempfile.TemporaryDirectory() as folder:
        is_array = suffix in _ARRAYS or dataset.schema is not None
        path = Path(folder) / f"given{suffix}"
        path.write_bytes(content)
        limits = model.data_format.limits(next(iter(model.data_format.observed)))
        try:
            examples = data.Examples(
                str(path if is_array else Path(folder)),
                dataset.raw_shape,
                dataset.raw_dtype,
                bool(session.settings["config"]["resize"]),
                dataset.columns,
                dataset.schema,
                limits if dataset.preprocessing is None else limits._replace(unit_interval=False),
            )
            _, values, bad = next(examples.batches(1))
        except (OSError, ValueError, StopIteration) as error:
            raise ValueError(_named(str(error), path, name)) from error
    if not len(values):
        raise ValueError(_named(bad[0].reason, path, name))
    if dataset.schema is not None:
        return values
    x = np.asarray(rows.Rows(values))  # bytes are divided by 255
    return x if dataset.preprocessing is None else dataset.preprocessing.transform(x)


def _named(words: str, path: Path, name: str) -> str:
    """A message with the name that the person knows in place of where the file lay."""
    for found in (str(path), str(path.parent), path.name):
        words = words.replace(found, repr(name))
    return words


def from_cells(session: Session, cells: Mapping[str, Any]) -> np.ndarray:
    """A row of a table of cells, in the form of training, [1, D].

    Args:
        session: the opened run, of a table.
        cells: {column: text}; "" for a gap.

    Raises:
        ValueError: a run of other data, a column that is not there, or a cell that its column does not take.
    """
    schema = session.dataset.schema
    if schema is None:
        raise ValueError(f"Cells are of tables. Received: a run on {session.dataset.noun}")
    if unknown := sorted(set(cells) - set(schema.names)):
        raise ValueError(f"The columns are {', '.join(schema.names)}. Received: {', '.join(unknown)}")
    table = {name: np.array([str(cells.get(name, ""))], object) for name in schema.names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a category that training never saw is a gap, and is shown as one
        return schema.encode(table)


def read_row(session: Session, x: np.ndarray) -> dict[str, Any]:
    """What a model of a table says of a row, its gaps filled in, and what each column adds to the prediction.

    What a column adds is how much less likely the predicted class is without it.

    Args:
        session: the opened run, of a table.
        x: [1, D], NaN for a gap.
    """
    schema = session.dataset.schema
    if schema is None:
        raise ValueError(f"Cells are of tables. Received: a run on {session.dataset.noun}")
    without = np.repeat(x, x.shape[1], axis=0)
    np.fill_diagonal(without, np.nan)
    with session.lock:  # of one model
        found, model = session.read(x), session.learned.model
        fewer = of_each_class(model, model.predict(without, batch_size=len(without), verbose=0))
        filled = schema.decode(next(iter(model.impute(x, num_samples=100, seed=0).values())))
    found["filled"] = [[name, cell_text(filled[name][0]), bool(np.isnan(x[0, d]))] for d, name in enumerate(schema.names)]
    for name, of in found["of"].items():
        best = int(np.argmax(of["probabilities"]))
        adds = of["probabilities"][best] - fewer[name][:, best]
        of["adds"] = [[column, round(float(adds[d]), 4)] for d, column in enumerate(schema.names) if not np.isnan(x[0, d])]
    return found
