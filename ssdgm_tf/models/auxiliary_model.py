"""The base of the auxiliary deep generative models: ADGM and SDGM of Maaloe et al. 2016."""

from typing import Any

from ssdgm_tf import nodes
from ssdgm_tf.models.named_model import NamedModel
from ssdgm_tf.models.options import Options


class AuxiliaryModel(NamedModel):
    """The sizes and the recognition model of ADGM and SDGM."""

    labelled_bound_of_its_own = "conditional"

    def __init__(
        self, num_classes: int, latent_dim: int = 100, auxiliary_dim: int = 100, *, seed: int | None = None, **options: Any
    ) -> None:
        super().__init__(
            {"num_classes": num_classes, "latent_dim": latent_dim, "auxiliary_dim": auxiliary_dim}, seed, **options
        )

    @staticmethod
    def _recognition(options: Options, num_classes: int, latent_dim: int, auxiliary_dim: int) -> dict[str, nodes.Node]:
        computed, image = options.image_features()
        also_computed, class_image = options.class_features()
        return (
            computed
            | also_computed
            | {
                "a": options.latent(auxiliary_dim, image),
                "y": options.label(num_classes, "a", class_image),
                "z": options.latent(latent_dim, "a", image, "y"),
            }
        )
