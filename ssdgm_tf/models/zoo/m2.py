"""M2, the generative semi-supervised model of Kingma et al. 2014."""

from typing import Any

import keras

from ssdgm_tf.models.experiment import LABELLER, Experiment
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe


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

    A model that tells classes well from few labels has a small style and a wide likelihood, and its images are frayed.
    `M2.from_classifier(trained)` is a second stage: it takes q(y|x) from a trained model and freezes it. Its decoder and a
    larger style no longer have to spare the label.

    Args:
        num_classes: number of classes K.
        latent_dim: size of the style z.
        two_stage: whether q(y|x) is frozen; set by `from_classifier`.
        seed: integer seed of the draws of z.
        **options: see `ssdgm_tf.models.Options`.
    """

    def __init__(
        self, num_classes: int, latent_dim: int = 50, two_stage: bool = False, *, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__({"num_classes": num_classes, "latent_dim": latent_dim, "two_stage": two_stage}, seed, **options)

    @staticmethod
    def specify(options: Options, num_classes: int, latent_dim: int, two_stage: bool) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        generative = {
            "y": options.label_prior(num_classes),
            "z": options.latent(latent_dim),
            "x": options.observation("y", "z"),
        }
        recognition = {"y": options.label(num_classes, "x"), "z": options.latent(latent_dim, image, "y")}
        recognition["y"].trainable = not two_stage
        return generative, computed | recognition

    @classmethod
    def from_classifier(cls, trained: GraphicalModel, latent_dim: int = 50, **options: Any) -> "M2":
        """The second stage on a trained model, whose q(y|x) is copied and frozen.

        Args:
            trained: a trained model with one class, `y`, that it infers from x alone.
            latent_dim: size of the style z.
            **options: those of the second stage, such as `likelihood` and `hidden_units`. By default its estimator, and
                whether examples have gaps, are as in the trained model; p(y) is of the same kind, learned anew if at all.

        Raises:
            ValueError: a model without weights, or without q(y|x).
        """
        if not trained.built or not LABELLER.is_suitable(trained):
            state = "" if trained.built else ", without weights"
            raise ValueError(
                "from_classifier takes a trained model that infers one class, y, from x alone. "
                f"Received: {type(trained).__name__}{state}"
            )
        label = trained.recognition["y"]
        network = label.network or keras.layers.Flatten()  # of a linear q(y|x)
        network = type(network).from_config(network.get_config())
        prior = trained.options.prior if isinstance(trained, NamedModel) else "uniform"
        inherited = {"prior": prior, "estimator": label.estimator, "dtype": label.dtype_policy.name}
        inherited |= {"gaps": trained.data_format.observed["x"].gaps}
        classes = trained.data_format.classes["y"]
        model = cls(classes, latent_dim, two_stage=True, classifier=network, **inherited | options)
        model.build_like(trained)
        model.recognition["y"].set_weights(label.get_weights())
        return model


def _make(recipe: Recipe) -> M2:
    own, seed = recipe.own_arguments(M2), recipe.config["seed"]
    if recipe.part is None:
        return M2(**own, **recipe.label_options(), **recipe.image_options(), seed=seed)
    return M2.from_classifier(recipe.part, **own, **recipe.image_options(), seed=seed)


EXPERIMENT = Experiment(M2, make=_make, builds_on=LABELLER)
