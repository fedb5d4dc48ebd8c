"""The test figures of a model of a table, numbers in the units of their columns, and other methods on the same labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models import table_rows
from ssdgm_tf.schema import Column, Schema, Targets

# The central interval of a number whose share of test rows is measured.
_INTERVAL = 0.9
# Trees of the boosted ones, and the fewest rows in a leaf where there are many.
_TREES, _LEAF = 100, 20
_FEW = 20_000

#: {variable: values}, as `Targets.decode` takes them.
Points = Mapping[str, np.ndarray]


def of_numbers(model: Any, dataset: SemiSupervisedData) -> dict[str, float]:
    """The errors of the targets that are numbers, and whether intervals hold their share.

    Args:
        model: the model.
        dataset: its data set.

    Returns:
        {name: figure}: `mae` and `rmse` in the units of the column, and `coverage_90`, the share of test rows inside the
        central interval of 90 % of a Gaussian. Of several targets the names begin with the variable's.
    """
    targets = _targets(dataset)
    if all(column.is_discrete for column in targets.schema):
        return {}
    predicted = table_rows.predictions(model, np.asarray(dataset.x_test))
    found = {name: value for name, value in errors(dataset, table_rows.points(predicted)).items() if "error" not in name}
    for name, column in targets.variables.items():
        known = _known(_by_variable(dataset.y_test)[name])
        if not column.is_discrete and known.any():
            off = _by_variable(dataset.y_test)[name][known].reshape(-1) - predicted[name]["mean"][known]
            inside = np.abs(off) <= stats.norm.ppf((1 + _INTERVAL) / 2) * predicted[name]["stddev"][known]
            found[f"{_prefix(targets, name)}coverage_{_INTERVAL * 100:.0f}"] = float(inside.mean())
    return found


def errors(dataset: SemiSupervisedData, points: Points) -> dict[str, float]:
    """The test errors of predictions, over the rows whose target is known.

    Args:
        dataset: the data set.
        points: {variable: class or standardised number of each test row}; others are passed over.

    Returns:
        {name: figure}: `error`, the share of wrong classes; `mae` and `rmse` of numbers, in the units of the column.
    """
    targets, found, y = _targets(dataset), {}, _by_variable(dataset.y_test)
    for name, values in points.items():
        column, known, prefix = targets.variables[name], _known(y[name]), _prefix(targets, name)
        if not known.any():
            continue
        if column.is_discrete:
            found[f"{prefix}error"] = float(np.mean(values[known] != y[name][known]))
        else:
            off = column.scale * (np.asarray(values, np.float64).reshape(-1)[known] - y[name][known].reshape(-1))
            found[f"{prefix}mae"] = float(np.abs(off).mean())
            found[f"{prefix}rmse"] = float(np.sqrt(np.mean(off**2)))
    return found


def guess(dataset: SemiSupervisedData) -> dict[str, float]:
    """The test errors of the commonest class, and of the mean, of the labels that are shown.

    Args:
        dataset: the data set.
    """
    points = {}
    for name, column in _targets(dataset).variables.items():
        known = _shown(dataset, name)
        if len(known):
            point = np.bincount(known).argmax() if column.is_discrete else known.mean()
            points[name] = np.full(len(dataset.x_test), point)
    return errors(dataset, points)


def gradient_boosting(dataset: SemiSupervisedData, seed: int) -> dict[str, float]:
    """The test errors of scikit-learn's gradient-boosted trees on the labels that are shown, which take gaps as they are.

    Args:
        dataset: the data set.
        seed: of the trees.
    """
    schema, targets = dataset.schema, _targets(dataset)
    if schema is None:
        raise ValueError("Trees take the columns of a table. Received: other data")
    is_category = np.array([column.kind == "categorical" for column in schema])
    x, x_test, points = np.asarray(dataset.x_train), np.asarray(dataset.x_test), {}
    for name, column in tqdm(targets.variables.items(), desc="gradient boosting", delay=2, leave=False):
        rows, known = _known(_by_variable(dataset.y_train)[name]), _shown(dataset, name)
        if len(np.unique(known)) < 2:
            continue
        made = HistGradientBoostingClassifier if column.is_discrete else HistGradientBoostingRegressor
        leaf = min(_LEAF, max(1, len(known) // 10))
        options = {"categorical_features": is_category, "early_stopping": False, "random_state": seed}
        with threadpool_limits(1 if len(known) < _FEW else None, "openmp"):  # threads that wait for each other take longer
            fitted = made(max_iter=_TREES, min_samples_leaf=leaf, **options).fit(x[rows], known)
        points[name] = fitted.predict(x_test)
    return errors(dataset, points)


def table_of_columns(dataset: SemiSupervisedData) -> list[tuple[str, str, str, str, str]]:
    """What the columns of a table are, in words: (name, kind, distribution, cells, gaps) of each, the targets last.

    Args:
        dataset: the data set.
    """
    found = []
    for schema, role in ((dataset.schema, ""), (_targets(dataset).schema, ", target")):
        for column in schema or ():
            found.append(_in_words(column, role))
    return found


def _in_words(column: Column, role: str) -> tuple[str, str, str, str, str]:
    """The row of a column."""
    cells = [line.split("  ") for line in Schema([column]).describe().splitlines()]
    words = [[cell.strip() for cell in line if cell.strip()] for line in cells][1]
    return (column.name, column.kind + role, column.distribution, words[3] if len(words) > 4 else "", f"{column.gaps:.1%}")


def _targets(dataset: SemiSupervisedData) -> Targets:
    if dataset.targets is None:
        raise ValueError("These are figures of a table. Received: other data")
    return dataset.targets


def _prefix(targets: Targets, name: str) -> str:
    return f"{name}_" if len(targets.variables) > 1 else ""


def _by_variable(y: Any) -> dict[str, np.ndarray]:
    return y if isinstance(y, dict) else {"y": y}


def _known(values: np.ndarray) -> np.ndarray:
    return values >= 0 if values.dtype.kind == "i" else ~np.isnan(values.reshape(len(values)))


def _shown(dataset: SemiSupervisedData, name: str) -> np.ndarray:
    """The training labels of a target that are shown, [M]."""
    values = _by_variable(dataset.y_train)[name]
    return values[_known(values)].reshape(-1)
