"""Tables of mixed columns as data sets: which rows and labels go where, the schema, and files of each kind."""

import datetime
import decimal
import json

import numpy as np
import pytest

from ssdgm_tf import data
from ssdgm_tf.data import table_files, tables
from ssdgm_tf.schema import Column, Schema, Targets, from_document, to_document

GENERATOR = np.random.default_rng(0)
SIZE = 100
TABLE = {
    "x": np.round(GENERATOR.normal(5, 2, SIZE), 2).tolist(),
    "city": np.array(["Bern", "Kyiv", "Lima"])[GENERATOR.integers(3, size=SIZE)].tolist(),
    "price": np.round(100 + 20 * GENERATOR.normal(size=SIZE), 1).tolist(),
    "kind": np.array(["a", "b"])[np.arange(SIZE) % 2].tolist(),
}
TABLE["x"][7] = TABLE["city"][9] = TABLE["price"][3] = TABLE["kind"][4] = None


@pytest.fixture
def write(tmp_path):
    """Writes tables, and gives their paths."""

    def write(table=TABLE, name="table.csv"):
        table_files.write_table(tmp_path / name, table)
        return tmp_path / name

    return write


def cells(dataset, part="train"):
    """{x: (city, price)} of the rows of a part, in the words of the table."""
    decoded = dataset.schema.decode(np.asarray(getattr(dataset, f"x_{part}")))
    return {x: tuple(of[i] for name, of in decoded.items() if name != "x") for i, x in enumerate(decoded["x"].tolist())}


def test_a_class_is_stratified_and_gaps_stay_gaps(write):
    dataset = data.load_table(write(), "kind", num_validation=5)
    assert [len(getattr(dataset, f"x_{part}")) for part in ("train", "validation", "test")] == [76, 5, 19]
    assert np.bincount(dataset.y_test).tolist() == [9, 10] and dataset.class_names == ("a", "b")
    assert (dataset.y_train == -1).sum() == 1 and dataset.y_train.dtype == np.int32
    assert dataset.schema.names == ("x", "city", "price") == dataset.columns
    found = np.concatenate([dataset.x_train, dataset.x_validation, dataset.x_test])
    assert np.isnan(found).sum(axis=0).tolist() == [1, 1, 1]
    kept = cells(dataset) | cells(dataset, "validation") | cells(dataset, "test")
    for x, city, price in zip(TABLE["x"], TABLE["city"], TABLE["price"], strict=True):
        if x is not None and TABLE["x"].count(x) == 1:
            assert kept[x][0] == city and (price is None or kept[x][1] == pytest.approx(price))


def test_labels_are_shown_as_asked(write):
    dataset = data.load_table(write(), "kind", num_labels=7, seed=3)
    assert sorted(np.bincount(dataset.y_train[dataset.y_train >= 0]).tolist()) == [3, 4]
    again = data.load_table(write(), "kind", num_labels=7, seed=3)
    np.testing.assert_array_equal(dataset.x_train, again.x_train)
    np.testing.assert_array_equal(dataset.y_train, again.y_train)
    other = data.load_table(write(), "kind", num_labels=7, seed=4)
    assert not np.array_equal(dataset.y_train, other.y_train)


def test_moments_are_those_of_training_rows_and_of_shown_labels(write):
    dataset = data.load_table(write(), "price", num_labels=20)
    column = dataset.targets.schema["price"]
    shown = dataset.y_train["y"][dataset.is_labelled]
    assert len(shown) == 20 and dataset.y_train["y"].dtype == np.float32
    assert shown.mean() == pytest.approx(0, abs=1e-5) and shown.std() == pytest.approx(1, abs=1e-5)
    prices = dict(zip(TABLE["x"], TABLE["price"], strict=True))
    decoded = dataset.targets.decode(dataset.y_test)["price"]
    for x, price in zip(dataset.schema.decode(dataset.x_test)["x"].tolist(), decoded.tolist(), strict=True):
        if x in prices and TABLE["x"].count(x) == 1:
            assert price == pytest.approx(prices[x], rel=1e-5)
    assert dataset.schema["x"].loc == pytest.approx(np.nanmean(dataset.x_train[:, 0]), rel=1e-5)
    assert column.loc != pytest.approx(np.mean([p for p in TABLE["price"] if p is not None]), rel=1e-6)
    assert dataset.decimals == (2, -1, -1, 1)


