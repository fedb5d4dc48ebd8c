"""A table with a column of every kind."""

import numpy as np

from ssdgm_tf.schema import DISTRIBUTIONS, Column, Schema


def every_kind():
    """A column of every kind, and every distribution of counts."""
    columns = [
        Column("numeric", "numeric", loc=1.0, scale=2.0),
        Column("categorical", "categorical", ("a", "b", "c")),
        Column("positive", "positive", loc=0.5, scale=0.5, weight=0.5),
        Column("binary", "binary", ("no", "yes")),
        Column("heavy", "numeric", distribution="student_t"),
        Column("ordinal", "ordinal", ("low", "middle", "high", "highest")),
        Column("other", "categorical", ("x", "y", "z"), weight=0.2),
    ]
    return Schema([*columns, *(Column(name, "count", loc=0.7, distribution=name) for name in DISTRIBUTIONS["count"])])


def rows(generator, num):
    """Rows of it as numbers, [num, 11]."""
    heavy, numeric, positive = (
        generator.standard_t(5, size=num),
        generator.normal(1, 2, size=num),
        generator.normal(size=num),
    )
    binary, first, second, ordinal = (generator.integers(size, size=num) for size in (2, 3, 3, 4))
    columns = [numeric, first, np.exp(positive), binary, heavy, ordinal, second, *generator.poisson(2, size=(4, num))]
    return np.stack(columns, axis=1)
