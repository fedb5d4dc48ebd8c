"""Writes every document that is made of the results: the tables here, and those in README.md and docs/.

    python results/results.py

`ssdgm-table` adds the runs. docs/presets.md lists the measured results of every preset. No figure in a document is typed by
hand: a test runs this command and compares. Two figures are drawn anew too.
"""

import importlib.util
import itertools
import json
import re
import statistics
from pathlib import Path

from ssdgm_tf import configs, objectives, plots
from ssdgm_tf.tables import records, rendering
from ssdgm_tf.tables.definitions import TABLES

RESULTS = Path(__file__).parent
ROOT = RESULTS.parent
# Training images of MNIST in the papers' split.
NUM_TRAINING = 50_000
START, END = "<!-- results: written by `python results/results.py` -->\n", "<!-- end of results -->"


def load(table: str, row: str, labels: int) -> list[dict]:
    """The runs of a row of a table at a label count."""
    runs, _ = records.read_all(RESULTS / table)
    return [run for run in runs if (run["row"], run["labels"]) == (row, labels)]


def percent(runs: list[dict], key: str) -> str:
    """Mean and standard deviation of an error over runs."""
    values = [100 * run["results"][key] for run in runs]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def wins(runs: list[dict]) -> str:
    """In how many draws the model's error is below both baselines."""
    below = [run["results"]["error"] < min(run["results"][key] for key in BASELINES) for run in runs]
    return f"{sum(below)} of {len(below)}"


BASELINES = ("labels_only_error", "nearest_neighbour_error")


