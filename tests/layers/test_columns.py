"""Rows of a table: each column against SciPy, draws, what networks see, and weights."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from ssdgm_tf import layers, models, nodes
from ssdgm_tf.layers.column_groups import DF
from ssdgm_tf.schema import Column, Schema
from tests.schema.examples import every_kind, rows
from tests.tiers import tiers


def positive(raw):
    return np.logaddexp(0, raw + np.log(np.expm1(1.0))) + 1e-4


def alone(*args, **kwargs):
    """A node of one column."""
    return layers.ColumnsNode(Schema([Column("v", *args, **kwargs)]), dtype="float64")


def ordinal_probabilities(raw):
    """Of the thresholds t_1 = r_1, t_{k+1} = t_k + positive(r_{k+1})."""
    thresholds = np.cumsum([raw[0], *positive(raw[1:])])
    return np.diff([0, *special.expit(thresholds), 1])


RAW = np.array([0.4, -0.3, 0.8])
CONCENTRATION = positive(RAW[1])
#: {name: (node, its raw parameters, log density or probability, values)}.
NORMAL = (1 + 2 * RAW[0], 2 * positive(RAW[1]))
MEAN = np.exp(0.7 + 0.5 * RAW[0])
NEGATIVE_BINOMIAL = stats.nbinom(CONCENTRATION, CONCENTRATION / (CONCENTRATION + MEAN))
COLUMNS = {
    "normal": (alone("numeric", loc=1, scale=2), 2, stats.norm(*NORMAL).logpdf, [-3.0, 0.0, 2.5]),
    "student_t": (
        alone("numeric", loc=1, scale=2, distribution="student_t"),
        2,
        stats.t(DF, *NORMAL).logpdf,
        [-30.0, 0.0, 2.5],
    ),
    "log_normal": (
        alone("positive", loc=1, scale=2),
        2,
        stats.lognorm(NORMAL[1], scale=np.exp(NORMAL[0])).logpdf,
        [0.1, 1.0, 40.0],
    ),
    "poisson": (alone("count", loc=0.7, scale=0.5, distribution="poisson"), 1, stats.poisson(MEAN).logpmf, [0, 1, 7]),
    "negative_binomial": (alone("count", loc=0.7, scale=0.5), 2, NEGATIVE_BINOMIAL.logpmf, [0, 1, 70]),
    "bernoulli": (
        alone("binary", ("no", "yes")),
        1,
        stats.bernoulli(special.expit(RAW[0])).logpmf,
        [0, 1],
    ),
    "categorical": (
        alone("categorical", ("a", "b", "c")),
        3,
        lambda v: special.log_softmax(RAW)[np.asarray(v, int)],
        [0, 1, 2],
    ),
    "ordinal": (
        alone("ordinal", ("a", "b", "c", "d")),
        3,
        lambda v: np.log(ordinal_probabilities(RAW))[np.asarray(v, int)],
        [0, 1, 2, 3],
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_density_is_that_of_scipy(name):
    node, num, expected, values = COLUMNS[name]
    assert node.num_parameters == num
    distribution = node.make_distribution(tf.constant(np.tile(RAW[:num], (len(values), 1))))
    found = node.log_density(distribution, np.array(values, float)[:, None])
    np.testing.assert_allclose(found, expected(values), rtol=1e-9)


@pytest.mark.parametrize("base", ["poisson", "negative_binomial"])
def test_zero_inflation(base):
    num = COLUMNS[base][1]
    node = alone("count", loc=0.7, scale=0.5, distribution=f"zero_inflated_{base}")
    raw = np.append(RAW[:num], -0.5)
    distribution = node.make_distribution(tf.constant(np.tile(raw, (3, 1))))
    share, of_base = special.expit(-0.5), np.exp(COLUMNS[base][2]([0, 1, 5]))
    expected = np.log(share * np.array([1, 0, 0]) + (1 - share) * of_base)
    np.testing.assert_allclose(node.log_density(distribution, np.array([[0.0], [1.0], [5.0]])), expected, rtol=1e-9)


def mixed(dtype="float64"):
    node = layers.ColumnsNode(every_kind(), dtype=dtype)
    features = np.random.default_rng(0).normal(size=(6, 4))
    return node, node.distribution(features)


def test_columns_are_in_the_order_of_the_table():
    """The density of a row is the sum of the densities of its columns, each a node of its own."""
    node, distribution = mixed()
    x = rows(np.random.default_rng(1), 6)
    of_columns = np.asarray(distribution.log_prob_of_columns(tf.constant(x)))
    np.testing.assert_allclose(of_columns.sum(axis=1), node.log_density(distribution, x), rtol=1e-12)
    for index, column in enumerate(node.schema):
        single = layers.ColumnsNode(Schema([column]), dtype="float64")
        group, of = next((group, of) for group, of in distribution.parts if index in group.places)
        place = group.places.index(index)
        np.testing.assert_allclose(of_columns[:, index], np.asarray(of.log_prob(x[:, list(group.places)]))[:, place])
        assert single.num_parameters * len(group.places) == group.num_parameters


@pytest.mark.parametrize("jit_compile", tiers([False, True], first=[False]))
def test_draws_are_rows_of_the_schema(jit_compile):
    node, _ = mixed()
    parameters = node.parameters_of(np.random.default_rng(0).normal(size=(6, 4)))
    draw = tf.function(lambda: node.sample(node.make_distribution(parameters), [50], (1, 2)), jit_compile=jit_compile)
    drawn = draw()
    assert drawn.shape == (50, 6, 11)
    assert np.all(node.support.contains(drawn))
    cells = node.schema.decode(np.asarray(drawn[:, 0], np.float32))
    assert set(cells["ordinal"]) <= {"low", "middle", "high", "highest"} and cells["poisson"].dtype == np.int64


def test_draws_follow_the_density():
    """Shares of a category, and the mean of each number, of 20,000 draws: within 6 standard errors (below 1e-8 each)."""
    node, distribution = mixed()
    drawn = np.asarray(node.sample(distribution, [20_000], (1, 2)))[:, 0]
    mean = np.asarray(distribution.joined([of.mean() for _, of in distribution.parts]))[0]
    for index, column in enumerate(node.schema):
        values = drawn[:, index]
        if column.is_discrete:
            for category in range(len(column.categories)):
                row = np.where(np.arange(11) == index, float(category), rows(np.random.default_rng(1), 6))
                share = np.exp(np.asarray(distribution.log_prob_of_columns(row))[0, index])
                assert abs(np.mean(values == category) - share) < 6 * np.sqrt(share * (1 - share) / len(drawn))
        elif column.distribution != "log_normal":  # the spread of whose mean is that of its tail
            assert abs(values.mean() - mean[index]) < 6 * values.std() / np.sqrt(len(drawn))


def test_the_mean_of_a_mixture_has_the_likeliest_category():
    schema = Schema([Column("v", "categorical", ("a", "b", "c")), Column("w", "numeric")])
    node = layers.ColumnsNode(schema, dtype="float64")
    # Likeliest in each component: a, a, c; in the mixture: c.
    probabilities = np.array([[0.4, 0.3, 0.3], [0.36, 0.3, 0.34], [0.1, 0.1, 0.8]])
    parameters = np.concatenate([np.log(probabilities), np.array([[1.0, 0], [2.0, 0], [6.0, 0]])], axis=1)
    distribution = node.make_distribution(tf.constant(parameters[None, :, None]))
    np.testing.assert_allclose(distribution.mean()[0, :, 0, 0], [0, 0, 2])
    found = node.mean_over(distribution, lambda values: tf.reduce_mean(values[0], axis=0))
    np.testing.assert_allclose(found, [[2, 3]])


def test_networks_see_standardised_numbers_and_one_hot_categories():
    support = layers.ColumnsNode(
        Schema(
            [
                Column("n", "numeric", loc=10, scale=2),
                Column("c", "categorical", ("a", "b", "c")),
                Column("b", "binary", ("no", "yes")),
                Column("p", "positive", loc=1, scale=0.5),
                Column("k", "count", loc=1, scale=2),
            ]
        )
    ).support.with_gaps()
    x = np.array([[12, 2, 0, np.exp(2), np.exp(3) - 1], [np.nan] * 5, [1e9, 0, 1, 1e-30, 0]], np.float32)
    expected = [
        [1, -1, 2, 1, 0, 0, 1, 1, 1, 1, 1, 1],
        [0] * 12,
        [4, 1, -4, -0.5, 1, 0, 0, 1, 1, 1, 1, 1],
    ]
    np.testing.assert_allclose(support.network_input(x), expected, rtol=1e-6)
    assert support.network_shape((5,)) == (12,)


def test_values_that_are_no_rows_are_refused():
    model = table_model()
    x = rows(np.random.default_rng(0), 12)
    for index, value in {2: -1.0, 3: 2, 1: 0.5, 7: -1, 8: 1.5, 5: 4}.items():
        bad = x.copy()
        bad[4, index] = value
        with pytest.raises(ValueError, match=r"x must hold rows of its schema.*Received: .* at index 4"):
            model.log_likelihood(bad)


def table_model(schema=None, **options):
    schema = schema or every_kind()
    p = {"z": nodes.Normal(2), "x": nodes.Columns(schema, parents="z", network=layers.MLP((6,)), **options)}
    q = {"z": nodes.Normal(2, parents="x", network=layers.MLP((6,)))}
    model = models.GraphicalModel(p, q, observed="x", seed=1)
    model.compile("adam")
    return model


def test_weights_change_what_training_maximises_and_not_the_bound():
    """objective - bound = sum_d (w_d - 1) log p(x_d | z), over the known columns."""
    model = table_model()
    x = rows(np.random.default_rng(0), 5).astype(np.float32)
    x[0, 2] = np.nan
    one_pass = model.pass_over({"x": tf.constant(x)}, seed=(1, 2))
    bound = model.bound_of(one_pass, "evidence_lower_bound")
    p = one_pass.generative("x")
    of_columns = np.asarray(p.distribution.log_prob_of_columns(tf.constant(np.nan_to_num(x, nan=1.0))))[0, 0]
    expected = (
        np.where([[False], [True], [True], [True], [True]], -0.5 * of_columns[:, 2:3], 0)[:, 0] - 0.8 * of_columns[:, 6]
    )
    np.testing.assert_allclose(bound.warmed - bound.bound, expected, rtol=1e-4)
    assert layers.ColumnsNode(Schema([Column("a", "numeric")])).element_weights is None


def test_the_same_weight_of_all_columns_multiplies_their_density():
    weighted = Schema(dataclasses.replace(column, weight=1.7) for column in every_kind())
    model = table_model(weighted)
    x = rows(np.random.default_rng(0), 5).astype(np.float32)
    x[0, 2] = np.nan
    one_pass = model.pass_over({"x": tf.constant(x)}, seed=(1, 2))
    bound = model.bound_of(one_pass, "evidence_lower_bound")
    np.testing.assert_allclose(bound.warmed - bound.bound, 0.7 * one_pass.log_p("x")[0, 0], rtol=1e-4)


def test_a_table_is_learned_and_filled_in():
    """Two columns that say the same: a gap in one is filled in by the other."""
    generator = np.random.default_rng(0)
    category = generator.integers(2, size=300)
    x = np.stack([category * 4.0 + 0.1 * generator.normal(size=300), category], axis=1).astype(np.float32)
    schema = Schema([Column("n", "numeric", loc=2, scale=2), Column("c", "binary", ("no", "yes"))])
    p = {"z": nodes.Normal(1), "x": nodes.Columns(schema, parents="z", network=layers.MLP((8,)))}
    model = models.GraphicalModel(p, {"z": nodes.Normal(1, parents="x", network=layers.MLP((8,)))}, observed="x", seed=1)
    model.compile(keras.optimizers.Adam(1e-2))
    x_train = x.copy()
    x_train[:100, 0], x_train[100:200, 1] = np.nan, np.nan
    model.fit(x_train, epochs=150, batch_size=50, seed=0, verbose=0)
    filled = model.impute(x_train, seed=1)["x"]
    assert np.mean(filled[100:200, 1] == x[100:200, 1]) > 0.95
    assert np.sqrt(np.mean((filled[:100, 0] - x[:100, 0]) ** 2)) < 0.8


def test_a_missing_category_is_no_category_to_a_network_of_the_values_alone():
    support = layers.ColumnsNode(every_kind()).support.with_gaps().values
    assert not np.any(support.network_input(np.full((2, 11), np.nan, np.float32)))


def test_any_cell_of_a_table_may_be_missing():
    with pytest.raises(ValueError, match=r"gaps must be True\. Received: gaps=False"):
        layers.ColumnsNode(every_kind(), gaps=False)


def test_columns_of_similar_sizes_share_a_group():
    """Shorter columns are padded. Densities, draws and parameters are those of each column alone."""
    sizes, edges = (5, 8, 6), ([0.0, 1.0, 3.0], [0.0, 1.0, 2.0, 5.0, 6.0], [-1.0, 0.0, 2.0, 4.0])
    columns = [Column(f"c{size}", "categorical", categories=tuple(map(str, range(size)))) for size in sizes]
    columns += [
        Column(f"h{len(of)}", "numeric", distribution="histogram", loc=1.0, scale=2.0, quantiles=tuple(of))
        for of in edges[1:]
    ]
    node = layers.ColumnsNode(Schema(columns), dtype="float64", seed=1)
    assert [group.places for group in node.groups] == [(0, 1, 2), (3, 4)]
    assert node.num_parameters == 5 + 8 + 6 + 4 + 3
    parameters = np.random.default_rng(0).normal(size=(7, node.num_parameters))
    row = np.array([4, 7, 5, 1.5, 4.0])  # the last category, a number inside, and the last edge of the shorter histogram
    found = node.make_distribution(tf.constant(parameters)).log_prob_of_columns(tf.constant(np.tile(row, (7, 1))))
    parts = np.split(parameters, np.cumsum([5, 8, 6, 4]), axis=1)
    for column, part in enumerate(parts):
        log_shares = special.log_softmax(part, axis=1)
        expected = log_shares[:, int(row[column])] if column < 3 else None
        if column >= 3:
            of = np.array(edges[1:][column - 3])
            place = min(int(np.searchsorted(of, row[column], side="right")) - 1, len(of) - 2)
            of_bin = np.exp(log_shares[:, place]) / (of[place + 1] - of[place])
            expected = np.log(0.99 * of_bin + 0.01 * stats.norm.pdf(row[column], 1.0, 6.0))
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-6)
    drawn = node.make_distribution(tf.constant(np.repeat(parameters, 300, axis=0))).sample(seed=1).numpy()
    assert np.all(drawn[:, :3].max(axis=0) == np.array(sizes) - 1) and np.all(drawn[:, :3] >= 0)


def test_making_a_row_logs_nothing(caplog):
    """TFP logs a page about a distribution whose parameters it cannot name."""
    node = layers.ColumnsNode(every_kind(), seed=1)
    made = node.distribution(np.zeros((2, 5), np.float32))
    assert made.sample(seed=1).shape == (2, 11) and made.copy().batch_shape == (2,)
    assert not [record for record in caplog.records if "parameter_properties" in record.getMessage()]