def test_each_of_several_targets_is_known_for_some_rows(write):
    table = TABLE | {"price": [None if row % 2 else price for row, price in enumerate(TABLE["price"])]}
    dataset = data.load_table(write(table), "kind, price", num_labels=30)
    assert set(dataset.y_train) == {"kind", "price"} and dataset.schema.names == ("x", "city")
    assert dataset.is_labelled.sum() == 30 and dataset.num_classes == 1 and dataset.class_names == ()
    known = ~np.isnan(dataset.y_train["price"][:, 0])
    assert 0 < known.sum() < 30 and (dataset.y_train["kind"] >= 0).sum() >= 29
    assert len(dataset.x_test) == SIZE // 5


def test_a_test_table_is_read_by_the_training_schema(write, capsys):
    test = {name: of[:30] for name, of in reversed(TABLE.items())} | {"more": list(range(30))}
    test["city"] = ["Rome", *test["city"][1:]]
    dataset = data.load_table(write(), "kind", write(test, "test.csv"))
    assert len(dataset.x_train) == SIZE and len(dataset.x_test) == 30
    assert np.isnan(dataset.x_test[0, 1]) and "1 cell of 'city', such as 'Rome'" in capsys.readouterr().out
    np.testing.assert_array_equal(dataset.y_test[:3], [0, 1, 0])
    assert dataset.y_test[4] == -1, "a row without a target is left out of the error, not of the test set"
    del test["x"]
    with pytest.raises(ValueError, match=r"columns of the training table. Received: .*test.csv without 'x'"):
        data.load_table(write(), "kind", write(test, "test.csv"))


@pytest.mark.parametrize("has_test", [False, True])
@pytest.mark.parametrize(("name", "word", "first"), [("table.csv", "line", 2), ("table.parquet", "row", 0)])
def test_examples_have_the_names_of_their_rows(name, word, first, has_test, write):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    places = np.arange(SIZE) + 0.5
    table = TABLE | {"x": places.tolist(), "price": np.where(np.arange(SIZE) == 5, np.inf, places).tolist()}
    test = write({of: cells[:30] for of, cells in TABLE.items()}, "test.csv") if has_test else None
    made = data.load_table(write(table, name), "kind", test, num_validation=5, bad_examples="drop")
    rows = np.floor(made.schema.decode(made.x_train)["x"]).astype(int)
    assert 5 not in rows
    assert len(made.ids) == len(rows) == (94 if has_test else 76)
    assert list(made.ids) == [f"{word} {row + first}" for row in rows]


def test_a_data_frame_is_taken_by_name(write):
    from_file, given = data.load_table(write(), "kind"), data.load_table(TABLE, "kind")
    np.testing.assert_array_equal(from_file.x_test, given.x_test)
    assert to_document(from_file.schema, from_file.targets) == to_document(given.schema, given.targets)
    assert data.load_table(TABLE, ["kind", "price"]).targets.schema.names == ("kind", "price")


def test_parquet_holds_the_same(write, capsys):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = write(name="table.parquet")
    of_text, of_parquet = data.load_table(write(), "kind"), data.load_table(path, "kind")
    np.testing.assert_array_equal(of_text.x_train, of_parquet.x_train)
    np.testing.assert_array_equal(of_text.y_train, of_parquet.y_train)
    days = pa.array(np.datetime64("2024-01-01") + np.arange(SIZE), pa.timestamp("ns", "UTC"))
    more = pa.table(
        TABLE | {"day": days, "city": pa.array(TABLE["city"]).dictionary_encode(), "__index_level_0__": range(SIZE)}
    )
    parquet.write_table(more, path)
    dataset = data.load_table(path, "kind")
    assert dataset.schema["day"].unit and dataset.schema["city"].categories == ("Bern", "Kyiv", "Lima")
    assert dataset.schema.decode(dataset.x_test)["day"][0].startswith("2024-")
    assert "An index was left out of table.parquet" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"A Parquet file must be one that is whole. Received: .*table.parquet"):
        data.load_table(path, "kind")


