"""Writes README.md of this folder and the table of docs/performance.md from results/: `python -m benchmarks.render`."""

import json
import statistics
from pathlib import Path

from benchmarks import time_to_error
from benchmarks.worker import FLOOR, OTHER_WORK

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"
START, END = "<!-- ideas: written by `python -m benchmarks.render` -->\n", "<!-- end of ideas -->"


def load(name: str) -> dict:
    """A results file."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def ratio(row: dict, digits: int = 2) -> str:
    """A ratio with its quartiles."""
    low, high = row["ratio_quartiles"]
    return f"{row['ratio']:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def step_table(table: dict) -> str:
    """The table of one size and precision: time, ratios, memory."""
    rows, floor = table["rows"], table["rows"][FLOOR]["median_ms"]
    rate = table["gflop"] / floor * 1e3
    lines = [
        f"### {table['num_unlabelled']} + {table['num_labelled']} images, {table['precision']}\n",
        f"{table['rounds']} rounds; the step's matrix products are {table['gflop']:.1f} GFLOP, {floor:.1f} ms at the "
        f"measured peak of {rate:.0f} GFLOP/s.\n",
        "| step | ms | ratio to compiled PyTorch (quartiles) | share of the floor's speed | peak memory, MiB |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        reached = "" if name in OTHER_WORK and name != FLOOR else f"{floor / row['median_ms']:.0%}"
        lines.append(f"| {name} | {row['median_ms']:.1f} | {ratio(row)} | {reached} | {row['peak_mib']} |")
    return "\n".join(lines) + "\n"


def bars(tables: list[dict]) -> str:
    """The targets of the project and the measurements."""
    lines = ["| ratio or time | target | measured | met |", "|---|---|---|---|"]

    def add(what: str, bar: float, row: dict) -> None:
        lines.append(f"| {what} | {bar} | {ratio(row)} | {_met(row['ratio'], bar)} |")

    for table in tables:
        size = f"{table['num_unlabelled']} + {table['num_labelled']}, {table['precision']}"
        rows = table["rows"]
        if table["num_unlabelled"] >= 200:
            add(f"M2 to compiled PyTorch, {size}", 1.0, rows["ssdgm_tf"])
        add(f"engine to TensorFlow by hand, {size}", 1.05, table["to_tensorflow_by_hand"]["ssdgm_tf"])
        for name, row in table.get("to_pyro", {}).items():
            add(f"M2 to {name}, {size}", 0.5, row)
        for name, row in table["to_enumerate"].items():
            add(f"{name.split(', ')[1]} to enumerate, {size}", 0.45, row)
        memory = rows["ssdgm_tf"]["peak_mib"] / rows["PyTorch by hand, compiled"]["peak_mib"]
        lines.append(f"| peak memory to compiled PyTorch, {size} | 1.2 | {memory:.2f} | {_met(memory, 1.2)} |")
        slower = min(row["ratio"] for row in table["to_jit"].values())
        lines.append(f"| the better of jit on and off to `auto`, {size} | at least 1 | {slower:.2f} | {_met(1.0, slower)} |")
    overheads = load("overheads")
    add("`fit` to the bare compiled step", 1.1, overheads["fit"]["fit"])
    commands = overheads["commands"]
    imported, helped = commands["import ssdgm_tf"]["ratio"], commands["ssdgm-train --help"]
    lines.append(f"| `import ssdgm_tf` to TensorFlow + TFP | 1.15 | {imported:.2f} | {_met(imported, 1.15)} |")
    lines.append(f"| `ssdgm-train --help` | 1.5 s | {helped['seconds']:.2f} s | {_met(helped['seconds'], 1.5)} |")
    for name, sweep in load("scaling")["sweeps"].items():
        lines.append(
            f"| cost of twice the {name}, at the end of the sweep | 2 | {sweep['last_doubling']:.2f} | "
            f"{_met(sweep['last_doubling'], 2.0)} |"
        )
    return "\n".join(lines) + "\n"


def scaling_table(sweeps: dict) -> str:
    """Each sweep and its fitted straight line."""
    lines = []
    for name, sweep in sweeps.items():
        lines += [
            f"| {name} | " + " | ".join(map(str, sweep["values"])) + " |",
            "|---" * (len(sweep["values"]) + 1) + "|",
            "| ms | " + " | ".join(f"{value:.1f}" for value in sweep["ms"]) + " |\n",
            f"Fitted line: {sweep['constant_ms']:.1f} + {sweep['ms_each']:.2f} n ms; the largest deviation from it is "
            f"{sweep['largest_deviation']:.0%}.\n",
        ]
    return "\n".join(lines)


def profile_table(profiles: dict) -> str:
    """The shares of each kind of work, one column per variant."""
    lines = []
    for precision, variants in profiles["profiles"].items():
        lines += [f"| {precision}, share of the step | " + " | ".join(variants) + " |", "|---" * (len(variants) + 1) + "|"]
        for kind in next(iter(variants.values()))["ms"]:
            shares = [variant["ms"][kind] / variant["step_ms"] for variant in variants.values()]
            lines.append(f"| {kind} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
        for key, title in (("operations", "operations of TensorFlow"), ("kernels", "compiled kernels")):
            lines.append(f"| {title}, number | " + " | ".join(str(v[key]) for v in variants.values()) + " |")
        lines.append("")
    return "\n".join(lines)


def serving_table(results: dict) -> str:
    """Sizes on disk, and times of `classify`, for every way to serve a model."""
    numbers = [key for key in next(iter(next(iter(results["models"].values())).values())) if key.isdigit()]
    words = {number: f"{int(number):,} image{'s' * (number != '1')}" for number in numbers}
    headings = " | ".join(f"{words[number]}, ms | to Keras predict" for number in numbers)
    lines = [f"| model | form | MB | first answer, s | {headings} |", "|---" * (4 + 2 * len(numbers)) + "|"]
    for model, ways in results["models"].items():
        for way, row in ways.items():
            cells = [f"{row[number]['median_ms']:.2f} | {ratio(row[number], digits=3)}" for number in numbers]
            lines.append(f"| {model} | {way} | {row['megabytes']:.1f} | {row['ready_seconds']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def ideas_table() -> str:
    """The ratios of the step without each idea, predicted and measured."""
    without = load("ideas")["without"]
    lines = ["| without | float32, predicted | measured | bfloat16, predicted | measured |", "|---|---|---|---|---|"]
    for name in list(without["float32"])[1:]:
        cells = [f"{rows[name]['predicted_ratio']:.2f} | {ratio(rows[name])}" for rows in without.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def time_to_error_section() -> list[str]:
    """Errors of each method by the minute: mean and standard deviation over the label draws. Empty before the first run."""
    if not time_to_error.PATH.exists():
        return []
    runs = load("time_to_error")["runs"]
    lines = [
        "## Error against time\n",
        "MNIST with 100 labels, the same label draws for all methods. Test error in percent by minutes of training, mean ± "
        "standard deviation over the draws. A preset that has ended keeps its last error. "
        "`python -m benchmarks.time_to_error`.\n\n"
        "Pyro's M2 has the sizes and weights of the step benchmark below, which are not tuned for it. Pyro's tutorial, "
        "with others, reports 6.8 after a full run (see the tables in [results](../results/README.md)).\n",
        "![test error against minutes of training](results/time_to_error.png)\n",
        "| method | draws | " + " | ".join(f"{minute} min" for minute in time_to_error.MINUTES) + " | ends after |",
        "|---" * (len(time_to_error.MINUTES) + 3) + "|",
    ]
    for method, title in time_to_error.TITLES.items():
        if not (of_method := [run for run in runs if run["method"] == method]):
            continue
        cells = []
        for minute in time_to_error.MINUTES:
            errors = [error for run in of_method if (error := time_to_error.at_minute(run, minute)) is not None]
            spread = f" ± {statistics.stdev(errors):.1f}" if len(errors) > 1 else ""
            cells.append(f"{statistics.mean(errors):.1f}{spread}" if len(errors) == len(of_method) else "–")
        minutes = statistics.mean(run["seconds"][-1] for run in of_method) / 60
        lines.append(f"| {title.replace('|', chr(92) + '|')} | {len(of_method)} | {' | '.join(cells)} | {minutes:.1f} min |")
    return ["\n".join(lines[:3]), "\n".join(lines[3:]) + "\n"]


def convolutional_table(results: dict) -> str:
    """The ratios to compiled PyTorch, a row for each case."""
    names = list(results["tables"][0]["rows"])
    lines = [f"| to compiled PyTorch | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for table in results["tables"]:
        rows = [table["rows"][name] for name in names]
        cells = [f"{row['ratio']:.2f} ({row['ratio_quartiles'][0]:.2f}-{row['ratio_quartiles'][1]:.2f})" for row in rows]
        lines.append(f"| {table['case']}{', one thread' if table['one_thread'] else ''} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def loops_table(results: dict) -> str:
    """Differences of weights and the programs of both ways, a row for each model."""
    names = "programs", "fusions", "products", "host calls"
    heads = [f"difference, {way} (of a rounding)" for way in ("XLA", "`auto`")]
    lines = [f"| | {' | '.join(heads + [f'{name}, steps / loops' for name in names])} |"]
    lines.append("|---" * (3 + len(names)) + "|")
    for model, found in results.items():
        both = [(found[way]["largest_difference"], found[way]["of_a_rounding"]) for way in ("XLA", "auto")]
        differences = [f"{difference:.1g} ({of_a_rounding:.1g})" for difference, of_a_rounding in both]
        ways = found["XLA"]["step by step"], found["XLA"]["loops"]
        lines.append(f"| {model} | {' | '.join(differences + [' / '.join(str(way[n]) for way in ways) for n in names])} |")
    return "\n".join(lines) + "\n"


def page_section() -> list[str]:
    """How quick the page in the browser is."""
    if not (RESULTS / "page.json").exists():
        return []
    lines = [
        "## The page in the browser\n",
        "Goals: the first view of a map of 20,000 examples in 3 s, 30 frames a second (33 ms) while it moves, and 100 ms "
        "for what the maker makes. In brackets the 95th of a hundred; Chromium had no GPU. `python -m benchmarks.page`.\n",
        "| run | map | first view, s | between frames, ms | maker, ms |",
        "|---|---|---|---|---|",
    ]
    for name, row in load("page").items():
        frames, maker = (f"{row[of]} ({row[f'slowest_{of}']})" for of in ("frame_ms", "maker_ms"))
        lines.append(f"| {name} | {row['map']} | {row['first_view_s']} | {frames} | {maker} |")
    return ["\n".join(lines) + "\n"]


def consistency_section() -> list[str]:
    """The ratio of a step with each term to the step without. Empty before the first run."""
    if not (RESULTS / "consistency.json").exists():
        return []
    results = load("consistency")
    lines = ["| term | ms | ratio to the step without (quartiles) |", "|---|---|---|"]
    lines += [f"| {name} | {row['median_ms']:.1f} | {ratio(row)} |" for name, row in results["rows"].items()]
    return [
        "## Terms of consistency\n",
        "The step of the preset `fast_mnist`, 200 + 100 images, with a term of `compile(consistency=...)`, beside the step "
        f"without; {results['rounds']} rounds in turn. `python -m benchmarks.consistency`.\n",
        "\n".join(lines) + "\n",
    ]


def documents() -> dict[Path, str]:
    """{path: text} of every generated document."""
    before, rest = PERFORMANCE.read_text().split(START)
    return {README: readme(), PERFORMANCE: f"{before}{START}{ideas_table()}{END}{rest.split(END, 1)[1]}"}


def readme() -> str:
    """The whole page."""
    steps, scaling, profiles, serving = load("step_time"), load("scaling"), load("profile"), load("serving")
    environment = steps["environment"]
    versions = ", ".join(f"{name} {environment[name]}" for name in ("tensorflow", "keras", "python"))
    return "\n".join(
        [
            "# Benchmarks\n",
            "`python -m benchmarks.render` writes this page from results/. To measure, run the modules from the root of the "
            "repository after `pip install -e '.[bench]'`: `python -m benchmarks.step_time`, `.overheads`, `.scaling`, "
            "`.profile`, `.serving`, `.convolutional`, `.consistency`, `.page`, `.loops`, and `.ideas` for the table of "
            "docs/performance.md. `.gpu` measures a GPU in one command; that was not done yet.\n",
            "M2 with 784 pixels, 10 classes summed exactly, z of size 50, (600, 600) softplus hidden units, Adam. Each "
            "implementation runs in its own process. All step in turn, in an order that rotates. A ratio compares two steps "
            "of the same round, so a drift of the machine's speed affects both. Before timing, the loss of each "
            "implementation at the same weights and noise is compared with the explicit loss in float64: to 1e-5 in "
            "float32, 1e-2 in bfloat16. Peak memory is the largest memory of the process, less its memory after importing "
            "its libraries. When the steps below were measured, all classes of an image shared the noise of z, in every "
            "implementation; now each class has its own noise.\n",
            f"{environment['cpu_cores']} cores of {environment['machine']}, {versions}; PyTorch 2.13.0 and Pyro 1.9.2.\n",
            "## Targets\n",
            bars(steps["tables"]),
            *time_to_error_section(),
            "## A step\n",
            *map(step_table, steps["tables"]),
            "## Where a step's time goes\n",
            "200 + 100 images. The variants are profiled one after the other, so compare shares only within a column. Every "
            "moment of a step counts for the first kind of work in the table that runs on any core at that moment. The "
            f"input takes {profiles['input_ms']:.2f} ms per step, on another thread and in parallel with the step.\n",
            profile_table(profiles),
            "## A convolutional step\n",
            "The step of the preset `fast_mnist`, 200 + 100 images; and the same with the sum over ten classes and a "
            "decoder of transposed convolutions. Processor time with one thread each, which other work on the machine does "
            "not change, and wall time on all cores; PyTorch by hand, with the same loss and gradients at the same weights "
            "and noise. "
            "`python -m benchmarks.convolutional`.\n",
            convolutional_table(load("convolutional")),
            *consistency_section(),
            *page_section(),
            "## Many steps in one program\n",
            "Each model is trained for three epochs of eleven steps; the last step of an epoch has fewer examples. It is "
            "trained step by step, with batches from the host, and in loops of four steps over arrays in memory. The "
            "differences are the largest of a weight, and the weights are up to about 0.3. The programs are those that XLA "
            "compiles for the training with `jit_compile=True`; those of loops gather the batches as well. No program calls "
            "the host. In brackets is the effect of rounding alone: the difference between two trainings step by step, one "
            "of which starts from the next larger float32 numbers. It is largest where a class is drawn, as in fast_mnist."
            "\n",
            loops_table(load("loops")),
            "## Step time by classes, samples and latents\n",
            "![ms per step by classes, samples and latent variables](results/scaling.png)\n",
            scaling_table(scaling["sweeps"]),
            "## Where it is served\n",
            "Models of 28x28 images in the forms that `export` and `ssdgm-export --litert` write, compared with `predict` "
            f"of the `.keras` file; float32, {serving['rounds']} rounds in turn. The serving process imports only "
            "TensorFlow. The time to the first answer includes loading and the import of TensorFlow. A prediction of ADGM "
            "is a mean over draws.\n",
            serving_table(serving),
        ]
    )


def _met(value: float, bar: float) -> str:
    return "yes" if value <= bar else "**no**"


def main() -> None:
    """Writes the documents."""
    for path, text in documents().items():
        path.write_text(text)
        print(path)


if __name__ == "__main__":
    main()
