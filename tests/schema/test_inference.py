"""What becomes of each kind of column, what is left out and said, and what is refused."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdgm_tf.schema import DAYS, DAYS_AND_TIMES, DAYS_AND_TIMES_UTC, Column, Schema, infer, infer_targets

GENERATOR = np.random.default_rng(0)
NAN = np.nan
ROWS = 200
NORMAL = GENERATOR.normal(size=ROWS).round(3)
SKEWED = np.exp(GENERATOR.normal(size=ROWS)).round(3)
COUNTS = GENERATOR.poisson(GENERATOR.gamma(1.0, 5.0, size=ROWS))
AGES = np.arange(ROWS) * 7 % 76
LETTERS = np.array(list("cab"))[np.arange(ROWS) % 3]
DATES = np.datetime64("2020-01-01") + np.arange(0, 3 * ROWS, 3)


def one(cells):
    """The column that becomes of some cells, None where it is left out, and the notes."""
    schema, notes = infer({"v": cells, "beside": np.arange(len(cells)) % 2})
    return next((column for column in schema if column.name == "v"), None), notes


KINDS = {
    "truth values": (NORMAL > 0, "binary", ("False", "True")),
    "truth values with gaps": ([True, None, False] * 7, "binary", ("False", "True")),
    "two numbers": ([2.5, 1, NAN] * 7, "binary", ("1", "2.5")),
    "two numbers as text": (["1.0", "1", "-1"] * 7, "binary", ("-1", "1")),
    "truth values beside numbers": ([True, 0, 1] * 7, "binary", ("0", "1")),
    "two words": (["y", "n", ""] * 7, "binary", ("n", "y")),
    "two dates": (DATES[np.arange(ROWS) % 2], "binary", ("2020-01-01", "2020-01-04")),
    "text": (LETTERS, "categorical", ("a", "b", "c")),
    "text that is long and few": ([f"p{i}" for i in range(19)], "categorical", tuple(sorted(f"p{i}" for i in range(19)))),
    "text that is like dates": (["2020-01-01", "2020-13-01", "soon"], "categorical", ("2020-01-01", "2020-13-01", "soon")),
    "ten levels": (np.arange(ROWS) % 10, "ordinal", tuple(map(str, range(10)))),
    "three levels": (["20.0", "3", "", "0"] * 7, "ordinal", ("0", "3", "20")),
    "eleven levels": (np.arange(ROWS) % 11, "numeric", ()),
    "levels above 20": (np.arange(ROWS) % 4 + 18, "numeric", ()),
    "levels below 0": (np.arange(ROWS) % 4 - 1, "numeric", ()),
    "levels between": (np.arange(ROWS) % 4 / 2, "numeric", ()),
    "counts": (COUNTS, "count", ()),
    "counts without a 0": (COUNTS + 1, "positive", ()),
    "counts of a low variance": (GENERATOR.binomial(60, 0.2, size=ROWS) - 4, "numeric", ()),
    "ages": (AGES, "numeric", ()),
    "skewed numbers": (SKEWED, "positive", ()),
    "skewed numbers as text": (list(map(str, SKEWED)), "positive", ()),
    "skewed numbers and a 0": ([*SKEWED, 0], "numeric", ()),
    "skewed numbers and what is 0 in float32": ([*SKEWED, 1e-60], "numeric", ()),
    "numbers with a skewed logarithm": (np.where(np.arange(ROWS) % 20, NORMAL + 9, 1e-4), "numeric", ()),
    "numbers": (NORMAL, "numeric", ()),
    "numbers with gaps": ([*NORMAL, None, NAN, ""], "numeric", ()),
}


@pytest.mark.parametrize(("cells", "kind", "categories"), KINDS.values(), ids=KINDS)
def test_kinds(cells, kind, categories):
    column, notes = one(cells)
    assert (column.kind, column.categories, notes) == (kind, categories, [])


@pytest.mark.parametrize(
    ("cells", "scored", "kind"),
    [(NORMAL, NORMAL, "numeric"), (SKEWED, np.log(SKEWED), "positive"), (COUNTS, np.log1p(COUNTS), "count")],
)
def test_moments_are_of_the_known_cells(cells, scored, kind):
    column, _ = one([*cells, None, *[""] * 49])
    assert column == Column(
        "v",
        kind,
        loc=scored.mean(),
        scale=scored.std(),
        gaps=0.2,
        extent=(cells.min(), cells.max()),
        weight=1.0,
        quantiles=np.quantile(cells, np.linspace(0, 1, 9)).tolist(),
    )


@pytest.mark.parametrize(
    ("shares", "kind"),
    [([10, 10], "binary"), ([7, 7, 7], "categorical"), ([4] * 20, "categorical"), ([50, *[1] * 8], "categorical")],
)
def test_a_discrete_column_weighs_no_more_than_a_number(shares, kind):
    column, _ = one([f"c{i}" for i, share in enumerate(shares) for _ in range(share)])
    p = np.array(shares) / sum(shares)
    entropy, of_normal = -(p * np.log(p)).sum(), 0.5 + 0.5 * np.log(2 * np.pi)
    assert column.kind == kind and column.weight == pytest.approx(min(1, of_normal / entropy), abs=1e-4)
    assert (column.weight < 1) == (len(shares) == 20)


@pytest.mark.parametrize(
    ("days", "unit", "cell"),
    [
        (DATES, DAYS, "2020-01-01"),
        (DATES.astype("datetime64[ns]"), DAYS, "2020-01-01"),
        ([*map(str, DATES), None], DAYS, "2020-01-01"),
        (DATES.astype("datetime64[m]") + 720, DAYS_AND_TIMES, "2020-01-01T12:00"),
        ([f"{day}T14:00+02:00" for day in DATES], DAYS_AND_TIMES_UTC, "2020-01-01T12:00+00:00"),
        ([f"{DATES[0]}T00:00Z", *map(str, DATES[1:])], DAYS_AND_TIMES_UTC, "2020-01-01T00:00+00:00"),
    ],
)
def test_dates(days, unit, cell):
    column, notes = one(days)
    assert (column.kind, column.unit) == ("numeric", unit)
    assert notes == [f"Column 'v' holds dates, and is numeric: {unit}."]
    assert column.loc == pytest.approx(18262 + 3 * (ROWS - 1) / 2, abs=1)
    schema, _ = infer({"v": days})
    assert schema.decode(schema.encode({"v": days}))["v"][0] == cell


LEFT_OUT = {
    "gaps": ([None, NAN, "", " "], "it holds gaps only."),
    "one word": (["a", "a", None], "every known cell is 'a'."),
    "one number": ([3.0, "3", None], "every known cell is 3."),
    "one truth value": ([True, None], "every known cell is True."),
    "one number in float32": ([1e9, 1e9 + 1, 1e9 + 2], "float32 does not tell its numbers apart, 1000000000 to 1000000002."),
    "identifiers": ([f"p{i}" for i in range(20)], "it is an identifier, with another text in each of its 20 known cells."),
    "identifiers and gaps": ([*"abcdefghijklmnopqrstuvw", ""], "it is an identifier, with another text in each of its 23 "),
    "an index": (range(20), "it is an index, 0 to 19 in the order of the rows."),
    "an index from 1": (list(map(str, range(1, 31))), "it is an index, 1 to 30 in the order of the rows."),
}


@pytest.mark.parametrize(("cells", "why"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_columns_that_are_left_out(cells, why):
    column, (note,) = one(list(cells))
    assert column is None and note.startswith(f"Column 'v' is left out: {why}")


@pytest.mark.parametrize("cells", [range(19), range(2, 30), range(30)[::-1], [*range(30), None], np.arange(30) / 2])
def test_numbers_that_are_no_index_are_kept(cells):
    assert one(list(cells))[0].kind == "numeric"


def test_text_beside_numbers_is_said():
    column, notes = one(["1", 2, "?", 3.0, None])
    assert (column.kind, column.categories) == ("categorical", ("1", "2", "3", "?"))
    assert notes == [
        "Column 'v' holds numbers and text such as '?', and is taken for text. If the text means a gap, empty those cells."
    ]
    assert one(["1", "2", "?"] * 30)[1] == notes


def test_many_categories_keep_the_most_frequent():
    cells = [f"c{i:05}" for i in range(10_000)] + [f"c{i:05}" for i in range(0, 9801, 99)] * 3 + ["other"] * 2
    column, notes = one(cells)
    assert column.categories == (*(f"c{i:05}" for i in range(0, 9800, 99)), "other") and column.other == "other"
    merged = "the others, 96.2% of the known cells, become 'other'."
    assert notes == [f"Column 'v' has 10001 categories: the 99 most frequent are kept, {merged}"]
    x = Schema([column]).encode({"v": ["c00099", "c00001", "never seen", None]}, unknown="error")
    np.testing.assert_array_equal(x[:, 0], [1, 99, 99, NAN])
    assert len(one([f"c{i % 100}" for i in range(300)])[0].categories) == 100


class Categorical(list):
    """A column with a categorical dtype, as pandas has it."""

    def __init__(self, cells, categories, ordered):
        super().__init__(cells)
        self.dtype = SimpleNamespace(name="category", categories=categories, ordered=ordered)


@pytest.mark.parametrize(
    ("cells", "categories", "ordered", "kind", "expected"),
    [
        ("aba", "ba", True, "binary", ("b", "a")),
        ("abcd", "dcbae", True, "ordinal", ("d", "c", "b", "a", "e")),
        ("abcd", "dcbae", False, "categorical", ("d", "c", "b", "a", "e")),
        ([1.0, 2.0, None, 5.0], [5.0, 2.0, 1.0], False, "categorical", ("5", "2", "1")),
        (range(150), range(150)[::-1], True, "ordinal", tuple(map(str, range(150)))[::-1]),
    ],
)
def test_declared_categories_keep_their_order(cells, categories, ordered, kind, expected):
    column, notes = one(Categorical(cells, list(categories), ordered))
    assert (column.kind, column.categories, notes) == (kind, expected, [])


def test_dataframes():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        {
            "size": pandas.Categorical(["low", "high", None] * 10, ["low", "mid", "high"], ordered=True),
            "ill": pandas.array([True, None, False] * 10, "boolean"),
            "stage": pandas.array([1, 2, None, 3, 5] * 6, "Int64"),
            "seen": pandas.to_datetime(
                ["2020-01-01", "2021-01-01", None, "2022-01-01 06:00"] * 7 + [None] * 2, format="ISO8601"
            ),
            7: NORMAL[:30],
        }
    )
    schema, notes = infer(table)
    assert [(column.name, column.kind) for column in schema] == [
        ("size", "ordinal"),
        ("ill", "binary"),
        ("stage", "ordinal"),
        ("seen", "numeric"),
        ("7", "numeric"),
    ]
    assert schema["size"].categories == ("low", "mid", "high") and len(notes) == 1
    x = schema.encode(table)
    np.testing.assert_array_equal(schema.encode(pandas.DataFrame(schema.decode(x))), x)


def test_digits_that_float32_does_not_hold_are_said():
    _, notes = one(1.6e9 + np.arange(0, 2000, 10).repeat(2))
    assert notes == ["Column 'v' has digits that float32 does not hold. Subtract 1.6e+09 to keep them."]


@pytest.mark.parametrize("word", ["NA", "NULL", "nan"])
def test_words_that_are_taken_for_gaps_are_said(word):
    """NA is Namibia to some."""
    column, (note,) = one(["DE", word, "FR", f" {word} ", "", "DE"])
    _, (of_bytes,) = infer({"v": np.array([b"DE", word.encode(), b"FR"])})
    assert of_bytes[:20] == "Text taken for gaps:"
    assert (column.gaps, note[:36]) == (0.5, f"Text taken for gaps: {word!r} in 'v'. Wh"[:36])


def test_numbers_with_leading_zeros_are_text():
    column, (note,) = one(["00501", "10001", "00501", "94110"])
    assert (column.kind, column.categories) == ("categorical", ("00501", "10001", "94110"))
    assert note == "Column 'v' holds numbers with leading zeros, such as '00501', and is taken for text."
    assert infer_targets({"v": ["01", "02", "01"]}, ["v"]).schema["v"].categories == ("01", "02")


def test_dates_beside_text_are_said():
    _, (note,) = one([*map(str, DATES[:30]), "unknown"])
    assert note.startswith("Column 'v' holds dates and text such as 'unknown', and is taken for text. Empty those cells.")


def test_truth_values_beside_text_are_spelled_once():
    assert one(["True", "true", "unknown", "False", "false"])[0].categories == ("False", "True", "unknown")
    schema, _ = infer({"v": ["true", "True", "False", "no"]}, kinds={"v": "categorical"})
    assert schema["v"].categories == ("False", "no", "true")


def test_no_label_beside_codes_is_no_class():
    assert infer_targets({"v": ["01", "02", "-1"]}, ["v"]).schema["v"].categories == ("01", "02")


@pytest.mark.parametrize("cells", [["True", "true", "FALSE", "False"], [True, "true", "false", False]])
def test_truth_values_have_many_spellings(cells):
    column, notes = one(cells)
    assert (column.kind, set(map(str.lower, column.categories)), notes) == ("binary", {"true", "false"}, [])
    x = column.encode(cells)
    assert x[0] == x[1] != x[2] == x[3]
    assert infer_targets({"v": cells}, ["v"]).schema["v"].kind == "binary"


def test_whole_numbers_that_may_be_identifiers_are_said():
    column, (note,) = one(np.random.default_rng(0).permutation(40) + 5)
    assert column.kind == "numeric"
    assert note.startswith("Column 'v' holds another whole number in each of its 40 known cells. If they are identifiers")


MEANT = {
    "dates": ["31.12.2024", "01.02.2023", "5.6.2020", "unknown"],
    "times of day": ["10:30", "23:59:59", "7:05 am"],
    "numbers with commas or blanks": ["1\u00a0500", "2\u202f250,5", "1'000", "unknown", "17"],
    "percentages": ["12 %", "3.5%", "17"],
    "sums of money": ["$12", "$1,300.50", "\u20ac 7"],
}


@pytest.mark.parametrize(("what", "cells"), MEANT.items(), ids=MEANT)
def test_what_text_may_be_meant_for_is_said(what, cells):
    column, (note,) = one([*cells, *cells])
    assert column.kind == "categorical"
    assert note.startswith(f"Column 'v' seems to hold {what}, such as {cells[0]!r}, and is taken for text. Write")


def test_columns_may_be_excluded():
    table = {"label": ["a", "b", "a"], "x": [0.5, 1.5, 2.5], "bad": [np.inf, 1, 2]}
    assert infer(table, exclude=("label", "bad"))[0].names == ("x",)


def test_kinds_that_are_known():
    table = {
        "grade": [1, 2, 3, 2] * 6,
        "code": ["1", "2", "10", ""] * 6,
        "two": [0, 1, 1, 0] * 6,
        "index": list(range(1, 25)),
        "n": [0, 0, 1, 2, 3, 5, 6, 7, 8, 9, 11, 60] * 2,
        "same": [3, 3, None, 3] * 6,
        "none": [None] * 24,
        "one": ["a", None] * 12,
    }
    kinds = dict.fromkeys(table, "numeric") | {"code": "categorical", "one": "categorical"}
    schema, notes = infer(table, kinds=kinds)
    found = {column.name: column.kind for column in schema}
    assert found == {"grade": "numeric", "code": "categorical", "two": "numeric", "index": "numeric", "n": "count"}
    assert schema["code"].categories == ("1", "10", "2") and schema["code"].gaps == 0.25
    assert (schema["grade"].loc, schema["grade"].extent) == (2, (1, 3))
    assert notes == [
        "Column 'same' is left out: every known cell is 3.",
        "Column 'none' is left out: it holds gaps only.",
        "Column 'one' is left out: every known cell is 'a'.",
    ]
    assert infer({"b": ["x", "y"]}, kinds={"b": "categorical"})[0]["b"].kind == "binary"


@pytest.mark.parametrize(
    ("kinds", "rule"),
    [
        ({"w": "numeric"}, "kinds must name columns of the table, which are v. Received: 'w'"),
        ({"v": "ordinal"}, "A kind in kinds must be one of numeric, categorical. Received: 'ordinal' of column 'v'"),
        ({"v": "numeric"}, "A cell must be a number or a gap. Received: 'a' in row 1 of column 'v'"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(kinds, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        infer({"v": [1, "a", 2]}, kinds=kinds)


@pytest.mark.parametrize(
    ("table", "exclude", "rule"),
    [
        ({"v": [1, 2, np.inf]}, (), "Numbers must be finite in float32. Received: inf in row 2 of column 'v'"),
        ({"v": ["1", "-inf"]}, (), "Numbers must be finite in float32. Received: '-inf' in row 1 of column 'v'"),
        ({"v": [1, 2, 1e39]}, (), "Numbers must be finite in float32. Received: 1e+39 in row 2 of column 'v'"),
        ({"v": [1], "w": [2]}, ["y"], "exclude must name columns of the table, which are v, w. Received: 'y'"),
        ({"v": []}, (), "A table must hold rows, and columns that are not excluded. Received: 1 such columns and no row"),
        (
            {"v": [1]},
            ["v"],
            "A table must hold rows, and columns that are not excluded. Received: 0 such columns and no row",
        ),
        (
            {"v": [1, 1]},
            (),
            "A table must hold columns that can be learned. Received: Column 'v' is left out: every known cell is 1.",
        ),
        (
            {"v": [1, 2], "w": [1]},
            (),
            "The columns of a table must have the same length. Received: 'v' with 2 cells, 'w' with 1",
        ),
        ({"1": [1], 1: [1]}, (), "Every column must have a name of its own. Received: 2 columns '1'"),
        ("v.csv", (), "A table must be a mapping {name: cells} or a DataFrame. Received: a str"),
    ],
)
def test_tables_without_a_schema_are_refused(table, exclude, rule):
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        infer(table, exclude=exclude)


CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-99, 99),
    st.floats(allow_infinity=False, width=32),
    st.sampled_from(["a", "b", "7", "NA", " "]),
)


@given(st.lists(st.lists(CELL, min_size=25, max_size=25), min_size=1, max_size=4))
def test_every_table_fits_its_own_schema(columns):
    table = {str(index): cells for index, cells in enumerate(columns)} | {"beside": NORMAL[:25]}
    schema, notes = infer(table)
    assert len(notes) >= len(table) - len(schema)
    x = schema.encode(table, unknown="error")
    again = schema.encode(schema.decode(x), unknown="error")
    np.testing.assert_array_equal(again, x)
    assert Schema.from_json(schema.to_json()) == schema and len(schema.describe().splitlines()) == len(schema) + 1
