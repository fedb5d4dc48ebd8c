"""Rows of a table as vectors: as scikit-learn's own transformers make them."""

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ssdgm_tf.baselines import FilledTable
from ssdgm_tf.schema import Column, Schema

SCHEMA = Schema(
    [
        Column("colour", "categorical", ("red", "blue", "violet", "never")),
        Column("size", "numeric"),
        Column("complete", "numeric"),
        Column("is_old", "binary", ("yes", "no")),
        Column("level", "ordinal", ("1", "2", "3")),
    ]
)


def test_it_is_what_scikit_learn_makes():
    generator = np.random.default_rng(0)
    x = np.stack(
        [
            generator.integers(3, size=60),
            generator.normal(5, 3, 60),
            generator.normal(size=60),
            generator.integers(2, size=60),
            generator.integers(3, size=60),
        ],
        axis=1,
    ).astype(np.float32)
    x[generator.random(x.shape) < 0.3] = np.nan
    x[:40, 2] = np.nan_to_num(x[:40, 2])  # complete in training
    texts = x.astype(object)
    for place, column in enumerate(SCHEMA):
        if column.is_discrete:
            texts[:, place] = [
                "missing" if np.isnan(cell) else column.categories[int(cell)] for cell in x[:, place].tolist()
            ]
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    expected = ColumnTransformer([("n", numbers, [1, 2]), ("c", one_hot, [0, 3, 4])]).fit(texts[:40])
    made = FilledTable(SCHEMA).fit(x[:40])
    for rows in (slice(40), slice(40, 60)):
        np.testing.assert_allclose(made.transform(x[rows]), expected.transform(texts[rows]).astype(np.float32), atol=1e-5)
    assert made.transform(x).dtype == np.float32


def test_a_constant_number_and_a_table_of_categories_alone():
    x = np.array([[0, 7.0], [1, 7.0], [1, np.nan]], np.float32)
    schema = Schema([Column("c", "binary", ("no", "yes")), Column("n", "numeric")])
    made = FilledTable(schema).fit(x).transform(x)
    np.testing.assert_allclose(made[:, 0], 0)
    np.testing.assert_allclose(made[:, 2:], [[1, 0], [0, 1], [0, 1]])
    alone = FilledTable(Schema([schema["c"]])).fit(x[:, :1]).transform(x[:, :1])
    np.testing.assert_array_equal(alone, [[1, 0], [0, 1], [0, 1]])
