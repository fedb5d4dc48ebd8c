"""Numbers as histograms: density, draws, and columns of them."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from ssdgm_tf import layers
from ssdgm_tf.layers.histogram import TAIL, Histogram
from ssdgm_tf.schema import Column, Schema

EDGES = np.array([[-1.0, 0.0, 0.5, 3.0], [10.0, 20.0, 21.0, 40.0]])
LOGITS = np.log([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
TAILS = [scipy.stats.norm(0, 3), scipy.stats.norm(20, 30)]


def made(logits=LOGITS):
    tail = tfd.Normal(tf.constant([0.0, 20.0], tf.float64), tf.constant([3.0, 30.0], tf.float64))
    return Histogram(tf.convert_to_tensor(logits), EDGES, tail)


def density(column, value):
    """By hand."""
    of_bins = 0.0
    for share, low, high in zip(np.exp(LOGITS[column]), EDGES[column], EDGES[column][1:], strict=False):
        of_bins += share / (high - low) * (low <= value < high)
    return (1 - TAIL) * of_bins + TAIL * TAILS[column].pdf(value)


@pytest.mark.parametrize("value", [-7.0, -0.5, 0.0, 0.2, 2.9, 15.0, 20.5, 39.0, 90.0])
def test_density(value):
    found = np.exp(made().log_prob(tf.constant([value, value], tf.float64)))
    np.testing.assert_allclose(found, [density(0, value), density(1, value)], rtol=1e-9)


@pytest.mark.parametrize("column", [0, 1])
def test_density_sums_to_one(column):
    points = [*EDGES[column], TAILS[column].mean()]
    total, _ = scipy.integrate.quad(
        lambda v: density(column, v), *TAILS[column].interval(1 - 1e-10), points=points, limit=200
    )
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_draws_and_mean(jit_compile):
    """Shares of bins and means of 40,000 draws, within 5 standard errors: fails by chance with probability 1e-5."""
    draw = tf.function(lambda: made().sample(40_000, seed=(1, 2)), jit_compile=jit_compile)
    drawn, mean = np.asarray(draw()), np.asarray(made().mean())
    for column in (0, 1):
        values = drawn[:, column]
        assert abs(values.mean() - mean[column]) < 5 * values.std() / 200
        for share, low, high in zip(np.exp(LOGITS[column]), EDGES[column], EDGES[column][1:], strict=False):
            expected = (1 - TAIL) * share + TAIL * (TAILS[column].cdf(high) - TAILS[column].cdf(low))
            assert abs(((values >= low) & (values < high)).mean() - expected) < 5 * np.sqrt(expected / 40_000)


def test_gradients_are_finite_everywhere():
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made(logits).log_prob(tf.constant([[-1e6, 1e6], [0.0, 40.0]], tf.float64)))
    assert np.isfinite(loss.numpy())
    assert np.isfinite(tape.gradient(loss, logits)).all()


def test_columns_of_both_kinds_and_of_different_numbers_of_bins():
    columns = [
        Column("a", "numeric", loc=1.0, scale=2.0, quantiles=(-1.0, 0.0, 0.0, 5.0), distribution="histogram"),
        Column("b", "positive", quantiles=(0.5, 1.0, 1.5, 5.0), distribution="histogram"),
        Column("c", "numeric", quantiles=(-1.0, 0.0, 1.0), distribution="histogram"),
        Column("d", "binary", ("no", "yes")),
    ]
    node = layers.ColumnsNode(Schema(columns), seed=1)
    assert node.num_parameters == 2 + 3 + 2 + 1
    distribution = node.distribution(np.zeros((3, 2), np.float32))
    rows = np.array([[-0.5, 0.7, 0.5, 1], [4.0, 4.0, -0.5, 0], [9.0, 9.0, 9.0, 1]], np.float32)
    assert np.isfinite(node.log_density(distribution, rows)).all()
    drawn = np.asarray(node.sample(distribution, [50], (1, 2)))
    assert (drawn[..., 1] > 0).all()
    assert np.isfinite(drawn).all()


def test_a_histogram_needs_bins():
    with pytest.raises(ValueError, match=r"A histogram needs quantiles that differ\. Received: "):
        Column("a", "numeric", quantiles=(1.0, 1.0, 1.0), distribution="histogram")
