"""Any graphical model: the bounds of a pass over its graph, and what it predicts."""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from ssdgm_tf import consistency, keras_internals
from ssdgm_tf.engine import adversaries, trace, trace_bounds
from ssdgm_tf.engine.graph import Graph
from ssdgm_tf.layers.random_state import SavedRandomState, seeds_of
from ssdgm_tf.layers.serialization import from_parts
from ssdgm_tf.layers.supports import Support
from ssdgm_tf.models import after_training, calibration, inference, saved_model
from ssdgm_tf.models import novelty as novel
from ssdgm_tf.models.data_format import DataFormat, only_or_all
from ssdgm_tf.models.description import describe
from ssdgm_tf.models.semi_supervised_model import SemiSupervisedModel
from ssdgm_tf.models.step_passes import StepPasses
from ssdgm_tf.nodes import Deterministic, RandomVariable, ScoreFunction
from ssdgm_tf.trust.novelty import Novelty

# The names that Keras gives to nodes.
_AUTOMATIC_NAME = re.compile(r"(random_variable|deterministic)(_\d+)?")
# A prediction is a function of its example alone: the draws of latent parents have a seed of their own.
_PREDICTION_SEED = (20_170_601, 400)
# What makes the seed of draws of priors, for discriminators, of a step's.
_OF_PRIOR = 20_300


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class GraphicalModel(SavedRandomState, SemiSupervisedModel):
    """A partially specified graphical model (Siddharth et al. 2017): variables, what each depends on, and which are known.

    The generative model p says how the variables make each other; the recognition model q infers all that is not
    observed. Supervised variables are given for all, some or none of the examples, each on its own.

        U(x)   = E_{q(y,u|x)} [ log p(x,y,u) - log q(y,u|x) ]                       examples without labels
        L(x,y) = E_{q(u|x,y)} [ log p(x,y,u) - log q(u|x,y) ]                       "conditional"
        L(x,y) ~ (1/S) sum_s (w_s/Z) [ log p(x,y,u_s) - log q(y,u_s|x) ] + log Z    "importance", w_s = q(y | parents at u_s)

    `fit` maximises mean U + gamma (M/N) mean [ L + a log q(y|x) ]; see `compile`. What the user leaves open is chosen from
    the graph: "importance" where something unknown comes before a supervised variable in q, else "conditional", because
    there both agree; KL terms in closed form where one exists; and an estimator for each variable that is not observed:
    reparameterised draws of continuous ones, the sum over all states of discrete ones up to 64 joint states, "top_k" beyond,
    the score function where neither is possible.

    Args:
        generative: {name: node} of p, every variable.
        recognition: {name: node} of q, every variable that is not observed; its parents may be any observed variable.
        observed: name or names of the variables that are always given.
        supervised: name or names of those given for some examples.
        num_prediction_samples: draws that a prediction is averaged over, where something drawn comes before the variable in
            q. All examples share the noise of these draws, so that a prediction does not depend on its batch, and `predict`,
            `evaluate` and served models agree. So its error does not average out over a data set; it falls with the square
            root of this number.
        seed: integer seed of the model's draws.

    Raises:
        ValueError: a graph that is not one; see `ssdgm_tf.engine.graph.Graph`.
    """

    def __init__(
        self,
        generative: Mapping[str, RandomVariable | Deterministic],
        recognition: Mapping[str, RandomVariable | Deterministic],
        observed: str | Sequence[str],
        supervised: str | Sequence[str] = (),
        num_prediction_samples: int = 10,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        graph = Graph(generative, recognition, _names(observed), _names(supervised))
        data_format = DataFormat(
            {name: graph.generative[name].head for name in graph.observed},
            {name: graph.recognition[name].head for name in graph.supervised},
            {node.exposure for node in graph.generative.values() if isinstance(node, RandomVariable) and node.exposure},
        )
        super().__init__(data_format, _term_names(graph), **kwargs)
        self.graph = graph
        _name_nodes(graph)
        self.generative, self.recognition = dict(graph.generative), dict(graph.recognition)
        self.num_prediction_samples = num_prediction_samples
        #: {supervised class: what `calibrate` found}.
        self.calibration: dict[str, calibration.Calibration] = {}
        #: What `fit_novelty` learned.
        self.known_examples: Novelty | None = None
        self._make_random_state(seed)
        shapes = {name: (None, *(head.event_shape or ())) for name, head in data_format.observed.items()}
        if all(head.event_shape for head in data_format.observed.values()):
            self.build(only_or_all(shapes))

    def build(self, input_shape: Any) -> None:
        """Builds every network. Needed only where a node leaves its shape to the data, and done by `fit` too.

        Args:
            input_shape: (None, *event_shape) of the observed variable, or {name: shape}.
        """
        if self.built:
            return
        shapes = self.data_format.as_dict(input_shape)
        for name, head in self.data_format.observed.items():
            if head.event_shape is None:
                head.event_shape = tuple(shapes[name][1:])
            head.gaps = bool(head.gaps)
            if head.gaps and not head.has_independent_elements:
                raise ValueError(f"Elements of {name}, a {type(head).__name__}, cannot be missing. Received: gaps=True")
        events = {name: head.event_shape for name, head in self.data_format.observed.items()}
        random = [name for name in self.graph.order_p if isinstance(self.generative[name], RandomVariable)]
        supports = {name: self.graph.head_p(name).support for name in random}
        supports |= {name: head.support.with_gaps() for name, head in self.data_format.observed.items() if head.gaps}
        for order, nodes in ((self.graph.order_q, self.recognition), (self.graph.order_p, self.generative)):
            for name in order:
                shapes = {parent: events[parent] for parent in nodes[name].parents}
                try:
                    nodes[name].build(list(shapes.values()), [supports.get(parent, Support()) for parent in shapes])
                except Exception as error:  # whatever a network of the user's raises
                    raise ValueError(
                        f"The network of {name!r} must take the values of its parents, of shapes {shapes}. Received: {error}"
                    ) from error
                events[name] = nodes[name].event_shape
        self.start_consistency()
        self.weigh_by_sizes()
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Predicts the supervised variables from x.

        Args:
            x: the observed variable [B, ...], or {name: tensor}.
            training: unused; predictions are those of inference.

        Returns:
            The prediction, or {name: prediction} if several variables are supervised: class probabilities [B, K], or
            {"mean", "stddev"} of any other, [B, *event_shape] each. Without supervised variables, the mean of the latent
            one, or {name: mean} of several. Averaged over draws of the variable's ancestors in the recognition model.
        """
        one_pass = self._predicting_pass(self.data_format.as_dict(x))
        if not self.graph.supervised:
            return only_or_all({name: tf.cast(one_pass.mean(name), tf.float32) for name in self.graph.latent})
        return only_or_all({name: self._prediction(name, one_pass) for name in self.graph.supervised})

    def predicted_means(self, x: dict[str, tf.Tensor], complete: tuple[str, ...] = ()) -> dict[str, tf.Tensor]:
        one_pass = self._predicting_pass(x, complete)
        return {name: self._calibrated(name, one_pass.mean(name)) for name in self.graph.supervised}

    def uncalibrated_means(self, x: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`predicted_means` as if `calibrate` had not been called.

        Args:
            x: {name: tensor} of the observed variables.
        """
        one_pass = self._predicting_pass(x)
        return {name: one_pass.mean(name) for name in self.graph.supervised}

    def _calibrated(self, name: str, mean: tf.Tensor) -> tf.Tensor:
        """The mean of a supervised variable after `calibrate`."""
        return self.calibration[name].scaled(mean) if name in self.calibration else mean

    def set_calibration(self, found: dict[str, calibration.Calibration]) -> None:
        """Takes what `calibrate` found; what was compiled before is made anew.

        Args:
            found: {supervised class: its calibration}.
        """
        self.calibration = found
        self.predict_function = self.test_function = None

    def _predicting_pass(self, x: dict[str, tf.Tensor], complete: Sequence[str] = ()) -> trace.Trace:
        """The pass behind every prediction: its draws are the same for all examples and calls."""
        predicted = self.graph.supervised or self.graph.latent
        is_drawn = self.graph.is_drawn_before(*predicted)
        num_samples = self.num_prediction_samples if is_drawn else 1
        held = self.data_format.held(x, complete=complete)
        return trace.run(self.graph, held, num_samples, _PREDICTION_SEED, self.step, exact=True, predicted=predicted)

    def make_train_function(self, force: bool = False) -> Any:
        after_training.forget(self)
        return super().make_train_function(force)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        kwargs["consistency"] = terms = consistency.get(kwargs.get("consistency"))
        self._check_consistency(terms)
        self._check_objective(kwargs.get("free_bits", 0.0), kwargs.get("labelled_bound"), kwargs.get("unlabelled_bound"))
        self._check_divergences(kwargs.get("labelled_bound"), kwargs.get("unlabelled_bound"))
        super().compile(*args, **kwargs)

    def _check_objective(self, free_bits: float, labelled_bound: str | None, unlabelled_bound: str | None) -> None:
        """Refuses arguments of `compile` that do not suit the graph, before anything of the model changes."""
        if free_bits > 0 and labelled_bound is None and self.graph.supervised and not self.graph.weights_are_constant:
            raise ValueError(
                "free_bits belong to the evidence lower bound: ask for labelled_bound='conditional'. "
                f"Received: free_bits={free_bits!r}, the bound 'importance' chosen from the graph"
            )
        for name, estimator in self.graph.estimators.items():
            learned = isinstance(estimator, ScoreFunction) and estimator.baseline == "learned"
            if learned and unlabelled_bound == "importance_weighted":
                raise ValueError(
                    "A learned baseline serves the evidence lower bound: with importance_weighted use leave_one_out. "
                    f"Received: {estimator} for {name!r}"
                )

    def _check_divergences(self, labelled_bound: str | None, unlabelled_bound: str | None) -> None:
        """Refuses divergences of nodes that do not suit the graph or the bounds."""
        of_p = [name for name, node in self.generative.items() if getattr(node, "divergence", None) is not None]
        if of_p:
            raise ValueError(f"A divergence belongs to the recognition model. Received: {of_p[0]!r} in the generative one")
        divergences = self.graph.divergences
        if len({id(divergence) for divergence in divergences.values()}) < len(divergences):
            raise ValueError(
                f"Every node needs a divergence of its own. Received: one for several of {', '.join(map(repr, divergences))}"
            )
        if divergences:
            self._check_bounds_of_divergences(labelled_bound, unlabelled_bound)
        for name in divergences:
            self._check_divergence(name)

    def _check_bounds_of_divergences(self, labelled_bound: str | None, unlabelled_bound: str | None) -> None:
        """Refuses bounds without a KL that a divergence could stand for."""
        rule = "An adversarial divergence takes the place of a KL, which only the evidence lower bound has"
        if labelled_bound is None and self.graph.supervised and not self.graph.weights_are_constant:
            raise ValueError(
                f"{rule}: ask for labelled_bound='conditional'. Received: the bound 'importance' chosen from the graph"
            )
        for argument, kind in (("labelled_bound", labelled_bound), ("unlabelled_bound", unlabelled_bound)):
            if kind not in (None, "conditional", "evidence_lower_bound"):
                raise ValueError(f"{rule}. Received: {argument}={kind!r}")

    def _check_divergence(self, name: str) -> None:
        """Refuses a variable whose draws or whose prior a discriminator cannot have."""
        estimators = self.graph.estimators
        if estimators[name].has_states or isinstance(estimators[name], ScoreFunction):
            raise ValueError(
                "An adversarial divergence needs draws that carry gradients: of a class take the estimator 'relaxed' or "
                f"'straight_through'. Received: {name!r} with {estimators[name]}"
            )
        for other in self.graph.ancestors_q(name) & set(estimators):
            if estimators[other].has_states or isinstance(estimators[other], ScoreFunction):
                raise ValueError(
                    "An adversarial divergence needs draws that depend on no enumerated variable, and on none with the "
                    f"score function. Received: {name!r}, which depends on {other!r}"
                )
        prior = self.generative[name]
        if prior.parents or prior.is_learned_root:
            given = f"given {', '.join(prior.parents)}" if prior.parents else "with learned parameters"
            raise ValueError(
                f"An adversarial divergence compares with p({name}), which must be fixed and have no parents. "
                f"Received: {name!r} {given}"
            )

    def _check_consistency(self, terms: Sequence[consistency.Term]) -> None:
        """Refuses terms of `compile(consistency=...)` that do not suit the graph."""
        roots = {
            name: isinstance(node, RandomVariable) and not node.parents
            for name, node in self.generative.items()
            if name in self.data_format.classes
        }
        for term in terms:
            term.check(self.data_format.classes, self.data_format.observed, roots)
            before = self.graph.ancestors_q(*term.of(self.data_format.classes))
            if drawn := [name for name in before if isinstance(self.graph.estimators.get(name), ScoreFunction)]:
                raise ValueError(
                    f"consistency={term.name!r} needs gradients through all that comes before its variables in q. "
                    f"Received: {drawn[0]!r}, whose estimator is the score function"
                )

    @property
    def divergence_terms(self) -> tuple[str, ...]:
        return tuple(map(_adversary_name, self.graph.divergences))

    @property
    def evaluations_per_example(self) -> int:
        return self.graph.num_states * self.num_samples

    @property
    def labelled_bound_in_use(self) -> str:
        """The labelled bound: what `compile` was given; else "importance" where its weights vary, else "conditional"."""
        if self.labelled_bound is not None:
            return self.labelled_bound
        return "conditional" if self.graph.weights_are_constant else "importance"

    @property
    def kl_weight_in_use(self) -> float | tf.Tensor:
        """The weight of the KL terms of latent variables in a training step."""
        return self._at_this_step(self.kl_weight)

    @property
    def bound_weight_in_use(self) -> float | tf.Tensor:
        """The weight of the bounds in the objective of a training step."""
        return self._at_this_step(self.bound_weight)

    def _at_this_step(self, weight: float | keras.optimizers.schedules.LearningRateSchedule | None) -> float | tf.Tensor:
        """The value of a weight or of a schedule of it; 1 for None."""
        if callable(weight):
            return tf.cast(weight(self.step), self.data_format.dtype)
        return 1.0 if weight is None else weight

    def unlabelled_terms(
        self, x: dict[str, tf.Tensor], complete: tuple[str, ...] = (), training: bool = False
    ) -> dict[str, Any]:
        seed = self.next_seed()
        passes = StepPasses(self, x, complete, seed) if training and self.consistency else None
        one_pass = self.pass_over(x, complete=complete, training=training, seed=seed)
        result = self.bound_of(one_pass, self.unlabelled_bound)
        if training:
            self.follow(one_pass)
        terms = self._terms(result, one_pass) | {
            "bound_unlabelled": result.bound,
            "objective": self.bound_weight_in_use * (result.warmed + result.surrogate),
        }
        terms = self._with_divergences(terms, one_pass, seed) if training else terms
        return terms if passes is None else self._with_consistency(terms, passes, one_pass)

    def _with_divergences(self, terms: dict[str, Any], one_pass: trace.Trace, seed: tf.Tensor) -> dict[str, Any]:
        """The terms of a training step with the losses of the divergences of nodes, which only its objective has."""
        for place, (name, divergence) in enumerate(self.graph.divergences.items()):
            own_seed = tf.random.experimental.stateless_fold_in(seed, _OF_PRIOR + place)
            if (found := adversaries.losses(one_pass, name, own_seed)) is None:
                continue
            of_discriminator, of_q = (tf.cast(loss, terms["objective"].dtype) for loss in found)
            objective = terms["objective"] - of_discriminator - self.bound_weight_in_use * divergence.weight * of_q
            terms |= {_adversary_name(name): of_discriminator, "objective": objective}
        return terms

    def _with_consistency(self, terms: dict[str, Any], passes: StepPasses, one_pass: trace.Trace) -> dict[str, Any]:
        """The terms of a step with those of `compile(consistency=...)`, which only its objective has."""
        passes.follow(one_pass)
        for term in self.consistency:
            loss = tf.cast(term.loss(passes, term.of(self.data_format.classes)), terms["objective"].dtype)
            terms = _with_term(terms, term, loss)
        return terms

    def _with_consistency_of_unknown(
        self,
        terms: dict[str, Any],
        x: dict[str, tf.Tensor],
        y: dict[str, tf.Tensor],
        complete: tuple[str, ...],
        seed: tf.Tensor,
    ) -> dict[str, Any]:
        """The terms of a step on labelled examples, with consistency terms of the classes that an example lacks.

        These see q(y|x) as for an example without any label.
        """
        partly = [name for name in self.data_format.classes if name not in complete]
        if not partly:
            return terms
        passes = StepPasses(self, x, complete, seed)
        passes.infer(partly)
        known = self.data_format.is_known(y)
        # Running means follow the unlabelled examples where there are any.
        has_unlabelled = self.objective_scale is not None and self.objective_scale.num_unlabelled
        for term in self.consistency:
            loss = tf.zeros_like(terms["objective"])
            for name in (name for name in term.of(self.data_format.classes) if name in partly):
                with keras.StatelessScope() if has_unlabelled else contextlib.nullcontext():
                    own = tf.cast(term.loss(passes, (name,)), loss.dtype)
                loss += tf.where(known[name], tf.zeros_like(own), own)
            terms = _with_term(terms, term, loss)
        return terms

    def follow(self, one_pass: trace.Trace) -> None:
        """Sets what a training step takes from the examples without labels and no gradient changes; here nothing.

        Args:
            one_pass: the pass over these examples.
        """

    def labelled_terms(
        self,
        x: dict[str, tf.Tensor],
        y: dict[str, tf.Tensor],
        complete: tuple[str, ...],
        training: bool = False,
    ) -> dict[str, Any]:
        seed = self.next_seed()
        one_pass = self.pass_over(x, y, complete, training=training, seed=seed)
        result = self.bound_of(one_pass, self.labelled_bound_in_use)
        log_label, surrogate = trace_bounds.log_label(one_pass)
        known_by_x = self.graph.supervised if self.graph.weights_are_constant else ()
        terms = self._terms(result, one_pass) | {
            "predictions": {name: one_pass.mean(name) for name in known_by_x},
            "bound_labelled": result.bound,
            "classification_loss": -log_label,
            "objective": self.bound_weight_in_use * (result.warmed + result.surrogate),
            "label_objective": log_label + surrogate,
        }
        if not training:
            return terms
        terms = self._with_divergences(terms, one_pass, seed)
        return self._with_consistency_of_unknown(terms, x, y, complete, seed) if self.consistency else terms

    # Inference and generation: arrays in, arrays out.
    encode = inference.encode
    reconstruct = inference.reconstruct
    analogies = inference.analogies
    generate = inference.generate
    impute = inference.impute
    bound = inference.bound
    log_likelihood = inference.log_likelihood
    # When to believe a prediction.
    calibrate = calibration.calibrate
    predict_sets = calibration.predict_sets
    fit_novelty = novel.fit_novelty
    novelty = novel.novelty
    is_novel = novel.is_novel
    # Export as a TensorFlow SavedModel.
    export = saved_model.export
    signatures = saved_model.signatures

    def _log_mean_weight(self, x: dict, y: dict, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        """The importance-weighted bound given what is known of y, nats, [B]."""
        held = self.data_format.held(x, y)
        one_pass = trace.run(self.graph, held, num_samples, seed, self.step, exact=True)
        return self.bound_of(one_pass, "importance_weighted").bound

    #: `_log_mean_weight`, traced once for each model; and compiled by XLA.
    log_mean_weight = tf.function(_log_mean_weight, reduce_retracing=True, autograph=False)
    log_mean_weight_by_xla = tf.function(_log_mean_weight, reduce_retracing=True, autograph=False, jit_compile=True)

    def describe(self, print_fn: Callable[[str], Any] = print) -> None:
        """Prints the model: both factorisations, the role of each variable, its estimator, and the objective.

        Args:
            print_fn: what to print with.
        """
        print_fn(describe(self))

    def plot_graph(self) -> Any:
        """The graph as a matplotlib figure: generative arrows blue, recognition arrows orange.

        Observed variables are filled, partly supervised ones half filled, latent ones empty.
        """
        from ssdgm_tf import plots

        roles = {name: "observed" for name in self.graph.observed}
        roles |= {name: "supervised" for name in self.graph.supervised} | {name: "latent" for name in self.graph.latent}
        computed = [name for name, node in (self.generative | self.recognition).items() if isinstance(node, Deterministic)]
        roles |= dict.fromkeys(computed, "computed")
        edges = (
            [(parent, name) for name, node in nodes.items() for parent in node.parents]
            for nodes in (self.generative, self.recognition)
        )
        return plots.graph(roles, *edges)

    def pass_over(
        self,
        x: Mapping[str, tf.Tensor],
        y: Mapping[str, tf.Tensor] | None = None,
        complete: Sequence[str] = (),
        training: bool = False,
        seed: tf.Tensor | None = None,
        num_samples: int | None = None,
    ) -> trace.Trace:
        """One pass over the graph.

        Args:
            x: {name: tensor [B, ...]} of the observed variables.
            y: {name: tensor [B, ...]} of supervised variables; None for none.
            complete: those that are known for every example; of observed variables, in every element.
            training: whether this is a training step.
            seed: a TFP seed; None for the next of the model's own stream.
            num_samples: S; None for the number that `compile` was given.
        """
        held = self.data_format.held(x, y, complete)
        seed = self.next_seed() if seed is None else seed
        return trace.run(self.graph, held, num_samples or self.num_samples, seed, self.step, training)

    def bound_of(self, one_pass: trace.Trace, kind: str) -> trace_bounds.Bound:
        """The bound of a pass, with the KL weight and the free bits of `compile`.

        Args:
            one_pass: a pass.
            kind: one of `ssdgm_tf.engine.trace_bounds.UNLABELLED` or `LABELLED`.
        """
        return trace_bounds.bound(one_pass, kind, self.kl_weight_in_use, self.free_bits)

    def _terms(self, result: trace_bounds.Bound, one_pass: trace.Trace) -> dict[str, Any]:
        """The terms that make a bound, by the names of their metrics."""
        terms = {_log_p_name(name): result.terms[name] for name in self.graph.observed}
        return terms | {
            f"kl_{name}": -result.terms[name] for name in self.graph.inferred if one_pass.sites[name].mask is False
        }

    def _prediction(self, name: str, one_pass: trace.Trace) -> Any:
        mean = self._calibrated(name, tf.cast(one_pass.mean(name), tf.float32))
        if name in self.data_format.classes:
            return mean
        return {"mean": mean, "stddev": tf.cast(one_pass.stddev(name), tf.float32)}

    def seed_of(self, seed: int | None = None) -> tf.Tensor:
        """A TFP seed: that of the integer, or the next of the model's own stream.

        Args:
            seed: an integer or None.
        """
        return self.next_seed() if seed is None else tf.constant([seed, 0], tf.int32)

    def random_states(self) -> dict[str, keras.Variable]:
        """The model's own, those of Keras' layers of noise and dropout in its networks, which Keras does not save, and those
        of the terms of `compile(consistency=...)`.
        """
        layers = [layer for layer in keras_internals.sublayers(self) if not isinstance(layer, SavedRandomState)]
        of_layers = {f"seed_generator_{i}": state for i, state in enumerate(_seeds(layers))}
        return super().random_states() | of_layers | self.consistency_states

    def noise_states(self) -> list[keras.Variable]:
        """The states of all random numbers that its networks draw."""
        return _seeds(keras_internals.sublayers(self))

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        super().save_own_variables(store)
        after_training.save(self, store)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        super().load_own_variables(after_training.load(self, store))

    def get_build_config(self) -> dict[str, Any] | None:
        config = super().get_build_config()
        return config and config | {"gaps": [name for name, head in self.data_format.observed.items() if head.gaps]}

    def build_from_config(self, config: dict[str, Any]) -> None:
        for name, head in self.data_format.observed.items():
            head.gaps = name in config["gaps"]
        super().build_from_config({name: value for name, value in config.items() if name != "gaps"})

    def common_config(self) -> dict[str, Any]:
        """The config of every graphical model; one with arguments of its own adds those, not its graph."""
        return {
            **super().get_config(),
            "num_prediction_samples": self.num_prediction_samples,
            "seed": self.seed,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **self.common_config(),
            "generative": self.graph.generative,
            "recognition": self.graph.recognition,
            "observed": self.graph.observed,
            "supervised": self.graph.supervised,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**from_parts(config, cls._parts))

    #: The fields of the config that hold objects.
    _parts: ClassVar[tuple[str, ...]] = ("generative", "recognition")


def _with_term(terms: dict[str, Any], term: consistency.Term, loss: tf.Tensor) -> dict[str, Any]:
    """The terms of a step with the loss of a term of consistency, [B], which its objective has."""
    return terms | {term.name: loss, "objective": terms["objective"] - term.weight * loss}


def _adversary_name(variable: str) -> str:
    """The metric of the discriminator of a variable: its cross-entropy, 2 log 2 where it cannot tell q from p."""
    return f"adversary_{variable}"


def _seeds(layers: Iterable[keras.layers.Layer]) -> list[keras.Variable]:
    """The states of the random numbers of layers."""
    return [state for layer in layers for state in seeds_of(layer)]


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _log_p_name(name: str) -> str:
    return f"log_p{name}" if len(name) == 1 else f"log_p_{name}"


def _term_names(graph: Graph) -> tuple[str, ...]:
    """Names of the metrics that are means of one term each."""
    labelled = ("bound_labelled", "classification_loss") if graph.supervised else ()
    terms = (*map(_log_p_name, graph.observed), *(f"kl_{name}" for name in graph.inferred))
    return (*labelled, "bound_unlabelled", *terms)


def _name_nodes(graph: Graph) -> None:
    """Names the layers of nodes by variable, p_x and q_z, where the user gave them no name."""
    for letter, nodes in (("q", graph.recognition), ("p", graph.generative)):
        for name, node in nodes.items():
            if _AUTOMATIC_NAME.fullmatch(node.name):
                node.name = f"{letter}_{name}"
