"""Variational autoencoders without and with labels: M1 of Kingma et al. 2014, and the conditional one."""

import keras

from ssdgm_tf.models.named import NamedModel


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

    `encode(x)["z"]` are the features that a classifier of few labels is trained on, and that `M1M2.from_m1` builds on.
    `predict` returns them too. Where the paper's code differs: it has a prior over the weights.

    Args:
        latent_dim: size of z.
        seed: integer seed of the draws.
        **options: of `ssdgm_tf.models.Options`; those of y have no use here.
    """

    supervised = ()

    def __init__(self, latent_dim: int = 50, *, seed: int | None = None, **options):
        super().__init__({"latent_dim": latent_dim}, seed, **options)

    @staticmethod
    def specify(options, latent_dim):
        computed, image = options.image_features()
        generative = {"z": options.latent(latent_dim), "x": options.observation("z")}
        return generative, {**computed, "z": options.latent(latent_dim, image)}


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
        **options: of `ssdgm_tf.models.Options`.
    """

    observed, supervised = ("x", "y"), ()

    def __init__(self, num_classes: int, latent_dim: int = 50, *, seed: int | None = None, **options):
        super().__init__({"num_classes": num_classes, "latent_dim": latent_dim}, seed, **options)

    @staticmethod
    def specify(options, num_classes, latent_dim):
        computed, image = options.image_features()
        generative = {
            "y": options.label_prior(num_classes),
            "z": options.latent(latent_dim),
            "x": options.observation("y", "z"),
        }
        return generative, {**computed, "z": options.latent(latent_dim, image, "y")}
