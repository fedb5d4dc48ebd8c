"""The variational autoencoder: M1 of Kingma et al. 2014."""

from typing import Any

import keras

from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class VAE(NamedModel):
    """M1: a style generates an image; it sees no label (Kingma and Welling 2014; M1 of Kingma et al. 2014, section 2.1).

        generative     p(z) p(x|z)      z ~ Normal(0, I)
        recognition    q(z|x)

        U(x) = E_q(z|x) [ log p(x|z) ] - KL(q(z|x) || p(z))                                  eq. 5 of Kingma et al. 2014

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | z | features, never observed | `z` |

    `encode(x)["z"]` are the features for a classifier of few labels and for `M1M2.from_m1`. `predict` returns
    them too. The paper's code has a prior over the weights.

    Args:
        latent_dim: size of z.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`; those of y are not used.
    """

    supervised = ()

    def __init__(self, latent_dim: int = 50, *, seed: int | None = None, **options: Any) -> None:
        super().__init__({"latent_dim": latent_dim}, seed, **options)

    @staticmethod
    def specify(options: Options, latent_dim: int) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        generative = {"z": options.latent(latent_dim), "x": options.observation("z")}
        return generative, {**computed, "z": options.latent(latent_dim, image)}


def _make(recipe: Recipe) -> VAE:
    return VAE(**recipe.own_arguments(VAE), **recipe.image_options(), seed=recipe.config["seed"])


EXPERIMENT = Experiment(VAE, make=_make, takes_classifier=False, uses_labels=False, comparisons=())
