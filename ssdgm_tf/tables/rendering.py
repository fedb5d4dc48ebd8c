"""Tables as Markdown and CSV: published figures beside measured ones."""

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssdgm_tf import durations
from ssdgm_tf.tables import records, today
from ssdgm_tf.tables.definitions import TABLES, Row, Table, published

_INTRODUCTION = (
    "# Results\n\nGenerated from the files beside it, one per run: config, versions and hardware, final figures, and "
    "metrics by epoch. Errors are of the test set, in percent, mean ± standard "
    "deviation over label draws.\n"
)
_HEADER = (
    "labels",
    "model",
    "what",
    "published",
    "target",
    "measured",
    "runs",
    "minutes per run",
    "labels only",
    "nearest neighbour",
)
_CSV_COLUMNS = (
    "table labels row title measure published_error published_spread published_tag published_source also_published target "
    "measured_error measured_spread is_earlier runs seeds minutes labels_only_error labels_only_spread"
).split()


# The mark of figures of an earlier engine or preset, and its footnote.
_EARLIER = " †"
_OF_EARLIER = "† of an earlier engine or preset, and not measured again yet.\n"
# Errors in percent that differ by less are the same.
_SAME = 1e-9


@dataclass(frozen=True)
class Line:
    """One line of a rendered table: a row at a label count.

    Attributes:
        row: the row.
        labels: the label count; None for a row without labels.
        figures: the published figures, as in published.json.
        target: the error in percent that this project aims at, or None.
        runs: the records of its finished cells: those of today's engine and preset, or, where there are none, all.
        measure: the name of the shown result.
        is_earlier: whether the runs are of an earlier engine or preset.
        left_out: the records of an earlier engine or preset beside those of today's.
    """

    row: Row
    labels: int | None
    figures: list[dict]
    target: float | None
    runs: list[dict]
    measure: str = "error"
    is_earlier: bool = False
    left_out: tuple[dict, ...] = ()

    def spread(self, prefix: str = "") -> tuple[float | None, float | None]:
        """Mean and standard deviation of the measure over the runs, errors in percent; None where there are too few runs.

        Args:
            prefix: "" for the model, "labels_only_", "nearest_neighbour_".
        """
        key, unit = prefix + self.measure, 100 if self.measure.endswith("error") else 1
        values = [unit * run["results"][key] for run in self.runs if key in run["results"]]
        mean = statistics.mean(values) if values else None
        return mean, statistics.stdev(values) if len(values) > 1 else None

    @property
    def mark(self) -> str:
        """The mark of a figure of an earlier engine or preset; "" of today's, and where there is no figure."""
        return _EARLIER if self.is_earlier and self.spread()[0] is not None else ""

    @property
    def minutes(self) -> float | None:
        """Mean minutes of a run."""
        return statistics.mean(run["minutes"] for run in self.runs) if self.runs else None


def lines(table: Table, runs: list[dict]) -> list[Line]:
    """The lines of a table, label count by label count.

    Args:
        table: the table.
        runs: records of its home; those of other rows and label counts are left out.
    """
    found: dict[tuple, list[dict]] = {}
    for run in runs:
        found.setdefault((run["row"], run["labels"]), []).append(run)
    keys: list[tuple[Row, int | None]] = [(row, None) for row in table.rows.values() if not row.labelled]
    keys += [(row, labels) for labels in table.labels for row in table.rows.values() if row.labelled]
    result = []
    for row, labels in keys:
        every = sorted(found.get((row.name, labels), []), key=lambda run: run["seed"])
        new = [run for run in every if today.is_today(table, run)]
        shown, left_out = (new, tuple(run for run in every if run not in new)) if new else (every, ())
        for measure in row.measures or table.measures:
            key = f"{table.published}/{row.name}/{labels}" + (f"/{measure}" if len(table.measures) > 1 else "")
            figures, target = published()["figures"].get(key, []), published()["targets"].get(key)
            result.append(Line(row, labels, figures, target, shown, measure, bool(every) and not new, left_out))
    return result


