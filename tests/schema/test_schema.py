"""Schemas: the way from cells to numbers and back, and every field that a column refuses."""

import dataclasses
import datetime
import decimal
import json
import re
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdgm_tf.schema import DAYS, DAYS_AND_TIMES, DAYS_AND_TIMES_UTC, DISCRETE, DISTRIBUTIONS, KINDS, Column, Schema, cells

NAN = np.nan
COLOURS = ("red", "green", "blue")
COLUMNS = (
    Column("x", "numeric", loc=2.0, scale=3.0, extent=(-1.5, 9.25), gaps=0.125),
    Column("pay", "positive", loc=1.0, scale=0.5),
    Column("visits", "count", distribution="poisson", weight=0.5),
    Column("smokes", "binary", ("False", "True")),
    Column("colour", "categorical", COLOURS, other="blue", weight=0.75),
    Column("stage", "ordinal", ("1", "2", "3")),
    Column("born", "numeric", unit=DAYS, extent=(0.0, 364.0)),
)
SCHEMA = Schema(COLUMNS)


def one(kind, **fields):
    """A schema of one column."""
    categories = {"binary": ("a", "b"), "categorical": COLOURS, "ordinal": ("1", "2", "3")}.get(kind, ())
    return Schema([Column("v", kind, **({"categories": categories} | fields))])


def same(x, y):
    np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_a_schema_is_its_columns():
    assert SCHEMA.columns == COLUMNS == tuple(SCHEMA) and len(SCHEMA) == 7
    assert SCHEMA.names == ("x", "pay", "visits", "smokes", "colour", "stage", "born") and SCHEMA["pay"] is COLUMNS[1]
    assert SCHEMA == Schema(list(COLUMNS)) and hash(SCHEMA) == hash(Schema(COLUMNS))
    with pytest.raises(KeyError, match=r"A column must be one of 'x', 'pay', .*. Received: 'z'"):
        _ = SCHEMA["z"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCHEMA.columns = ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_distribution_is_the_default(kind):
    more = {} if kind in DISCRETE else {"quantiles": (1.0, 2.0, 3.0)}  # which a histogram needs
    made = [one(kind, distribution=name, **more)["v"].distribution for name in ("", *DISTRIBUTIONS[kind])]
    assert made == [DISTRIBUTIONS[kind][0], *DISTRIBUTIONS[kind]]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ([], "A schema must hold at least one column. Received: none"),
        (["x"], "A schema must hold columns, of the type Column. Received: 'x'"),
        ([*COLUMNS, Column("x", "count")], "Every column must have a name of its own. Received: 2 columns 'x'"),
    ],
)
def test_schemas_that_are_none_are_refused(columns, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        Schema(columns)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"name": 3}, "The name of a column must be text. Received: 3"),
        ({"kind": "real"}, "kind must be one of numeric, positive, count, binary, categorical, ordinal. Received: 'real'"),
        (
            {"distribution": "poisson"},
            "distribution of a numeric column must be one of normal, student_t, histogram. Received: 'poisson'",
        ),
        ({"loc": NAN}, "loc must be a finite number. Received: nan"),
        ({"loc": "1"}, "loc must be a finite number. Received: '1'"),
        ({"weight": True}, "weight must be a finite number. Received: True"),
        ({"scale": 0}, "scale must be greater than 0. Received: 0.0"),
        ({"weight": -1}, "weight must be at least 0. Received: -1.0"),
        ({"gaps": 1.5}, "gaps must be a share in [0, 1]. Received: 1.5"),
        ({"extent": (1,)}, "extent must be () or at least 2 numbers. Received: (1,)"),
        ({"extent": (1, np.inf)}, "extent must be () or at least 2 numbers. Received: (1, inf)"),
        ({"extent": (1, 2, 3)}, "extent must be () or the lowest and the highest number. Received: (1.0, 2.0, 3.0)"),
        ({"quantiles": (1, 2)}, "quantiles must be () or at least 3 numbers. Received: (1, 2)"),
        ({"quantiles": (1, 3, 2)}, "quantiles must be in order. Received: (1.0, 3.0, 2.0)"),
        ({"distribution": "histogram"}, "A histogram needs quantiles that differ. Received: ()"),
        ({"extent": (2, 1)}, "extent must be in order. Received: (2.0, 1.0)"),
        (
            {"unit": "weeks"},
            f"unit of a numeric column must be one of ('', '{DAYS}', '{DAYS_AND_TIMES}', '{DAYS_AND_TIMES_UTC}'). Received",
        ),
        ({"kind": "count", "unit": DAYS}, f"unit of a count column must be one of ('',). Received: '{DAYS}'"),
        ({"categories": ("a", "b")}, "categories are binary, categorical, ordinal, not numeric. Received: ('a', 'b')"),
        ({"kind": "binary"}, "A binary column must have 2 categories. Received: ()"),
        ({"kind": "binary", "categories": COLOURS}, "A binary column must have 2 categories. Received: ('red', "),
        (
            {"kind": "ordinal", "categories": ("a",)},
            "A column of kind ordinal must have at least 2 categories. Received: ('a',)",
        ),
        ({"kind": "categorical", "categories": "ab"}, "categories must be a list of text. Received: 'ab'"),
        ({"kind": "categorical", "categories": (1, 2)}, "categories must be a list of text. Received: (1, 2)"),
        ({"kind": "categorical", "categories": ("a", "a")}, "categories must differ. Received: ('a', 'a')"),
        (
            {"kind": "binary", "categories": ("a", "NA")},
            "categories must be text of cells, without blanks around it, that is no",
        ),
        (
            {"kind": "binary", "categories": ("a", " b")},
            "categories must be text of cells, without blanks around it, that is no",
        ),
        (
            {"kind": "binary", "categories": ("a", "b"), "other": "c"},
            "other must be one of the categories, or ''. Received: 'c'",
        ),
        ({"other": "c"}, "other must be one of the categories, or ''. Received: 'c'"),
        (
            {"kind": "binary", "categories": ("a", "b"), "loc": 1},
            "loc, scale, extent and quantiles are of numbers, not of a binary column. Received: (1.0, 1.0, (), ())",
        ),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}"):
        Column(**({"name": "v", "kind": "numeric"} | fields))


