"""The numbers behind the figures of a table: histograms, associations, reliability and coverage."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import contingency

from ssdgm_tf import plots
from ssdgm_tf.models import table_figures, table_rows
from ssdgm_tf.schema import DAYS, Column, Schema, Targets

GENERATOR = np.random.default_rng(0)
NUMBER = Column("x", "numeric", loc=0, scale=1)
POSITIVE = Column("p", "positive", loc=0, scale=1)
COUNT = Column("n", "count", loc=1, scale=1)
CITY = Column("city", "categorical", ("a", "b", "c"))
YES = Column("yes", "binary", ("no", "yes"))
COLUMNS = [NUMBER, POSITIVE, COUNT, CITY, YES]


def rows(size=400):
    x = GENERATOR.normal(size=size)
    city = GENERATOR.integers(3, size=size)
    made = [
        x,
        np.exp(x + GENERATOR.normal(size=size)),
        GENERATOR.poisson(np.exp(x)),
        city,
        (city == 1) ^ (GENERATOR.random(size) < 0.2),
    ]
    table = np.column_stack(made).astype(float)
    table[GENERATOR.random(table.shape) < 0.1] = np.nan
    return table


def test_associations_are_the_known_coefficients():
    table = rows()
    found = np.array(table_figures._associations(COLUMNS, table))
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(np.diag(found), 1)

    def both(*places):
        return table[~np.isnan(table[:, places]).any(axis=1)][:, places].T

    x, p = both(0, 1)
    assert found[0, 1] == pytest.approx(np.corrcoef(x, np.log(p))[0, 1])
    x, n = both(0, 2)
    assert found[0, 2] == pytest.approx(np.corrcoef(x, np.log1p(n))[0, 1])
    city, yes = both(3, 4)
    counts = contingency.crosstab(city, yes).count
    assert found[3, 4] == pytest.approx(contingency.association(counts, method="cramer"))
    x, city = both(0, 3)
    means = np.array([x[city == k].mean() for k in range(3)])[city.astype(int)]
    assert found[0, 3] == pytest.approx(np.sqrt(np.var(means) / np.var(x)))


def test_what_is_not_known_together_has_no_association():
    table = rows()
    table[::2, 0] = table[1::2, 1] = np.nan
    assert np.isnan(table_figures._associations(COLUMNS, table)[0][1])
    figure = table_figures.associations(COLUMNS, table, rows()).figure
    assert [axes.get_title() for axes in figure.axes[:3]] == ["data", "model", "model - data"]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.kind)
def test_bars_hold_every_known_row(column):
    place = COLUMNS.index(column)
    data, made = rows()[:, place], rows()[:, place]
    panel = table_figures._panel(column, data, made)
    assert panel.data.sum() == pytest.approx(1) and panel.made.sum() == pytest.approx(1)
    assert table_figures._panel(column, data, data).difference == 0
    assert 0 < panel.difference < 0.4


def test_rare_categories_share_a_bar_and_dates_are_told():
    many = Column("many", "categorical", tuple(map(str, range(30))))
    panel = table_figures._panel(many, np.arange(30.0), np.zeros(30))
    assert (
        panel.names[-1] == "18 more"
        and panel.data[-1] == pytest.approx(18 / 30)
        and panel.difference == pytest.approx(29 / 30)
    )
    days = Column("day", "numeric", loc=19000, scale=300, unit=DAYS)
    panel = table_figures._panel(days, np.linspace(19000, 19700, 50), np.full(50, 19001.0))
    figure = plots.marginals([panel])
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["2022-04-25", "2023-08-24"]


def test_the_columns_that_differ_most_are_shown():
    columns = [Column(f"c{k}", "numeric", loc=0, scale=1) for k in range(30)]
    data, made = GENERATOR.normal(size=(300, 30)), GENERATOR.normal(size=(300, 30))
    made[:, 29] += 5
    captioned = table_figures.marginals(columns, data, made)
    titles = [axes.get_title() for axes in captioned.figure.axes if axes.get_title()]
    assert len(titles) == 24 and titles[-1].startswith("c29") and "24 columns of 30" in captioned.caption


def test_calibration_shows_shares_and_coverage():
    size = 4000
    p = GENERATOR.uniform(0.5, 1, size)
    reliable = plots.Reliability("y", p, GENERATOR.random(size) < p)
    figure = plots.calibration([reliable, plots.Coverage("t", np.abs(GENERATOR.normal(size=size)))])
    sure, right = figure.axes[0].containers[0].lines[0].get_data()
    np.testing.assert_allclose(sure, right, atol=0.08)  # 400 rows a point: 4 standard errors at most 0.1
    nominal, inside = figure.axes[1].lines[1].get_data()
    np.testing.assert_allclose(nominal, inside, atol=0.05)


def test_targets_are_drawn_from_what_is_predicted():
    predicted = {"y": np.tile([0.2, 0.5, 0.3], (3000, 1)), "t": {"mean": np.full(3000, 2.0), "stddev": np.full(3000, 0.5)}}
    drawn = table_rows.draw_targets(predicted, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn["y"]) / 3000, [0.2, 0.5, 0.3], atol=0.04)
    assert stats.kstest((drawn["t"] - 2) / 0.5, "norm").pvalue > 1e-3
    assert table_rows.points(predicted)["y"][0] == 1 and table_rows.points(predicted)["t"][0] == 2


def test_a_column_that_is_used_matters_and_others_do_not():
    class Uses:
        """Predicts from the first column alone."""

        def predict(self, x, batch_size, verbose):
            p = 1 / (1 + np.exp(-4 * x[:, 0]))
            return np.stack([1 - p, p], axis=1)

        graph = type("graph", (), {"supervised": ("y",)})
        data_format = type("format", (), {"classes": {"y": 2}})

    x = GENERATOR.normal(size=(300, 2)).astype(np.float32)
    y = {"y": (x[:, 0] > 0).astype(np.int32)}
    y["y"][::10] = -1
    schema, targets = Schema([NUMBER, Column("z", "numeric")]), Targets(Schema([YES]))
    model = Uses()
    figure = table_figures.importance(model, schema, targets, x, y, table_rows.predictions(model, x), 0).figure
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["x", "z"]
    assert widths[0] > 0.5 and widths[1] == pytest.approx(0)