def markdown(table: Table, runs: list[dict], damaged: Sequence[str] = (), heading: str = "#") -> str:
    """A table as Markdown: heading, note, lines, missing runs, and the meaning of the tags.

    Args:
        table: the table.
        runs: records of its home.
        damaged: the faults of files that were left out.
        heading: the marks before its title.
    """
    every = lines(table, runs)
    if table.columns:
        return _of_columns(table, every, damaged, heading)
    several = len(table.measures) > 1
    # In a table of several measures a run may lack some of them.
    shown = [line for line in every if line.figures or (line.runs and not (several and line.spread()[0] is None))]
    sources = list(dict.fromkeys(figure["source"] for line in shown for figure in line.figures))
    with_target = any(line.target is not None for line in shown)
    left_out = {"target": not with_target, "what": not several, "nearest neighbour": not several}
    columns = [name for name in _HEADER if not left_out.get(name)]
    parts = [f"{heading} {table.title}\n", table.note + "\n"] if table.note else [f"{heading} {table.title}\n"]
    parts += [f"`ssdgm-table --table={table.name}`; {'' if several else 'errors in percent, '}minutes of training.\n"]
    body = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    body += [
        "| " + " | ".join(cells[name] for name in columns) + " |"
        for cells in (texts(line, sources, table.measures) for line in shown)
    ]
    parts += ["\n".join(body) + "\n"]
    if unrun := [line for line in every if line.row.runs_here and not line.runs]:
        parts += [f"Not run: {_unrun(table, unrun)}.\n"]
    parts += [_OF_EARLIER] if any(line.is_earlier for line in shown) else []
    parts += _left_out(shown) + _cut_short(shown)
    if damaged:
        parts += ["Left out:\n\n" + "\n".join(f"- {reason}" for reason in damaged) + "\n"]
    if sources:
        parts += [_footnote(shown, sources)]
    return "\n".join(parts)


def _of_columns(table: Table, every: list[Line], damaged: Sequence[str], heading: str) -> str:
    """A table of several data sets as Markdown: a line for each method, a column for each data set."""
    groups: dict[str, dict[str, Line]] = {}
    for line in every:
        groups.setdefault(line.row.group, {})[line.row.column] = line
    measured = {name: lines for name, lines in groups.items() if any(line.runs for line in lines.values())}
    means = {name: {column: line.spread()[0] for column, line in lines.items()} for name, lines in measured.items()}
    header = ["model", *table.columns, "mean", "best in", "below labels only in", "runs", "minutes per run"]
    body = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, lines in measured.items():
        found = [mean for mean in means[name].values() if mean is not None]
        cells = [_one_decimal(*lines[column].spread()) + lines[column].mark for column in table.columns]
        mixed = any(line.is_earlier for line in lines.values())  # no mean and no rank across engines
        overall = f"{statistics.mean(found):.2f}" if len(found) == len(table.columns) and not mixed else "–"
        best = "–" if mixed else _count(means, name, [other for other in means if other != name], ties=True)
        has_below = "labels_only" in means and name != "labels_only" and not mixed
        below = _count(means, name, ["labels_only"], ties=False) if has_below else "–"
        runs = str(sum(len(line.runs) for line in lines.values()))
        minutes = statistics.mean(line.minutes for line in lines.values() if line.minutes is not None)
        title = next(iter(lines.values())).row.title
        body.append("| " + " | ".join([title, *cells, overall, best, below, runs, f"{minutes:.2f}"]) + " |")
    parts = [f"{heading} {table.title}\n", table.note + "\n" if table.note else ""]
    parts.append(
        f"`ssdgm-table --table={table.name}`; errors in percent, minutes of training. Best in: the data sets where no "
        "method has a lower mean error. Below labels only in: those with a lower mean error than the same network, "
        "trained on labelled rows only.\n"
    )
    parts += ["\n".join(body) + "\n"] if measured else []
    parts += [_OF_EARLIER] if any(line.is_earlier for line in every) else []
    parts += _left_out(every) + _cut_short(every)
    if unrun := [name for name in groups if name not in measured]:
        parts += [f"Not run: {', '.join(unrun)}.\n"]
    if damaged:
        parts += ["Left out:\n\n" + "\n".join(f"- {reason}" for reason in damaged) + "\n"]
    return "\n".join(part for part in parts if part)