def test_json_and_back():
    text = SCHEMA.to_json()
    assert Schema.from_json(text) == SCHEMA and text.count("\n") > 50
    columns = {column["name"]: column for column in json.loads(text)["columns"]}
    assert list(columns["x"]) == ["name", "kind", "loc", "scale", "distribution", "extent", "weight", "gaps"]
    assert list(columns["colour"]) == ["name", "kind", "categories", "distribution", "other", "weight", "gaps"]
    assert columns["born"]["unit"] == DAYS and columns["visits"]["distribution"] == "poisson"


def test_a_person_may_leave_fields_out_of_json():
    few = [
        {"name": "Größe", "kind": "numeric", "loc": 170, "scale": 9},
        {"name": "b", "kind": "binary", "categories": ["n", "y"]},
    ]
    schema = Schema.from_json(json.dumps({"columns": few}))
    assert schema.columns == (Column("Größe", "numeric", loc=170.0, scale=9.0), Column("b", "binary", ("n", "y")))
    assert "Größe" in schema.to_json()


NUMERIC = {"name": "v", "kind": "numeric", "loc": 0, "scale": 1}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{", "A schema must be JSON. Received: text that is none (Expecting property name"),
        ("[]", "A schema must be {\"columns\": [...]} in JSON. Received: '[]'"),
        ('{"columns": [], "rows": 1}', 'A schema must be {"columns": [...]} in JSON. Received: '),
        ('{"columns": {}}', 'A schema must be {"columns": [...]} in JSON. Received: '),
        ('{"columns": []}', "A schema must hold at least one column. Received: none"),
        ('{"columns": [3]}', "A column in JSON must be an object of fields. Received: 3"),
        (NUMERIC | {"wieght": 1, "x": 2}, "The fields of a column must be among name, kind, categories, "),
        ({"name": "v"}, "A column must have name, kind. Received: {'name': 'v'} without 'kind'"),
        (
            {"kind": "count"},
            "A column must have name, kind, loc, scale. Received: {'kind': 'count'} without 'name', 'loc', 'scale'",
        ),
        (
            {"name": "v", "kind": "binary"},
            "A column must have name, kind, categories. Received: {'name': 'v', 'kind': 'binary'} ",
        ),
        ({"name": "v", "kind": "x"}, "kind must be one of numeric"),
        (NUMERIC | {"loc": NAN}, "loc must be a finite number. Received: nan in column 'v'"),
    ],
)
def test_json_that_is_no_schema_is_refused(text, rule):
    text = text if isinstance(text, str) else json.dumps({"columns": [text]})
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}"):
        Schema.from_json(text)


