"""The figures of a run of a table: marginals, associations, what the targets hang on, and calibration."""

from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ssdgm_tf import plots
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models import table_rows
from ssdgm_tf.models.figures import Captioned
from ssdgm_tf.schema import Column, Schema, Targets
from ssdgm_tf.schema.column import scored

# Rows of the data and of the model that are compared, and test rows whose columns are permuted, so many times.
_MOST_ROWS, _MOST_TEST_ROWS, _PERMUTATIONS = 4000, 1000, 3
# Columns in a figure, and categories of one.
_MOST_PANELS, _MOST_ASSOCIATED, _MOST_IMPORTANT, _MOST_CATEGORIES = 24, 30, 25, 12
_BINS = 24


def of_table(model: Any, dataset: SemiSupervisedData, shown: np.ndarray, seed: int) -> dict[str, Captioned]:
    """The figures of a model of a table.

    Args:
        model: the model, a `Table`.
        dataset: its data set.
        shown: indices of test rows, those to use first.
        seed: of the draws and permutations.

    Returns:
        {name: figure}.
    """
    schema, targets = dataset.schema, dataset.targets
    if schema is None or targets is None:
        raise ValueError("The figures of a table need its schema. Received: a data set without")
    x, y = np.asarray(dataset.x_train), _by_variable(dataset.y_train)
    kept = np.random.default_rng(seed).permutation(len(x))[:_MOST_ROWS]
    drawn, of_draws = table_rows.draw(model, max(1000, len(kept)), seed=seed)
    columns = [*schema, *targets.schema]
    data = np.column_stack([x[kept], *_numbers(targets, {name: value[kept] for name, value in y.items()})])
    made = np.column_stack([drawn, *_numbers(targets, of_draws)])
    test = shown[:_MOST_TEST_ROWS]
    x_test, y_test = np.asarray(dataset.x_test)[test], {n: v[test] for n, v in _by_variable(dataset.y_test).items()}
    found = {"marginals": marginals(columns, data, made), "associations": associations(columns, data, made)}
    predicted = table_rows.predictions(model, x_test)
    found["importance"] = importance(model, schema, targets, x_test, y_test, predicted, seed)
    found["calibration"] = calibration(targets, predicted, y_test)
    return found


def marginals(columns: list[Column], data: np.ndarray, made: np.ndarray) -> Captioned:
    """The histogram of every column, of the data and of the model.

    Args:
        columns: the columns, D.
        data: rows [N, D], NaN for a gap.
        made: rows of the model [M, D].
    """
    panels = [_panel(column, data[:, place], made[:, place]) for place, column in enumerate(columns)]
    most = sorted(range(len(panels)), key=lambda place: -panels[place].difference)[:_MOST_PANELS]
    chosen = [panels[place] for place in sorted(most)]
    few = f" The {len(chosen)} columns of {len(columns)} that differ most are shown." if len(panels) > len(chosen) else ""
    return Captioned(
        plots.marginals(chosen),
        "Each column: its known training cells, and rows that the model drew. The number is the share of rows that would "
        f"have to move to make the two alike. The first and the last bar hold what lies beyond them.{few}",
    )


def associations(columns: list[Column], data: np.ndarray, made: np.ndarray) -> Captioned:
    """How strongly each two columns go together, in the data and in the model.

    Args:
        columns: the columns, D.
        data: rows [N, D], NaN for a gap.
        made: rows of the model [M, D].
    """
    of_data, of_model = (np.array(_associations(columns, rows)) for rows in (data, made))
    places = np.arange(len(columns))
    few = ""
    if len(columns) > _MOST_ASSOCIATED:
        strength = np.nansum(np.abs(of_data - np.eye(len(columns))), axis=1)
        places = np.sort(np.argsort(-strength)[:_MOST_ASSOCIATED])
        few = f" Of {len(columns)} columns the {_MOST_ASSOCIATED} that go together most with others are shown."
    pair = np.ix_(places, places)
    return Captioned(
        plots.associations(of_data[pair], of_model[pair], [columns[place].name for place in places]),
        "Correlations of the training rows, of the rows that the model drew, and their difference. Two numbers have their "
        "correlation coefficient (of logarithms where the column is positive or a count); with a categorical column it has "
        "no sign: the correlation ratio, and Cramér's V of two. Rows where either cell is a gap do not count; grey is not "
        f"known.{few}",
    )


