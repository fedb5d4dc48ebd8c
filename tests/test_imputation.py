"""The comparison of imputers in results/: its measures, the vectors that scikit-learn gets, and when ours is as good."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from ssdgm_tf.schema import Column, Schema

SPEC = importlib.util.spec_from_file_location("imputation", Path(__file__).parent.parent / "results" / "imputation.py")
imputation = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(imputation)

SCHEMA = Schema([Column("n", "numeric"), Column("c", "categorical", ("a", "b", "d")), Column("m", "numeric")])
TRUE = np.array([[1.0, 0, 5], [2, 1, 6], [3, 2, np.nan], [4, 1, 9]])
GIVEN = np.array([[np.nan, np.nan, 5], [2, 1, np.nan], [np.nan, np.nan, np.nan], [4, np.nan, 9]])


def test_errors_are_of_hidden_cells_alone():
    filled = np.where(np.isnan(GIVEN), [[2.0, 0, 0], [0, 0, 8], [3, 0, 77], [0, 0, 0]], GIVEN)
    of_n = np.sqrt((1 + 0) / 2) / np.std([1, 2, 3, 4])
    of_m = 2 / np.std([5, 6, 9])  # a cell that was never known counts nowhere
    found = imputation.errors(SCHEMA, TRUE, GIVEN, filled)
    assert found == {"nrmse": pytest.approx((of_n + of_m) / 2), "wrong": pytest.approx(2 / 3)}
    assert imputation.errors(SCHEMA, TRUE, TRUE, TRUE) == {}


@pytest.mark.parametrize("drops_first", [False, True])
def test_vectors_and_back(drops_first):
    vectors = imputation.Vectors(SCHEMA, TRUE, drops_first)
    encoded = vectors.encoded()
    assert encoded.shape == (4, 4 if drops_first else 5)
    np.testing.assert_allclose([encoded[:, 0].mean(), encoded[:, 0].std()], [0, 1], atol=1e-12)
    with_gaps = imputation.Vectors(SCHEMA, np.where(TRUE == TRUE[:1], np.nan, TRUE), drops_first)
    with_gaps.mean, with_gaps.scale = vectors.mean, vectors.scale
    filled = with_gaps.filled(np.nan_to_num(encoded))
    np.testing.assert_allclose(filled[:, :2], TRUE[:, :2])


def test_the_mean_and_the_most_frequent_category():
    filled = imputation.by_scikit_learn("most_frequent", SCHEMA, GIVEN, 0)
    np.testing.assert_allclose(filled, [[3, 1, 5], [2, 1, 7], [3, 1, 7], [4, 1, 9]])


def test_as_good_is_as_good_in_every_measure():
    def runs(**errors):
        return [{"table": "wine", "method": name, "seed": 0, "seconds": 1} | found for name, found in errors.items()]

    others = {"knn": {"nrmse": 0.5, "wrong": 0.3}, "iterative": {"nrmse": 0.6, "wrong": 0.2}}
    assert imputation.is_as_good(runs(ours={"nrmse": 0.5, "wrong": 0.2}, **others), "wine")
    assert not imputation.is_as_good(runs(ours={"nrmse": 0.4, "wrong": 0.25}, **others), "wine")
    assert not imputation.is_as_good(runs(ours={"nrmse": 0.55, "wrong": 0.1}, **others), "wine")
    assert not imputation.is_as_good(runs(**others), "wine")
    assert "on 1 of 4: wine" in imputation.page(runs(ours={"nrmse": 0.4, "wrong": 0.1}, **others))