def test_columns_in_words():
    many = Column("town", "categorical", ("a long name of a town", "b", "c", "d", "e"))
    text = Schema([*COLUMNS, many, Column("at", "numeric", unit=DAYS_AND_TIMES, extent=(0.5, 1.0))]).describe()
    assert [re.split("  +", line) for line in text.splitlines()[:2]] == [
        ["column", "kind", "distribution", "cells", "gaps"],
        ["x", "numeric", "normal", "-1.5 to 9.25", "12.5%"],
    ]
    assert len({line.rindex(" ") for line in text.splitlines()}) == 1  # the columns are aligned
    for line in (
        "1970-01-01 to 1970-12-31",
        "1970-01-01T12:00 to 1970-01-02T00:00",
        "a long name of a..., b, c, d, ... (5)",
        "1, 2, 3",
    ):
        assert line in text


ROWS = {
    "x": ["2.5", "", -1],
    "pay": [1e-3, None, "7"],
    "visits": [0, NAN, 12],
    "smokes": ["True", "NA", "False"],
    "colour": ["green", " ", "blue"],
    "stage": ["3", "n/a", "1"],
    "born": ["1970-01-03", None, "1969-12-31"],
}
X = [[2.5, 1e-3, 0, 1, 1, 2, 2], [NAN] * 7, [-1, 7, 12, 0, 2, 0, -1]]


def test_cells_become_numbers_and_cells_again():
    x = SCHEMA.encode(ROWS)
    assert x.dtype == np.float32
    same(x, np.float32(X))
    back = SCHEMA.decode(x)
    same(back["x"], [2.5, NAN, -1])
    same(back["pay"], [0.001, NAN, 7])  # float32 is 0.0010000000474974513
    assert back["visits"].dtype == np.float64 and SCHEMA.decode(x[::2])["visits"].dtype == np.int64
    assert {name: list(back[name]) for name in ("smokes", "colour", "born")} == {
        "smokes": ["True", None, "False"],
        "colour": ["green", None, "blue"],
        "born": ["1970-01-03", None, "1969-12-31"],
    }
    same(SCHEMA.encode(back), x)


class Frame:
    """What a DataFrame has of columns."""

    def __init__(self, names, columns):
        self.columns, self._columns = names, columns

    def __getitem__(self, name):
        return self._columns[name]


