"""Faces: who it is and where the light comes from (Siddharth et al. 2017, section 4.2)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ssdgm_tf import layers, nodes, plots
from ssdgm_tf.data import SemiSupervisedData, directions
from ssdgm_tf.models import figures
from ssdgm_tf.models.experiment import Experiment
from ssdgm_tf.models.figures import Captioned
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.named_model import NamedModel, Specification
from ssdgm_tf.models.options import Options
from ssdgm_tf.models.recipe import Recipe


@keras.saving.register_keras_serializable(package="ssdgm_tf")
class Faces(NamedModel):
    """A person, a light and a style make a face; the structure is in the recognition model.

        generative     p(identity) p(lighting) p(style) p(x|identity,lighting,style)
        recognition    q(lighting|x) q(identity|x,lighting) q(style|x,lighting,identity)

    | variable | meaning | name here |
    |---|---|---|
    | x | image | `x`, [B, H, W, C] |
    | i | who it is, partly observed | `identity`, one-hot inside |
    | l | where the light comes from, partly observed | `lighting`, a unit vector [B, 3]; uniform, or near a lamp |
    | s | everything else, never observed | `style`, Normal(0, I) |

    A unit vector has neither the seam of a single angle nor the poles of two. Its error is the angle to the true vector.
    An image may have both labels, one, or none. The labelled bound is the self-normalised bound of their eq. 7, because
    q(identity|x,lighting) depends on a lighting that may be unknown. The paper relaxes an identity that is not observed,
    and does not name the distribution of its lighting.

    Where the lamps are known, as in a studio, an image without labels says something about its light: it is near one of
    them. The prior says so, p(lighting) = 1/K sum_k VonMisesFisher(lamp_k, lamp_concentration), and q(lighting|x)
    learns from it on every image. It is best introduced slowly, by the `kl_weight` of `compile`: it confirms errors too.

    Args:
        num_classes: number of people K.
        latent_dim: size of the style.
        lamps: directions [K, 3] that the light comes from; None for any, p(lighting) uniform.
        lamp_concentration: concentration of the directions around each lamp, 1 / radians^2; 5000 is 0.8 degrees.
        seed: integer seed of the draws.
        **options: see `ssdgm_tf.models.Options`; `classifier` is the network of the identity, `encoder` of the lighting.

    Raises:
        ValueError: lamps that are not directions [K, 3], or a concentration that is not positive.
    """

    supervised = ("identity", "lighting")

    def __init__(
        self,
        num_classes: int,
        latent_dim: int = 16,
        lamps: Sequence[Sequence[float]] | None = None,
        lamp_concentration: float = 5000.0,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        sizes: dict[str, Any] = {
            "num_classes": num_classes,
            "latent_dim": latent_dim,
            "lamp_concentration": lamp_concentration,
        }
        sizes["lamps"] = None if lamps is None else np.asarray(lamps, float).tolist()
        super().__init__(sizes, seed, **options)

    @staticmethod
    def specify(
        options: Options,
        num_classes: int,
        latent_dim: int,
        lamps: Sequence[Sequence[float]] | None,
        lamp_concentration: float,
    ) -> Specification:
        """The two models of the class docstring."""
        computed, image = options.image_features()
        also_computed, face = options.class_features()
        generative = {
            "identity": options.label_prior(num_classes),
            "lighting": options.direction() if lamps is None else _near(lamps, lamp_concentration, options.dtype),
            "style": options.latent(latent_dim),
            "x": options.observation("identity", "lighting", "style"),
        }
        recognition = {
            "lighting": options.direction(image),
            "identity": options.label(num_classes, face, "lighting"),
            "style": options.latent(latent_dim, "x", "lighting", "identity"),
        }
        return generative, computed | also_computed | recognition


def _near(lamps, concentration, dtype):
    if np.shape(lamps)[1:] != (3,):
        raise ValueError(f"lamps must be directions [K, 3]. Received: lamps of shape {np.shape(lamps)}")
    prior = layers.VonMisesFisherMixtureNode.parameters(lamps, concentration)
    return nodes.VonMisesFisherMixture(3, len(lamps), prior=prior, dtype=dtype)


def _make(recipe: Recipe) -> Faces:
    arguments = recipe.own_arguments(Faces) | recipe.label_options() | recipe.image_options()
    if "lamp_concentration" in arguments:
        arguments["lamps"] = _lamps(recipe.data)
    return Faces(**arguments, seed=recipe.config["seed"])


def _lamps(dataset: SemiSupervisedData) -> np.ndarray | None:
    """The unique directions of the light in labelled images [K, 3]; None where none is known."""
    _, y = dataset.labelled
    return np.unique(y["lighting"].round(4), axis=0) if isinstance(y, dict) and "lighting" in y else None


def _figures(model: GraphicalModel, dataset: SemiSupervisedData, shown: np.ndarray, seed: int) -> dict[str, Captioned]:
    """A face under every lighting, and a lighting on every face."""
    few = dataset.x_test[_well_lit(dataset, shown)[:6]]
    azimuths, elevations = np.arange(-75, 76, 25), np.array([60, 30, 0, -30])
    grid = directions(*(angles.ravel() for angles in np.meshgrid(azimuths, elevations)))
    relit = model.analogies(few[:1], vary={"lighting": grid})[0]
    faces = model.analogies(few[:1], vary={"identity": np.arange(dataset.num_classes)})[0]
    across = directions(azimuths, np.zeros_like(azimuths))
    degrees = [f"{angle}°" for angle in azimuths]
    rows = [f"{angle}°" for angle in elevations]
    return {
        "reconstructions": figures.reconstructions(few, model.reconstruct(few)),
        "one_face": Captioned(
            plots.grid(relit.reshape((len(elevations), len(azimuths), *relit.shape[1:])), rows, degrees),
            "One face under every lighting. Identity and style are held, and the direction of the light varies: its azimuth "
            "from left to right, in degrees, its elevation from top to bottom.",
        ),
        "one_lighting": Captioned(
            plots.gallery(np.concatenate([few[:1], faces])),
            "One lighting on every face. The first image is of the test set; the others have its lighting and style, and "
            "every identity.",
        ),
        "lightings": Captioned(
            plots.varied(few, model.analogies(few, vary={"lighting": across}), degrees),
            "Test images, and the same face in the same style under light from one side to the other.",
        ),
    }


def _well_lit(dataset: SemiSupervisedData, shown: np.ndarray) -> np.ndarray:
    """`shown`, with the images that are lit from the front first; the others are mostly dark."""
    return shown[np.argsort(dataset.y_test["lighting"][shown, 2] <= 0.8, kind="stable")]


EXPERIMENT = Experiment(
    Faces,
    make=_make,
    comparisons=("recognition_networks", "nearest_neighbour_by_variable"),
    shown=("identity_error", "lighting_degrees"),
    figures=_figures,
)
