"""The conditional variational autoencoder: a label that is always given."""

from typing import Any

import keras

from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ConditionalVAE(NamedModel):
    """A label that is always given and a style generate an image (Sohn et al. 2015, with the prior of z free of y).

        generative     p(y) p(z) p(x|y,z)      y ~ uniform (or as `prior`),   z ~ Normal(0, I)
        recognition    q(z|x,y)

        U(x,y) = E_q(z|x,y) [ log p(x|y,z) ] + log p(y) - KL(q(z|x,y) || p(z))               a bound on log p(x, y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | y | label, always observed | `y`, one-hot inside |
    | z | style, never observed | `z` |

    `fit({"x": images, "y": labels})`; `generate({"y": labels})` draws images of classes. There is no classifier: M2 is this
    model with one.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`.
    """

    observed, supervised = ("x", "y"), ()

    def __init__(self, num_classes: int, latent_dim: int = 50, *, seed: int | None = None, **options: Any) -> None:
        super().__init__({"num_classes": num_classes, "latent_dim": latent_dim}, seed, **options)

    @staticmethod
    def specify(options: Options, num_classes: int, latent_dim: int) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        generative = {
            "y": options.label_prior(num_classes),
            "z": options.latent(latent_dim),
            "x": options.observation("y", "z"),
        }
        return generative, {**computed, "z": options.latent(latent_dim, image, "y")}


EXPERIMENT = Experiment(ConditionalVAE, takes_classifier=False, comparisons=())
