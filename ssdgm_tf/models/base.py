"""The training half of a model: what `compile` takes, what `fit` does with labels, and one step."""

import abc

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import objectives
from ssdgm_tf.models import checks, streams
from ssdgm_tf.models.metrics import ExpectedCalibrationError
from ssdgm_tf.models.objective_scale import ObjectiveScale

# The beta of Maaloe et al. 2016 that makes the default weights.
_BETA = 0.1
# What keras.Model.compile takes for losses and metrics given from outside.
_OF_KERAS_LOSSES = {"loss", "metrics", "loss_weights", "weighted_metrics"}
# What keras.Model.fit takes to weigh or split plain arrays.
_OF_KERAS_ARRAYS = {"sample_weight", "class_weight", "validation_split"}
# Terms that only a labelled example has.
_LABELLED_TERMS = ("bound_labelled", "classification_loss", "error")


class SemiSupervisedModel(keras.Model, abc.ABC):
    """A `keras.Model` whose training data are labelled for some examples only.

    A subclass says what the bounds are (`unlabelled_terms`, `labelled_terms`) and what the class probabilities are
    (`call`); this class turns them into the objective and its metrics:

        loss = - [ mean_n U(x_n) + gamma (M / N) mean_m ( L(x_m, y_m) + a log q(y_m|x_m) ) ]

    Every metric is a mean over examples. In `fit`, terms with the label held are over the labelled stream and the rest
    over the unlabelled one; in `evaluate` every example plays both parts, the first where y >= 0.

    Args:
        num_classes: number of classes K, at least 2.
        unit_interval: must pixels lie in [0, 1]?
    """

    #: Names of the metrics that are means of one term each.
    term_names = (*_LABELLED_TERMS, "bound_unlabelled", "log_px", "kl_z", "kl_y")

    def __init__(self, num_classes: int, unit_interval: bool, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(num_classes, int) or num_classes < 2:
            raise ValueError(f"num_classes must be an integer of at least 2. Received: num_classes={num_classes!r}")
        self.num_classes = num_classes
        self.unit_interval = unit_interval
        self.image_shape = None
        self.objective_scale = None
        #: Training steps taken; saved with the model, for a resumed run and for schedules.
        self.step = self.add_weight(name="step", shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.means = [keras.metrics.Mean(name=name) for name in self.term_names]
        self.ece = ExpectedCalibrationError()

    @abc.abstractmethod
    def unlabelled_terms(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`bound_unlabelled` and the terms that it is made of, each [B], nats."""

    @abc.abstractmethod
    def labelled_terms(self, x: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
        """`bound_labelled` and the terms that it is made of, each [B], nats, and `log_qy` [B, K], for labels y [B]."""

    @abc.abstractmethod
    def call(self, x, training=None):
        """Class probabilities q(y|x), float32 [B, K]."""

    @property
    def metrics(self):
        return [self.loss_tracker, *self.means, self.ece]

    def compile(
        self,
        optimizer="adam",
        *,
        gamma: float | None = None,
        classification_weight: float | None = None,
        num_samples: int = 1,
        num_unlabelled: int | None = None,
        num_labelled: int | None = None,
        **kwargs,
    ):
        """Chooses the optimizer and the objective's weights.

        Args:
            optimizer: a Keras optimizer or its name.
            gamma: weight of a labelled example against an unlabelled one. None for N / M: the means of both streams count
                alike. 1 is the paper's, every example counts once.
            classification_weight: nats per labelled example for each nat of log q(y|x), the a of the objective. None for
                0.1 (N + M) / M. Both defaults are `ssdgm_tf.objectives.adgm_weights(0.1, ...)`; the functions beside it
                convert other conventions.
            num_samples: Monte-Carlo samples S of z.
            num_unlabelled: N; `fit` counts it in arrays. For a tf.data.Dataset without it, the batch sizes stand in.
            num_labelled: M, likewise.
            **kwargs: `jit_compile`, `steps_per_execution`, `run_eagerly`, `auto_scale_loss` of `keras.Model.compile`.
        """
        for name, value in (("gamma", gamma), ("classification_weight", classification_weight)):
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative. Received: {name}={value!r}")
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1. Received: num_samples={num_samples!r}")
        if (num_unlabelled is None) != (num_labelled is None):
            raise ValueError(
                "num_unlabelled and num_labelled go together. "
                f"Received: num_unlabelled={num_unlabelled!r}, num_labelled={num_labelled!r}"
            )
        if refused := sorted(_OF_KERAS_LOSSES & set(kwargs)):
            raise ValueError(f"The objective and its metrics belong to the model; compile takes none. Received: {refused}")
        super().compile(optimizer=optimizer, **kwargs)
        self.gamma = gamma
        self.classification_weight = classification_weight
        self.num_samples = num_samples
        self.data_sizes = None if num_labelled is None else (num_unlabelled, num_labelled)
        self.objective_scale = None
        if self.data_sizes:
            self._set_objective_scale(*self.data_sizes)
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config is None:
            return None
        scale = self.objective_scale
        own = {
            "gamma": self.gamma,
            "classification_weight": self.classification_weight,
            "num_samples": self.num_samples,
        }
        if scale is not None:
            own |= {"num_unlabelled": scale.num_unlabelled, "num_labelled": scale.num_labelled}
        return {name: value for name, value in config.items() if name not in _OF_KERAS_LOSSES} | own

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose="auto",
        callbacks=None,
        *,
        labelled_batch_size: int | None = None,
        shuffle: bool = True,
        seed: int | None = None,
        initial_epoch: int = 0,
        **kwargs,
    ):
        """Trains on labelled and unlabelled examples together.

        Args:
            x: images [N + M, ...]; or a `tf.data.Dataset` of {"labelled": (x, y), "unlabelled": x}, whose batches are
                taken as they come.
            y: labels [N + M]: 0..K-1, or -1 for "no label".
            batch_size: unlabelled examples a step, 100 if None. Each is seen once an epoch.
            epochs: passes over the unlabelled examples.
            verbose: as in `keras.Model.fit`; unless 0, the effective weights are printed first.
            callbacks: as in `keras.Model.fit`.
            labelled_batch_size: labelled examples a step, re-drawn in whole permutations; None for as many as
                `batch_size`, at most all of them.
            shuffle: shuffle both streams of arrays each epoch.
            seed: of the order of arrays; None to draw it from NumPy's global state.
            initial_epoch: the epoch to start at; its order does not depend on the epochs before.
            **kwargs: `validation_data` (what `evaluate` takes), `steps_per_epoch`, ... of `keras.Model.fit`.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: bad labels, pixels, shapes or weights; no labelled example.

        Warns:
            UserWarning: a class without labels, or no unlabelled example.
        """
        self._require_compiled("fit")
        if refused := sorted(_OF_KERAS_ARRAYS & set(kwargs)):
            raise ValueError(f"fit weighs examples by gamma alone, and splits none off. Received: {refused}")
        if isinstance(x, tf.data.Dataset):
            _refuse_labels_beside_a_dataset(y)
            data = self._streams_of_dataset(x)
        else:
            data, steps = self._streams_of_arrays(x, y, batch_size, labelled_batch_size, shuffle, seed, initial_epoch)
            kwargs.setdefault("steps_per_epoch", steps)
        if (validation := kwargs.get("validation_data")) is not None:
            pair = (validation,) if isinstance(validation, tf.data.Dataset) else validation
            kwargs["validation_data"] = self._evaluation_input(*pair)
        if verbose:
            print(f"{type(self).__name__}: {self.objective_scale}")
        return super().fit(
            data,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            shuffle=False,  # the streams are shuffled, or a Dataset is taken as it is
            initial_epoch=initial_epoch,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, batch_size: int | None = None, verbose="auto", **kwargs):
        """The objective and its terms on examples of which any may be labelled.

        Args:
            x: images [N, ...]; or a `tf.data.Dataset` of batches (x, y).
            y: labels [N], -1 for "no label"; None for no label at all.
            batch_size: examples a step of arrays, 100 if None.
            verbose: as in `keras.Model.evaluate`.
            **kwargs: of `keras.Model.evaluate`; with `return_dict=True` the metrics come by name.
        """
        self._require_compiled("evaluate")
        if "_use_cached_eval_dataset" not in kwargs:  # from `fit`, which has checked its validation data
            x, y = self._evaluation_input(x, y)
            if self.objective_scale is None:  # never fitted: every example counts once
                self._set_objective_scale(1, 1)
        return super().evaluate(x, y, batch_size=batch_size or 100, verbose=verbose, **kwargs)

    def predict(self, x, batch_size: int | None = None, verbose="auto", **kwargs) -> np.ndarray:
        """Class probabilities q(y|x), float32 [N, K].

        Args:
            x: images [N, ...]; or a `tf.data.Dataset` of batches of them, which is not checked.
            batch_size: examples a step of arrays, 100 if None.
            verbose: as in `keras.Model.predict`.
            **kwargs: of `keras.Model.predict`.
        """
        self._require_built()
        if not isinstance(x, tf.data.Dataset):
            x = checks.images(x, self.image_shape, self.unit_interval)
        return super().predict(x, batch_size=batch_size or 100, verbose=verbose, **kwargs)

    def train_step(self, data):
        x, y = data["labelled"]
        with tf.GradientTape() as tape:
            labelled, unlabelled = self._labelled_terms(x, y), None
            if "unlabelled" in data:
                unlabelled = self.unlabelled_terms(data["unlabelled"])
            loss = self._loss(labelled, unlabelled)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.step.assign_add(1)
        self.loss_tracker.update_state(loss)
        return self._log(labelled, unlabelled)

    def test_step(self, data):
        x, y = data
        has_label, y = y >= 0, tf.maximum(y, 0)
        labelled, unlabelled = self._labelled_terms(x, y), self.unlabelled_terms(x)
        mask = tf.cast(has_label, labelled["objective"].dtype)
        self.loss_tracker.update_state(self._loss(labelled, unlabelled, mask), sample_weight=tf.shape(x)[0])
        self.ece.update_state(y, tf.exp(labelled["log_qy"]), sample_weight=mask)
        return self._log(labelled, unlabelled, mask) | {"ece": self.ece.result()}

    def _streams_of_dataset(self, dataset) -> tf.data.Dataset:
        """The dataset, checked; the model is built for it and the objective weighted by the sizes known, or by batch."""
        data = streams.check_streams(dataset, self.image_shape, self.num_classes, self.unit_interval)
        first = next(iter(data.take(1)))
        self._build_for(first["labelled"][0].shape)
        batch_sizes = len(first.get("unlabelled", ())), len(first["labelled"][1])
        self._set_objective_scale(*(self.data_sizes or batch_sizes))
        return data

    def _streams_of_arrays(self, x, y, batch_size, labelled_batch_size, shuffle, seed, initial_epoch):
        """A dataset of both streams and its steps an epoch; the model is built and the objective weighted for them."""
        x = checks.images(x, self.image_shape, self.unit_interval)
        y = checks.labels(y, self.num_classes, len(x))
        checks.supervision(y, self.num_classes)
        seed = int(np.random.randint(2**31)) if seed is None else seed
        data, steps = streams.two_streams(x, y, batch_size or 100, labelled_batch_size, shuffle, seed, initial_epoch)
        self._build_for(x.shape)
        num_labelled = int(np.sum(y != checks.UNLABELLED))
        self._set_objective_scale(len(y) - num_labelled, num_labelled)
        return data, steps

    def _labelled_terms(self, x, y) -> dict[str, tf.Tensor]:
        """`labelled_terms` and what follows from the classifier: the objective Lsup, its loss and its errors, each [B]."""
        terms = self.labelled_terms(x, y)
        log_qy = tf.gather(terms["log_qy"], y, batch_dims=1)
        wrong = tf.argmax(terms["log_qy"], axis=-1, output_type=y.dtype) != y
        return terms | {
            "objective": objectives.labelled_objective(
                terms["bound_labelled"], log_qy, self.objective_scale.classification_weight
            ),
            "classification_loss": -log_qy,
            "error": tf.cast(wrong, log_qy.dtype),
        }

    def _loss(self, labelled, unlabelled, mask=None) -> tf.Tensor:
        """Minus the objective, a scalar; `mask` [B] leaves labelled terms out where it is 0."""
        scale = self.objective_scale
        mask = tf.ones_like(labelled["objective"]) if mask is None else mask
        supervised = tf.math.divide_no_nan(tf.reduce_sum(mask * labelled["objective"]), tf.reduce_sum(mask))
        if unlabelled is None or not scale.num_unlabelled:
            return -supervised
        return -objectives.total_objective(
            unlabelled["bound_unlabelled"], supervised, scale.gamma, scale.num_unlabelled, scale.num_labelled
        )

    def _log(self, labelled, unlabelled, mask=None) -> dict[str, tf.Tensor]:
        """Adds this batch's terms to their means; those of both streams are taken from the unlabelled one."""
        terms = labelled | (unlabelled or {})
        logs = {"loss": self.loss_tracker.result()}
        for mean in self.means:
            if mean.name in terms:
                mean.update_state(terms[mean.name], sample_weight=mask if mean.name in _LABELLED_TERMS else None)
                logs[mean.name] = mean.result()
        return logs

    def _set_objective_scale(self, num_unlabelled, num_labelled) -> None:
        """Fixes the weights of the objective; they are constants of the compiled step, so a change makes a new one."""
        default = objectives.adgm_weights(_BETA, num_unlabelled + num_labelled, num_unlabelled, num_labelled)
        gamma = default.gamma if self.gamma is None else self.gamma
        weight = default.classification_weight if self.classification_weight is None else self.classification_weight
        scale = ObjectiveScale(num_unlabelled, num_labelled, gamma, weight)
        if scale != self.objective_scale:
            self.objective_scale = scale
            self.train_function = self.test_function = None

    def _build_for(self, shape) -> None:
        if not self.built:
            self.build((None, *shape[1:]))
            # Within the step, creating the optimizer's variables would trace it a second time.
            self.optimizer.build(self.trainable_variables)

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"Call compile() before {method}(). Received: a model that was not compiled.")

    def _evaluation_input(self, x, y=None) -> tuple:
        """Checked (x, y) of arrays, or (checked dataset, None); the model is built for them."""
        if isinstance(x, tf.data.Dataset):
            _refuse_labels_beside_a_dataset(y)
            data = streams.check_pairs(x, self.image_shape, self.num_classes, self.unit_interval)
            self._build_for(next(iter(data.take(1)))[0].shape)
            return data, None
        x, y = self._checked_pair(x, y)
        self._build_for(x.shape)
        return x, y

    def _checked_pair(self, x, y=None) -> tuple[np.ndarray, np.ndarray]:
        """Checked arrays; no labels at all are as many times -1."""
        x = checks.images(x, self.image_shape, self.unit_interval)
        return x, checks.labels(np.full(len(x), checks.UNLABELLED) if y is None else y, self.num_classes, len(x))

    def _require_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"{type(self).__name__} takes the shape of its images from fit() or build(): call one first. "
                "Received: a model without weights."
            )


def _refuse_labels_beside_a_dataset(y) -> None:
    if y is not None:
        raise ValueError(
            f"y must be None where x is a tf.data.Dataset, which holds the labels. Received: y={type(y).__name__}"
        )