def _count(means: dict[str, dict[str, float | None]], name: str, others: list[str], ties: bool) -> str:
    """In how many columns the mean of a line is below those of the others; with `ties` at most as large."""
    lowest = compared = 0
    for column, mean in means[name].items():
        against = [value for other in others if (value := means[other].get(column)) is not None]
        if mean is None or not against:
            continue
        compared += 1
        lowest += mean < min(against) + (_SAME if ties else -_SAME)
    return f"{lowest} of {compared}" if compared else "–"


def _one_decimal(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.1f}" + ("" if deviation is None else f" ± {deviation:.1f}")


def texts(line: Line, sources: list[str], measures: dict[str, str]) -> dict[str, str]:
    """The texts of one line, {column: text}.

    Args:
        line: the line.
        sources: the sources of published figures, in the order of their numbers.
        measures: the measures of its table.
    """
    mean, deviation = line.spread()
    figures = [
        f"{figure(each['error'], each.get('spread'))} [{each['tag']}, {sources.index(each['source']) + 1}]"
        for each in line.figures
    ]
    return {
        "labels": _label_count(line.labels),
        "what": measures[line.measure],
        "model": line.row.title.replace("|", "\\|"),
        "published": "; ".join(figures) or "–",
        "target": _target(line.target, mean, 0 if line.is_earlier else len(line.runs)),
        "measured": figure(mean, deviation) + line.mark,
        "runs": str(len(line.runs)),
        "minutes per run": "–" if line.minutes is None else f"{line.minutes:.1f}",
        "labels only": figure(*line.spread("labels_only_")),
        "nearest neighbour": figure(*line.spread("nearest_neighbour_")),
    }


def _label_count(labels: int | None) -> str:
    return "none" if labels is None else str(labels or "all")


def figure(mean: float | None, deviation: float | None) -> str:
    """A mean and a standard deviation to two decimals; "–" where there is none."""
    if mean is None:
        return "–"
    return f"{mean:.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")


def _target(target: float | None, mean: float | None, runs: int) -> str:
    """The target, and whether the mean of at least three runs meets it."""
    if target is None:
        return "–"
    # Compared as shown, to two decimals.
    outcome = "" if mean is None or runs < 3 else ", met" if round(mean, 2) <= target else ", missed"
    return f"≤ {target}{outcome}"


def _left_out(shown: list[Line]) -> list[str]:
    """The runs of an earlier engine or preset that stand beside newer ones, in one sentence, if any."""
    names = dict.fromkeys(_in_words(run) for line in shown for run in line.left_out)
    return [f"Of an earlier engine or preset, and left out: {'; '.join(names)}.\n"] if names else []


def _in_words(run: dict) -> str:
    labels = "" if run["labels"] is None else f"{_label_count(run['labels'])} labels, "
    return f"{run['row']} ({labels}draw {run['seed']})"


def _cut_short(shown: list[Line]) -> list[str]:
    """The runs that a budget ended, in one sentence; nothing where there are none."""
    runs = {_in_words(run): run for line in shown for run in line.runs}
    cut = [
        f"{name} after {run['results']['epochs_trained']} of {run['config']['epochs']} epochs, by one of "
        f"{durations.in_words(run['results']['budget_seconds'])}"
        for name, run in runs.items()
        if "budget_seconds" in run["results"]
    ]
    return [f"Ended by a budget: {'; '.join(cut)}.\n"] if cut else []


