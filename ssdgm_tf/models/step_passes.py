"""The predictions of a training step that terms of `ssdgm_tf.consistency` ask for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ssdgm_tf import keras_internals
from ssdgm_tf.engine import trace
from ssdgm_tf.layers import precision
from ssdgm_tf.layers.random_state import Noise
from ssdgm_tf.models.data_format import event
from ssdgm_tf.objectives.consistency import log_of

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel


# What makes another seed of a step's.
_OTHER = 20_200


class StepPasses:
    """See `ssdgm_tf.consistency.Passes`. It is made before the pass that it follows or infers, whose noise it remembers.

    Args:
        model: the model, in a training step.
        x: {observed variable: values} of the stream, in the form of the data.
        complete: the observed variables of which no element is missing.
        seed: that of the step's own pass.
    """

    def __init__(
        self, model: "GraphicalModel", x: Mapping[str, tf.Tensor], complete: Sequence[str], seed: tf.Tensor
    ) -> None:
        self.model, self.complete, self.seed = model, complete, seed
        self.x = {name: event(head, x[name], False) for name, head in model.data_format.observed.items()}
        self._noise = Noise(model.noise_states())
        self._own: trace.Trace | None = None

    def infer(self, variables: Sequence[str]) -> None:
        """Makes a pass over q(y|.) the step's own, for examples whose bound has other labels given.

        Args:
            variables: supervised classes.
        """
        self._own = self._pass_over(self.x, variables, same_noise=True)

    def follow(self, own: trace.Trace) -> None:
        """Takes the step's own pass.

        Args:
            own: the pass.
        """
        self._own = own

    def log_q(self, variable: str) -> tf.Tensor:
        if self._own is None:
            raise RuntimeError("The step's own pass comes first. Received: none")
        return log_of(self._own.mean(variable))

    def log_q_of(
        self, x: Mapping[str, tf.Tensor], variables: tuple[str, ...], same_noise: bool = False, averaged: bool = False
    ) -> dict[str, tf.Tensor]:
        one_pass = self._pass_over(x, variables, same_noise, averaged)
        return {name: log_of(one_pass.mean(name)) for name in variables}

    def log_prior(self, variable: str) -> tf.Tensor:
        node: Any = self.model.generative[variable]
        probs = node.head.mean(node.root_distribution())
        return tf.stop_gradient(log_of(tf.reshape(probs, [-1, probs.shape[-1]])[0]))

    def _pass_over(
        self, x: Mapping[str, tf.Tensor], variables: Sequence[str], same_noise: bool, averaged: bool = False
    ) -> trace.Trace:
        """A pass over q(y|.) that leaves no trace; see `log_q_of`."""
        model = self.model
        seed = self.seed if same_noise else tf.random.experimental.stateless_fold_in(self.seed, _OTHER)
        weights = keras_internals.averaged_weights(model.optimizer, model.trainable_variables) if averaged else ()
        with self._noise.scope(same_noise, weights), precision.casting_once():
            held = model.data_format.held(x, complete=self.complete)
            return trace.run(
                model.graph, held, model.num_samples, seed, model.step, True, predicted=variables, common_noise=False
            )