NAType = namedtuple("NAType", [])
MASKED = np.ma.MaskedArray([1, 5, 2], [False, True, False])
TABLES = {
    "a mapping": {"v": [1, None, 2], "more": ["a", "b", "c"]},
    "a frame": Frame(["v", 0], {"v": np.array([1, NAN, 2]), 0: None}),
    "a structured array": np.array([(1, "a"), (NAN, "b"), (2, "c")], [("v", "f4"), ("w", "U1")]),
    "objects": {"v": np.array([1, NAType(), 2], object)},
    "bytes": {"v": np.array([b"1", b"", b"2"])},
    "masked": {"v": MASKED},
    "blanks": {"v": (" 1", "  ", "2 ")},
    "decimals": {"v": [decimal.Decimal("1"), decimal.Decimal("NaN"), decimal.Decimal("2.0")]},
    "NumPy's": {"v": [np.int8(1), np.float32(NAN), np.float16(2)]},
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("kind", ["numeric", "count", "ordinal"])
def test_tables_in_many_forms(kind, table):
    same(one(kind).encode(table), [[0 if kind == "ordinal" else 1], [NAN], [1 if kind == "ordinal" else 2]])


def test_dataframes_with_their_own_types():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "x": pandas.array([1, None], "Int64"),
            "smokes": pandas.array([True, None], "boolean"),
            "colour": pandas.Categorical(["red", None]),
            "born": pandas.to_datetime(["1970-01-03", None]),
        }
    )
    schema = Schema([SCHEMA[name] for name in table.columns])
    same(schema.encode(table), [[1, 1, 0, 2], [NAN] * 4])
    same(schema.encode(pandas.DataFrame(schema.decode(schema.encode(table)))), schema.encode(table))


@pytest.mark.parametrize("text", sorted(cells.MISSING))
def test_text_that_stands_for_no_value(text):
    for kind in KINDS:
        assert np.isnan(one(kind).encode({"v": [text]})).all()


@pytest.mark.parametrize(
    ("categories", "alike"),
    [
        (("0", "1"), [1, 1.0, "1", "1.0", " 01 ", True, "true", np.float32(1), np.True_, decimal.Decimal("1.0"), b"1"]),
        (("False", "True"), [True, "True", "TRUE", "true", np.True_, 1, "1.0"]),
        (("a", "0.5"), [0.5, "0.5", "0.50", ".5", np.float32(0.5)]),
        (("1", "1.0"), ["1.0"]),
        (("no", "2020-01-02"), [datetime.date(2020, 1, 2), np.datetime64("2020-01-02", "ns"), "2020-01-02"]),
        (("9007199254740992", "9007199254740993"), [9007199254740993, "9007199254740993"]),
    ],
)
def test_categories_are_found_however_they_are_written(categories, alike):
    same(one("binary", categories=categories).encode({"v": alike}), np.ones((len(alike), 1)))


@pytest.mark.parametrize(
    "cell",
    [
        "2020-02-29",
        "20200229T000000Z",
        "2020-02-29T02:00+02:00",
        datetime.date(2020, 2, 29),
        datetime.datetime(2020, 2, 29),
        np.datetime64("2020-02-29", "ns"),
        np.datetime64("2020-02-29"),
    ],
)
def test_dates_in_many_forms(cell):
    schema = one("numeric", unit=DAYS)
    for column in ([cell, None], np.array([cell, None], type(cell) if isinstance(cell, np.datetime64) else object)):
        x = schema.encode({"v": column})
        same(x, [[18321], [NAN]])
        assert list(schema.decode(x)["v"]) == ["2020-02-29", None]


def test_times_are_exact_to_two_minutes():
    times = np.datetime64("2024-01-01T00:00") + np.arange(0, 10**6, 997)
    schema = one("numeric", unit=DAYS_AND_TIMES)
    found = schema.decode(schema.encode({"v": times}))["v"].astype("datetime64[m]")
    assert np.abs(found - times).max() <= np.timedelta64(2, "m")


