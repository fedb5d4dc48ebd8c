"""M2, the generative semi-supervised model of Kingma et al. 2014."""

from typing import Any

import keras

from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class M2(NamedModel):
    """M2: a label and a style generate an image (Kingma et al. 2014, section 2.2).

        generative     p(y) p(z) p(x|y,z)      y ~ uniform over K classes (or as `prior`),   z ~ Normal(0, I)
        recognition    q(y|x) q(z|x,y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image, pixels in [0, 1] | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside |
    | z | style, never observed | `z` |

    By default the bounds are exact in y (all K labels are summed, nothing is sampled or relaxed) and reparameterised in z,
    with the KL of z in closed form:

        L(x,y) = E_q(z|x,y) [ log p(x|y,z) ] + log p(y) - KL(q(z|x,y) || p(z))          eq. 6
        U(x)   = sum_y q(y|x) [ L(x,y) - log q(y|x) ]                                   eq. 7

    `fit` maximises mean U + gamma (M/N) mean [ L + a log q(y|x) ] (eq. 9); see `compile` for the weights. Unlike the
    paper's code, this class keeps log p(y), and the weights of the networks have no prior.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        seed: integer seed of the draws of z.
        **options: see `ssdgm_tf.models.Options`.
    """

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
        recognition = {"y": options.label(num_classes, "x"), "z": options.latent(latent_dim, image, "y")}
        return generative, computed | recognition


EXPERIMENT = Experiment(M2)
