"""The predictions of a training step that terms of `ssdgm_tf.consistency` ask for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from ssdgm_tf import keras_internals
from ssdgm_tf.engine import trace
from ssdgm_tf.layers import precision
from ssdgm_tf.objectives.consistency import log_of

if TYPE_CHECKING:
    from ssdgm_tf.models.graphical_model import GraphicalModel

# What makes other noise of a state of random numbers.
_OTHER = 0x9E3779B9

_States = list[tuple[keras.Variable, tf.Tensor]]


class StepPasses:
    """See `ssdgm_tf.consistency.Passes`. It is made before the step's own pass, whose noise it remembers.

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
        self.x = {name: held.value for name, held in model.data_format.held(x, complete=complete).items()}
        self._before: _States = [(state, tf.identity(state.value)) for state in model.noise_states()]
        self._own: trace.Trace | None = None

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
        model = self.model
        states = self._before if same_noise else [(state, _other(value)) for state, value in self._before]
        if averaged:
            states = [*states, *keras_internals.averaged_weights(model.optimizer, model.trainable_variables)]
        with keras.StatelessScope(state_mapping=states), precision.casting_once():
            held = model.data_format.held(x, complete=self.complete)
            one_pass = trace.run(
                model.graph, held, model.num_samples, self.seed, model.step, True, predicted=variables, common_noise=False
            )
        return {name: log_of(one_pass.mean(name)) for name in variables}

    def log_prior(self, variable: str) -> tf.Tensor:
        if self._own is None:
            raise RuntimeError("The step's own pass comes first. Received: none")
        head = self.model.graph.head_p(variable)
        probs = head.mean(self._own.generative(variable).distribution)
        return tf.stop_gradient(log_of(tf.reshape(probs, [-1, probs.shape[-1]])[0]))


def _other(state: tf.Tensor) -> tf.Tensor:
    """A state of random numbers that gives other noise."""
    return state ^ tf.cast(_OTHER, state.dtype)
