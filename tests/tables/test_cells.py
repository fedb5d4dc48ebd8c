"""Which cells the flags ask for, their configs and their command lines."""

import sys

import pytest

from ssdgm_tf.tables import Row, Table, cells
from ssdgm_tf.tables.cells import Cell, Options
from ssdgm_tf.tables.definitions import TABLES


def test_cells_come_label_count_by_label_count(table):
    chosen = cells.select(table, ["m2", "m1"], ["100", "30"], "0-1")
    assert [cell.name for cell in chosen] == [
        "m2_labels100_seed0",
        "m2_labels100_seed1",
        "m1_seed0",
        "m1_seed1",
        "m2_labels30_seed0",
        "m2_labels30_seed1",
    ]
    assert len(cells.select(table, [], [], "0")) == 1 + 2 + 2


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-2", [0, 1, 2]), ("0,3", [0, 3]), ("4", [4]), ("1-2,0,2", [1, 2, 0]), ("3-3", [3])]
)
def test_seeds(text, seeds):
    assert cells.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "2-0", "-1", "0-", "0;1", "1.5", "0-1-2"])
def test_other_seeds_are_refused(text):
    with pytest.raises(ValueError, match=r"such as 0-2 or 0,3. Received"):
        cells.parse_seeds(text)


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        (["m3"], [], "--rows must be rows of tiny: m1, m2, on_m1. Received: 'm3'"),
        ([], ["31"], "--labels must be label counts of tiny: 30, 100. Received: '31'"),
        ([], ["0"], "Received: '0'"),
        ([], ["-30"], "Received: '-30'"),
        ([], ["many"], "Received: 'many'"),
        ([], ["30.0"], "Received: '30.0'"),
    ],
)
def test_what_the_table_does_not_have_is_refused_with_what_it_has(table, rows, labels, message):
    with pytest.raises(ValueError) as error:
        cells.select(table, rows, labels, "0")
    assert message in str(error.value)


def test_an_unknown_table_lists_the_known():
    with pytest.raises(ValueError, match=rf"one of {', '.join(TABLES)}\. Received: --table='kingma'"):
        cells.find_table("kingma")
    with pytest.raises(ValueError, match=r"Received: --table=None"):
        cells.find_table(None)


def test_the_config_has_arguments_and_overrides(table):
    config = cells.config(table, Cell("tiny", "m2", 100, 3))
    assert (config["labels"], config["seed"], config["epochs"], config["data"]) == (100, 3, 1, "digits")


@pytest.mark.parametrize(
    ("preset", "overrides", "reason"),
    [
        ("m9_digits", {}, "No module named"),
        ("m2_digits", {"latent": 3}, "latent"),
        ("m2_digits", {"latent_dim": "many"}, "latent_dim"),
    ],
)
def test_an_invalid_config_is_named(preset, overrides, reason):
    table = Table("t", "T", {"a": Row("a", "A", preset, overrides)}, (30,), None, "", "t")
    with pytest.raises(ValueError, match=rf"t/a_labels30_seed0, with the preset {preset} \(.*{reason}"):
        cells.config(table, Cell("t", "a", 30, 0))


def test_a_cell_that_builds_on_m1_is_given_its_run(table, tmp_path):
    options = Options(tmp_path, tmp_path, data_dir="here", download=True, precision="bfloat16", jit_compile="off")
    assert cells.command(table, Cell("tiny", "on_m1", 30, 2), options) == [
        *(sys.executable, "-m", "ssdgm_tf.trainers.train", "--config=m2_digits:labels=30,seed=2"),
        f"--workdir={tmp_path}/tiny/on_m1_labels30_seed2",
        f"--part={tmp_path}/tiny/m1_seed2",
        *("--data_dir=here", "--download", "--precision=bfloat16", "--jit_compile=off"),
    ]
    plain = cells.command(table, Cell("tiny", "m2", 30, 2), Options(tmp_path, tmp_path))
    assert plain[4] == "--config.epochs=1" and not any(word.startswith(("--part", "--d")) for word in plain)
    assert "--config=m2_digits:seed=2" in cells.command(table, Cell("tiny", "m1", None, 2), options)
