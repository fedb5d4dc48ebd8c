"""What a term asks of a training step: predictions of q(y|.) in the step's own pass, and of changed examples."""

from collections.abc import Mapping
from typing import Protocol

import tensorflow as tf


class Passes(Protocol):
    """The predictions of a step on one stream of examples."""

    @property
    def x(self) -> Mapping[str, tf.Tensor]:
        """{observed variable: its values [B, *event]}."""

    @property
    def seed(self) -> tf.Tensor:
        """Int32 [2], a TFP seed of the step and the stream."""

    def log_q(self, variable: str) -> tf.Tensor:
        """Log q(y|x) of the pass that the bound is of, [B, K].

        Args:
            variable: a supervised class.
        """

    def log_q_of(
        self, x: Mapping[str, tf.Tensor], variables: tuple[str, ...], same_noise: bool = False, averaged: bool = False
    ) -> dict[str, tf.Tensor]:
        """Log q(y|x') of changed examples, {variable: [B, K]}. Statistics of batches and random states do not notice.

        Args:
            x: {observed variable: its values}.
            variables: supervised classes.
            same_noise: whether layers of noise, moves and dropout draw what they drew in the step's own pass.
            averaged: whether to use the running average of the weights that the optimizer keeps.
        """

    def log_prior(self, variable: str) -> tf.Tensor:
        """Log p(y) of the generative model, [K].

        Args:
            variable: a supervised class without parents.
        """
