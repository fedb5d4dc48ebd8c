"""The training half of a model: `compile`, `fit` and `evaluate` with partly labelled data, and one step."""

import abc
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from ssdgm_tf import consistency as of_predictions
from ssdgm_tf import keras_internals
from ssdgm_tf.engine import counted, trace_bounds
from ssdgm_tf.layers import kernels, precision, supports
from ssdgm_tf.layers.random_state import CONSISTENCY
from ssdgm_tf.models import batches, compilation, devices, failures, loops, nans, objective, streams
from ssdgm_tf.models.data_format import DataFormat, num_examples, only_or_all
from ssdgm_tf.models.metrics import Monitor
from ssdgm_tf.models.order import InOrder, Order

_T = TypeVar("_T")

# Arguments of keras.Model.fit that weigh or split plain arrays.
_OF_KERAS_ARRAYS = {"sample_weight", "class_weight", "validation_split"}


class SemiSupervisedModel(keras_internals.StreamModel, abc.ABC):
    """A `keras.Model` whose training data are labelled for some examples only.

    A subclass says what the bounds are (`unlabelled_terms`, `labelled_terms`) and what it predicts (`call`); this class
    turns them into the objective and its metrics:

        loss = - [ mean_n U(x_n) + gamma (M / N) mean_m ( L(x_m, y_m) + a log q(y_m|x_m) ) ]

    Every metric is a mean over examples. In `fit`, terms with labels held are over the labelled stream and the rest over the
    unlabelled one; in `evaluate` every example counts as unlabelled, and as labelled too if it has a label.

    Args:
        data_format: the observed and supervised variables.
        term_names: names of the metrics that are means of one term each, beside those of the supervised variables.
    """

    # Keras sets these.
    built: bool
    jit_compile: bool
    steps_per_execution: int
    train_function: Any
    test_function: Any
    predict_function: Any

    def __init__(self, data_format: DataFormat, term_names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format
        self.objective_scale: objective.ObjectiveScale | None = None
        #: N and M as `compile` was given them.
        self.data_sizes: tuple[int, int] | None = None
        self.jit_is_auto, self.steps_are_auto, self.fuses_kernels, self.debug_nans = True, True, False, False
        #: {"train" or "test": the arrays in memory that `fit` or `evaluate` goes over}.
        self.passes: dict[str, loops.Passes] = {}
        self.labelled_bound: str | None = None
        self.unlabelled_bound = trace_bounds.UNLABELLED[0]
        self.kl_weight: float | keras.optimizers.schedules.LearningRateSchedule | None = None
        self.bound_weight: float | keras.optimizers.schedules.LearningRateSchedule | None = None
        self.free_bits, self.num_samples = 0.0, 1
        self.consistency: tuple[of_predictions.Term, ...] = ()
        #: Constants of the compiled training step: the supervised variables that every labelled example has, and the
        #: observed ones of which no element is missing.
        self.complete = (*data_format.always_complete, *data_format.observed)
        #: Training steps taken; saved with the model, for a resumed run and for schedules.
        self.step = self.add_weight(name="step", shape=(), dtype="int64", initializer="zeros", trainable=False)
        self.monitor = Monitor(data_format, term_names)

    @abc.abstractmethod
    def unlabelled_terms(
        self, x: dict[str, tf.Tensor], complete: tuple[str, ...] = (), training: bool = False
    ) -> dict[str, Any]:
        """The terms of a step over examples without labels; elements of variables that are not `complete` may be missing.

        Returns:
            `objective` (training maximises it), `bound_unlabelled` and the terms that it is made of, each [B], nats.
        """

    @abc.abstractmethod
    def labelled_terms(
        self,
        x: dict[str, tf.Tensor],
        y: dict[str, tf.Tensor],
        complete: tuple[str, ...],
        training: bool = False,
    ) -> dict[str, Any]:
        """The terms of a step over examples with labels; values of variables that are not `complete` may be missing.

        Returns:
            `objective` (without the classification term), `label_objective` (log q(y|x), with the gradient of all draws
            before y), `bound_labelled` and `classification_loss` = -log q(y|x), each [B], nats; and `predictions`, the
            means of the supervised variables, {name: [B, *event]}, if the labels have no influence on them; else {}.
        """

    @abc.abstractmethod
    def predicted_means(self, x: dict[str, tf.Tensor], complete: tuple[str, ...] = ()) -> dict[str, tf.Tensor]:
        """The predicted means of the supervised variables, {name: [B, *event]}: those of `call`.

        Args:
            x: {name: tensor} of the observed variables.
            complete: those of which no element is missing.
        """

    @abc.abstractmethod
    def call(self, x: Any, training: bool | None = None) -> Any:
        """Predictions of the supervised variables."""

    @property
    def divergence_terms(self) -> tuple[str, ...]:
        """The names of the losses of divergences of nodes, which training steps log."""
        return ()

    @property
    def evaluations_per_example(self) -> int:
        """How many times the widest network is evaluated for an unlabelled example."""
        return self.num_samples

    @property
    def num_steps(self) -> int:
        """Training steps taken."""
        return int(keras.ops.convert_to_numpy(self.step))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.monitor.metrics

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        *,
        gamma: float | None = None,
        classification_weight: float | None = None,
        num_samples: int = 1,
        num_unlabelled: int | None = None,
        num_labelled: int | None = None,
        labelled_bound: str | None = None,
        unlabelled_bound: str = trace_bounds.UNLABELLED[0],
        kl_weight: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
        bound_weight: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
        free_bits: float = 0.0,
        consistency: Any = None,
        metrics: Any = None,
        debug_nans: bool = False,
        steps_per_execution: int | str = "auto",
        **kwargs: Any,
    ) -> None:
        """Chooses the optimizer, the objective and its weights.

        Args:
            optimizer: a Keras optimizer or its name.
            gamma: weight of a labelled example against an unlabelled one. None for N / M: the means of both streams count
                alike. 1 is the paper's, every example counts once.
            classification_weight: nats per labelled example for each nat of log q(y|x), the a of the objective. None for
                0.1 (N + M) / M, and of images at least 50 nats for each 784 elements. Both defaults but for images are
                `ssdgm_tf.objectives.adgm_weights(0.1, ...)`; the functions beside it convert other conventions.
            num_samples: Monte-Carlo samples S of what is drawn.
            num_unlabelled: N; `fit` counts it in arrays. For batches without it, the sizes of the first one stand in.
            num_labelled: M, likewise.
            labelled_bound: "conditional" (labels held, the rest drawn: the evidence lower bound), "importance" (Siddharth et
                al. 2017: self-normalised weights) or "importance_weighted" (the same with the logarithm outside). None for
                the model's own choice, see `labelled_bound_in_use`.
            unlabelled_bound: "evidence_lower_bound", or "importance_weighted" (Burda et al. 2016).
            kl_weight: weight of the KL terms of latent variables in training; a number, or a
                `keras.optimizers.schedules.LearningRateSchedule` of the training step, such as
                `PolynomialDecay(0.0, 1000, 1.0)` for a linear warm-up. None for 1. The logged bounds do not have it.
            bound_weight: weight of U and L in the objective, beside that of log q(y|x) and of the terms of
                `consistency`; a number above 0, or a schedule as above. None for 1. A small weight at first lets q(y|x)
                learn from these alone, while Adam, which does not mind the scale of a loss, trains all other networks as
                fast. The logged bounds do not have it.
            free_bits: nats below which the mean KL of a latent variable costs nothing more in training (Kingma et al. 2016);
                for the evidence lower bound only.
            consistency: terms on q(y|x) of the unlabelled examples of a step, and of the classes that labelled ones
                lack, which training adds to minus the objective: names, such as "views" or
                "virtual_adversarial=0.5,entropy=0.1", or terms of `ssdgm_tf.consistency`. Bounds do not have them; each
                is logged by its name, without its weight.
            metrics: Keras metrics of the predictions of supervised variables, beside the model's own: a list, where one
                variable is supervised, or {variable: list}. Of a class they get integer labels and class probabilities
                ("accuracy" works), of any other variable values and predicted means; where the variable is known.
            debug_nans: check every term of every step, and let `fit` raise a FloatingPointError at the first that is not
                finite, with its name and the step; not with XLA. Without it such a step moves no weight by its gradients,
                and the metric `skipped_steps` counts it.
            steps_per_execution: steps that one call of the compiled program takes. Callbacks are called once for them, as in
                Keras (`TerminateOnNaN` too); up to rounding the weights are the same for any number. With "auto" one step
                where a callback looks at every batch or batches come from elsewhere than arrays in memory; else as many as
                take about half a second, at most 50.
            **kwargs: `jit_compile`, `run_eagerly`, `auto_scale_loss` of `keras.Model.compile`.
                With `jit_compile="auto"`, the default, XLA compiles the whole step where there is a GPU. On a CPU it
                compiles only the elementwise work between matrix products, and only in large steps (docs/performance.md).
        """
        objective.check_arguments(
            gamma,
            classification_weight,
            num_samples,
            num_unlabelled,
            num_labelled,
            labelled_bound,
            unlabelled_bound,
            free_bits,
            bound_weight,
        )
        if refused := sorted(compilation.OF_KERAS_LOSSES & set(kwargs)):
            raise ValueError(f"The objective belongs to the model; compile takes none. Received: {refused}")
        nans.check(debug_nans, kwargs.get("jit_compile", "auto"))
        devices.check(self.distribute_strategy, kwargs.get("jit_compile", "auto"), steps_per_execution)
        terms = of_predictions.get(consistency)
        for term in terms:
            term.check_optimizer(keras.optimizers.get(optimizer))
            if term.mixes_examples and self.is_distributed:
                raise ValueError(
                    f"consistency={term.name!r} is of all examples of a step together, and takes one device. "
                    "Received: a model of several replicas"
                )
        self.monitor.set_given(metrics, [*(term.name for term in terms), *self.divergence_terms])
        self.steps_are_auto = steps_per_execution == "auto"
        steps: Any = 1 if self.steps_are_auto else steps_per_execution
        super().compile(optimizer=optimizer, steps_per_execution=steps, **kwargs)
        # Keras turns "auto" into False without a GPU: there elementwise work is compiled, once a step is known to be large.
        self.jit_is_auto = kwargs.get("jit_compile", "auto") == "auto"
        self.jit_compile = self.jit_compile and not (self.is_distributed or debug_nans)
        self.debug_nans = debug_nans
        self.fuses_kernels = False
        self.gamma = gamma
        self.classification_weight = classification_weight
        self.num_samples = num_samples
        self.labelled_bound, self.unlabelled_bound = labelled_bound, unlabelled_bound
        self.kl_weight, self.free_bits, self.bound_weight = kl_weight, free_bits, bound_weight
        self.consistency = terms
        if self.built:
            self.start_consistency()
        self.data_sizes = None
        if num_unlabelled is not None and num_labelled is not None:
            self.data_sizes = num_unlabelled, num_labelled
        self.objective_scale = None
        if self.built:
            self.weigh_by_sizes()
            self.optimizer.build(self.trainable_variables)

    @supports.as_value_errors()
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        *,
        labelled_batch_size: int | None = None,
        balance: bool = False,
        shuffle: bool = True,
        seed: int | None = None,
        initial_epoch: int = 0,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains on labelled and unlabelled examples together.

        Args:
            x: the observed variable [N + M, ...], or {name: array} of several. Or batches, each a step as it comes: a
                `tf.data.Dataset`, `keras.utils.PyDataset`, Grain or PyTorch loader, or a generator with `steps_per_epoch`.
                A batch is {"labelled": (x, y), "unlabelled": x}, or (x, y), which is split by its labels, or x.
            y: the supervised variable, or {name: array} of any of several: labels 0..K-1 of a class, -1 for "no label";
                numbers of any other, NaN for "not known". An example is labelled if it has any. None for no label at all.
            batch_size: unlabelled examples a step, 100 if None. Each is seen once an epoch.
            epochs: passes over the unlabelled examples.
            verbose: as in `keras.Model.fit`; unless 0, the effective weights are printed first.
            callbacks: as in `keras.Model.fit`.
            labelled_batch_size: labelled examples a step, re-drawn in whole permutations; None for as many as
                `batch_size`, at most all of them.
            balance: whether the labelled stream of arrays holds each class equally often, so that the mean over labelled
                examples becomes one over classes. For one supervised variable, a class.
            shuffle: shuffle both streams of arrays each epoch.
            seed: of the order of arrays; None to draw it from NumPy's global state.
            initial_epoch: the epoch to start at; its batches do not depend on the epochs before.
            **kwargs: `validation_data` (what `evaluate` takes), `steps_per_epoch`, ... of `keras.Model.fit`.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: bad labels, values, shapes or weights; of batches, when they are reached.
            MemoryError: the device has too little memory for a step.
            FloatingPointError: many steps in a row whose gradients are not finite; a term that is not finite, where
                `debug_nans` was asked for.

        Warns:
            UserWarning: a class without labels; no unlabelled example, or no labelled one; values whose size hinders
                training.
        """
        self._require_compiled("fit")
        _refuse_weights("fit", kwargs)
        check_counts(
            batch_size=batch_size, labelled_batch_size=labelled_batch_size, steps_per_epoch=kwargs.get("steps_per_epoch")
        )
        num_steps = kwargs.pop("steps_per_epoch", None)
        of_arrays: dict[str, Any] = {
            "batch_size": batch_size,
            "labelled_batch_size": labelled_batch_size,
            "balance": balance or None,
        }
        with contextlib.ExitStack() as reading:
            reading.enter_context(failures.in_words(self, batch_size=batch_size, labelled_batch_size=labelled_batch_size))
            reading.enter_context(nans.named(self))
            reading.enter_context(batches.to_the_end(num_steps, kwargs.get("validation_steps")))
            if batches.is_source(x):
                batches.check_no_labels_beside(y)
                _refuse_beside_batches(**of_arrays)
                data = self._streams_of_source(x, num_steps, reading)
            else:
                arrays = self._streams_of_arrays(x, y, **of_arrays, shuffle=shuffle, seed=seed)
                data = self._epochs_of_arrays(arrays, num_steps, initial_epoch, _flat(callbacks), reading)
            own = [nans.watch(self), *data.callbacks]
            if kwargs.get("validation_data") is not None:
                own += self._read_validation(kwargs, reading)
            dataset = devices.split(data.dataset, self.distribute_strategy) if self.is_distributed else data.dataset
            if verbose:
                print(f"{type(self).__name__}: {self.objective_scale}{self._gaps_in_words()}")
            self.monitor.direct(_flat(callbacks))
            reading.enter_context(self._taking(data.steps_at_once))
            return super().fit(
                dataset,
                epochs=epochs,
                verbose=verbose,
                callbacks=[*own, *_flat(callbacks)],
                shuffle=False,  # the streams are shuffled, or a Dataset is taken as it is
                initial_epoch=initial_epoch,
                steps_per_epoch=data.num_steps,
                **kwargs,
            )

    @supports.as_value_errors()
    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: str | int = "auto", **kwargs: Any
    ) -> Any:
        """Measures the objective and its terms. Any of the examples may be labelled; without labels there are no errors.

        Args:
            x: as in `fit`; batches are (x, y) or x.
            y: as in `fit`.
            batch_size: examples a step of arrays, 100 if None.
            verbose: as in `keras.Model.evaluate`.
            **kwargs: of `keras.Model.evaluate`; with `return_dict=True` the metrics come by name.
        """
        self._require_compiled("evaluate")
        check_counts(batch_size=batch_size, steps=kwargs.get("steps"))
        if keras_internals.evaluates_within_fit(kwargs):  # which has checked everything
            with contextlib.nullcontext() if "test" in self.passes else self._taking(1):
                self._execute_validation_by(self.steps_per_execution)
                return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, **kwargs)
        _refuse_weights("evaluate", kwargs)
        callbacks = _flat(kwargs.pop("callbacks", None))
        with contextlib.ExitStack() as reading:
            reading.enter_context(failures.in_words(self, batch_size=batch_size))
            reading.enter_context(batches.to_the_end(kwargs.get("steps")))
            data = self._evaluation_input("steps", kwargs.get("steps"), batch_size, callbacks, reading, x, y)
            reading.enter_context(self._taking(data.steps_at_once))
            return super().evaluate(data.dataset, verbose=verbose, callbacks=[*data.callbacks, *callbacks], **kwargs)

    @supports.as_value_errors()
    def predict(self, x: Any, batch_size: int | None = None, verbose: str | int = "auto", **kwargs: Any) -> Any:
        """What `call` predicts: class probabilities, float32 [N, K], for one supervised class.

        Args:
            x: as in `fit`; labels in batches are not looked at.
            batch_size: examples a step of arrays, 100 if None.
            verbose: as in `keras.Model.predict`.
            **kwargs: of `keras.Model.predict`.
        """
        self.require_built()
        check_counts(batch_size=batch_size, steps=kwargs.get("steps"))
        if batches.is_source(x):
            source = batches.Source(x, "steps", kwargs.get("steps"), only_x=True)
            kwargs["callbacks"] = [*source.callbacks("predict"), *_flat(kwargs.get("callbacks"))]
            x = batches.prediction(source, self.data_format)
            with self._taking(1), failures.in_words(self), source.own_errors(), batches.to_the_end(kwargs.get("steps")):
                return super().predict(x, verbose=verbose, **kwargs)
        x = self.data_format.x(x)
        order = InOrder(num_examples(x), batch_size or 100)
        data = streams.in_order(streams.Arrays(x, {}, order, self.fills_steps)).map(lambda x, *_: x)
        with self._taking(1), failures.in_words(self, batch_size=batch_size):
            compilation.trace_predict(self, data.element_spec)
            made = super().predict(data, verbose=verbose, **kwargs)
        return keras.tree.map_structure(lambda array: array[: order.num_examples], made)

    def train_step(self, data: dict[str, Any]) -> dict[str, tf.Tensor]:
        labelled: dict[str, Any] | None = None
        unlabelled: dict[str, Any] | None = None
        fusing = kernels.fusing(self.fuses_kernels or self.jit_compile)
        # Of steps that are filled up; see `streams.Arrays`.
        numbers = data.get("numbers", {})
        num_labelled, num_unlabelled = numbers.get("labelled"), numbers.get("unlabelled")
        with fusing, precision.casting_once(), tf.GradientTape() as tape, keras_internals.one_call(self):
            if "labelled" in data:
                x, y = data["labelled"]
                with counted.first(num_labelled):
                    labelled = nans.checked(self, "labelled", self.labelled_terms(x, y, self.complete, training=True))
            if "unlabelled" in data:
                with counted.first(num_unlabelled):
                    terms = self.unlabelled_terms(data["unlabelled"], self.complete, training=True)
                    unlabelled = nans.checked(self, "unlabelled", terms)
            added = self.losses  # of this replica, before it waits for the others
            shares = devices.as_share(labelled, num_labelled), devices.as_share(unlabelled, num_unlabelled)
            loss = _with_added(self._loss(*shares), added)
            scaled_loss = self.optimizer.scale_loss(devices.scale_loss(loss))
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        predictions: dict[str, tf.Tensor] = {}
        if labelled is not None:  # outside the step's call: what layers add there is no part of the loss
            predictions = labelled["predictions"] or self.predicted_means(data["labelled"][0], self.complete)
        is_finite = compilation.apply_gradients(self.optimizer, gradients, self.trainable_variables, self.fuses_kernels)
        with tf.control_dependencies([is_finite]):  # a step that `debug_nans` ends is not counted
            self.step.assign_add(1)
        masks = _mask(labelled, num_labelled), _mask(unlabelled, num_unlabelled)
        logs = self.monitor.add_skipped(is_finite)
        logs |= self.monitor.add_loss(*self._parts_of_objective(labelled, unlabelled), *masks, added)
        if labelled is not None:
            y = self.data_format.only(data["labelled"][1], masks[0])
            # Terms of both kinds of examples are those of the unlabelled ones.
            only_labelled = {name: term for name, term in labelled.items() if name not in (unlabelled or {})}
            logs |= self.monitor.add_terms(only_labelled, masks[0])
            logs |= self.monitor.add_errors(predictions, y)
            logs |= self.monitor.add_given(predictions, y)
        if unlabelled is not None:
            logs |= self.monitor.add_terms(unlabelled, masks[1])
        return devices.as_logs(self.distribute_strategy, logs)

    def test_step(self, data: tuple[dict[str, Any], dict[str, Any]] | tuple) -> dict[str, tf.Tensor]:
        x, y, number = (*data, None)[:3]
        labelled: dict[str, Any] | None = None
        has_label = None
        with keras_internals.one_call(self), counted.first(number):
            unlabelled = self.unlabelled_terms(x)
            if y:
                labelled = self.labelled_terms(x, y, self.data_format.always_complete)
            added = self.losses
        mask = _mask(unlabelled, number)
        if labelled is not None:
            y = self.data_format.only(y, mask)
            has_label = tf.reduce_any(tf.stack(list(self.data_format.is_known(y).values())), axis=0)
        logs = self.monitor.add_loss(*self._parts_of_objective(labelled, unlabelled), has_label, mask, added)
        logs |= self.monitor.add_terms(unlabelled, mask)
        if labelled is not None:
            predictions = self.predicted_means(x)
            only_labelled = {name: term for name, term in labelled.items() if name not in unlabelled}
            logs |= self.monitor.add_terms(only_labelled, has_label)
            logs |= self.monitor.add_errors(predictions, y)
            logs |= self.monitor.add_calibration(predictions, y)
            logs |= self.monitor.add_given(predictions, y)
        return devices.as_logs(self.distribute_strategy, logs)

    def make_train_function(self, force: bool = False) -> Any:
        if self.train_function is None or force:
            super().make_train_function(force)
            function = loops.going_over(self, "train", self.train_step, self.train_function)
            self.train_function = nans.watched(self, function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if self.test_function is None or force:
            super().make_test_function(force)
            self.test_function = loops.going_over(self, "test", self.test_step, self.test_function)
        return self.test_function

    def train_on_batch(self, x: Any, y: Any = None, return_dict: bool = False) -> Any:
        """One training step on one batch.

        Where no size of the data is known (`compile(num_unlabelled=..., num_labelled=...)`, or an earlier `fit`), the first
        batch with labelled examples and the first with unlabelled ones stand for the data in the weights of the objective.

        Args:
            x: examples as in `fit`; or a batch {"labelled": (x, y), "unlabelled": x}, either of which may be left out.
            y: labels as in `fit`; None where `x` holds both streams.
            return_dict: return {name: value}.

        Returns:
            The loss and the metrics of the batch, in the order of `metrics_names`, or by name.

        Raises:
            ValueError: bad values, or several devices.
        """
        self._require_compiled("train_on_batch")
        if self.is_distributed:
            raise ValueError("train_on_batch takes one device. Received: a model of several replicas")
        batch = self._streams_of_batch(x, y)
        self.make_train_function()
        return self._on_one_batch(self.train_function, batch, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, return_dict: bool = False) -> Any:
        """The objective and its terms on one batch; see `evaluate`.

        Args:
            x: examples as in `evaluate`.
            y: labels as in `evaluate`.
            return_dict: return {name: value}.

        Returns:
            The loss and the metrics of the batch, in the order of `metrics_names`, or by name.

        Raises:
            ValueError: bad values, or several devices.
        """
        self._require_compiled("test_on_batch")
        if self.is_distributed:
            raise ValueError("test_on_batch takes one device. Received: a model of several replicas")
        x, y = self.data_format.pair(x, y)
        self._build_for(x)
        self.make_test_function()
        return self._on_one_batch(self.test_function, _as_tensors((x, y)), return_dict)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return compilation.compile_config(self, config) if self.compiled else config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _streams_of_batch(self, x: Any, y: Any) -> dict[str, Any]:
        """Checks a batch and returns it as tensors; builds the model and sets the weights of the objective if needed."""
        if isinstance(x, dict) and x and set(x) <= {"labelled", "unlabelled"}:
            batches.check_no_labels_beside(y)
            batch = batches.checked_streams(x, self.data_format)
        else:
            batch = batches.split(*self.data_format.pair(x, y), self.data_format)
        examples = batches.examples_of(batch)
        self._set_complete((*self.data_format.always_complete, *self._start_with(examples)))
        # The first batch with examples of a kind says how many there are, unless `compile` or `fit` did.
        known = self.objective_scale[:2] if self.objective_scale else self.data_sizes or (0, 0)
        self._set_objective_scale(*(before or size for before, size in zip(known, _sizes(examples), strict=True)))
        return _as_tensors(batch)

    def _streams_of_source(self, x: Any, num_steps: int | None, reading: contextlib.ExitStack) -> loops.Data:
        """The batches, checked; the model is built for them and the objective weighted by the sizes known, or by batch."""
        source = batches.Source(x, "steps_per_epoch", num_steps)
        examples = batches.examples_of(batches.streams_of(source, self.data_format))
        sizes = _sizes(examples)
        self.data_format.warn_of_scale(next(iter(examples.values())))
        without_gaps = self._start_with(examples)
        self._set_complete((*self.data_format.always_complete, *without_gaps))
        self._choose_kernels(max(sizes))
        self._set_objective_scale(*(self.data_sizes or sizes))
        reading.enter_context(source.own_errors())
        data = batches.training(source, self.data_format, examples, self.fills_steps, without_gaps)
        return loops.Data(data, source.callbacks("epoch"), num_steps)

    def _streams_of_arrays(
        self,
        x: Any,
        y: Any,
        batch_size: int | None,
        labelled_batch_size: int | None,
        balance: bool | None,
        *,
        seed: int | None,
        **options: Any,
    ) -> streams.Arrays:
        """The arrays in an order of both streams; the model is built and the objective weighted for them."""
        x, y = self.data_format.pair(x, y)
        classes = y[self.class_to_balance()] if balance else None
        size = num_examples(x)
        is_labelled = self.data_format.is_labelled(y) if y else np.zeros(size, bool)
        self.data_format.warn_of_supervision(y, is_labelled)
        self.data_format.warn_of_scale(x)
        without_gaps = self.data_format.without_gaps(x)
        self._warn_of_gaps(without_gaps)
        seed = int(np.random.randint(2**31)) if seed is None else seed
        sizes = 100 if batch_size is None else batch_size, labelled_batch_size
        order = Order(is_labelled, *sizes, seed=seed, classes=classes, **options)
        self._build_for(x, without_gaps)
        self._choose_kernels(min(batch_size or 100, size))
        known = self.data_format.is_known(y)
        complete = tuple(name for name in known if np.all(known[name][is_labelled]))
        self._set_complete((*complete, *without_gaps))
        self._set_objective_scale(int(np.sum(~is_labelled)), int(np.sum(is_labelled)))
        return streams.Arrays(x, y, order, self.fills_steps)

    def _epochs_of_arrays(
        self,
        arrays: streams.Arrays,
        num_steps: int | None,
        initial_epoch: int,
        callbacks: Sequence[Any],
        reading: contextlib.ExitStack,
    ) -> loops.Data:
        """What Keras goes over to train on arrays; see `_evaluation_input`."""
        if self._loops_over(arrays, "train"):
            passes = loops.Passes(arrays, num_steps, "epoch")
            reading.enter_context(self._going_over("train", passes))
            largest = max(arrays.order.sizes.values())
            return passes.data(loops.steps_at_once(self, passes.num_steps, largest, callbacks))
        epochs = streams.two_streams(arrays, num_steps)
        if not self.is_distributed:
            return loops.Data(epochs.dataset, [epochs.callback()])
        # Keras does not know the size of a distributed data set.
        return loops.Data(epochs.from_step(initial_epoch * epochs.num_steps), [], epochs.num_steps)

    def _loss(self, labelled: dict[str, Any] | None, unlabelled: dict[str, Any] | None) -> tf.Tensor:
        """Minus the objective, a scalar."""
        if labelled is None:
            return -tf.reduce_mean(_known(unlabelled)["objective"])
        return -self._scale_in_use.objective(labelled, unlabelled)

    def _parts_of_objective(
        self, labelled: dict[str, Any] | None, unlabelled: dict[str, Any] | None
    ) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """What each example adds to the objective; see `ObjectiveScale.parts`."""
        if labelled is None:
            return None, _known(unlabelled)["objective"]
        return self._scale_in_use.parts(labelled, unlabelled)

    @property
    def _scale_in_use(self) -> objective.ObjectiveScale:
        """The weights of the objective; evaluated, but never fitted, every example counts once."""
        return self.objective_scale or self._scale_for(*(self.data_sizes or (1, 1)))

    def _start_with(self, examples: dict[str, dict[str, Any]]) -> tuple[str, ...]:
        """Builds the model for a first batch, {stream: x}. Returns the observed variables that must stay without gaps."""
        without_gaps = self.data_format.without_gaps(*examples.values())
        self._warn_of_gaps(without_gaps)
        self._build_for(next(iter(examples.values())), without_gaps)
        return tuple(name for name in without_gaps if not self.data_format.observed[name].gaps)

    def _gaps_in_words(self) -> str:
        """Says of which observed variables elements are missing; empty if of none."""
        gappy = [name for name in self.data_format.observed if name not in self.complete]
        return f"; elements of {', '.join(gappy)} may be missing (NaN)" if gappy else ""

    def _warn_of_gaps(self, without_gaps: tuple[str, ...]) -> None:
        """Warns where the networks of a model that is built do not see which elements of other variables are missing."""
        blind = [name for name, head in self.data_format.observed.items() if self.built and not head.gaps]
        if gappy := [name for name in blind if name not in without_gaps]:
            warnings.warn(
                f"{', '.join(gappy)} has missing elements, and the networks were built without gaps: they see a value in "
                "the middle there, and not that it is missing. Make the node with gaps=True, or build the model by fit().",
                stacklevel=4,
            )

    def _set_complete(self, names: tuple[str, ...]) -> None:
        """Which variables are wholly known; a constant of the compiled step, see `complete`."""
        if names != self.complete:
            self.complete = names
            self.train_function = None

    def _set_objective_scale(self, num_unlabelled: int, num_labelled: int) -> None:
        """Fixes the weights of the objective; they are constants of the compiled step, so a change makes a new one."""
        scale = self._scale_for(num_unlabelled, num_labelled)
        if scale != self.objective_scale:
            self.objective_scale = scale
            self.train_function = self.test_function = None

    def _scale_for(self, num_unlabelled: int, num_labelled: int) -> objective.ObjectiveScale:
        """The weights of the objective for so many examples of each kind."""
        gamma, weight = objective.default_weights(
            num_unlabelled, num_labelled, self.data_format.observed, bool(self.data_format.classes)
        )
        gamma = gamma if self.gamma is None else self.gamma
        weight = weight if self.classification_weight is None else self.classification_weight
        return objective.ObjectiveScale(num_unlabelled, num_labelled, gamma, weight)

    def _build_for(self, x: dict[str, Any], without_gaps: tuple[str, ...] | None = None) -> None:
        """Builds the model for examples, {name: values}, and for the variables without gaps; None for those of `x`."""
        with self.distribute_strategy.scope():
            if not self.built:
                self.data_format.take_gaps(self.data_format.without_gaps(x) if without_gaps is None else without_gaps)
                shapes = {name: (None, *x[name].shape[1:]) for name in self.data_format.observed}
                self.build(only_or_all(shapes))
            if not self.optimizer.built:
                # Within the step, creating the optimizer's variables would trace it a second time.
                self.optimizer.build(self.trainable_variables)

    def weigh_by_sizes(self) -> None:
        """Sets the weights of the objective by the sizes that `compile` was given, once the shape of an example is known."""
        if self.data_sizes:
            self._set_objective_scale(*self.data_sizes)

    def start_consistency(self) -> None:
        """Makes the states of the terms of `compile(consistency=...)`, once the shapes of the model are known."""
        shapes = {name: head.known_event_shape for name, head in self.data_format.observed.items()}
        sublayers = keras_internals.sublayers(self)
        for term in self.consistency:
            term.build(self.data_format.classes, shapes, sublayers)

    @property
    def consistency_states(self) -> dict[str, keras.Variable]:
        """{name: state} of the terms of `compile(consistency=...)`, such as running means; saved with the model."""
        return {f"{CONSISTENCY}{term.name}_{name}": s for term in self.consistency for name, s in term.states.items()}

    def _choose_kernels(self, num_examples: int) -> None:
        """Decides whether a step of this many examples compiles kernels; the choice is a constant of the step."""
        fuses = compilation.repays_kernels(self, num_examples)
        if fuses != self.fuses_kernels:
            self.fuses_kernels = fuses
            self.train_function = None

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"Call compile() before {method}(). Received: a model that was not compiled.")

    def _evaluation_input(
        self,
        argument: str,
        steps: int | None,
        batch_size: int | None,
        callbacks: Sequence[Any],
        reading: contextlib.ExitStack,
        x: Any,
        y: Any = None,
    ) -> loops.Data:
        """What Keras goes over to evaluate.

        Args:
            argument: the name of the argument that says how many batches are taken.
            steps: its value.
            batch_size: examples a step of arrays; None for 100.
            callbacks: those of the user.
            reading: what must be left after the evaluation is entered there.
            x: as in `evaluate`.
            y: as in `evaluate`.
        """
        if batches.is_source(x):
            batches.check_no_labels_beside(y)
            source = batches.Source(x, argument, steps)
            self._build_for(batches.first_pair(source, self.data_format)[0])
            reading.enter_context(source.own_errors())
            data = batches.evaluation(source, self.data_format, self.fills_steps)
            return loops.Data(data, source.callbacks("test"))
        x, y = self.data_format.pair(x, y)
        self._build_for(x)
        y = y if y and self.data_format.is_labelled(y).any() else {}
        size = batch_size or 100
        arrays = streams.Arrays(x, y, InOrder(num_examples(x), size), self.fills_steps)
        if not self._loops_over(arrays, "test"):
            return loops.Data(streams.in_order(arrays))
        passes = loops.of_evaluation(arrays, steps)
        reading.enter_context(self._going_over("test", passes))
        return passes.data(loops.steps_at_once(self, passes.num_steps, size, callbacks))

    def _read_validation(
        self, arguments: dict[str, Any], reading: contextlib.ExitStack
    ) -> Sequence[keras.callbacks.Callback]:
        """Puts checked validation data into the arguments of `fit`, split among replicas; returns callbacks of theirs.

        Args:
            arguments: those of `fit`.
            reading: what must be left after `fit` is entered there.
        """
        pair = arguments["validation_data"]
        pair = pair if isinstance(pair, tuple | list) else (pair,)
        _check_pair("validation_data", pair)
        options = arguments.get("validation_steps"), arguments.get("validation_batch_size")
        data = self._evaluation_input("validation_steps", *options, (), reading, *pair)
        arguments["validation_data"] = (data.dataset, None)
        if self.is_distributed:
            arguments |= devices.validation(self.distribute_strategy, data.dataset)
        return data.callbacks

    @property
    def fills_steps(self) -> bool:
        """Whether a last step of fewer examples is filled up, so that XLA, which compiles for one shape, compiles once."""
        return bool(self.jit_compile) and not self.is_distributed and not compilation.mixes_examples(self)

    def _loops_over(self, arrays: streams.Arrays, name: str) -> bool:
        """Whether a program of many steps can go over the arrays: on one device, with steps that are ours.

        Args:
            arrays: the arrays.
            name: "train" or "test".
        """
        step = f"{name}_step"
        is_ours = getattr(getattr(self, step), "__func__", None) is getattr(SemiSupervisedModel, step)
        is_plain = not self.run_eagerly and not keras_internals.has_strategy(self.distribute_strategy)
        held = [passes.arrays for passes in self.passes.values()]
        return is_ours and is_plain and arrays.are_in_memory and loops.fit_into_memory(arrays, held)

    @contextlib.contextmanager
    def _going_over(self, name: str, passes: loops.Passes) -> Iterator[None]:
        """Within it Keras' functions of an iterator go over these arrays.

        Args:
            name: "train" or "test".
            passes: the arrays.
        """
        before = self.passes
        self.passes = before | {name: passes}
        try:
            yield
        finally:
            self.passes = before

    @contextlib.contextmanager
    def _taking(self, steps_at_once: int) -> Iterator[None]:
        """Within it an execution takes so many steps, if `compile` was left to choose."""
        before = self.steps_per_execution
        if self.steps_are_auto:
            self.steps_per_execution = steps_at_once
        try:
            yield
        finally:
            self.steps_per_execution = before

    def class_to_balance(self) -> str:
        """The name of the only supervised variable, which is a class: what `fit(balance=True)` balances.

        Raises:
            ValueError: several supervised variables, none, or one that is no class.
        """
        names = tuple(self.data_format.supervised)
        if len(names) != 1 or names[0] not in self.data_format.classes:
            raise ValueError(
                "balance needs a model with one supervised variable, which must be a class. "
                f"Received: {type(self).__name__}, with {', '.join(names) or 'none'}"
            )
        return names[0]

    def require_built(self) -> None:
        """Refuses a model without weights.

        Raises:
            ValueError: it was neither fitted nor built.
        """
        if not self.built:
            names = ", ".join(repr(name) for name in self.data_format.observed)
            raise ValueError(
                f"{type(self).__name__} takes the shape of {names} from fit() or build(): call one first. "
                "Received: a model without weights."
            )


def _sizes(examples: dict[str, Any]) -> tuple[int, int]:
    """The numbers of unlabelled and of labelled examples of {stream: x}."""
    unlabelled, labelled = (num_examples(examples[name]) if name in examples else 0 for name in ("unlabelled", "labelled"))
    return unlabelled, labelled


def _flat(callbacks: Any) -> list[keras.callbacks.Callback]:
    """The callbacks that a user gave, in one list."""
    return keras.tree.flatten(callbacks or [])


def check_counts(**counts: Any) -> None:
    """Refuses numbers of steps or examples, {argument: value or None}, that are none.

    Raises:
        ValueError: not a whole number of at least 1.
    """
    for name, value in counts.items():
        if value is not None and (not isinstance(value, Integral) or value < 1):
            raise ValueError(f"{name} must be a whole number of at least 1. Received: {name}={value!r}")


def _refuse_beside_batches(**of_arrays: Any) -> None:
    """Refuses arguments of arrays, {argument: value or None}.

    Raises:
        ValueError: any is given.
    """
    if given := [f"{name}={value}" for name, value in of_arrays.items() if value is not None]:
        raise ValueError(
            f"{', '.join(of_arrays)} are for arrays; batches are taken as they come. Received: {', '.join(given)}"
        )


def _refuse_weights(method: str, arguments: dict[str, Any]) -> None:
    """Refuses weights of examples and splits among the arguments of a method.

    Raises:
        ValueError: any is given.
    """
    if refused := sorted(name for name in _OF_KERAS_ARRAYS if arguments.get(name) is not None):
        raise ValueError(f"{method} weighs examples only by gamma, and holds none out for validation. Received: {refused}")


def _check_pair(name: str, pair: Sequence[Any]) -> None:
    """Refuses data beside x and y.

    Raises:
        ValueError: more than (x, y), such as sample weights.
    """
    if len(pair) not in (1, 2):
        form = "(x, y, sample_weight)" if len(pair) == 3 else f"{len(pair)} parts"
        raise ValueError(f"{name} must be x, (x, y) or batches of them; examples have no weights. Received: {form}")


def _known(value: _T | None) -> _T:
    """The value, which is not None by now."""
    if value is None:
        raise RuntimeError("A step needs its terms and the weights of its objective. Received: None")
    return value


def _with_added(loss: tf.Tensor, added: Sequence[tf.Tensor]) -> tf.Tensor:
    """The loss and the losses that layers add: `add_loss`, and regularizers of weights and activities."""
    return loss + tf.add_n([tf.cast(value, loss.dtype) for value in added]) if added else loss


def _mask(terms: dict[str, Any] | None, number: tf.Tensor | None) -> tf.Tensor | None:
    """Which examples of a stream count, bool [B]; None for all."""
    return None if terms is None else counted.mask(terms["objective"], number)


def _as_tensors(batch: Any) -> Any:
    """Arrays in any structure as tensors, which the compiled step takes without a trace for each."""
    return keras.tree.map_structure(tf.convert_to_tensor, batch)
