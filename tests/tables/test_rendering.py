"""Published beside measured, from records alone."""

import csv
import io
import statistics

import pytest

from ssdgm_tf.tables import TABLES, rendering
from ssdgm_tf.tables.cells import Cell
from ssdgm_tf.tables.records import collect, write
from tests.tables import made


def record(row, labels, seed, error=None, minutes=10.0, table="kingma_mnist", **results):
    figures = results if error is None else {"error": error, **results}
    return made.record(TABLES[table], row, labels, seed, minutes, **figures)


def line_of(page, labels, title):
    [line] = [line for line in page.splitlines() if line.startswith(f"| {labels} | {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


ERRORS = [0.07, 0.075, 0.062]
RUNS = [record("m2", 100, seed, error, 9.0 + seed, labels_only_error=0.3) for seed, error in enumerate(ERRORS)]


def test_mean_and_spread_stand_beside_the_published_figures():
    page = rendering.markdown(TABLES["kingma_mnist"], [*RUNS, record("m1m2", 100, 0, 0.04), record("m1", None, 0)])
    measured = f"{100 * statistics.mean(ERRORS):.2f} ± {100 * statistics.stdev(ERRORS):.2f}"
    assert measured == "6.90 ± 0.66"
    cells = line_of(page, 100, "M2")
    assert cells[2].startswith("11.97 ± 1.71 [V, ") and "; 6.81 [V, " in cells[2]
    assert cells[3:] == ["≤ 7.0, met", measured, "3", "10.0", "30.00 ± 0.00"]
    assert line_of(page, 100, "M1 + M2")[3:] == ["≤ 3.3", "4.00", "1", "10.0", "–"]
    assert line_of(page, 3000, "Siddharth et al. (importance)")[2:6] == ["1.57 ± 0.93 [M, 5]", "–", "–", "0"]
    assert line_of(page, "none", "M1, trained without labels")[4:] == ["–", "1", "10.0", "–"]


def test_tags_and_sources_that_occur_are_explained():
    page = rendering.markdown(TABLES["adgm"], [])
    sources = page.split("Sources of the published figures:\n\n")[1].splitlines()
    assert sources[0].startswith("1. Kingma et al. 2014") and sources[1].startswith("2. Pyro's tutorial")
    assert line_of(page, 100, "ADGM")[2] == "0.96 ± 0.02 [V, 3]" and sources[2].startswith("3. Maaløe et al. 2016")
    assert "[V] read where the source says." in page and "[M]" not in page
    assert "from memory of the paper" in rendering.markdown(TABLES["kingma_norb"], [])


def test_what_was_not_run_is_said():
    page = rendering.markdown(TABLES["siddharth_mnist"], RUNS)
    assert "Not run: siddharth, siddharth_paper, siddharth_conv, m2 (600, 1000, 3000 labels)." in page
    assert "Not run: m1, nearest_neighbours, linear_svm, " in rendering.markdown(TABLES["digits"], [])


def test_the_note_and_what_was_left_out_are_said():
    page = rendering.markdown(TABLES["kingma_norb"], [], ["m2_labels1000_seed0.json was edited"])
    assert "**Not the papers' data:**" in page and "- m2_labels1000_seed0.json was edited" in page


def test_a_bar_in_a_title_does_not_end_a_cell():
    page = rendering.markdown(TABLES["kingma_mnist"], [record("fast", 100, 0, 0.05)])
    assert "| 100 | M2, convolutional q(y\\|x), moved images: the quick preset | – |" in page
    widths = {line.replace("\\|", "").count("|") for line in page.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_several_measures_have_a_line_each():
    """Errors in percent, angles in degrees; what a row does not measure has no line."""
    figures = {"identity_error": 0.02, "lighting_degrees": 4.5, "labels_only_identity_error": 0.1}
    figures |= {"table": "siddharth_faces"}
    runs = [record("both", 646, 0, **figures, nearest_neighbour_lighting_degrees=16.0), record("identity", 0, 0, **figures)]
    page = rendering.markdown(TABLES["siddharth_faces"], runs)
    lines = {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.splitlines() if line[:2] == "| "}
    by_key = {line[:3]: line[3:] for line in lines}
    both = "identity and lighting known"
    assert by_key["646", both, "identity error, %"][1:] == ("≤ 6.0", "2.00", "1", "10.0", "10.00", "–")
    assert by_key["646", both, "lighting error, degrees"][1:] == ("–", "4.50", "1", "10.0", "–", "16.00")
    assert by_key["all", "identity known", "identity error, %"][2] == "2.00"
    assert ("all", "identity known", "lighting error, degrees") not in by_key
    assert "errors in percent" not in page and "lighting (190, all labels)" not in page


def test_figures_of_another_engine_or_preset_are_marked_and_never_in_a_mean():
    """With none of today's they stand alone, under a mark; beside today's they are named and left out."""
    old = [record("m2", 100, 3, 0.5, engine=0), record("m2", 100, 4, 0.7, config={"latent_dim": 7})]
    alone = rendering.markdown(TABLES["kingma_mnist"], old)
    assert line_of(alone, 100, "M2")[4:6] == ["60.00 ± 14.14 †", "2"]
    assert "\n† of an earlier engine or preset, and not measured again yet.\n" in alone and "left out" not in alone
    beside = rendering.markdown(TABLES["kingma_mnist"], [*RUNS, *old])
    assert line_of(beside, 100, "M2")[4:6] == ["6.90 ± 0.66", "3"] and "†" not in beside
    assert "Of an earlier engine or preset, and left out: m2 (100 labels, draw 3); m2 (100 labels, draw 4).\n" in beside
    rows = list(csv.DictReader(io.StringIO(rendering.comma_separated(TABLES["kingma_mnist"], old))))
    assert {row["row"]: row["is_earlier"] for row in rows if row["labels"] == "100"}["m2"] == "1"


def test_baselines_have_no_engine_but_for_those_on_m1():
    runs = [record("linear_svm", 100, 0, 0.2, engine=0), record("m1_svm", 100, 0, 0.1, engine=0)]
    page = rendering.markdown(TABLES["kingma_mnist"], runs)
    assert line_of(page, 100, "linear SVM")[4] == "20.00" and line_of(page, 100, "M1 + SVM (RBF)")[4] == "10.00 †"


def test_runs_that_a_budget_ended_are_named():
    page = rendering.markdown(
        TABLES["kingma_mnist"], [record("m2", 100, 0, 0.1, epochs_trained=3, budget_seconds=5400.0, config={})]
    )
    epochs = made.record(TABLES["kingma_mnist"], "m2", 100, 0)["config"]["epochs"]
    assert f"Ended by a budget: m2 (100 labels, draw 0) after 3 of {epochs} epochs, by one of 1h30m.\n" in page


def test_csv_has_every_cell():
    rows = list(csv.DictReader(io.StringIO(rendering.comma_separated(TABLES["siddharth_mnist"], RUNS))))
    keys = [
        (labels, row)
        for labels in ("100", "600", "1000", "3000")
        for row in ("m2", "siddharth", "siddharth_paper", "siddharth_conv")
    ]
    assert [(row["labels"], row["row"]) for row in rows] == keys
    assert float(rows[0]["measured_error"]) == pytest.approx(6.9) and rows[0]["seeds"] == "0 1 2"
    assert float(rows[0]["measured_spread"]) == pytest.approx(0.6557, abs=1e-4)
    assert (rows[0]["published_error"], rows[0]["published_tag"], rows[0]["also_published"]) == (
        "11.97",
        "V",
        "6.81 [V] pyro",
    )
    assert (rows[1]["measured_error"], rows[1]["runs"], rows[1]["published_spread"]) == ("", "0", "0.91")


def test_documents_hold_the_tables_that_have_runs(tmp_path, finish):
    cell = Cell("kingma_mnist", "m2", 100, 0)
    finish(tmp_path / "run", error=0.08)
    record = collect(cell, tmp_path / "run", None, 1.0)
    write(tmp_path / "kingma_mnist" / f"{cell.name}.json", record)
    texts = rendering.documents(tmp_path)
    shown = ("kingma_mnist", "adgm", "siddharth_mnist")  # the other two are views of the first one's runs
    assert {path.name for path in texts} == {"README.md"} | {f"{name}.{ext}" for name in shown for ext in ("md", "csv")}
    readme = texts[tmp_path / "README.md"]
    assert readme.count("8.00") == 3 and "`kingma_svhn`" in readme.split("Tables without a run: ")[1]
    assert line_of(texts[tmp_path / "adgm.md"], 100, "M2")[4] == "8.00 †"  # its config is no preset's

    (tmp_path / "kingma_mnist" / "m2_labels100_seed1.json").write_text("{")
    edited = rendering.documents(tmp_path)[tmp_path / "kingma_mnist.md"]
    assert line_of(edited, 100, "M2")[4:6] == ["8.00 †", "1"] and "- A results file must be as it was written." in edited
