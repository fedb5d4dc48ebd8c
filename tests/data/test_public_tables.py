"""Public tables: their description, the split, the labels that are shown, hidden cells, and what is refused."""

import csv
import json

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from ssdgm_tf import data
from ssdgm_tf.data.public_tables import read_table
from ssdgm_tf.data.splits import hidden_elements

SIZE = 200
NAMES = ("colour", "size", "level", "duration", "empty", "kind")


@pytest.fixture
def folder(tmp_path):
    """A table of two classes of 95 rows and one of 10, described as one whose `outcome` is known only afterwards."""
    generator = np.random.default_rng(0)
    rows = [
        {
            "kind": "rare" if row % 20 == 7 else ("b", "a")[row % 20 > 9],
            "colour": generator.choice(["red", "green", "blue"]),
            "size": "" if row % 11 == 0 else f"{generator.normal():.4f}",
            "level": str(generator.integers(1, 5)),
            "outcome": str(generator.integers(2)),
            "empty": "",
        }
        for row in range(SIZE)
    ]
    (tmp_path / "tables").mkdir()
    with (tmp_path / "tables" / "horse_colic.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    kinds = {
        "kind": "categorical",
        "colour": "categorical",
        "size": "numeric",
        "level": "numeric",
        "outcome": "categorical",
        "empty": "numeric",
    }
    description = {"horse_colic": {"target": "kind", "columns": kinds}}
    (tmp_path / "tables" / "tables.json").write_text(json.dumps(description))
    return tmp_path


def load(folder, name="horse_colic", labels=50, seed=1, **more):
    return data.load(f"tables:{name}", labels, seed, data_dir=str(folder), **more)


def test_rows_and_columns_are_those_of_the_protocol(folder):
    table = read_table("horse_colic", folder)
    assert list(table.cells) == ["size", "level", "colour"]  # numbers first; no class, nothing known afterwards or never
    assert table.classes == ("b", "a") and len(table.labels) == SIZE - 10  # in the order in which they occur
    made = load(folder)
    assert made.schema.names == ("size", "level", "colour") and made.class_names == ("b", "a")
    # The description says that levels of 1 to 4 are numbers.
    assert [column.kind for column in made.schema] == ["numeric", "numeric", "categorical"]
    y = [table.classes.index(label) for label in table.labels]
    train, test = train_test_split(np.arange(190), test_size=0.3, random_state=1, stratify=y)
    level = np.array([float(cell) for cell in table.cells["level"]])
    assert sorted(made.x_train[:, 1]) == sorted(level[train])
    np.testing.assert_array_equal(made.x_test[:, 1], level[test])
    assert np.isnan(made.x_train[:, 0]).sum() == sum(table.cells["size"][row] is None for row in train)


def test_labels_are_drawn_class_by_class_and_come_first(folder):
    made = load(folder, labels=50)
    assert np.all(made.y_train[:50] == np.repeat([0, 1], 25)) and np.all(made.y_train[50:] == -1)
    all_shown = load(folder, labels=0)
    assert np.all(all_shown.y_train >= 0) and sorted(all_shown.x_train[:, 1]) == sorted(made.x_train[:, 1])
    assert np.sum(load(folder, labels=1).y_train >= 0) == 4  # two of each class
    members = np.flatnonzero(all_shown.y_train == 0)
    first = np.random.default_rng(1).permutation(members)[:25]
    np.testing.assert_array_equal(made.x_train[:25], all_shown.x_train[first])
    with pytest.raises(
        ValueError, match=r"num_labels=400 takes 200 labels of each class. Received: 63 training rows of class 0"
    ):
        load(folder, labels=400)


def test_validation_rows_are_no_training_rows(folder):
    made, whole = load(folder, num_validation=20), load(folder)
    assert (len(made.x_train), len(made.x_validation)) == (len(whole.x_train) - 20, 20)
    assert np.all(made.y_validation >= 0)
    with pytest.raises(ValueError, match=r"num_validation must lie in 0..132, to leave a training row. Received: 133"):
        load(folder, num_validation=133)


def test_hidden_cells_are_gaps_of_training_and_test_rows(folder):
    whole, hidden = load(folder), load(folder, "horse_colic,hidden=0.3")
    for x, x_hidden in ((whole.x_train, hidden.x_train), (whole.x_test, hidden.x_test)):
        gaps = np.isnan(x_hidden)
        assert np.all(gaps[np.isnan(x)]) and 0.15 < gaps[:, 1:].mean() < 0.45
        np.testing.assert_array_equal(x_hidden[~gaps], x[~gaps])
    assert hidden.schema["level"].gaps == pytest.approx(np.isnan(hidden.x_train[:, 1]).mean())
    other = load(folder, "horse_colic,hidden=0.3", labels=10)  # does not depend on the labels
    np.testing.assert_array_equal(other.x_test, hidden.x_test)
    mask = hidden_elements((20_000, 3), 0.3, 0)
    np.testing.assert_allclose(mask.mean(axis=0), 0.3, atol=0.02)  # six standard errors
    assert np.any(mask != hidden_elements((20_000, 3), 0.3, 1))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("wine", FileNotFoundError, r"tables:NAME must name a table in the folder tables .*Received: no file .*wine.csv"),
        ("horse_colic,hidden=1.5", ValueError, r"with a share such as 0.3. Received: 'tables:horse_colic,hidden=1.5'"),
        ("horse_colic,share=0.3", ValueError, r"Received: 'tables:horse_colic,share=0.3'"),
        ("../horse_colic", ValueError, r"Received: 'tables:../horse_colic'"),
    ],
)
def test_what_is_no_table_is_refused(folder, name, error, message):
    with pytest.raises(error, match=message):
        load(folder, name)
    with pytest.raises(error, match=message):
        data.require(f"tables:{name}", str(folder))


def test_a_table_without_a_description_is_refused(folder):
    (folder / "tables" / "pens.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"A table must be described in tables.json. Received: 'pens'"):
        load(folder, "pens")


def test_rows_of_a_table_keep_their_units(folder):
    with pytest.raises(ValueError, match=r"preprocessing must be 'auto' or 'none'. Received: 'standardize'"):
        load(folder, preprocessing="standardize")


def test_labelled_rows_alone(folder):
    """They are repeated to as many as before, and their labels with them."""
    made = load(folder, labels=10)
    alone = made.with_labelled_only()
    assert len(alone.x_train) == len(made.x_train) and np.all(alone.y_train >= 0)
    np.testing.assert_array_equal(np.unique(alone.x_train, axis=0), np.unique(made.x_train[:10], axis=0))
    np.testing.assert_array_equal(alone.y_train[:10], made.y_train[:10])
    nothing = made._replace(y_train=np.full_like(made.y_train, -1))
    with pytest.raises(ValueError, match=r"needs some. Received: no labelled training example"):
        nothing.with_labelled_only()
