"""How well missing cells are filled in: `impute` of `models.Table` against scikit-learn's imputers.

    python results/imputation.py --data_dir=DATA                    # measures what imputation.json lacks
    python results/imputation.py --data_dir=DATA --methods=knn      # one method

DATA/tables holds the public tables, see README.md. Of four that are complete or nearly, 30 % of the cells are hidden at
random. All rows are learned from, and the hidden cells are compared with what they were. No method sees the column of the
classes.

NRMSE       of a column of numbers: the root-mean-square error of its hidden cells, over the standard deviation of the
            column; of a table: the mean over these columns
wrong       of a column of categories: the share of its hidden cells that get another category; of a table: the mean

Our method is at least as good as the best of scikit-learn's on a table where each measure that the table has is at most
the lowest of theirs, in the mean over the seeds. imputation.json holds every run, and `python results/results.py` writes
imputation.md.
"""

import argparse
import itertools
import json
import statistics
import time
import warnings
from pathlib import Path

import numpy as np

from ssdgm_tf import files
from ssdgm_tf.data.public_tables import read_table
from ssdgm_tf.data.splits import hidden_elements
from ssdgm_tf.schema import Schema, Targets, class_target, infer
from ssdgm_tf.tables.cells import parse_seeds
from ssdgm_tf.tables.records import git_revision

RECORDS = Path(__file__).with_suffix(".json")
TABLES = ("wine", "segment", "credit_g", "dermatology")
SHARE = 0.3
TITLES = {
    "most_frequent": "mean, most frequent category",
    "knn": "KNNImputer",
    "iterative": "IterativeImputer",
    "iterative_dropped": "IterativeImputer, first categories dropped",
    "ours": "`Table.impute`",
}
OTHERS = ("knn", "iterative", "iterative_dropped")
MEASURES = {"nrmse": ("NRMSE", 1, 3), "wrong": ("wrong categories, %", 100, 1)}


def hidden_table(name: str, seed: int, data_dir: str | None) -> tuple[Schema, np.ndarray, np.ndarray]:
    """The schema of a table with hidden cells, its rows [N, D], and the same rows with the hidden cells NaN."""
    table = read_table(name, data_dir)
    rows = np.arange(len(table.labels))
    hidden = hidden_elements((len(rows), len(table.cells)), SHARE, seed)
    schema, _ = infer(table.rows(rows, hidden), kinds=table.kinds)
    return schema, schema.encode(table.rows(rows)), schema.encode(table.rows(rows, hidden))


def errors(schema: Schema, true: np.ndarray, given: np.ndarray, filled: np.ndarray) -> dict[str, float]:
    """The measures that a table has.

    Args:
        schema: the columns.
        true: rows [N, D].
        given: the same with hidden cells NaN. What is NaN in `true` counts nowhere.
        filled: the same with values in place of NaN.
    """
    found: dict[str, list[float]] = {"nrmse": [], "wrong": []}
    for place, column in enumerate(schema):
        hidden = np.isnan(given[:, place]) & ~np.isnan(true[:, place])
        if not hidden.any():
            continue
        truth, guess = (x[hidden, place].astype(np.float64) for x in (true, filled))
        if column.is_discrete:
            found["wrong"].append(float(np.mean(guess != truth)))
        else:
            spread = np.nanstd(true[:, place].astype(np.float64))
            found["nrmse"].append(float(np.sqrt(np.mean((guess - truth) ** 2)) / spread))
    return {name: statistics.mean(values) for name, values in found.items() if values}