def _unrun(table: Table, unrun: list[Line]) -> str:
    """`adgm, m2 (600, 3000 labels)`: the missing rows; a row that is partly there has its missing label counts."""
    counts: dict[str, list[str]] = {}
    for line in unrun:
        missing = counts.setdefault(line.row.name, [])
        if (labels := _label_count(line.labels)) not in missing:
            missing.append(labels)
    partly = {name for name, row in table.rows.items() if row.labelled and len(counts.get(name, ())) < len(table.labels)}
    return ", ".join(f"{name} ({', '.join(missing)} labels)" if name in partly else name for name, missing in counts.items())


def _footnote(shown: list[Line], sources: list[str]) -> str:
    """The sources by number, and the tags that occur."""
    tags = sorted({figure["tag"] for line in shown for figure in line.figures})
    numbered = [f"{number}. {published()['sources'][source]}" for number, source in enumerate(sources, 1)]
    meanings = "; ".join(f"[{tag}] {published()['tags'][tag]}" for tag in tags)
    return "Sources of the published figures:\n\n" + "\n".join(numbered) + f"\n\nHow they are known: {meanings}.\n"


def comma_separated(table: Table, runs: list[dict]) -> str:
    """A table as CSV: every line; missing figures are empty fields.

    Args:
        table: the table.
        runs: records of its home.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for line in lines(table, runs):
        paper, *others = line.figures or [{}]
        error, error_spread = line.spread()
        labels_only, labels_only_spread = line.spread("labels_only_")
        values = {
            "table": table.name,
            "labels": line.labels,
            "row": line.row.name,
            "title": line.row.title,
            "measure": line.measure,
            "published_error": paper.get("error"),
            "published_spread": paper.get("spread"),
            "published_tag": paper.get("tag"),
            "published_source": published()["sources"].get(paper.get("source")),
            "also_published": "; ".join(f"{other['error']} [{other['tag']}] {other['source']}" for other in others),
            "target": line.target,
            "measured_error": _rounded(error),
            "measured_spread": _rounded(error_spread),
            "is_earlier": int(line.is_earlier),
            "runs": len(line.runs),
            "seeds": " ".join(str(run["seed"]) for run in line.runs),
            "minutes": _rounded(line.minutes),
            "labels_only_error": _rounded(labels_only),
            "labels_only_spread": _rounded(labels_only_spread),
        }
        writer.writerow({name: "" if value is None else value for name, value in values.items()})
    return text.getvalue()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def table_documents(table: Table, results: Path) -> dict[Path, str]:
    """TABLE.md and TABLE.csv of one table, {path: text}.

    Args:
        table: the table.
        results: folder of the results files.
    """
    runs, damaged = records.read_all(results / table.home)
    return {
        results / f"{table.name}.md": markdown(table, runs, damaged),
        results / f"{table.name}.csv": comma_separated(table, runs),
    }


def documents(results_dir: Path) -> dict[Path, str]:
    """Every generated document of a folder of results, {path: text}: README.md, and two files for each table with runs.

    Args:
        results_dir: folder of the results files, RESULTS/TABLE/CELL.json.
    """
    results, parts = Path(results_dir), [_INTRODUCTION]
    texts: dict[Path, str] = {}
    empty: list[str] = []
    for table in TABLES.values():
        runs, damaged = records.read_all(results / table.home)
        if not damaged and not any(line.runs for line in lines(table, runs)):
            empty.append(f"`{table.name}`")
            continue
        parts.append(markdown(table, runs, damaged, heading="##"))
        texts |= table_documents(table, results)
    if empty:
        parts.append(f"Tables without a run: {', '.join(empty)}.\n")
    of_tables = {"README", *TABLES}
    others = [path.name for path in sorted(results.glob("*.md")) if path.stem not in of_tables]
    if others:
        parts.append("Beside the tables: " + ", ".join(f"[{name}]({name})" for name in others) + ".\n")
    return {results / "README.md": "\n".join(parts), **texts}
