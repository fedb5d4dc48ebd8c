"""ADGM, the auxiliary deep generative model of Maaloe et al. 2016."""

import keras

from ssdgm_tf.models.auxiliary_model import AuxiliaryModel
from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.named_model import Specification
from ssdgm_tf.models.options import Options


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class ADGM(AuxiliaryModel):
    """ADGM: M2 with an auxiliary variable that makes the recognition model richer (Maaloe et al. 2016, section 2.2).

        generative     p(y) p(z) p(x|y,z) p(a|x,y,z)
        recognition    q(a|x) q(y|a,x) q(z|a,x,y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside |
    | z | style, never observed | `z` |
    | a | auxiliary variable, never observed; p(x,y,z) does not depend on it | `a` |

        L(x,y) = E_q(a|x) q(z|a,x,y) [ log p(x,y,z,a) - log q(a|x) - log q(z|a,x,y) ]     eq. 9
        U(x)   = E_q(a|x) sum_y q(y|a,x) [ ... - log q(y|a,x) ]                            eq. 10

    y is summed exactly, as in the paper's code. The labelled bound holds y for the a that q(a|x) draws. `predict`
    averages q(y|a,x) over `num_prediction_samples` draws of a. The paper's code also has a prior over the weights and clips
    gradients.

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
            "x": options.observation("y", "z"),
            "a": options.latent(auxiliary_dim, "x", "y", "z"),
        }
        return generative, AuxiliaryModel._recognition(options, num_classes, latent_dim, auxiliary_dim)


EXPERIMENT = Experiment(ADGM)