class Vectors:
    """Rows as scikit-learn's imputers take them: numbers standardised by what is known, categories one-hot, NaN for gaps.

    Args:
        schema: the columns.
        x: rows [N, D] with gaps.
        drops_first: leave out the first category of each column, which is where the others are not.
    """

    def __init__(self, schema: Schema, x: np.ndarray, drops_first: bool = False) -> None:
        self.schema, self.x, self.first = schema, x.astype(np.float64), int(drops_first)
        self.mean, self.scale = np.nanmean(self.x, axis=0), np.nanstd(self.x, axis=0)
        self.sizes = [len(column.categories) - self.first if column.is_discrete else 1 for column in schema]

    def encoded(self) -> np.ndarray:
        """The vectors, [N, F]."""
        parts = []
        for place, column in enumerate(self.schema):
            cells = self.x[:, place, None]
            part = (cells - self.mean[place]) / self.scale[place]
            if column.is_discrete:
                part = np.where(np.isnan(cells), np.nan, cells == np.arange(self.first, self.first + self.sizes[place]))
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def filled(self, vectors: np.ndarray) -> np.ndarray:
        """The rows with their gaps filled from vectors without any: a category is the one of the largest number."""
        filled, parts = self.x.copy(), np.split(vectors, np.cumsum(self.sizes)[:-1], axis=1)
        for place, (column, part) in enumerate(zip(self.schema, parts, strict=True)):
            if column.is_discrete and self.first:
                part = np.concatenate([1 - part.sum(axis=1, keepdims=True), part], axis=1)
            values = part.argmax(axis=1) if column.is_discrete else part[:, 0] * self.scale[place] + self.mean[place]
            gaps = np.isnan(filled[:, place])
            filled[gaps, place] = values[gaps]
        return filled


def by_scikit_learn(method: str, schema: Schema, x: np.ndarray, seed: int) -> np.ndarray:
    """The rows filled by a method of scikit-learn, with its defaults: ten rounds of Bayesian ridge regressions, or the mean
    of the five nearest rows.
    """
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    imputers = {
        "most_frequent": SimpleImputer(),  # the mean of one-hot categories is largest at the most frequent
        "knn": KNNImputer(),
        "iterative": IterativeImputer(max_iter=10, random_state=seed),
        "iterative_dropped": IterativeImputer(max_iter=10, random_state=seed),
    }
    vectors = Vectors(schema, x, drops_first=method == "iterative_dropped")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten rounds seldom settle
        return vectors.filled(imputers[method].fit_transform(vectors.encoded()))


# Settings by the size of the table: up to 1,000 rows have a linear p(x|y,z), and few rows are learned in few steps.
_MOST_SMALL_ROWS, _MOST_TINY_ROWS = 1000, 500
SMALL = {"latent_dim": 4, "hidden_units": [48], "decoder_units": [], "batch_size": 64, "steps": 2000}
TINY = SMALL | {"steps": 500}
LARGE = {"latent_dim": 6, "hidden_units": [128], "decoder_units": [128], "batch_size": 128, "steps": 3000}
# Groups that the model looks for in place of classes, and what else is the same for every table.
_GROUPS, _RATE, _SAMPLES = 4, 5e-3, 100


def settings_of(num_rows: int) -> dict:
    """The settings of our model for a table of so many rows."""
    if num_rows <= _MOST_TINY_ROWS:
        return TINY
    return SMALL if num_rows <= _MOST_SMALL_ROWS else LARGE


