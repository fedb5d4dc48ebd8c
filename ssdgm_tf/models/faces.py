"""Faces: who it is and where the light comes from (Siddharth et al. 2017, section 4.2)."""

import keras

from ssdgm_tf.models.named import NamedModel


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Faces(NamedModel):
    """A person, a light and a style make a face; the structure is in the recognition model.

        generative     p(identity) p(lighting) p(style) p(x|identity,lighting,style)
        recognition    q(lighting|x) q(identity|x,lighting) q(style|x,lighting,identity)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, H, W, C] |
    | i | who it is, partly observed | `identity`, one-hot inside |
    | l | where the light comes from, partly observed | `lighting`, a unit vector [B, 3] |
    | s | what else there is, never observed | `style`, Normal(0, I) |

    A unit vector has no seam where an angle has one, and no pole where two angles have one; its error is the angle between
    two of them. An image may have both labels, one, or none. The labelled bound is the self-normalised one of their eq. 7,
    for q(identity|x,lighting) depends on a lighting that may not be known. Where the paper differs: it relaxes the identity
    where that is not observed, and does not say what distribution its lighting has.

    Args:
        num_classes: number of people K.
        latent_dim: size of the style.
        seed: integer seed of the draws.
        **options: of `ssdgm_tf.models.Options`; `classifier` is of the identity, `encoder` of the lighting.
    """

    supervised = ("identity", "lighting")

    def __init__(self, num_classes: int, latent_dim: int = 16, *, seed: int | None = None, **options):
        super().__init__({"num_classes": num_classes, "latent_dim": latent_dim}, seed, **options)

    @staticmethod
    def specify(options, num_classes, latent_dim):
        computed, image = options.image_features()
        also_computed, face = options.class_features()
        generative = {
            "identity": options.label_prior(num_classes),
            "lighting": options.direction(),
            "style": options.latent(latent_dim),
            "x": options.observation("identity", "lighting", "style"),
        }
        recognition = {
            "lighting": options.direction(image),
            "identity": options.label(num_classes, face, "lighting"),
            "style": options.latent(latent_dim, "x", "lighting", "identity"),
        }
        return generative, computed | also_computed | recognition
