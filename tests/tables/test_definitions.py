"""The tables are consistent, and every published figure has a row, a source and a tag."""

import pytest

from ssdgm_tf.configs import presets
from ssdgm_tf.tables import TABLES, cells, rendering
from ssdgm_tf.tables.definitions import published


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_rows_build_on_rows_of_the_same_table(table):
    for row in table.rows.values():
        if row.uses:
            below = table.rows[row.uses]
            assert below.uses is None and not below.labelled
    assert len(set(table.labels)) == len(table.labels) and min(table.labels) >= 0


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_table_shows_the_runs_of_its_home(table):
    home = TABLES[table.home]
    assert home.home == home.name
    assert all(home.rows[name] == row for name, row in table.rows.items())


def test_every_published_figure_is_shown_and_known():
    shown = {
        f"{t.published}/{row}/{labels}" + (f"/{measure}" if len(t.measures) > 1 else "")
        for t in TABLES.values()
        for row in t.rows
        for labels in t.labels
        for measure in t.measures
    }
    book = published()
    assert set(book["figures"]) | set(book["targets"]) <= shown
    for figure in (figure for figures in book["figures"].values() for figure in figures):
        assert set(figure) <= {"error", "spread", "source", "tag"}
        assert 0 < figure["error"] < 100 and figure["tag"] in book["tags"] and figure["source"] in book["sources"]
    used = {figure["source"] for figures in book["figures"].values() for figure in figures}
    assert used == set(book["sources"])


def test_every_preset_exists():
    missing = {row.preset for table in TABLES.values() for row in table.rows.values() if row.runs_here} - set(presets())
    assert not missing


def test_a_system_that_is_not_here_has_published_figures_and_no_cells():
    table = TABLES["compared"]
    elsewhere = {row.name for row in table.rows.values() if not row.runs_here}
    assert {"atlas_rbf", "bad_gan"} <= elsewhere
    assert all(f"mnist/{name}/100" in published()["figures"] for name in elsewhere)
    assert not elsewhere & {cell.row for cell in cells.select(table, [], [], "0")}
    with pytest.raises(
        ValueError, match=r"A system that is not here has published figures only\. Received: --rows=atlas_rbf"
    ):
        cells.select(table, ["atlas_rbf"], [], "0")
    text = rendering.markdown(table, [])
    assert "AtlasRBF: no recipe was published" in text and "atlas_rbf" not in text.split("Not run: ")[1]