def by_model(schema: Schema, x: np.ndarray, seed: int) -> np.ndarray:
    """The rows filled by `models.Table`, whose only target is a class that no row has: it finds groups of rows itself.

    Without labels there is nothing to regularise: no weight decay, no dropout.
    """
    import keras

    from ssdgm_tf import layers, models

    keras.utils.set_random_seed(seed)
    settings = settings_of(len(x))
    units, size = settings["decoder_units"], settings["batch_size"]
    targets = Targets(Schema([class_target("group", range(_GROUPS))]))
    model = models.Table(
        targets,
        settings["latent_dim"],
        settings["hidden_units"],
        dropout=0.0,
        weight_decay=0.0,
        gate_decay=0.0,
        histograms=False,
        prior="uniform",
        schema=schema,
        decoder=layers.MLP(units, "relu") if units else None,
        seed=seed,
    )
    epochs = max(1, settings["steps"] // -(-len(x) // size))
    rate = keras.optimizers.schedules.CosineDecay(_RATE, epochs * -(-len(x) // size), alpha=0.02)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(x, np.full(len(x), -1), batch_size=size, epochs=epochs, verbose=0)
    return model.impute(x, num_samples=_SAMPLES, seed=seed)["x"]


def measure(name: str, method: str, seed: int, data_dir: str | None) -> dict:
    """One run: its table, method and seed, its errors, and its seconds."""
    schema, true, given = hidden_table(name, seed, data_dir)
    start = time.monotonic()
    filled = by_model(schema, given, seed) if method == "ours" else by_scikit_learn(method, schema, given, seed)
    seconds = round(time.monotonic() - start, 1)
    found = {measure: round(error, 6) for measure, error in errors(schema, true, given, filled).items()}
    return {"table": name, "method": method, "seed": seed, **found, "seconds": seconds, "revision": git_revision()}


def mean_of(records: list[dict], table: str, method: str, measure: str) -> float | None:
    """The mean of a measure over the seeds; None where there is none."""
    values = [run[measure] for run in records if (run["table"], run["method"]) == (table, method) and measure in run]
    return statistics.mean(values) if values else None


def is_as_good(records: list[dict], table: str) -> bool:
    """Whether every measure of our method is at most the lowest of the others'."""
    for measure in MEASURES:
        mine = mean_of(records, table, "ours", measure)
        others = [error for method in OTHERS if (error := mean_of(records, table, method, measure)) is not None]
        if mine is not None and mine > min(others):
            return False
    return mean_of(records, table, "ours", "nrmse") is not None


def page(records: list[dict]) -> str:
    """The runs as Markdown."""
    lines = [
        "# Missing cells filled in",
        "",
        "30 % of the cells of four tables are hidden at random and filled in, without the classes. NRMSE: of a column of",
        "numbers, the root-mean-square error of its hidden cells over the standard deviation of the column. Wrong",
        "categories: of a column of categories, the share of its hidden cells that get another one. Both are means over the",
        "columns of their kind; mean ± standard deviation over draws of the hidden cells. `python results/imputation.py`",
        "adds the runs, and says how each method is set; `python results/results.py` writes this page.",
        "",
        "| table | method | NRMSE | wrong categories, % | runs | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for table, method in itertools.product(TABLES, TITLES):
        runs = [run for run in records if (run["table"], run["method"]) == (table, method)]
        if runs:
            cells = [_spread([run[name] for run in runs if name in run], *MEASURES[name][1:]) for name in MEASURES]
            seconds = f"{statistics.mean(run['seconds'] for run in runs):.0f}"
            lines.append(f"| {' | '.join([table, TITLES[method], *cells, str(len(runs)), seconds])} |")
    good = [table for table in TABLES if is_as_good(records, table)]
    lines += [
        "",
        f"`Table.impute` is at least as good as the best of scikit-learn's, in each measure that a table has, on "
        f"{len(good)} of {len(TABLES)}: {', '.join(good) or 'none'}. Its settings, by the number of rows, were chosen on "
        "these tables.",
        "",
        "IterativeImputer gives every category of a gap its share in the table, whatever the other columns say: the one-hot",
        "columns of one column add up to 1, are missing together, and so predict one another. Without the first of them it",
        "can do better on categories, and is worse on numbers.",
    ]
    return "\n".join(lines) + "\n"


def _spread(values: list[float], unit: int, digits: int) -> str:
    if not values:
        return "–"
    deviation = f" ± {unit * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{unit * statistics.mean(values):.{digits}f}{deviation}"


def load() -> list[dict]:
    """Every run."""
    return json.loads(RECORDS.read_text()) if RECORDS.exists() else []


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="folder that holds `tables`")
    parser.add_argument("--tables", default=",".join(TABLES), help="such as wine,segment")
    parser.add_argument("--methods", default=",".join(TITLES), help="such as knn,ours")
    parser.add_argument("--seeds", default="0-2", help="such as 0-2 or 0,3")
    given = parser.parse_args()
    for method, table in itertools.product(given.methods.split(","), given.tables.split(",")):
        for seed in parse_seeds(given.seeds):
            if any((run["table"], run["method"], run["seed"]) == (table, method, seed) for run in load()):
                continue
            run = measure(table, method, seed, given.data_dir)
            print(run, flush=True)
            records = sorted([*load(), run], key=lambda run: (run["table"], run["method"], run["seed"]))
            lines = ",\n".join(json.dumps(run) for run in records)
            with files.whole(RECORDS) as partial:
                partial.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
