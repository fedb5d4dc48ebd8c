"""The variational autoencoder with two layers of latent variables."""

from typing import Any

import keras

from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class HierarchicalVAE(NamedModel):
    """Two layers of latent variables generate an image; it sees no label (Burda et al. 2016, section 5).

        generative     p(z2) p(z1|z2) p(x|z1)      z2 ~ Normal(0, I)
        recognition    q(z1|x) q(z2|z1)

        U(x) = E_q(z1|x) q(z2|z1) [ log p(x|z1) + log p(z1|z2) - log q(z1|x) ] - KL(q(z2|z1) || p(z2))

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | z1 | features of the image, never observed | `z1` |
    | z2 | features of the features, never observed | `z2` |

    The prior of z1 is not a standard normal distribution but the one that z2 generates, so that the features of an image may
    depend on each other.

    Args:
        latent_dim: size of z1.
        top_dim: size of z2.
        seed: integer seed of the draws.
        **options: of `ssdgm_tf.models.Options`; those of y are not used.
    """

    supervised = ()

    def __init__(self, latent_dim: int = 50, top_dim: int = 10, *, seed: int | None = None, **options: Any) -> None:
        super().__init__({"latent_dim": latent_dim, "top_dim": top_dim}, seed, **options)

    @staticmethod
    def specify(options: Options, latent_dim: int, top_dim: int) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        generative = {
            "z2": options.latent(top_dim),
            "z1": options.latent(latent_dim, "z2"),
            "x": options.observation("z1"),
        }
        recognition = {"z1": options.latent(latent_dim, image), "z2": options.latent(top_dim, "z1")}
        return generative, computed | recognition


def _make(recipe: Recipe) -> HierarchicalVAE:
    own = recipe.own_arguments(HierarchicalVAE)
    return HierarchicalVAE(**own, **recipe.image_options(), seed=recipe.config["seed"])


EXPERIMENT = Experiment(HierarchicalVAE, make=_make, takes_classifier=False, uses_labels=False, comparisons=())
