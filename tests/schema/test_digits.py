"""New numbers have as many digits as those that were given."""

import numpy as np
import pytest

from ssdgm_tf.schema import DAYS, Column
from ssdgm_tf.schema.digits import ANY, decimals_of, rounded

NUMBER, POSITIVE = Column("v", "numeric"), Column("v", "positive")


@pytest.mark.parametrize(
    ("cells", "decimals"),
    [
        ([1, 2.0, "3", "4.0", None], 0),
        (["12.50", "0.25"], 2),
        ([12.5, 1000.125], 3),
        ([np.pi], ANY),
        (["1e-9"], ANY),
        (["1e5", 2], 0),
        ([None], 0),
    ],
)
def test_digits_of_cells(cells, decimals):
    assert decimals_of(NUMBER, cells) == decimals


def test_other_columns_have_none():
    assert decimals_of(Column("v", "binary", ("1", "2")), ["1", "2"]) == ANY
    assert decimals_of(Column("v", "numeric", unit=DAYS), ["2020-01-01"]) == ANY
    assert rounded(Column("v", "binary", ("1", "2")), np.array(["1", None], object), 0) == ["1", None]


@pytest.mark.parametrize(
    ("column", "values", "decimals", "expected"),
    [
        (NUMBER, [1.26, -0.04], 1, [1.3, -0.0]),
        (NUMBER, [1.5, 2.4], 0, [2, 2]),
        (NUMBER, [1.5, np.nan], 0, [2.0, np.nan]),
        (NUMBER, [1.23456789], ANY, [1.23456789]),
        (NUMBER, [1e30], 0, [1e30]),
        (POSITIVE, [0.004, 2.0], 2, [0.01, 2.0]),
        (Column("v", "numeric", extent=(2.0, 4.0)), [-3.2, 3.5, 9.0, np.nan], 1, [2.0, 3.5, 4.0, np.nan]),
        (Column("v", "count", extent=(0.0, 4.0)), [2, 9], 0, [2, 4]),
        (Column("v", "numeric", extent=(0.5, 1.0)), [0.12345678, 0.75], ANY, [0.5, 0.75]),
        (POSITIVE, [0.2, 7.8], 0, [1, 8]),
    ],
)
def test_numbers_are_rounded(column, values, decimals, expected):
    made = rounded(column, np.array(values), decimals)
    np.testing.assert_array_equal(made, expected)
    assert list(map(type, made)) == list(map(type, expected))