@pytest.mark.parametrize(
    ("kind", "cell", "rule"),
    [
        ("numeric", "tall", "A cell must be a number or a gap. Received: 'tall' in row 1 of column 'v'"),
        ("numeric", "1_000", "A cell must be a number or a gap. Received: '1_000' in row 1 of column 'v'"),
        (
            "numeric",
            datetime.date(2020, 1, 2),
            "A cell must be a number or a gap. Received: datetime.date(2020, 1, 2) in row 1",
        ),
        ("numeric", "-inf", "Numbers must be finite in float32. Received: '-inf' in row 1 of column 'v'"),
        ("numeric", 1e39, "Numbers must be finite in float32. Received: 1e+39 in row 1 of column 'v'"),
        ("numeric", 10**400, "Numbers must be finite in float32. Received: 1000"),
        ("positive", 0, "Cells of kind positive must be greater than 0 in float32. Received: 0 in row 1 of column 'v'"),
        (
            "positive",
            1e-50,
            "Cells of kind positive must be greater than 0 in float32. Received: 1e-50 in row 1 of column 'v'",
        ),
        (
            "positive",
            "-2",
            "Cells of kind positive must be greater than 0 in float32. Received: '-2' in row 1 of column 'v'",
        ),
        ("count", -1, "Counts must be whole numbers, at least 0 and below 2^63. Received: -1 in row 1 of column 'v'"),
        ("count", "1.5", "Counts must be whole numbers, at least 0 and below 2^63. Received: '1.5' in row 1 of column 'v'"),
        ("count", 2**63, "Counts must be whole numbers, at least 0 and below 2^63. Received: 9223372036854775808 in row 1"),
        ("count", np.inf, "Numbers must be finite in float32. Received: inf in row 1 of column 'v'"),
        ("date", "soon", "A cell must be a date in ISO format or a gap. Received: 'soon' in row 1 of column 'v'"),
        ("date", 18321, "A cell must be a date in ISO format or a gap. Received: 18321 in row 1 of column 'v'"),
        ("date", "18321", "A cell must be a date in ISO format or a gap. Received: '18321' in row 1 of column 'v'"),
        (
            "numeric",
            [1, 2],
            "A cell must be text, a number, a truth value, a date or a gap. Received: a list in row 1 of column 'v'",
        ),
        ("categorical", 1j, "A cell must be text, a number, a truth value, a date or a gap. Received: a complex in row 1"),
        (
            "ordinal",
            np.timedelta64(1, "D"),
            "A cell must be text, a number, a truth value, a date or a gap. Received: a timedelta",
        ),
    ],
)
def test_cells_that_do_not_fit_are_refused(kind, cell, rule):
    schema = one("numeric", unit=DAYS) if kind == "date" else one(kind)
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}"):
        schema.encode({"v": [None, cell]})


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ([1, 2], "A table must be a mapping {name: cells} or a DataFrame. Received: a list"),
        (np.zeros((3, 1)), "A table must be a mapping {name: cells} or a DataFrame. Received: a ndarray"),
        ({}, "A table must hold columns. Received: a table without any"),
        (Frame(["v", "w", "v"], {}), "Every column must have a name of its own. Received: 2 columns 'v'"),
        ({1: [1], "1": [1]}, "Every column must have a name of its own. Received: 2 columns '1'"),
        ({"v": "12"}, "A column must hold a cell for each row, shape [N]. Received: 'v' of shape ()"),
        ({"v": np.zeros((3, 1))}, "A column must hold a cell for each row, shape [N]. Received: 'v' of shape (3, 1)"),
        (
            {"v": [1, 2], "w": [1]},
            "The columns of a table must have the same length. Received: 'v' with 2 cells, 'w' with 1",
        ),
        ({"z": [1]}, "A table must have a column of the schema. Received: one without 'v', 'w'"),
    ],
)
def test_tables_that_are_none_are_refused(table, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        Schema([Column("v", "numeric"), Column("w", "numeric")]).encode(table)


def test_a_table_without_rows_is_an_array_without_rows():
    assert one("numeric").encode({"v": []}).shape == (0, 1)


LACKING = {"colour": ["red", "pink"], "stage": [4, "5"], "x": [1, 2]}


def test_what_training_never_saw_is_not_observed_and_said():
    schema = Schema([SCHEMA[name] for name in ("x", "colour", "stage", "pay", "born")])
    said = "Taken for gaps, as training or the table lacks them: 2 cells of 'stage', such as 4; no column 'pay', 'born'"
    with pytest.warns(UserWarning, match=f"^{re.escape(said)}$"):
        same(schema.encode(LACKING), [[1, 0, NAN, NAN, NAN], [2, 2, NAN, NAN, NAN]])  # pink is `other`


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["stage"], "A cell of column 'stage' must be one of '1', '2', '3'. Received: 4 in row 0"),
        (["x", "pay", "born"], "A table must have every column of the schema. Received: one without 'pay', 'born'"),
    ],
)
def test_what_training_never_saw_is_refused_on_request(names, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        Schema([SCHEMA[name] for name in names]).encode(LACKING, unknown="error")
    same(Schema([SCHEMA["colour"]]).encode(LACKING, unknown="error"), [[0], [2]])


def test_other_treatments_of_the_unknown_are_refused():
    with pytest.raises(ValueError, match=r"^unknown must be 'gap' or 'error'. Received: 'drop'$"):
        SCHEMA.encode(ROWS, unknown="drop")


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        ("binary", 2, "The index of a category must be a whole number in 0..1. Received: 2.0 in row 1 of column 'v'"),
        ("ordinal", 0.5, "The index of a category must be a whole number in 0..2. Received: 0.5 in row 1 of column 'v'"),
        ("categorical", -1, "The index of a category must be a whole number in 0..2. Received: -1.0 in row 1 of column 'v'"),
        ("count", 0.5, "Counts must be whole numbers, at least 0 and below 2^63. Received: 0.5 in row 1 of column 'v'"),
        ("positive", 0, "Cells of kind positive must be greater than 0 in float32. Received: 0.0 in row 1 of column 'v'"),
        ("numeric", np.inf, "Numbers must be finite in float32. Received: inf in row 1 of column 'v'"),
        ("date", 1e9, "Dates must lie in the years 1 to 9999. Received: 1e+09 days since 1970-01-01 in 'v'"),
    ],
)
def test_numbers_that_are_no_cells_are_refused(kind, value, rule):
    schema = one("numeric", unit=DAYS) if kind == "date" else one(kind)
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        schema.decode([[1], [value]])


