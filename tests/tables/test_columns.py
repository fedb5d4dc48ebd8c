"""Tables of several data sets: a line for each method, a column for each data set."""

import pytest

from ssdgm_tf.tables import TABLES, Row, Table, cells, rendering
from tests.tables import made

METHODS = {"forest": "random forest", "labels_only": "labels only", "ours": "ours"}
ROWS = {
    f"{name}_{column}": Row(f"{name}_{column}", title, "m2_digits", {"epochs": 1}, column=column)
    for name, title in METHODS.items()
    for column in ("a", "b", "c")
}
TABLE = Table("several", "Several", ROWS, (30,), None, "A note.", "several")


def record(row, error, seed=0, **options):
    return made.record(TABLE, row, 30, seed, 0.5, error=error, **options)


def line_of(page, title):
    [line] = [line for line in page.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_line_is_asked_for_by_its_name():
    assert [cell.row for cell in cells.select(TABLE, ["ours"], [], "0")] == ["ours_a", "ours_b", "ours_c"]
    assert [cell.row for cell in cells.select(TABLE, ["ours_b", "forest_a"], [], "0")] == ["ours_b", "forest_a"]
    with pytest.raises(ValueError, match=r"of several: forest, labels_only, ours, each with a column of a, b, c. Received"):
        cells.select(TABLE, ["our"], [], "0")


def test_columns_counts_and_means():
    runs = [record("forest_a", 0.10), record("forest_b", 0.30), record("forest_c", 0.2)]
    runs += [record("labels_only_a", 0.2), record("labels_only_b", 0.1), record("labels_only_c", 0.25)]
    runs += [record("ours_a", 0.05), record("ours_a", 0.15, seed=1), record("ours_b", 0.1), record("ours_c", 0.3)]
    page = rendering.markdown(TABLE, runs)
    assert page.startswith("# Several\n\nA note.\n")
    assert "| model | a | b | c | mean | best in | below labels only in | runs | minutes per run |" in page
    # Equal means are the best of all, but none is below the other.
    assert line_of(page, "ours") == ["10.0 ± 7.1", "10.0", "30.0", "16.67", "2 of 3", "1 of 3", "4", "0.50"]
    assert line_of(page, "random forest") == ["10.0", "30.0", "20.0", "20.00", "2 of 3", "2 of 3", "3", "0.50"]
    assert line_of(page, "labels only")[3:6] == ["18.33", "1 of 3", "–"]


def test_what_is_not_there_yet():
    page = rendering.markdown(TABLE, [record("forest_a", 0.1)], ["forest_b was edited"])
    assert line_of(page, "random forest") == ["10.0", "–", "–", "–", "–", "–", "1", "0.50"]
    assert "Not run: labels_only, ours." in page and "- forest_b was edited" in page
    assert "| model |" not in rendering.markdown(TABLE, []).replace("| model | a", "")


def test_figures_of_an_earlier_engine_are_marked():
    page = rendering.markdown(TABLE, [record("forest_a", 0.1, engine=0), record("ours_b", 0.2, config={"epochs": 2})])
    assert line_of(page, "random forest")[:3] == ["10.0 †", "–", "–"] and line_of(page, "ours")[:3] == ["–", "20.0 †", "–"]
    assert "† of an earlier engine or preset, and not measured again yet." in page


@pytest.mark.parametrize("name", ["tables", "tables_hidden"])
def test_public_tables(name):
    table = TABLES[name]
    assert len(table.columns) == 16 and len(table.rows) == 16 * 7
    made = cells.config(table, cells.select(table, ["labels_only_wine"], [], "3")[0])
    assert made["data"] == "tables:wine" + (",hidden=0.3" if name == "tables_hidden" else "")
    assert (made["model"], made["labels"], made["seed"], made["labelled_only"]) == ("table", 50, 3, True)
    forest = cells.config(table, cells.select(table, ["forest_adult"], [], "0")[0])
    assert (forest["model"], forest["data"].startswith("tables:adult")) == ("forest", True)
