"""Collects finished runs into results/, and writes every table that is made of them.

    python results/results.py collect runs/m2_digits_30_0 ...     # adds or replaces results/NAME/*.json
    python results/results.py                                     # writes results/README.md and the tables of the documents

No figure in a document is typed by hand: a test runs the second command and compares.
"""

import json
import statistics
import sys
from pathlib import Path

RESULTS = Path(__file__).parent
ROOT = RESULTS.parent
START, END = "<!-- results: written by `python results/results.py` -->\n", "<!-- end of results -->"


def collect(workdir: Path) -> Path:
    """Copies what a finished run measured into one file."""
    config = json.loads((workdir / "config.json").read_text())
    metrics = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    fields = config["config"]
    name = f"{fields['model']}_{fields['data']}"
    weights = "kingma" if fields["gamma"] == 1.0 else "preset"
    path = RESULTS / name / f"{weights}_labels{fields['labels']}_seed{fields['seed']}.json"
    path.parent.mkdir(exist_ok=True)
    # By column and to 5 digits: a file is read by people too.
    columns = {key: [float(f"{row[key]:.5g}") for row in metrics] for key in metrics[-1]}
    row = {**config, "results": json.loads((workdir / "results.json").read_text())}
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(values)}" for key, values in columns.items())
    path.write_text(json.dumps(row, indent=1)[:-2] + f',\n "metrics": {{\n{lines}\n }}\n}}\n')
    return path


def load(pattern: str) -> list[dict]:
    """The result files of a glob, in order of name."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(pattern))]


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
        "| setting | runs | M2, error % | labels only | nearest neighbour | M2 below both | training, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, runs in rows.items():
        seconds = statistics.mean(run["results"]["training_seconds"] for run in runs)
        errors = " | ".join(percent(runs, key) for key in ("error", *BASELINES))
        lines.append(f"| {title} | {len(runs)} | {errors} | {wins(runs)} | {seconds:.0f} |")
    return "\n".join(lines) + "\n"


def digits(*labels: int) -> dict[str, list[dict]]:
    """Runs of m2_digits by number of labels."""
    return {f"digits, {n} labels": load(f"m2_digits/preset_labels{n}_*.json") for n in labels}


def faces_table() -> str:
    """Identity and lighting errors of the faces example, mean and spread over draws of split and labels."""
    runs = load("faces/*.json")
    lines = [
        f"Faces (`examples/faces.py`), {runs[0]['test_images']} test images, identity known for a tenth of the others and "
        f"lighting for another tenth, {len(runs)} draws, {runs[0]['environment']['cpu_cores']} CPU cores, "
        f"{statistics.mean(run['training_seconds'] for run in runs) / 60:.1f} minutes of training each:\n",
        "| | identity error, % | lighting error, degrees |",
        "|---|---|---|",
    ]
    titles = {
        "graphical_model": "the whole model",
        "labels_alone": "the same recognition networks, labels alone",
        "nearest_neighbour": "nearest labelled neighbour",
    }
    for key, title in titles.items():
        columns = [[run[key][name] for run in runs] for name in ("identity_error_percent", "lighting_degrees")]
        cells = [f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}" for values in columns]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def curve() -> str:
    """Validation error by minute of the MNIST runs."""
    lines = []
    for run in load("m2_mnist/*.json"):
        config = run["config"]
        columns = run["metrics"]
        points = {int(s // 60) + 1: error for s, error in zip(columns["seconds"], columns["val_error"], strict=True)}
        lines += [
            f"MNIST, {config['labels']} labels, seed {config['seed']}, precision {run['precision']}: "
            f"test error {100 * run['results']['error']:.2f} % after {run['results']['training_seconds'] / 60:.1f} minutes "
            f"and {columns['epoch'][-1]:.0f} epochs "
            f"({run['results']['environment']['cpu_cores']} CPU cores). Within each minute, the last validation error:\n",
            "| minute | " + " | ".join(map(str, points)) + " |",
            "|---" * (len(points) + 1) + "|",
            "| error % | " + " | ".join(f"{100 * error:.1f}" for error in points.values()) + " |\n",
        ]
    return "\n".join(lines)


def documents() -> dict[Path, str]:
    """Every generated document, {path: text}."""
    mnist = {"MNIST, 100 labels": load("m2_mnist/preset_labels100_*.json")}
    kingma = {"digits, 30 labels, Kingma's weights (gamma = 1)": load("m2_digits/kingma_labels30_*.json")}
    readme = (
        "# Results\n\nWritten by `python results/results.py` from the files beside it, one per run: config, versions and "
        "hardware, final figures, and metrics by epoch. Errors are of the test set, in percent, mean ± standard deviation "
        "over label draws (on the digits, over splits too).\n\n"
        f"{error_table(digits(30, 100, 300, 1000) | kingma | mnist)}\n{faces_table()}\n{curve()}"
    )
    return {
        RESULTS / "README.md": readme,
        ROOT / "README.md": between(ROOT / "README.md", error_table(digits(30))),
        ROOT / "docs" / "choosing_a_model.md": between(
            ROOT / "docs" / "choosing_a_model.md", error_table(digits(30, 100, 300, 1000) | kingma)
        ),
    }


def between(path: Path, table: str) -> str:
    """The text of `path` with what stands between the two marks replaced."""
    text = path.read_text()
    before, rest = text.split(START)
    return f"{before}{START}{table}{END}{rest.split(END, 1)[1]}"


def main(arguments: list[str]) -> None:
    """The command."""
    if arguments[:1] == ["collect"]:
        for workdir in arguments[1:]:
            print(collect(Path(workdir)))
        return
    for path, text in documents().items():
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