@pytest.mark.parametrize("shape", [(3,), (3, 6), (1, 3, 7)])
def test_arrays_of_another_shape_are_refused(shape):
    rule = f"x must have the shape [N, 7], a column for each of the schema. Received: {shape}"
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        SCHEMA.decode(np.zeros(shape))


TEXT = st.text(min_size=1).map(str.strip).filter(lambda text: text not in cells.MISSING)
DATES = st.dates().map(str)
SHORT = st.decimals(-9999, 9999, places=2).map(float)
CELLS = {
    "numeric": st.one_of(
        SHORT, st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda x: float(str(np.float32(x))))
    ),
    "positive": st.floats(1e-30, 1e30, width=64).map(lambda x: float(str(np.float32(x)))),
    "count": st.integers(0, 2**24),
}


@pytest.mark.parametrize("kind", CELLS)
@given(data=st.data())
def test_numbers_come_back_exactly(kind, data):
    column = data.draw(st.lists(st.none() | CELLS[kind], min_size=1))
    back = one(kind).decode(one(kind).encode({"v": column}))["v"]
    assert [None if np.isnan(cell) else cell for cell in back.tolist()] == column


@pytest.mark.parametrize("kind", ["binary", "categorical", "ordinal"])
@given(data=st.data())
def test_categories_come_back_exactly(kind, data):
    size = 2 if kind == "binary" else 30
    categories = tuple(data.draw(st.lists(TEXT, min_size=2, max_size=size, unique=True)))
    column = data.draw(st.lists(st.none() | st.sampled_from(categories), min_size=1))
    schema = Schema.from_json(one(kind, categories=categories).to_json())
    x = schema.encode({"v": column}, unknown="error")
    assert list(schema.decode(x)["v"]) == column
    same(schema.encode(schema.decode(x)), x)


@given(st.lists(st.none() | DATES, min_size=1))
def test_dates_come_back_exactly(column):
    schema = one("numeric", unit=DAYS)
    assert list(schema.decode(schema.encode({"v": column}))["v"]) == column
