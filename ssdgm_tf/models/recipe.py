"""From the fields of a config and a data set to the arguments of a named model."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras

from ssdgm_tf import layers
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.options import empirical_prior

CLASSIFIERS = ("dense", "noisy", "convolutional", "local_contrast")
ENCODERS = ("dense", "convolutional", "pooled")
DECODERS = ("dense", "convolutional")
_OF_DENSE_NETWORKS = ("hidden_units", "activation", "normalization")
# Faces are aligned: they move less than digits, and must not turn.
_MOVED_FACES = {"shift": 1.5, "rotation": 4.0, "scaling": 0.05, "shear": 0.05}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The ingredients of a named model, and the networks and options that they stand for.

    Attributes:
        config: {field: value}; see `ssdgm_tf.configs.common`.
        data: the data set that the model will be trained on.
        dtype: a Keras dtype policy.
        part: the trained model that it builds on; None for none.
    """

    config: Mapping[str, Any]
    data: SemiSupervisedData
    dtype: str
    part: GraphicalModel | None = None

    def own_arguments(self, model_class: type[GraphicalModel]) -> dict[str, Any]:
        """The fields of the config that are arguments of the model's own, such as `latent_dim`.

        Args:
            model_class: the class of the model.
        """
        names = inspect.signature(model_class.__init__).parameters.keys() - {"seed"}
        return {name: self.config[name] for name in names if self.config.get(name) is not None}

    def label_options(self) -> dict[str, Any]:
        """The options about the label: the number of classes, p(y), its estimator, and the network of q(y|...)."""
        return {
            "num_classes": self.data.num_classes,
            "prior": self._prior(),
            "estimator": self.config["estimator"],
            "classifier": classifier(self.config, self.dtype),
        }

    def image_options(self) -> dict[str, Any]:
        """The options about the observed variable and the networks."""
        options = {name: self.config[name] for name in (*_OF_DENSE_NETWORKS, "likelihood", "likelihood_scale")}
        return options | {"encoder": self._encoder(), "decoder": self._decoder(), "dtype": self.dtype}

    def _prior(self) -> Any:
        if self.config["prior"] == "empirical":
            if self.config["labels"]:
                print("Labels that are drawn are equal per class: the empirical prior over classes is uniform.")
            y: Any = self.data.y_train
            return empirical_prior(y, self.data.num_classes)
        return self.config["prior"]

    def _encoder(self) -> keras.layers.Layer | None:
        if _known("encoder", self.config, ENCODERS) == "dense":
            return None
        encoder = layers.ConvEncoder(units=256, dtype=self.dtype)
        if self.config["encoder"] == "convolutional":
            return encoder
        return keras.Sequential([keras.layers.AveragePooling2D(2, dtype=self.dtype), encoder])

    def _decoder(self) -> keras.layers.Layer | None:
        if _known("decoder", self.config, DECODERS) == "dense":
            return None
        *space, channels = self.data.x_train.shape[1:]
        if len(space) != 2:
            raise ValueError(
                f"A convolutional decoder makes images [H, W, C]. Received: examples of shape {self.data.x_train.shape[1:]}"
            )
        learns_scale = self.config["likelihood"] == "normal" and self.config["likelihood_scale"] is None
        has_scale = self.config["likelihood"] == "discretized_logistic" or learns_scale
        return layers.ConvDecoder((*space, channels * (1 + has_scale)), dtype=self.dtype)


def classifier(config: Mapping[str, Any], dtype: str | None = None) -> keras.layers.Layer | None:
    """The network of q(y|...) that a config asks for; None for the model's own dense one.

    Args:
        config: the fields.
        dtype: of its layers, except those that compute places of pixels, which need float32.

    Raises:
        ValueError: another name.
    """
    if _known("classifier", config, CLASSIFIERS) == "dense":
        return None
    if config["classifier"] == "noisy":
        dense = dense_network(config, dtype)
        noise = keras.layers.GaussianNoise(config["noise"], seed=config["seed"], dtype=dtype)
        return keras.Sequential([keras.layers.Flatten(dtype=dtype), noise, dense])
    seeded = {"seed": config["seed"], "dtype": dtype}
    if config["classifier"] == "local_contrast":
        moved = layers.RandomAffine(**_MOVED_FACES, seed=config["seed"], dtype="float32")
        encoder = layers.ConvEncoder((32, 64, 128), 256, config["dropout"], **seeded)
        return keras.Sequential([moved, layers.LocalContrast(dtype="float32"), encoder])
    moved = layers.RandomAffine(seed=config["seed"], dtype="float32")
    return keras.Sequential([moved, layers.ConvEncoder(dropout=config["dropout"], **seeded)])


def dense_network(config: Mapping[str, Any], dtype: str | None = None) -> layers.MLP:
    """The dense network that a config describes.

    Args:
        config: the fields.
        dtype: of its layers.
    """
    return layers.MLP(*(config[name] for name in _OF_DENSE_NETWORKS), dtype=dtype)


def _known(field: str, config: Mapping[str, Any], known: tuple[str, ...]) -> str:
    if config[field] not in known:
        raise ValueError(f"config.{field} must be one of {known}. Received: config.{field}={config[field]!r}")
    return config[field]
