"""A table of mixed columns with gaps, in every form that the estimators take."""

import datetime

import numpy as np
import pytest

FORMS = ("objects", "pandas", "polars")
NAMES = ("age", "income", "city", "smoker", "born", "one", "id")


def cells(num=80, seed=0):
    """{name: cells}, and the classes, which follow from the age."""
    r = np.random.default_rng(seed)
    age = r.integers(20, 70, num)
    table = {
        "age": age.tolist(),
        "income": np.exp(r.normal(8, 1, num)).round(2).tolist(),
        "city": r.choice(["Bern", "Kyiv", "Lima"], num).tolist(),
        "smoker": (r.random(num) < 0.4).tolist(),
        "born": [datetime.datetime(2000, 1, 1) + datetime.timedelta(days=int(day)) for day in r.integers(0, 999, num)],
        "one": ["the same"] * num,
        "id": [f"p{row}" for row in range(num)],
    }
    for name, every in (("income", 9), ("city", 7), ("born", 11)):
        table[name][1::every] = [None] * len(table[name][1::every])
    return table, np.where(age + r.normal(0, 3, num) > 45, "old", "young")


def table_of(form, given):
    """The table in this form."""
    if form == "objects":
        table = np.empty((len(given["age"]), len(given)), object)
        for place, column in enumerate(given.values()):
            table[:, place] = column
        return table
    return pytest.importorskip(form).DataFrame(given)


def columns_of(table):
    """{name: cells} of a table in any form, None for a gap."""
    if isinstance(table, np.ndarray):
        columns = dict(zip(NAMES, table.T.tolist(), strict=True))
    else:
        columns = {name: table[name].to_list() for name in table.columns}
    return {name: [None if cell != cell or cell is None else cell for cell in column] for name, column in columns.items()}


def hidden(classes, num_known, gap=None):
    """The classes as objects, all but the first `num_known` hidden."""
    labels = np.asarray(classes).astype(object)
    labels[num_known:] = gap
    return labels