def importance(
    model: Any,
    schema: Schema,
    targets: Targets,
    x: np.ndarray,
    y: dict[str, np.ndarray],
    predicted: dict[str, Any],
    seed: int,
) -> Captioned:
    """How much worse every target is predicted where a column is permuted among the test rows.

    Args:
        model: the model.
        schema: the columns.
        targets: the targets.
        x: test rows [N, D].
        y: {variable: values} of the test rows.
        predicted: what is predicted of them, see `table_rows.predictions`.
        seed: of the permutations.
    """
    generator = np.random.default_rng(seed)
    losses = {name: np.zeros((_PERMUTATIONS, len(schema))) for name in targets.variables}
    base = _losses_of(targets, predicted, y, slice(None))
    for place in tqdm(range(len(schema)), desc="permuting columns", delay=2, leave=False):
        permuted = np.concatenate([x] * _PERMUTATIONS)
        for i in range(_PERMUTATIONS):
            permuted[i * len(x) : (i + 1) * len(x), place] = generator.permutation(x[:, place])
        of_permuted = table_rows.predictions(model, permuted)
        for i in range(_PERMUTATIONS):
            part = slice(i * len(x), (i + 1) * len(x))
            for name, loss in _losses_of(targets, of_permuted, y, part).items():
                losses[name][i, place] = loss - base[name]
    panels = []
    for name, column in targets.variables.items():
        mean, spread = losses[name].mean(axis=0), losses[name].std(axis=0)
        most = np.argsort(-mean)[:_MOST_IMPORTANT]
        unit = "rise of -log q(target), nats" if column.is_discrete else "rise of the mean absolute error"
        panels.append((column.name, [schema.columns[k].name for k in most], mean[most], spread[most], unit))
    few = f" The {_MOST_IMPORTANT} first of {len(schema)} columns." if len(schema) > _MOST_IMPORTANT else ""
    return Captioned(
        plots.importance(panels),
        f"What the targets hang on: how much worse they are predicted in {len(x)} test rows if one column is permuted among "
        f"them (the mean of {_PERMUTATIONS} permutations, and its spread). Columns that say the same share their importance."
        f"{few}",
    )


def calibration(targets: Targets, predicted: dict[str, Any], y: dict[str, np.ndarray]) -> Captioned:
    """Whether probabilities are right, and whether intervals of numbers hold their share of the test rows.

    Args:
        targets: the targets.
        predicted: what is predicted of the test rows, see `table_rows.predictions`.
        y: {variable: values} of the test rows.
    """
    panels: list[plots.Reliability | plots.Coverage] = []
    for name, column in targets.variables.items():
        known = _known(y[name])
        if not known.any():
            continue
        if column.is_discrete:
            probabilities, labels = predicted[name][known], y[name][known]
            sure = probabilities.max(axis=1)
            panels.append(plots.Reliability(column.name, sure, np.argmax(probabilities, axis=1) == labels))
        else:
            scaled = (y[name][known].reshape(-1) - predicted[name]["mean"][known]) / predicted[name]["stddev"][known]
            panels.append(plots.Coverage(column.name, np.abs(scaled)))
    return Captioned(
        plots.calibration(panels),
        "Calibration on test rows. Of a class: the share of right answers among rows of about the same probability of the "
        "likeliest class (bars: two standard errors). Of a number: the share of rows inside the central interval of that "
        "probability, of a Gaussian with the predicted mean and standard deviation. The dashed line is right.",
    )


def _by_variable(y: Any) -> dict[str, np.ndarray]:
    return y if isinstance(y, dict) else {"y": y}


def _known(values: np.ndarray) -> np.ndarray:
    return values >= 0 if values.dtype.kind == "i" else ~np.isnan(values.reshape(len(values)))


