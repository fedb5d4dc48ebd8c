"""SDGM, the skip deep generative model of Maaloe et al. 2016."""

import keras

from ssdgm_tf.models.auxiliary_model import AuxiliaryModel
from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import Specification
from ssdgm_tf.models.options import Options


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class SDGM(AuxiliaryModel):
    """SDGM: two layers of latent variables, the image generated from both (Maaloe et al. 2016, section 2.3).

        generative     p(y) p(z) p(a|y,z) p(x|a,y,z)
        recognition    q(a|x) q(y|a,x) q(z|a,x,y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside |
    | z | style, never observed | `z` |
    | a | second layer of latent variables, never observed | `a` |

    The bounds are ADGM's with log p(a|y,z) + log p(x|a,y,z) in place of log p(x|y,z) + log p(a|x,y,z). Networks may be
    dense, with batch or layer normalisation, or convolutional (`encoder`, `classifier`, `decoder`).

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        auxiliary_dim: size of a.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`.
    """

    @staticmethod
    def specify(options: Options, num_classes: int, latent_dim: int, auxiliary_dim: int) -> Specification:
        """The two models of the class docstring."""
        generative = {
            "y": options.label_prior(num_classes),
            "z": options.latent(latent_dim),
            "a": options.latent(auxiliary_dim, "y", "z"),
            "x": options.observation("a", "y", "z"),
        }
        return generative, AuxiliaryModel._recognition(options, num_classes, latent_dim, auxiliary_dim)


EXPERIMENT = Experiment(SDGM)
