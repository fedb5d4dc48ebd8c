"""M1+M2, the stacked model of Kingma et al. 2014: in two stages on a trained M1, or trained jointly."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from ssdgm_tf.models.experiment import FEATURES, Experiment, same_fields
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe
from ssdgm_tf.models.zoo.vae import VAE


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class M1M2(NamedModel):
    """M1+M2: a label and a style generate the features that generate an image (Kingma et al. 2014, sections 2.3 and 4).

        generative     p(y) p(z2) p(z1|y,z2) p(x|z1)      y ~ uniform (or as `prior`),   z2 ~ Normal(0, I)
        recognition    q(z1|x) q(y|z1) q(z2|z1,y)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, *image_shape] |
    | y | label, partly observed | `y`, one-hot inside |
    | z1 | features of the image, never observed | `z1` |
    | z2 | style, never observed | `z2` |

        L(x,y) = E_q(z1|x) q(z2|z1,y) [ log p(x|z1) + log p(z1|y,z2) - log q(z1|x) ] + log p(y) - KL(q(z2|z1,y) || p(z2))
        U(x)   = L(x,y) with y summed by q(y|z1), minus log q(y|z1)

    Two stages, as in the paper: `M1M2.from_m1(m1, num_classes)` takes q(z1|x) and p(x|z1) from a trained `VAE` and freezes
    them; at every step z1 is drawn from q(z1|x). Jointly: `M1M2(num_classes)` trains the whole graph end to end. The
    labelled bound is the conditional one: labels are held for the z1 that q(z1|x) draws. The paper's code drops log p(y),
    keeps only the dimensions of z1 that M1 uses, and has a prior over the weights.

    With a `classifier`, such as a convolutional network, q(y|x) takes the place of q(y|z1): the generative model stays the
    same, and a label need not be inferred from features that were learned without labels.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z2.
        features_dim: size of the features z1.
        top_units: widths of the hidden layers of the networks over z1; those of the image have `hidden_units`.
        two_stage: whether q(z1|x) and p(x|z1) are frozen; set by `from_m1`.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`; `encoder` and `decoder` are of z1.
    """

    labelled_bound_of_its_own = "conditional"

    def __init__(
        self,
        num_classes: int,
        latent_dim: int = 50,
        features_dim: int = 50,
        top_units: Sequence[int] = (500,),
        two_stage: bool = False,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        sizes = {"num_classes": num_classes, "latent_dim": latent_dim, "features_dim": features_dim}
        super().__init__({**sizes, "top_units": tuple(top_units), "two_stage": two_stage}, seed, **options)

    @staticmethod
    def specify(
        options: Options, num_classes: int, latent_dim: int, features_dim: int, top_units: Sequence[int], two_stage: bool
    ) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        top = options.of_widths(top_units)
        generative = {
            "y": options.label_prior(num_classes),
            "z2": options.latent(latent_dim),
            "z1": top.latent(features_dim, "y", "z2"),
            "x": options.observation("z1"),
        }
        recognition = computed | {
            "z1": options.latent(features_dim, image),
            "y": top.label(num_classes, "z1") if options.classifier is None else options.label(num_classes, "x"),
            "z2": top.latent(latent_dim, "z1", "y"),
        }
        if two_stage:
            for node in (generative["x"], recognition["z1"], *computed.values()):
                node.trainable = False
        return generative, recognition

    @classmethod
    def from_m1(
        cls, m1: VAE, num_classes: int, latent_dim: int = 50, top_units: Sequence[int] = (500,), **options: Any
    ) -> "M1M2":
        """The two-stage model on a trained M1, whose weights are copied and frozen.

        Args:
            m1: a trained `VAE`.
            num_classes: number of classes K.
            latent_dim: size of the style z2.
            top_units: widths of the hidden layers of the networks over z1.
            **options: options that differ from M1's, such as `prior`, `estimator` and `seed`.

        Raises:
            ValueError: m1 is not a VAE, or has no weights yet.
        """
        if not isinstance(m1, VAE) or not m1.built:
            state = ", without weights" if isinstance(m1, VAE) else ""
            raise ValueError(f"from_m1 takes a trained VAE. Received: {type(m1).__name__}{state}")
        config = m1.get_config()
        own = {"num_classes": num_classes, "latent_dim": latent_dim, "top_units": top_units, "two_stage": True}
        inherited = {name: value for name, value in config.items() if name not in ("latent_dim", "name")}
        model = cls.from_config({**inherited, "features_dim": config["latent_dim"], **own, **options})
        model.build_like(m1)
        pairs = [(model.generative["x"], m1.generative["x"]), (model.recognition["z1"], m1.recognition["z"])]
        if m1.options.exposure is not None:
            pairs.append((model.generative[m1.options.exposure], m1.generative[m1.options.exposure]))
        if "features" in m1.recognition:
            pairs.append((model.recognition["features"], m1.recognition["features"]))
        for copy, original in pairs:
            copy.set_weights(original.get_weights())
        return model


def _make(recipe: Recipe) -> M1M2:
    own = recipe.own_arguments(M1M2) | recipe.label_options()
    if isinstance(recipe.part, VAE):
        return M1M2.from_m1(recipe.part, **own, seed=recipe.config["seed"])
    return M1M2(**own, **recipe.image_options(), seed=recipe.config["seed"])


# The networks of the image are those of M1.
_NETWORKS = ("hidden_units", "activation", "normalization", "likelihood", "likelihood_scale", "encoder", "decoder")

EXPERIMENT = Experiment(
    M1M2,
    make=_make,
    builds_on=dataclasses.replace(
        FEATURES,
        inherits=lambda config: FEATURES.inherits(config) | same_fields(*_NETWORKS)(config),
        requires=lambda config: FEATURES.requires(config) | same_fields(*_NETWORKS)(config),
        rule="A run has the data, the seed and the networks of its M1",
        is_suitable=lambda model: isinstance(model, VAE),
    ),
)