def _numbers(targets: Targets, y: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The targets as columns of numbers in their units, NaN where not known; in the order of the targets."""
    found = []
    for name, column in targets.variables.items():
        values = np.asarray(y[name], np.float64).reshape(-1)
        found.append(np.where(values < 0, np.nan, values) if column.is_discrete else column.loc + column.scale * values)
    return found


def _losses_of(targets: Targets, predicted: dict[str, Any], y: dict[str, np.ndarray], part: slice) -> dict[str, float]:
    """{variable: -log q of the known classes in nats, or the mean absolute error in units of the column}."""
    losses = {}
    for name, column in targets.variables.items():
        known = _known(y[name])
        if not known.any():
            losses[name] = 0.0
        elif column.is_discrete:
            probabilities = predicted[name][part][known]
            of_labels = np.take_along_axis(probabilities, y[name][known][:, None].astype(int), axis=1)
            losses[name] = float(-np.log(np.maximum(of_labels, 1e-12)).mean())
        else:
            off = predicted[name]["mean"][part][known] - y[name][known].reshape(-1)
            losses[name] = float(column.scale * np.abs(off).mean())
    return losses


def _panel(column: Column, data: np.ndarray, made: np.ndarray) -> plots.Marginal:
    """The two histograms of a column."""
    data, made = data[~np.isnan(data)], made[~np.isnan(made)]
    if column.is_discrete:
        size = len(column.categories)
        shares = [np.bincount(values.astype(int), minlength=size) / max(1, len(values)) for values in (data, made)]
        places = np.arange(size)
        if column.kind == "categorical":
            places = np.argsort(-shares[0], kind="stable")
        names = [column.categories[place] for place in places[:_MOST_CATEGORIES]]
        kept = [share[places][:_MOST_CATEGORIES] for share in shares]
        if size > _MOST_CATEGORIES:
            names.append(f"{size - _MOST_CATEGORIES} more")
            kept = [np.append(of_kept, 1 - of_kept.sum()) for of_kept in kept]
        return plots.Marginal(column.name, kept[0], kept[1], names=tuple(names))
    edges = _edges(column, data)
    shares = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(1, len(values)) for values in (data, made)]
    date = column.date if column.unit else None
    return plots.Marginal(
        column.name, shares[0], shares[1], edges=edges, is_logarithmic=column.kind == "positive", date=date
    )


def _edges(column: Column, values: np.ndarray) -> np.ndarray:
    """The edges of the bars of a column of numbers: between quantiles, whole numbers each with a bar where they are few."""
    low, high = np.quantile(values, [0.005, 0.995]) if len(values) else column.extent or (0.0, 1.0)
    if column.kind == "positive":
        return np.geomspace(low, max(high, low * (1 + 1e-3)), _BINS + 1)
    if column.kind == "count":
        step = max(1, int(np.ceil((high - low + 1) / _BINS)))
        return np.arange(np.floor(low), high + step + 0.5, step) - 0.5
    high = max(high, low + 1e-6 * max(1.0, abs(low)))
    return np.linspace(low, high, _BINS + 1)


def _associations(columns: list[Column], rows: np.ndarray) -> list[list[float]]:
    """The association of each two columns [D, D]; NaN where it is not known."""
    size = len(columns)
    found = np.eye(size)
    parts = [_part(column, rows[:, place]) for place, column in enumerate(columns)]
    known = ~np.isnan(rows)
    for i in range(size):
        for j in range(i):
            both = known[:, i] & known[:, j]
            found[i, j] = found[j, i] = _association(parts[i][both], parts[j][both])
    return found.tolist()


def _part(column: Column, values: np.ndarray) -> np.ndarray:
    """A column as numbers [N, 1], or as one-hot categories [N, K]."""
    if column.kind == "categorical":
        return np.eye(len(column.categories))[np.nan_to_num(values).astype(int)]
    return scored(column.kind, values)[:, None]


def _association(a: np.ndarray, b: np.ndarray) -> float:
    """The root of the mean square of the canonical correlations of [N, p] and [N, q].

    That is the correlation coefficient of two numbers (with its sign), the correlation ratio of a number and categories,
    and Cramér's V of categories.
    """
    if len(a) < 3:
        return np.nan
    bases = []
    for part in (a, b):
        basis, singular, _ = np.linalg.svd(part - part.mean(axis=0), full_matrices=False)
        kept = singular > 1e-6 * max(1e-12, np.abs(part).max()) * np.sqrt(len(part))
        bases.append(basis[:, kept])
    rank = min(basis.shape[1] for basis in bases)
    if not rank:
        return np.nan
    value = float(np.sqrt(np.sum((bases[0].T @ bases[1]) ** 2) / rank))
    if a.shape[1] == b.shape[1] == 1:
        value = float(np.corrcoef(a[:, 0], b[:, 0])[0, 1])
    return min(1.0, max(-1.0, value))
