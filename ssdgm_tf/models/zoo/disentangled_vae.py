"""M2 with a label that is inferred given the style, the digits of Siddharth et al. 2017."""

from typing import Any

import keras

from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class DisentangledVAE(NamedModel):
    """M2 with a label that is inferred given the style (the digits of Siddharth et al. 2017, section 4.1).

        generative     p(y) p(z) p(x|y,z)
        recognition    q(z|x) q(y|x,z)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside |
    | z | style, never observed | `z` |

    The weights w_s = q(y|x,z_s) are not constant: by default the labelled bound is the self-normalised bound of their eq. 7,

        L(x,y) ~ (1/S) sum_s (w_s/Z) [ log p(x,y,z_s) - log q(y,z_s|x) ] + log Z,    Z = (1/S) sum_s w_s

    with S = `num_samples` of `compile`. The paper relaxes y where it is not observed (`estimator="relaxed"`
    here); by default all classes are summed.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`.
    """

    def __init__(self, num_classes: int, latent_dim: int = 50, *, seed: int | None = None, **options: Any) -> None:
        super().__init__({"num_classes": num_classes, "latent_dim": latent_dim}, seed, **options)

    @staticmethod
    def specify(options: Options, num_classes: int, latent_dim: int) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        also_computed, class_image = options.class_features()
        generative = {
            "y": options.label_prior(num_classes),
            "z": options.latent(latent_dim),
            "x": options.observation("y", "z"),
        }
        recognition = {"z": options.latent(latent_dim, image), "y": options.label(num_classes, class_image, "z")}
        return generative, computed | also_computed | recognition


EXPERIMENT = Experiment(DisentangledVAE)
