"""A run of a table from its file to predictions, filled-in tables and new rows, through the commands."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from ssdgm_tf.data import table_files
from ssdgm_tf.errors import UserError
from ssdgm_tf.runs import checkpoints, comparisons, loading, prediction_table, report, run, saved_run, table_filling, wording
from ssdgm_tf.runs.prediction_files import PredictionFiles, check_written
from ssdgm_tf.runs.workdir import Workdir
from ssdgm_tf.schema import from_document

SIZE = 150
SMALL = ["--config.epochs=3", "--config.hidden_units=(8,)", "--config.latent_dim=2", "--config.num_importance_samples=2"]


def made_up():
    """Rows with gaps; `status` is a class and `price` a number of two digits, each known for some rows."""
    generator = np.random.default_rng(0)
    is_good = generator.random(SIZE) < 0.6
    price = np.round(1000 + 300 * is_good + 50 * generator.normal(size=SIZE), 2)
    table = {
        "id": [f"row {i}" for i in range(SIZE)],
        "age": generator.integers(20, 70, SIZE).tolist(),
        "city": np.where(is_good, "Bern", generator.choice(["Kyiv", "Lima"], SIZE)).tolist(),
        "visits": [0, *generator.negative_binomial(1, 0.1, SIZE - 1).tolist()],
        "since": [str(np.datetime64("2020-01-01") + int(day)) for day in generator.integers(900, size=SIZE)],
        "price": price.tolist(),
        "status": np.where(is_good, "good", "bad").tolist(),
    }
    for name, share in (("age", 0.2), ("city", 0.2), ("since", 0.1), ("price", 0.4), ("status", 0.4)):
        table[name] = [None if generator.random() < share else cell for cell in table[name]]
    return table


def command(name, *arguments, cwd):
    """Runs a command, and gives its result."""
    words = [sys.executable, "-m", f"ssdgm_tf.trainers.{name}", *arguments]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the table and a finished run of it, and what the command printed."""
    folder = tmp_path_factory.mktemp("table")
    table_files.write_table(folder / "table.csv", made_up())
    asked = ["--config=table", "--config.data=csv:table.csv", "--config.target=status,price", "--workdir=run", *SMALL]
    done = command("train", *asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    output = tmp_path_factory.mktemp("served") / "model"
    saved_run.export(Workdir(trained[0] / "run"), output, verbose=False)
    return output


def test_training_prints_the_columns_and_keeps_them(trained):
    folder, printed = trained
    for words in (
        r"age +numeric",
        r"visits +count",
        r"price +numeric",
        "Column 'id' is left out",
        r"Results in run: open run",
    ):
        assert re.search(words, printed), words
    schema, targets = from_document((folder / "run" / "schema.json").read_text())
    assert schema.names == ("age", "city", "visits", "since") and targets.schema.names == ("status", "price")
    model = checkpoints.load(folder / "run" / "model.keras")
    assert model.options.schema == schema and model.targets == targets


def test_errors_are_in_the_units_of_the_column(trained):
    folder, printed = trained
    results = json.loads((folder / "run" / "results.json").read_text())
    for prefix in ("", "gradient_boosting_", "guess_"):
        assert (
            0 <= results[f"{prefix}status_error"] <= 1
            and 10 < results[f"{prefix}price_mae"] <= results[f"{prefix}price_rmse"]
        )
    assert 10 < results["price_mae"] < 2000, "not of standardised numbers"
    assert 0 <= results["price_coverage_90"] <= 1 and results["examples"] == "rows"
    config = json.loads((folder / "run" / "config.json").read_text())["config"]
    assert wording.summary(results, config) in printed and "test rows" in printed
    run = Workdir(folder / "run")
    dataset = loading.load_data(config, str(folder), False, run)
    model = checkpoints.load(run.model)
    loading.check_schema(dataset, model, run)
    mean = dataset.targets.schema["price"]
    predicted = model.predict(dataset.x_test, verbose=0)["price"]["mean"][:, 0] * mean.scale + mean.loc
    true = dataset.y_test["price"][:, 0] * mean.scale + mean.loc
    known = ~np.isnan(true)
    assert results["price_mae"] == pytest.approx(np.abs(predicted - true)[known].mean(), rel=1e-4)
    assert results["price_rmse"] == pytest.approx(np.sqrt(np.mean((predicted - true)[known] ** 2)), rel=1e-4)


def test_the_report_shows_columns_and_figures(trained):
    folder, _ = trained
    page = (folder / "run" / "report.html").read_text()
    written = {path.stem for path in (folder / "run" / "figures").glob("*.png")}
    assert written == {"learning_curves", "status_confusion", "marginals", "associations", "importance", "calibration"}
    assert "<td>visits</td><td>count</td>" in page and "<td>numeric, target</td>" in page and "Test rows" in page
    assert report.class_names(loading.load_data(*_asked(folder)), 2, "status_") == ["bad", "good"]


def _asked(folder, **fields):
    config = json.loads((folder / "run" / "config.json").read_text())["config"] | fields
    return config, str(folder), False, Workdir(folder / "run")


def test_a_run_holds_one_schema(trained, tmp_path):
    folder, _ = trained
    text = (folder / "run" / "schema.json").read_text()
    (tmp_path / "same.json").write_text(text)
    loading.load_data(*_asked(folder, schema=str(tmp_path / "same.json")))
    (tmp_path / "other.json").write_text(text.replace('"negative_binomial"', '"poisson"'))
    with pytest.raises(UserError, match=r"A workdir holds one schema: use another --workdir. Received: .*other.json"):
        loading.load_data(*_asked(folder, schema=str(tmp_path / "other.json")))
    changed = Workdir(tmp_path)
    changed.schema.write_text(text.replace('"negative_binomial"', '"poisson"'))
    config, data_dir, download, own = _asked(folder)
    dataset = loading.load_data(config, data_dir, download, changed)
    with pytest.raises(UserError, match="The schema of a run stays as it is: edit a copy"):
        loading.check_schema(dataset, checkpoints.load(own.model), changed)


def test_epochs_are_left_to_the_number_of_steps_and_then_kept(trained, monkeypatch):
    folder, _ = trained
    settings = {"config": _asked(folder)[0] | {"epochs": 0}, "precision": "float32", "jit_compile": "auto"}
    source = run._Source(str(folder), False)
    assert run._with_epochs(settings, Workdir(folder / "run"), source)[0]["config"]["epochs"] == 3
    Workdir(folder / "run").check(settings)
    made, dataset = run._with_epochs(settings, Workdir(folder / "new"), source)
    steps = np.ceil((~dataset.is_labelled).sum() / 64)
    assert made["config"]["epochs"] == min(max(400 // steps, 5), 1000)


def test_predictions_by_column_name(trained, exported, tmp_path):
    new = {name: cells[:20] for name, cells in reversed(made_up().items())} | {"more": list(range(20))}
    del new["visits"]
    new["city"] = ["Rome", *new["city"][1:]]
    new["age"] = [*new["age"][:5], "old", *new["age"][6:]]
    table_files.write_table(tmp_path / "new.csv", new)
    predictor = prediction_table.Predictor(exported)
    assert predictor.schema.names == ("age", "city", "visits", "since")
    from ssdgm_tf import data

    examples = data.Examples(str(tmp_path / "new.csv"), predictor.shape, predictor.dtype, schema=predictor.schema)
    assert examples.notes[0].endswith("1 cell of 'city', such as 'Rome'; no column 'visits'")
    tables = PredictionFiles.of(str(tmp_path / "p.csv"))
    assert prediction_table.write(predictor, examples, tables) == (19, 1)
    with tables.predictions.open() as file:
        rows = list(csv.DictReader(file))
    of_class = ["status_class", "status_entropy", "status_p_bad", "status_p_good"]
    assert set(rows[0]) == {"name", "novelty", "novelty_p_value", *of_class, "price_mean", "price_stddev"}
    assert rows[0]["name"] == "2" and rows[5]["name"] == "8", "the lines of the table; the 7th is bad"
    assert float(rows[0]["status_p_bad"]) + float(rows[0]["status_p_good"]) == pytest.approx(1, abs=1e-5)
    assert all(0 < float(row["price_mean"]) < 3000 and 5 < float(row["price_stddev"]) < 1000 for row in rows)
    assert "'old' in column 'age'" in tables.errors.read_text()
    model = checkpoints.load(trained[0] / "run" / "model.keras")
    some = {name: cells[1:4] for name, cells in made_up().items()} | {"visits": [None] * 3}
    means = model.predict(model.options.schema.encode(some), verbose=0)["price"]["mean"][:, 0]
    column = model.targets.schema["price"]
    written = [float(row["price_mean"]) for row in rows[1:4]]
    np.testing.assert_allclose(written, column.loc + column.scale * means, rtol=1e-4)


def test_a_table_is_filled_in_and_nothing_else_changes(trained, tmp_path):
    folder, _ = trained
    asked = ["--workdir=run", "--input=table.csv", f"--output={tmp_path / 'filled.csv'}", "--num_samples=5"]
    done = command("impute", *asked, cwd=folder)
    assert done.returncode == 0 and done.stdout.endswith(f"Filled in: {tmp_path / 'filled.csv'}\n"), done.stderr
    texts = ((folder / "table.csv").read_text(), (tmp_path / "filled.csv").read_text())
    before, after = ([*csv.reader(text.splitlines())] for text in texts)
    assert len(before) == len(after) and before[0] == after[0]
    gaps = 0
    for old, new in zip(before, after, strict=True):
        for cell, filled in zip(old, new, strict=True):
            assert filled == cell if cell else filled
            gaps += not cell
    assert f"{gaps} gaps filled in." in done.stdout and gaps > 100
    columns = {name: [row[i] for row in after[1:]] for i, name in enumerate(after[0])}
    assert all(re.fullmatch(r"\d+", age) for age in columns["age"]), "whole numbers stay whole"
    assert all(re.fullmatch(r"-?\d+(\.\d{1,2})?", price) for price in columns["price"])
    assert all(re.fullmatch(r"2\d{3}-\d\d-\d\d", day) for day in columns["since"])
    assert set(columns["city"]) == {"Bern", "Kyiv", "Lima"} and set(columns["status"]) == {"bad", "good"}


def test_draws_have_a_file_each_and_differ_in_gaps_alone(trained, tmp_path):
    folder = Workdir(trained[0] / "run")
    table = made_up() | {"note": [None] * SIZE}
    table["city"][0] = "Rome"
    table_files.write_table(tmp_path / "in.parquet", table)
    outputs = [tmp_path / f"out_{k}.parquet" for k in (1, 2)]
    notes = table_filling.fill(folder, tmp_path / "in.parquet", outputs, True, 5, 0)
    assert "150 gaps of 'note' stay: the model does not know the column." in notes
    first, second = (table_files.read_all(table_files.open_table(path)).columns for path in outputs)
    source = table_files.open_table(tmp_path / "in.parquet")
    for name, cells in table.items():
        known = [row for row, cell in enumerate(cells) if cell is not None]
        assert [first[name][row] for row in known] == [cells[row] for row in known] == [second[name][row] for row in known]
        assert name == "note" or None not in first[name]
        assert table_files.open_table(outputs[0]).schema.field(name).type == source.schema.field(name).type
    assert first["age"] != second["age"] and first["status"] != second["status"] and first["city"][0] == "Rome"
    table_filling.fill(folder, tmp_path / "in.parquet", outputs, True, 5, 0)
    again = table_files.read_all(table_files.open_table(outputs[0])).columns
    assert again["age"] == first["age"], "the same seed, the same draws"


def test_rows_are_made_with_targets_held(trained, tmp_path):
    folder = trained[0]
    asked = ["--workdir=run", "--rows=300", "--where", "status=bad", f"--output={tmp_path / 'made.csv'}"]
    done = command("generate", *asked, cwd=folder)
    assert done.returncode == 0 and done.stdout == f"300 rows in {tmp_path / 'made.csv'}\n", done.stderr
    made = table_files.read_all(table_files.open_table(tmp_path / "made.csv")).columns
    assert list(made) == ["age", "city", "visits", "since", "status", "price"] and set(made["status"]) == {"bad"}
    assert len(set(made["price"])) > 250 and all(re.fullmatch(r"\d+", visits) for visits in made["visits"])
    assert not any("" in cells for cells in made.values())
    table_filling.make(Workdir(folder / "run"), tmp_path / "made.parquet", 50, ["price=1200", "status=good"], 1)
    typed = table_files.open_table(tmp_path / "made.parquet")
    assert str(typed.schema.field("since").type) == "date32[day]" and str(typed.schema.field("visits").type) == "int64"
    assert set(table_files.read_all(typed).columns["price"]) == {1200.0}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("city=Bern", r"--where must be TARGET=VALUE, of a target, which are status, price. Received: 'city=Bern'"),
        ("status", "--where must be TARGET=VALUE"),
        ("status=ugly", "Labels of 'status' must be among 'bad', 'good'. Received: 'ugly'"),
        ("price=many", "A cell must be a number or a gap. Received: 'many'"),
        ("price=", "--where must give a value of a target"),
    ],
)
def test_other_conditions_are_refused(trained, tmp_path, where, message):
    with pytest.raises(UserError, match=message):
        table_filling.make(Workdir(trained[0] / "run"), tmp_path / "made.csv", 5, [where], 0)
    assert not list(tmp_path.iterdir())


def test_a_bad_row_stops_before_anything_is_written(trained, tmp_path):
    table = made_up()
    table["visits"] = [*table["visits"][:4], -1, *table["visits"][5:]]
    table_files.write_table(tmp_path / "in.csv", table)
    with pytest.raises(UserError, match=r"Counts must be whole.*'-1' in column 'visits', in line 6 of .*in.csv"):
        table_filling.fill(Workdir(trained[0] / "run"), tmp_path / "in.csv", [tmp_path / "out.csv"], False, 5, 0)
    assert not (tmp_path / "out.csv").exists()


def test_files_of_others_are_not_written_over(trained, tmp_path):
    own = Workdir(trained[0] / "run")
    (tmp_path / "in.csv").write_text("a\n1\n")
    for outputs, message in (
        ([tmp_path / "in.csv"], "--output must leave the input as it is"),
        ([own.schema], "--output must leave the files of the run as they are"),
        ([tmp_path], "--output must name a file"),
        ([tmp_path / "in.csv" / "x.csv"], "--output must lie in a folder"),
    ):
        with pytest.raises(UserError, match=message):
            check_written(outputs, tmp_path / "in.csv" if outputs[0] != tmp_path / "in.csv" / "x.csv" else None, own.path)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("impute", ["--workdir=run", "--input=a.xlsx", "--output=b.csv"], "--input must be a .csv, .tsv or .parquet file"),
        ("impute", ["--workdir=run", "--input=a.csv", "--output=b.csv"], "--input must be a file. Received: no file a.csv"),
        ("generate", ["--workdir=run", "--output=b.txt"], "--output must be a .csv, .tsv or .parquet file"),
    ],
)
def test_mistakes_end_in_one_message(trained, name, arguments, message):
    done = command(name, *arguments, cwd=trained[0])
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_one_number_and_one_class_are_measured_without_a_prefix(trained):
    from ssdgm_tf import data
    from ssdgm_tf.runs import table_results

    of_number = data.load_table(trained[0] / "table.csv", "price")
    known = of_number.y_test["y"][:, 0]
    found = table_results.errors(of_number, {"y": np.zeros_like(known)})
    scale = of_number.targets.schema["price"].scale
    assert found == {"mae": pytest.approx(scale * np.abs(known).mean()), "rmse": pytest.approx(scale * known.std(), rel=0.2)}
    of_class = data.load_table(trained[0] / "table.csv", "status")
    assert table_results.errors(of_class, {"y": of_class.y_test}) == {"error": 0.0}
    assert set(table_results.guess(of_class)) == {"error"} and set(table_results.guess(of_number)) == {"mae", "rmse"}
    assert comparisons.need_part(("table",)) is False
