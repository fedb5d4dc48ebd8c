"""A classifier of rows, of which some have a label."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets

from ssdgm_tf.schema import Schema, Targets, class_target
from ssdgm_tf.sklearn import labels
from ssdgm_tf.sklearn.estimator import SemiSupervisedEstimator


class SemiSupervisedClassifier(ClassifierMixin, SemiSupervisedEstimator):
    """Classifies rows of mixed columns with gaps, learns from rows without a label too, draws new rows and fills gaps.

    The model is `ssdgm_tf.models.Table`, p(y) p(z) p(x|y,z). Classes are numbers or text. -1, None and NaN say "no label",
    and so does text of a gap, such as "" and "NA". As text "-1" is refused.

    X is a DataFrame of pandas or polars, or an array [N, D] of numbers, text and dates, with None or NaN for gaps. What its
    columns are is found in `fit`, as `ssdgm_tf.schema.infer` says, or stated in `schema`. A category that training did not
    have, a negative count and the like are taken for gaps later, with a warning.

    Every step of training takes up to 100 labelled rows, and rows as if they had no label. Adam's learning rate rises in 20
    steps, and falls along half a cosine. The defaults need no tuning on small tables.

    Args:
        latent_dim: size of z, what the label does not say.
        hidden_units: widths of the hidden layers of each network.
        max_iter: steps of training.
        learning_rate: the highest learning rate.
        batch_size: rows that each step takes as if they had no label.
        n_iter_no_change: steps after which training stops, where the loss of no round of 10 was lower than before; None to
            take all of `max_iter`. The loss is that of training: labels are too few to hold some out. The learning rate
            falls along `max_iter` all the same.
        schema: the columns, a `ssdgm_tf.schema.Schema` or its JSON; of a DataFrame by name, of an array in order. None to
            find them in the cells.
        random_state: of weights, order and draws: an integer, a `numpy.random.RandomState`, or None for NumPy's global one.
        verbose: whether to print the loss of each round of steps.

    Attributes:
        classes_: the classes, sorted, [K].
        n_features_in_: the number of columns of X.
        feature_names_in_: their names, where X was a DataFrame with names that are text.
        schema_: the columns that are learned.
        model_: the `ssdgm_tf.models.Table`.
        n_iter_: the steps of training.
        loss_curve_: minus the objective of each round of steps, nats per row.
    """

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities of the classes.

        Args:
            X: rows, as in `fit`; the columns of a DataFrame in any order.

        Returns:
            float32 [N, K], in the order of `classes_`.

        Raises:
            ValueError: other columns than those of `fit`, or cells that cannot be.
        """
        return self._means(X)["y"]

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest classes, [N].

        Args:
            X: see `predict_proba`.

        Raises:
            ValueError: see `predict_proba`.
        """
        places = np.argmax(self.predict_proba(X), axis=1)  # first, as it says where nothing was fitted
        return self.classes_[places]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy over the rows that have a label.

        Args:
            X: rows, as in `fit`.
            y: labels [N]; rows without one do not count. Scorers of scikit-learn take -1 for a class.
            sample_weight: weights of the rows, [N].

        Raises:
            ValueError: no row has a label.
        """
        predicted = self.predict(X)
        y, is_known = labels.classes(y, len(predicted))
        weights = None if sample_weight is None else np.asarray(sample_weight)[is_known]
        return accuracy_score(labels.required(y, is_known), predicted[is_known], sample_weight=weights)

    def _read_targets(self, y: Any, num_rows: int) -> tuple[Targets, np.ndarray]:
        y, is_known = labels.classes(y, num_rows)
        known = y[is_known]
        if len(known):
            check_classification_targets(known)
        classes = np.unique(known)
        if len(classes) < 2:
            raise ValueError(
                "y must hold labels of two classes or more, beside -1, NaN and None for no label. "
                f"Received: labels of {len(classes)} class, {classes.tolist()}"
            )
        target = class_target("y", [label.strip() if isinstance(label, str) else label for label in classes.tolist()])
        self.classes_ = classes
        return Targets(Schema([target])), self._places(y, is_known)

    def _values_of(self, y: Any, num_rows: int, complete: bool = False) -> np.ndarray:
        y, is_known = labels.classes(y, num_rows)
        if complete and not is_known.all():
            raise ValueError(f"y must hold a class for each row. Received: none at index {np.flatnonzero(~is_known)[0]}")
        if strange := [label for label in y[is_known].tolist() if label not in self.classes_.tolist()]:
            shown = ", ".join(map(repr, self.classes_.tolist()[:10]))
            raise ValueError(f"Labels must be among the classes {shown}. Received: {strange[0]!r}")
        return self._places(y, is_known)

    def _places(self, y: np.ndarray, is_known: np.ndarray) -> np.ndarray:
        """The places of labels among the classes, int32 [N], -1 for none."""
        places = np.full(len(y), labels.UNLABELLED, np.int32)
        places[is_known] = np.searchsorted(self.classes_, y[is_known])
        return places