def test_a_parquet_file_without_pyarrow_names_the_extra(write, monkeypatch):
    path = write(name="table.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r"pip install 'ssdgm_tf\[parquet\]'. Received: .*table.parquet"):
        data.load_table(path, "kind")


def test_a_schema_may_be_edited(write, tmp_path):
    found = data.load_table(write(), "kind")
    edited = json.loads(to_document(found.schema, found.targets))
    edited["columns"] = [{"name": "x", "kind": "numeric"}, {"name": "price", "kind": "positive"}]
    edited["targets"] = [{"name": "city", "kind": "categorical"}]
    (tmp_path / "mine.json").write_text(json.dumps(edited))
    dataset = data.load_table(write(), schema=tmp_path / "mine.json")
    assert dataset.schema.names == ("x", "price") and dataset.schema["price"].kind == "positive"
    known = np.log([price for price in TABLE["price"] if price is not None])
    assert dataset.schema["price"].loc == pytest.approx(known.mean()), "what is left out is found in the table"
    assert dataset.class_names == ("Bern", "Kyiv", "Lima")
    with pytest.raises(ValueError, match=r"The targets of a schema must be those of the config.*Received: kind, where"):
        data.load_table(write(), "kind", schema=tmp_path / "mine.json")
    with pytest.raises(FileNotFoundError, match="Received: no file"):
        data.load_table(write(), schema=tmp_path / "none.json")


def test_a_document_goes_there_and_back():
    schema = Schema([Column("a", "numeric", loc=1, scale=2), Column("b", "binary", ("no", "yes"))])
    targets = Targets(Schema([Column("c", "categorical", ("x", "y", "z"))]))
    assert from_document(to_document(schema, targets)) == (schema, targets)
    for text, message in (
        ("[]", 'A schema must be {"columns"'),
        ('{"columns": []}', 'A schema must be {"columns"'),
        (to_document(schema, targets).replace('"c"', '"a"'), "among the columns or among the targets. Received: 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            from_document(text)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("", ("label",)),
        ("b", ("b",)),
        ("-1", ("b, c",)),
        ("0", ("label",)),
        ("b, c", ("b, c",)),
        ("b,label", ("b", "label")),
    ],
)
def test_targets_are_names_or_an_index(target, names):
    assert tables.target_names(target, ["label", "b", "b, c"], "FILE") == names


@pytest.mark.parametrize("target", ["d", "b,d", "7", "b,b"])
def test_other_targets_are_refused(target):
    with pytest.raises(ValueError, match=r"target must name .*\. Received: "):
        tables.target_names(target, ["label", "b"], "FILE")


def test_numbers_of_labels_that_do_not_fit_are_refused(write):
    for num_labels in (1, 500):
        with pytest.raises(ValueError, match=rf"num_labels must be at least 2 .*Received: num_labels={num_labels}"):
            data.load_table(write(), "price", num_labels=num_labels)


def test_sources_know_tables(write, tmp_path):
    write()
    options = {"num_labels": 0, "seed": 0, "data_dir": str(tmp_path)}
    assert data.load("csv:table.csv", target="kind", is_table=True, **options).schema is not None
    for name, more, message in (
        ("digits", {"is_table": True}, "config.model=table takes tables"),
        ("csv:table.csv", {"is_table": True, "preprocessing": "zca"}, "config.preprocessing must be 'none'"),
        ("csv:table.csv", {"is_table": True, "image_shape": "1x3"}, "image_shape is for csv: data of numbers"),
        ("parquet:table.parquet", {}, "config.model must be table"),
        ("csv:table.csv", {"schema": "s.json"}, "schema is of the columns of config.model=table"),
    ):
        with pytest.raises(ValueError, match=message):
            data.load(name, **options | more)
    with pytest.raises(FileNotFoundError):
        data.require("parquet:none.parquet", str(tmp_path))


def test_a_text_table_keeps_its_form(tmp_path):
    (tmp_path / "in.csv").write_text("a;b\n1.50;x, y\n;NA\n")
    table = table_files.open_table(tmp_path / "in.csv")
    block = table_files.read_all(table)
    assert block.ids == ["2", "3"] and block.columns == {"a": ["1.50", ""], "b": ["x, y", "NA"]}
    table.write_filled(tmp_path / "out.csv", block, {"a": {1: 2}})
    assert (tmp_path / "out.csv").read_text() == "a;b\n1.50;x, y\n2.00;NA\n"
    (tmp_path / "fixed.csv").write_text("a,b,c,d\n1.0,2.50,1,x\n,,,\n3.0,4.00,2.5,y\n")
    fixed = table_files.open_table(tmp_path / "fixed.csv")
    fixed.write_filled(
        tmp_path / "out.csv", table_files.read_all(fixed), {"a": {1: "3"}, "b": {1: 3.1}, "c": {1: 2}, "d": {1: "x"}}
    )
    assert (tmp_path / "out.csv").read_text() == "a,b,c,d\n1.0,2.50,1,x\n3.0,3.10,2,x\n3.0,4.00,2.5,y\n"
    table.write_filled(tmp_path / "out.tsv", block, {})
    assert (tmp_path / "out.tsv").read_text() == "a\tb\n1.50\tx, y\n\tNA\n"


def test_a_parquet_file_keeps_all_but_the_filled_cells(tmp_path):
    """What pandas stores beside the cells, types that hold more than a cell here does, and columns that are none."""
    pandas, parquet = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.parquet")
    frame = pandas.DataFrame(
        {
            "city": pandas.Categorical(["b", None, "a"], categories=["a", "unused", "b"], ordered=True),
            "price": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25")],
            "time": [datetime.time(9, 30), None, datetime.time(10)],
            "at": pandas.to_datetime(["2024-01-01T00:00:00.123456789", None, "2024-01-03T00:00:00.5"]).tz_localize(
                "Europe/Kyiv"
            ),
            "count": pandas.array([3, None, 4], dtype="Int16"),
            "share": [0.5, None, 0.25],
            "raw": [float("nan"), 1.0, 2.0],
            "took": pandas.to_timedelta([1, 2, None], unit="s"),
            "list": [[1], [], None],
        },
        index=["p", "q", "r"],
    )
    frame.to_parquet(tmp_path / "in.parquet")
    table = table_files.open_table(tmp_path / "in.parquet")
    assert table.names == ["city", "price", "time", "at", "count", "share", "raw"]
    assert "Columns of duration[ns] and the like were left out of in.parquet: 'took', 'list'" in table.notes
    block = table_files.read_all(table)
    fillings = {
        "city": {1: "a"},
        "price": {1: 1.754},
        "time": {1: "10:30:00"},
        "at": {1: "2024-01-02T00:00+00:00"},
        "count": {1: 7},
        "share": {1: np.float32(0.75)},
    }
    table.write_filled(tmp_path / "out.parquet", block, fillings)
    expected = frame.copy()
    expected.loc["q", ["city", "count", "share"]] = ["a", 7, 0.75]
    expected.loc["q", "at"] = pandas.Timestamp("2024-01-02T02:00", tz="Europe/Kyiv")
    made = pandas.read_parquet(tmp_path / "out.parquet")
    pandas.testing.assert_frame_equal(made[["at", "count", "share"]], expected[["at", "count", "share"]])
    pandas.testing.assert_series_equal(made["city"], expected["city"])
    assert list(made["price"]) == list(map(decimal.Decimal, ("1.50", "1.75", "2.25")))
    assert list(made["time"]) == [datetime.time(9, 30), datetime.time(10, 30), datetime.time(10)]
    table.write_filled(tmp_path / "new.parquet", block, {"city": {1: "new"}})
    assert list(pandas.read_parquet(tmp_path / "new.parquet")["city"].cat.categories) == ["a", "unused", "b", "new"]
    mixed = {"age": ["1", 2.5, None], "id": ["1", "a", 2], "all": ["x", "", "y"]}
    table_files.write_table(tmp_path / "mixed.parquet", mixed)
    found = table_files.read_all(table_files.open_table(tmp_path / "mixed.parquet")).columns
    assert found == {"age": [1.0, 2.5, None], "id": ["1", "a", "2"], "all": ["x", None, "y"]}
    before, after = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("in", "out"))
    assert before.schema.equals(after.schema, check_metadata=True)
    for name in ("raw", "took", "list", "__index_level_0__"):
        assert after[name].equals(before[name]), name
