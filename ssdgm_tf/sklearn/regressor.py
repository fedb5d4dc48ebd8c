"""A regressor of rows, of which some have a number."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from ssdgm_tf.schema import Schema, Targets, number_target
from ssdgm_tf.sklearn import labels
from ssdgm_tf.sklearn.estimator import SemiSupervisedEstimator


class SemiSupervisedRegressor(RegressorMixin, SemiSupervisedEstimator):
    """Predicts a number for rows of mixed columns with gaps, learns from rows without one too, draws rows and fills gaps.

    The model is `ssdgm_tf.models.Table`, p(y) p(z) p(x|y,z), with y standardised. NaN and None in y say that the number is
    not known; -1 is a number.

    Otherwise it is as `ssdgm_tf.sklearn.SemiSupervisedClassifier`: X, gaps, and training.

    Args:
        latent_dim: size of z, what the number does not say.
        hidden_units: widths of the hidden layers of each network.
        max_iter: steps of training.
        learning_rate: the highest learning rate.
        batch_size: rows that each step takes as if their number were not known.
        n_iter_no_change: steps after which training stops, where the loss of no round of 10 was lower than before; None to
            take all of `max_iter`.
        schema: the columns, a `ssdgm_tf.schema.Schema` or its JSON; None to find them in the cells.
        random_state: of weights, order and draws: an integer, a `numpy.random.RandomState`, or None for NumPy's global one.
        verbose: whether to print the loss of each round of steps.

    Attributes:
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, where X was a DataFrame with names that are text.
        schema_: the columns that are learned.
        model_: the `ssdgm_tf.models.Table`.
        n_iter_: the steps of training.
        loss_curve_: minus the objective of each round of steps, nats per row.
    """

    def predict(self, X: Any) -> np.ndarray:
        """The means of the numbers, float64 [N], in the units of y.

        Args:
            X: rows, as in `fit`; the columns of a DataFrame in any order.

        Raises:
            ValueError: other columns than those of `fit`, or cells that cannot be.
        """
        standardised = self._means(X)["y"][:, 0].astype(np.float64)
        return standardised * self._target.scale + self._target.loc

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2, the share of the variance of y that is explained, over the rows whose y is known.

        Args:
            X: rows, as in `fit`.
            y: numbers [N]; rows with NaN do not count.
            sample_weight: weights of the rows, [N].

        Raises:
            ValueError: no row has a number.
        """
        predicted = self.predict(X)
        y = labels.numbers(y, len(predicted))
        is_known = ~np.isnan(y)
        weights = None if sample_weight is None else np.asarray(sample_weight)[is_known]
        return r2_score(labels.required(y, is_known), predicted[is_known], sample_weight=weights)

    def _read_targets(self, y: Any, num_rows: int) -> tuple[Targets, np.ndarray]:
        y = labels.numbers(y, num_rows)
        known = y[~np.isnan(y)]
        self._target = number_target("y", known, 1 - len(known) / num_rows)
        return Targets(Schema([self._target])), self._standardised(y)

    def _values_of(self, y: Any, num_rows: int, complete: bool = False) -> np.ndarray:
        y = labels.numbers(y, num_rows)
        if complete and np.isnan(y).any():
            raise ValueError(f"y must hold a number for each row. Received: none at index {np.flatnonzero(np.isnan(y))[0]}")
        return self._standardised(y)

    def _standardised(self, y: np.ndarray) -> np.ndarray:
        return ((y - self._target.loc) / self._target.scale).astype(np.float32)[:, None]
