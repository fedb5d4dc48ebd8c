"""What may stand in the place of a latent variable's KL in training: a discriminator of its draws."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ssdgm_tf import layers
from ssdgm_tf.layers import precision
from ssdgm_tf.layers.types import Activation, Shape


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Adversarial(keras.layers.Layer):
    """A discriminator D makes the aggregated posterior, q(z|x) averaged over examples, match p(z).

        D makes small    - log D(z') - log (1 - D(z)),    z' ~ p(z),  z ~ q(z|x)
        q makes small    - weight log D(z)

    Makhzani et al. 2016 (arXiv 1511.05644), section 2. It takes the place of - KL(q(z|x) || p(z)) in the objective, and
    `kl_weight` and `free_bits` do not reach it. The bounds that are logged have the KL, and are bounds as before. `loss` in
    an evaluation has neither the KL nor the game: choose by a bound or an error.

    Args:
        hidden_units: widths of the discriminator's hidden layers.
        activation: their activation.
        weight: of the loss of q, in nats of the objective.

    Call arguments:
        inputs: values of the variable, flattened, [N, D].

    Returns:
        Logits of "from the prior", float32 [N].

    Raises:
        ValueError: a weight that is not above 0.
    """

    def __init__(
        self, hidden_units: Sequence[int] = (500, 500), activation: Activation = "relu", weight: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not weight > 0:
            raise ValueError(f"The weight of a divergence must be greater than 0. Received: weight={weight!r}")
        self.hidden_units, self.weight = tuple(hidden_units), weight
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        self.hidden = layers.MLP(self.hidden_units, self.activation, dtype=self.dtype_policy)
        self.top = keras.layers.Dense(1, dtype="float32")
        self.hidden.build(input_shape)
        self.top.build((None, self.hidden_units[-1]))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.top(self.hidden(inputs))[:, 0]

    def losses_of(self, draws: tf.Tensor, prior: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The losses of D and of q, without the weight, in nats, [N] each. Neither moves the weights of the other.

        Args:
            draws: draws of q, flattened, [N, D].
            prior: as many of p; no gradient flows to them.
        """
        of_discriminator = tf.nn.softplus(-self(tf.stop_gradient(prior))) + tf.nn.softplus(self(tf.stop_gradient(draws)))
        held = [(variable, tf.stop_gradient(variable.value)) for variable in self.trainable_variables]
        # Casts of weights that the step keeps are of the weights that learn.
        with keras.StatelessScope(state_mapping=held), precision.casting_once():
            of_q = tf.nn.softplus(-self(draws))
        return of_discriminator, of_q

    def get_config(self) -> dict[str, Any]:
        own = {"hidden_units": self.hidden_units, "activation": keras.activations.serialize(self.activation)}
        return {**super().get_config(), **own, "weight": self.weight}


def get(identifier: str | Adversarial | None) -> Adversarial | None:
    """The divergence of that name with its defaults. A divergence or None is returned unchanged.

    Args:
        identifier: None, "adversarial" or a divergence.

    Raises:
        ValueError: another name.
    """
    if identifier is None or isinstance(identifier, Adversarial):
        return identifier
    if identifier != "adversarial":
        raise ValueError(f"divergence must be None or 'adversarial'. Received: divergence={identifier!r}")
    return Adversarial()