def error_table(rows: dict[str, list[dict]]) -> str:
    """A line per setting: errors of the model and of the baselines, in percent."""
    lines = [
        "| setting | runs | error % | labels only | nearest neighbour | below both | training, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, runs in rows.items():
        seconds = statistics.mean(run["results"]["training_seconds"] for run in runs)
        errors = " | ".join(percent(runs, key) for key in ("error", *BASELINES))
        lines.append(f"| {title} | {len(runs)} | {errors} | {wins(runs)} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def digits(row: str, *labels: int) -> dict[str, list[dict]]:
    """Runs of a row of the digits by number of labels."""
    return {f"digits, {n} labels": load("digits", row, n) for n in labels}


def mnist(*labels: int) -> dict[str, list[dict]]:
    """Runs of the quick and of the recommended preset on MNIST by number of labels."""
    rows = {"fast": "M2, `fast_mnist`", "sdgm_pseudo": "SDGM, `grey_images`"}
    every = {f"MNIST, {n} labels, {title}": load("kingma_mnist", row, n) for n in labels for row, title in rows.items()}
    return {title: runs for title, runs in every.items() if runs}


def measured() -> dict[str, list[str]]:
    """The measured errors and minutes of each preset, in words; [] where nothing was measured."""
    found = {row.preset: [] for table in TABLES.values() for row in table.rows.values()}
    for table in TABLES.values():
        if table.home != table.name or table.name == "siddharth_rho":  # whose runs are cut short
            continue
        if table.columns:  # too many figures for a line
            names = {run["row"] for run in records.read_all(RESULTS / table.name)[0]}
            for preset in dict.fromkeys(row.preset for row in table.rows.values() if row.name in names):
                found[preset].append(f"[{table.title}](../results/{table.name}.md)")
            continue
        presets = [row.preset for row in table.rows.values()]
        every = rendering.lines(table, records.read_all(RESULTS / table.name)[0])
        for (row, _), lines in itertools.groupby(every, key=lambda line: (line.row, line.labels)):
            lines = list(lines)
            if lines[0].runs and row.name != "digit_model":  # which has a row of its own in its own table
                found[row.preset].append(expected(lines, table, several=presets.count(row.preset) > 1))
    return found


def measured_file() -> str:
    """What `ssdgm-train --list` shows, as JSON: the same without Markdown."""
    plain = {
        name: [re.sub(r"\[(.*?)\]\(\.\./(.*?)\)", r"\1: \2", text).replace("`", "") for text in texts]
        for name, texts in sorted(measured().items())
        if name and texts
    }
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


# Of tables whose data are not the presets' own.
_WHERE = {"svhn_recrop": " of the re-crop", "letters": " of EMNIST letters", "cifar10": " of CIFAR-10"}


def expected(lines: list[rendering.Line], table, several: bool) -> str:
    """The lines of a row at a label count, one of each measure, in words."""
    line = lines[0]
    where = _WHERE.get(table.name, "")
    row = f"{line.row.title}, " if several else ""
    runs = "1 run" if len(line.runs) == 1 else f"{len(line.runs)} runs"
    minutes = f"{line.minutes:.1f} minutes, {runs}"
    measures = [in_words(each, table) for each in lines if each.spread()[0] is not None]
    if not measures:
        return f"{minutes}{where}"
    return f"{row}{line.labels or 'all'} labels{where}: {', '.join(measures)} in {minutes}"


def in_words(line: rendering.Line, table) -> str:
    """A measure, its mean and its spread, as "error 1.85 ± 0.36 %"."""
    mean, deviation = line.spread()
    spread = f" ± {deviation:.2f}" if deviation is not None else ""
    what, _, unit = table.measures[line.measure].partition(", ")
    return f"{what} {mean:.2f}{spread} {unit}{line.mark}"


def siddharth_tables() -> str:
    """The tables of Siddharth et al. 2017."""
    names = ("siddharth_mnist", "svhn_recrop", "siddharth_faces", "siddharth_multimnist", "siddharth_rho")
    tables = [TABLES[name] for name in names]
    return "\n".join(rendering.markdown(t, records.read_all(RESULTS / t.home)[0], heading="###") for t in tables)


def rates_figure():
    """Error against supervision rate, a curve for each number of labels; the runs with gamma = 1 are marked."""
    table, curves = TABLES["siddharth_rho"], {}
    for line in rendering.lines(table, records.read_all(RESULTS / table.name)[0]):
        if line.runs:
            rate = line.row.overrides.get("supervision_rate")
            of_one = objectives.supervision_rate(1.0, NUM_TRAINING - line.labels, line.labels)
            point = (of_one if rate is None else rate, line.spread()[0], rate is None)
            curves.setdefault(f"{line.labels} labels", []).append(point)
    return plots.supervision_rates({name: sorted(points) for name, points in curves.items()})


# The dense rows at 100 labels, in the order of their panels.
DENSE = {
    "m2": "M2",
    "m1m2": "M1 + M2",
    "adgm": "ADGM",
    "sdgm": "SDGM",
    "siddharth": "Siddharth et al.",
    "vectors": "M2, vectors",
    "m2_balanced": "M2, terms first",
    "adgm_balanced": "ADGM, terms first",
    "sdgm_balanced": "SDGM, terms first",
    "disentangled_vae_balanced": "Siddharth et al., terms first",
}


def dense_figure():
    """Validation error against minutes of the dense rows at 100 labels, beside the published test errors."""
    table, curves, published = TABLES["kingma_mnist"], {}, {}
    for line in rendering.lines(table, records.read_all(RESULTS / table.name)[0]):
        if line.labels != 100 or line.row.name not in DENSE or not line.runs:
            continue
        title = DENSE[line.row.name]
        metrics = [run["metrics"] for run in line.runs]
        minutes = [[second / 60 for second in each["seconds"]] for each in metrics]
        curves[title] = [(m, [100 * error for error in each["val_error"]]) for m, each in zip(minutes, metrics, strict=True)]
        if line.figures:
            published[title] = line.figures[0]["error"]
    return plots.errors_by_minutes(curves, published)


def presets_page() -> str:
    """The page of all presets: what each is, by the first paragraph of its docstring, and what was measured with it."""
    found = measured()
    lines = [
        "# Presets",
        "",
        "`ssdgm-train --config=NAME` takes each of these names. Their files in `ssdgm_tf/configs/` have the fields.",
        "Errors are of the test set, with the standard deviation over draws of the labels. Minutes are on two CPU cores.",
        "† is of an earlier engine or preset. [results/](../results/README.md) has the tables behind them.",
        "`python results/results.py` writes this page.",
        "",
        "| preset | what it trains | measured |",
        "|---|---|---|",
    ]
    for name in sorted(configs.presets(), key=lambda name: (name.split("_")[-1], name)):
        cells = (f"`{name}`", configs.about(name), "<br>".join(found.get(name, [])) or "not yet")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def imputation_page() -> str:
    """The page of missing cells filled in, see imputation.py."""
    spec = importlib.util.spec_from_file_location("imputation", RESULTS / "imputation.py")
    imputation = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(imputation)
    return imputation.page(imputation.load())


def cells_table() -> str:
    """Types of single cells: accuracies of the example and of logistic regression, in percent."""
    names = ("M2", "LR", "LR, components not standardised")
    lines = [f"| cells | {' | '.join(names)} | M2 above LR, points | training, s |", "|---|---|---|---|---|---|"]
    for name, found in json.loads((RESULTS / "cells.json").read_text()).items():
        spreads = " | ".join(f"{statistics.mean(found[n]):.1f} ± {statistics.stdev(found[n]):.1f}" for n in names)
        above = [ours - theirs for ours, theirs in zip(found["M2"], found["LR"], strict=True)]
        gain = f"{statistics.mean(above):+.1f} ± {statistics.stdev(above):.1f}"
        lines.append(f"| {name} | {spreads} | {gain} | {statistics.mean(found['seconds']):.0f} |")
    return "\n".join(lines) + "\n"


def trust_tables() -> str:
    """What trust.py measured: calibration and sets, then areas under the ROC curve and false alarms, means over runs."""
    every = json.loads((RESULTS / "trust.json").read_text())
    kinds = {name: [run for key, run in every.items() if key.split(", ")[0] == name] for name in ("mnist", "letters")}
    titles = {"mnist": "MNIST, 100 labels, `grey_images`", "letters": "EMNIST letters, 260 labels, `grey_images`"}
    kinds = {titles[name]: runs for name, runs in kinds.items() if runs}

    def mean(runs: list[dict], *keys: str) -> str:
        values = []
        for run in runs:
            value = run
            for key in keys:
                value = value[key]
            values.append(value)
        return f"{statistics.mean(values):.3f}"

    lines = ["| runs | | ECE before | after | coverage of 90 % sets | classes in a set |", "|---|---|---|---|---|---|"]
    for title, runs in kinds.items():
        figures = " | ".join(mean(runs, key) for key in ("ece_before", "ece", "coverage", "size"))
        lines.append(f"| {title} | {len(runs)} | {figures} |")
    lines += ["", "| known | score | others: area under the ROC curve |", "|---|---|---|"]
    for title, runs in kinds.items():
        for score, areas in runs[0]["areas"].items():
            cells = ", ".join(f"{other} {mean(runs, 'areas', score, other)}" for other in areas)
            lines.append(f"| {title} | {score} | {cells} |")
    lines += ["", "| known | false alarms at a stated 1 % | at 5 % | at 10 % |", "|---|---|---|---|"]
    for title, runs in kinds.items():
        rates = [statistics.mean(run["false_alarms"][rate] for run in runs) for rate in ("0.01", "0.05", "0.1")]
        lines.append(f"| {title} | {' | '.join(f'{100 * rate:.1f} %' for rate in rates)} |")
    return "\n".join(lines) + "\n"


def documents() -> dict[Path, str]:
    """Every generated document, {path: text}."""
    texts = rendering.documents(RESULTS)
    kingma = {"digits, 30 labels, Kingma's weights (gamma = 1)": load("digits", "m2_kingma", 30)}
    when_to_use = error_table(digits("m2", 30, 100, 300, 1000) | kingma | mnist(100, 3000))
    pages = {
        ROOT / "README.md": error_table(digits("m2", 30) | mnist(100)),
        ROOT / "docs" / "choosing_a_model.md": when_to_use,
        ROOT / "docs" / "experiments" / "siddharth2017.md": siddharth_tables(),
        ROOT / "docs" / "experiments" / "cells.md": cells_table(),
        ROOT / "docs" / "trust.md": trust_tables(),
    }
    texts |= {ROOT / "docs" / "presets.md": presets_page(), RESULTS / "imputation.md": imputation_page()}
    texts |= {ROOT / "ssdgm_tf" / "configs" / "measured.json": measured_file()}
    return texts | {path: between(path, table) for path, table in pages.items()}


def between(path: Path, table: str) -> str:
    """The text of `path` with what stands between the two marks replaced."""
    text = path.read_text()
    before, rest = text.split(START)
    return f"{before}{START}{table}{END}{rest.split(END, 1)[1]}"


def main() -> None:
    """The command."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    runs = {"siddharth_rho": ("supervision_rates_mnist", rates_figure), "kingma_mnist": ("dense_errors_mnist", dense_figure)}
    for name, figure in [made for table, made in runs.items() if records.read_all(RESULTS / table)[0]]:
        path = ROOT / "docs" / "images" / f"{name}.png"
        figure().savefig(path, dpi=130)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
