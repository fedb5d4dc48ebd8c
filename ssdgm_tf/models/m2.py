"""M2, the generative semi-supervised model of Kingma et al. 2014."""

from collections.abc import Sequence

import keras

from ssdgm_tf import layers, nodes
from ssdgm_tf.models.graphical import GraphicalModel

LIKELIHOODS = ("bernoulli", "normal")


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class M2(GraphicalModel):
    """M2: a label and a style generate an image (Kingma et al. 2014, section 2.2).

        generative     p(y) p(z) p(x|y,z)      y ~ uniform over K classes,   z ~ Normal(0, I)
        recognition    q(y|x) q(z|x,y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image, pixels in [0, 1] | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside |
    | z | style, never observed | `z` |

    The bounds are exact in y (all K labels are summed, nothing is sampled or relaxed) and reparameterised in z, with the
    KL of z in closed form:

        L(x,y) = E_q(z|x,y) [ log p(x|y,z) ] + log p(y) - KL(q(z|x,y) || p(z))          eq. 6
        U(x)   = sum_y q(y|x) [ L(x,y) - log q(y|x) ]                                   eq. 7

    `fit` maximises mean U + gamma (M/N) mean [ L + a log q(y|x) ] (eq. 9); see `compile` for the weights. Where the paper
    and its code differ from this class: log p(y) is kept (their code drops it), and the weights of the networks have no
    prior.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        hidden_units: widths of the hidden layers of each of the three networks.
        activation: of the hidden layers.
        likelihood: "bernoulli" (pixels in [0, 1]; on grey pixels the cross-entropy, not a normalised density) or
            "normal" with one fixed scale.
        likelihood_scale: the standard deviation of the "normal" likelihood.
        seed: integer seed of the draws of z.
        dtype: of the networks and densities, such as "mixed_bfloat16".
    """

    def __init__(
        self,
        num_classes: int,
        latent_dim: int = 50,
        hidden_units: Sequence[int] = (500, 500),
        activation="softplus",
        likelihood: str = "bernoulli",
        likelihood_scale: float = 0.2,
        seed: int | None = None,
        dtype=None,
        **kwargs,
    ):
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {LIKELIHOODS}. Received: likelihood={likelihood!r}")

        def given(*parents):
            return {"parents": parents, "network": layers.MLP(hidden_units, activation, dtype=dtype), "dtype": dtype}

        image = nodes.Bernoulli(None, **given("y", "z"))
        if likelihood == "normal":
            image = nodes.Normal(None, likelihood_scale, **given("y", "z"))
        style = nodes.Normal(latent_dim, dtype=dtype)
        generative = {"y": nodes.OneHotCategorical(num_classes, dtype=dtype), "z": style, "x": image}
        recognition = {
            "y": nodes.OneHotCategorical(num_classes, **given("x")),
            "z": nodes.Normal(latent_dim, **given("x", "y")),
        }
        super().__init__(generative, recognition, observed="x", supervised="y", seed=seed, dtype=dtype, **kwargs)
        self.num_classes, self.latent_dim = num_classes, latent_dim
        self.hidden_units, self.activation = tuple(hidden_units), keras.activations.get(activation)
        self.likelihood, self.likelihood_scale = likelihood, likelihood_scale

    def get_config(self):
        return {
            **self.common_config(),
            "num_classes": self.num_classes,
            "latent_dim": self.latent_dim,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "likelihood": self.likelihood,
            "likelihood_scale": self.likelihood_scale,
        }
