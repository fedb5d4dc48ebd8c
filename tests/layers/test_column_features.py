"""The features of a row: steps of numbers, categories, gaps, and the same size for every column."""

import keras
import numpy as np
import pytest

from ssdgm_tf import layers
from ssdgm_tf.layers.columns import TableRows
from ssdgm_tf.schema import Column, Schema, infer


def features(schema, x, **options):
    """The features [N, F + D] of rows [N, D] with gaps, and the column of each."""
    layer = layers.ColumnFeatures(schema, **options)
    shown = np.concatenate([TableRows(schema).network_input(x.astype(np.float32)), ~np.isnan(x)], axis=1)
    column = np.concatenate([layer._column, np.arange(len(schema))])
    return np.asarray(layer(shown.astype(np.float32))), column


def mixed_table(num, gaps=0.0):
    r = np.random.default_rng(0)
    table = {
        "normal": r.normal(3, 2, num).tolist(),
        "skewed": np.exp(r.normal(0, 1.5, num)).tolist(),
        "count": r.negative_binomial(0.5, 0.02, num).tolist(),
        "mostly zero": np.where(r.random(num) < 0.7, 0, r.normal(size=num)).tolist(),
        "rare": np.where(r.random(num) < 0.03, "yes", "no").tolist(),
        "wide": [f"c{i}" for i in r.zipf(1.5, num) % 30],
    }
    for cells in table.values():
        for row in np.flatnonzero(r.random(num) < gaps):
            cells[row] = None
    return table


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_every_column_has_the_same_variance(gaps):
    table = mixed_table(4000, gaps)
    schema, _ = infer(table)
    made, column = features(schema, schema.encode(table))
    of_columns = np.bincount(column, made.var(axis=0))
    # The mean of squares of a row is 25; moments are those of nine quantiles, so they are rough for heavy tails.
    np.testing.assert_allclose(of_columns, 25 / len(schema), rtol=0.25)
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=0.25)


def test_a_number_is_itself_and_its_steps_between_quantiles():
    schema = Schema([Column("a", "numeric", loc=1.0, scale=2.0, quantiles=(-1.0, 1.0, 5.0))])
    made, _ = features(schema, np.array([[-1.0], [0.0], [1.0], [3.0], [5.0], [9.0]]))
    value, first, second, _ = (made / np.ptp(made, axis=0).clip(1e-9)).T
    np.testing.assert_allclose(value - value[2], np.array([-1, -0.5, 0, 1, 2, 4]) / 5, atol=1e-6)
    np.testing.assert_allclose(first - first[0], [0, 0.5, 1, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(second - second[0], [0, 0, 0, 0.5, 1, 1], atol=1e-6)


def test_a_gap_is_zero_everywhere_but_in_its_own_feature():
    table = mixed_table(500, 0.3)
    schema, _ = infer(table)
    x = schema.encode(table)
    made, column = features(schema, x)
    of_values, of_gaps = made[:, : -len(schema)], made[:, -len(schema) :]
    is_gap = np.isnan(x)
    assert not of_values[is_gap[:, column[: -len(schema)]]].any()
    for index in range(len(schema)):
        assert len(np.unique(of_gaps[:, index])) == 2
        assert of_gaps[is_gap[:, index], index].min() > 0 > of_gaps[~is_gap[:, index], index].max()


def test_a_column_that_had_no_gaps_in_training_has_none_to_learn_from():
    schema = Schema([Column("a", "numeric"), Column("b", "numeric")])
    made, _ = features(schema, np.array([[np.nan, 1.0], [0.5, 1.0]]))
    assert not made[:, -2:].any()


def test_gates_scale_their_column_and_are_regularised():
    table = mixed_table(50)
    schema, _ = infer(table)
    layer = layers.ColumnFeatures(schema, keras.regularizers.L2(0.5))
    shown = np.concatenate([TableRows(schema).network_input(schema.encode(table)), np.ones((50, 6), np.float32)], axis=1)
    before = np.asarray(layer(shown))
    assert float(layer.losses[0]) == pytest.approx(0.5 * 6)
    layer.gates.assign([1, 1, 0, 1, 1, 2])
    sizes = np.asarray(layer.gates)[np.concatenate([layer._column, np.arange(6)])]
    np.testing.assert_allclose(layer(shown), before * sizes, rtol=1e-6)


def test_columns_without_spread_give_nothing():
    schema = Schema([Column("a", "categorical", ("u", "v", "w"), shares=(1.0, 0.0, 0.0)), Column("b", "numeric")])
    made, column = features(schema, np.array([[0.0, 1.0], [2.0, 1.0]]))
    assert not made[:, column == 0].any()
    assert np.isfinite(made).all()
