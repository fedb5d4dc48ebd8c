"""The metrics of a model by name, and a calibration error that Keras lacks."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf import keras_internals
from ssdgm_tf.models.data_format import DataFormat, event


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ExpectedCalibrationError(keras.metrics.Metric):
    """ECE of Naeini et al. 2015, over the whole data set and not batch by batch.

        ECE = sum_b (n_b / n) | accuracy_b - confidence_b |

    over equal-width bins of the largest probability. `tfp.stats.expected_calibration_error` computes the same for one
    array; this metric accumulates it over batches.

    Args:
        num_bins: number of bins.
    """

    def __init__(self, num_bins: int = 15, name: str = "ece", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.num_bins = num_bins
        # Per bin: examples, sum of confidences, sum of hits.
        self.totals = self.add_variable((3, num_bins), initializer="zeros", name="totals")

    def update_state(self, y_true: tf.Tensor, probabilities: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Adds labels [B] and class probabilities [B, K], counted `sample_weight` [B] times."""
        confidence = tf.reduce_max(probabilities, axis=-1)
        hit = tf.cast(tf.argmax(probabilities, axis=-1, output_type=tf.int32) == tf.cast(y_true, tf.int32), confidence.dtype)
        index = tf.clip_by_value(tf.cast(confidence * self.num_bins, tf.int32), 0, self.num_bins - 1)
        bins = tf.one_hot(index, self.num_bins, dtype=confidence.dtype)
        weight = tf.ones_like(confidence) if sample_weight is None else tf.cast(sample_weight, confidence.dtype)
        self.totals.assign_add(tf.stack([weight, weight * confidence, weight * hit]) @ bins)

    def result(self) -> tf.Tensor:
        count, confidence, hits = tf.unstack(tf.convert_to_tensor(self.totals))
        return tf.math.divide_no_nan(tf.reduce_sum(tf.abs(hits - confidence)), tf.reduce_sum(count))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_bins": self.num_bins}


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ObjectiveLoss(keras.metrics.Metric):
    """Minus the objective over all examples so far, whatever the batches that they came in.

        loss = - [ mean_n U(x_n) + mean_m gamma M / N Lsup(x_m, y_m) ] + mean of the losses that layers add

    Each mean is over the examples of its own stream. A mean of the losses of batches would count the few labels of a batch
    as much as the many of another.
    """

    def __init__(self, name: str = "loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        # Of U, of Lsup and of added losses: the sum, and the number of examples.
        self.totals = self.add_variable((3, 2), initializer="zeros", name="totals")

    def update_state(
        self,
        labelled: tf.Tensor | None,
        unlabelled: tf.Tensor | None,
        labelled_mask: tf.Tensor | None = None,
        unlabelled_mask: tf.Tensor | None = None,
        added: Sequence[tf.Tensor] = (),
    ) -> None:
        """Adds the parts of a step's objective, see `ObjectiveScale.parts`.

        Args:
            labelled: [B_l], or None.
            unlabelled: [B_u], or None.
            labelled_mask: bool [B_l], the labelled examples that count; None for all.
            unlabelled_mask: bool [B_u], likewise.
            added: scalars, the losses that layers add, means over the examples of the step.
        """
        rows = [_sum_and_number(unlabelled, unlabelled_mask), _sum_and_number(labelled, labelled_mask)]
        values, mask = (labelled, labelled_mask) if unlabelled is None else (unlabelled, unlabelled_mask)
        number = tf.cast(tf.shape(values)[0], tf.float32) if mask is None else tf.reduce_sum(tf.cast(mask, tf.float32))
        total = tf.add_n([tf.cast(loss, tf.float32) for loss in added]) if added else 0.0
        rows.append(tf.stack([number * total, number]))
        self.totals.assign_add(tf.stack([tf.cast(row, self.totals.dtype) for row in rows]))

    def result(self) -> tf.Tensor:
        sums, numbers = tf.unstack(tf.convert_to_tensor(self.totals), axis=1)
        unlabelled, labelled, added = tf.unstack(tf.math.divide_no_nan(sums, numbers))
        return added - unlabelled - labelled


class SkippedSteps(keras.metrics.Metric):
    """The number of steps whose gradients were not finite, and how many of the last ones in a row."""

    def __init__(self, name: str = "skipped_steps", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.total = self.add_variable((), initializer="zeros", name="total")
        self.in_a_row = self.add_variable((), initializer="zeros", name="in_a_row")

    def update_state(self, skipped: tf.Tensor) -> None:
        """Counts a step.

        Args:
            skipped: 1 for a step that was skipped, else 0; divided by the number of replicas, which all count it.
        """
        self.total.assign_add(skipped)
        self.in_a_row.assign((self.in_a_row + skipped) * tf.cast(skipped > 0, skipped.dtype))

    def reset_state(self) -> None:
        """Starts a new total. Steps in a row go on from epoch to epoch."""
        self.total.assign(0.0)

    def result(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.total)


class Monitor:
    """The metrics of a model: means of its terms, errors and calibration of its supervised variables.

    Metrics of several supervised variables carry the variable's name in front.

    Args:
        data_format: the observed and supervised variables.
        term_names: names of the terms.
    """

    def __init__(self, data_format: DataFormat, term_names: tuple[str, ...]) -> None:
        self.data_format = data_format
        self.loss = ObjectiveLoss()
        self.skipped = SkippedSteps()
        self.means = [keras.metrics.Mean(name=name) for name in term_names]
        heads = data_format.supervised
        prefixes = {name: f"{name}_" if len(heads) > 1 else "" for name in heads}
        self.errors = {name: keras.metrics.Mean(name=prefixes[name] + head.error_name) for name, head in heads.items()}
        #: Means of the terms of `compile(consistency=...)`.
        self.consistency: list[keras.metrics.Metric] = []
        #: {variable: metrics} that the user gave to `compile`.
        self.given: dict[str, list[keras.metrics.Metric]] = {}
        self.calibration = {name: ExpectedCalibrationError(name=prefixes[name] + "ece") for name in data_format.classes}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All of them."""
        return [*self._own, *self.consistency, *_flat(self.given)]

    @property
    def _own(self) -> list[keras.metrics.Metric]:
        """Those of every model."""
        return [self.loss, self.skipped, *self.means, *self.errors.values(), *self.calibration.values()]

    def direct(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Tells callbacks that watch a metric, such as EarlyStopping, whether it should go up or down.

        Bounds and log p(x) go up, and what Keras says of the user's metrics; the rest goes down.

        Args:
            callbacks: any; those that were told, or watch something else, stay as they are.
        """
        given = {metric for metrics in self.given.values() for metric in metrics}
        for callback in callbacks:
            watched = str(getattr(callback, "monitor", "")).removeprefix("val_")
            metric = next((metric for metric in self.metrics if metric.name == watched), None)
            if metric is None or getattr(callback, "mode", None) != "auto":
                continue
            is_ours = metric not in given
            goes_up = watched.startswith(("bound_", "log_p")) if is_ours else keras_internals.goes_up(metric)
            if goes_up is not None:
                callback.mode = "max" if goes_up else "min"

    def set_given(self, metrics: Any, terms: Sequence[str] = ()) -> None:
        """Replaces the user's metrics, and the means of the terms of `compile(consistency=...)`.

        Args:
            metrics: the argument of `compile`: a metric or a list of them, where one variable is supervised; {variable:
                metric or list} of several; None for none. A metric is an object, a function or a name, as in Keras.
            terms: the names of these terms.

        Raises:
            ValueError: a variable that is not supervised, or two metrics of one name.
        """
        given: dict[str, list[keras.metrics.Metric]] = {}
        for variable, chosen in _by_variable(metrics, self.data_format).items():
            chosen = chosen if isinstance(chosen, list | tuple) else [chosen]
            is_class = variable in self.data_format.classes
            prefix = f"{variable}_" if len(self.data_format.supervised) > 1 else ""
            given[variable] = [_metric(metric, is_class, prefix) for metric in chosen]
        of_terms = [keras.metrics.Mean(name=name) for name in terms]
        names = [metric.name for metric in (*self._own, *of_terms, *_flat(given))]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Every metric needs a name of its own. Received: {twice}, more than once")
        self.given, self.consistency = given, of_terms

    def add_given(self, predictions: dict[str, tf.Tensor], y: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Updates the user's metrics where their variables are known: labels or values, and predictions."""
        known = self.data_format.is_known(y)
        results = {}
        for variable, metrics in self.given.items():
            true, mask = y[variable], tf.cast(known[variable], tf.float32)
            if variable in self.data_format.classes:
                true = tf.maximum(true, 0)
            else:
                true = event(self.data_format.supervised[variable], true)
            for metric in metrics:
                metric.update_state(true, predictions[variable], sample_weight=mask)
                results[metric.name] = metric.result()
        return results

    def add_loss(
        self,
        labelled: tf.Tensor | None,
        unlabelled: tf.Tensor | None,
        labelled_mask: tf.Tensor | None = None,
        unlabelled_mask: tf.Tensor | None = None,
        added: Sequence[tf.Tensor] = (),
    ) -> dict[str, tf.Tensor]:
        """Counts a batch's loss, see `ObjectiveLoss`; returns {name: value so far}, as the other methods do."""
        self.loss.update_state(labelled, unlabelled, labelled_mask, unlabelled_mask, added)
        return {"loss": self.loss.result()}

    def add_skipped(self, is_finite: tf.Tensor) -> dict[str, tf.Tensor]:
        """Counts a step whose gradients were not finite (0), once however many replicas it has."""
        self.skipped.update_state((1.0 - is_finite) / tf.distribute.get_strategy().num_replicas_in_sync)
        return {"skipped_steps": self.skipped.result()}

    def add_terms(self, terms: dict[str, tf.Tensor], mask: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Counts a batch's terms, [B] each, where `mask`, bool [B], is true."""
        means = [mean for mean in (*self.means, *self.consistency) if mean.name in terms]
        for mean in means:
            mean.update_state(*_where(mask, terms[mean.name]))
        return {mean.name: mean.result() for mean in means}

    def add_errors(self, predictions: dict[str, tf.Tensor], y: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Counts the error of each supervised variable where it is known."""
        known = self.data_format.is_known(y)
        for name, metric in self.errors.items():
            head = self.data_format.supervised[name]
            metric.update_state(*_where(known[name], head.error(predictions[name], event(head, y[name]))))
        return {metric.name: metric.result() for metric in self.errors.values()}

    def add_calibration(self, predictions: dict[str, tf.Tensor], y: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Counts the calibration of each supervised class where it is known."""
        known = self.data_format.is_known(y)
        for name, metric in self.calibration.items():
            mask = tf.cast(known[name], predictions[name].dtype)
            metric.update_state(tf.maximum(y[name], 0), predictions[name], sample_weight=mask)
        return {metric.name: metric.result() for metric in self.calibration.values()}


def _flat(given: dict[str, list[keras.metrics.Metric]]) -> list[keras.metrics.Metric]:
    """The metrics of all variables."""
    return [metric for metrics in given.values() for metric in metrics]


def _where(mask: tf.Tensor | None, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Values [B] and their weights, 0 outside the mask, where values need not be finite."""
    if mask is None:
        return values, None
    return tf.where(mask, values, tf.zeros_like(values)), tf.cast(mask, values.dtype)


def _sum_and_number(values: tf.Tensor | None, mask: tf.Tensor | None = None) -> tf.Tensor:
    """[the sum of values [B] where the mask is true, their number]; zeros for None."""
    if values is None:
        return tf.zeros([2])
    values, weights = _where(mask, values)
    number = tf.shape(values)[0] if weights is None else tf.reduce_sum(weights)
    return tf.stack([tf.reduce_sum(values), tf.cast(number, values.dtype)])


def _by_variable(metrics: Any, data_format: DataFormat) -> dict[str, Any]:
    """{supervised variable: its metrics}."""
    if not metrics:
        return {}
    names = list(data_format.supervised)
    if isinstance(metrics, dict):
        if unknown := sorted(set(metrics) - set(names)):
            raise ValueError(f"metrics are of supervised variables, {names}. Received: {unknown}")
        return metrics
    if len(names) != 1:
        raise ValueError(
            f"metrics must be {{variable: metrics}} of the supervised variables, {names}. Received: {metrics!r}"
        )
    return {names[0]: metrics}


def _metric(identifier: Any, is_class: bool, prefix: str) -> keras.metrics.Metric:
    """The Keras metric that an object, a function or a name stands for; labels of a class are integers."""
    if isinstance(identifier, keras.metrics.Metric):
        return identifier
    if is_class and identifier in ("accuracy", "acc"):
        return keras.metrics.SparseCategoricalAccuracy(name=prefix + identifier)
    if is_class and identifier in ("crossentropy", "ce"):
        return keras.metrics.SparseCategoricalCrossentropy(name=prefix + identifier)
    found = keras.metrics.get(identifier)
    if isinstance(found, keras.metrics.Metric):  # of a name, which it takes, as in Keras
        return type(found).from_config(found.get_config() | {"name": f"{prefix}{identifier}"})
    name = identifier if isinstance(identifier, str) else found.__name__
    return keras.metrics.MeanMetricWrapper(found, name=prefix + name)
