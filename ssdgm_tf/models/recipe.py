"""From the fields of a config and a data set to the arguments of a named model."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ssdgm_tf import choices, layers
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.layers.image_network import image_network
from ssdgm_tf.models.graphical_model import GraphicalModel
from ssdgm_tf.models.options import empirical_prior

CLASSIFIERS = ("dense", "noisy", "convolutional", "recurrent", "local_contrast")
ENCODERS = ("dense", "convolutional", "recurrent", "pooled")
_OF_IMAGES, _OF_SERIES = ("local_contrast", "pooled"), ("recurrent",)
DECODERS = ("dense", "convolutional")
_RECURRENT_UNITS = 64
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
            "classifier": classifier(self.config, self.data.x_train.shape[1:], self.dtype),
        }

    def image_options(self) -> dict[str, Any]:
        """The options about the observed variable and the networks."""
        names = ("hidden_units", "activation", "normalization", "likelihood", "likelihood_scale")
        options = {name: self.config[name] for name in names}
        options |= {"encoder": self._encoder(), "decoder": self._decoder(), "dtype": self.dtype}
        return options | ({"gaps": True} if self.data.has_gaps else {})

    def _prior(self) -> Any:
        if self.config["prior"] == "empirical":
            if self.config["labels"]:
                print("Labels that are drawn are equal per class: the empirical prior over classes is uniform.")
            y: Any = self.data.y_train
            return empirical_prior(y, self.data.num_classes)
        return self.config["prior"]

    def _encoder(self) -> keras.layers.Layer | None:
        kind = _known("encoder", self.config, ENCODERS, self.data.x_train.shape[1:])
        if kind == "dense":
            return None
        if kind == "recurrent":
            return recurrent_network(self.config, self.dtype)
        encoder = layers.ConvEncoder(units=256, dtype=self.dtype)
        if kind == "convolutional":
            return encoder
        return keras.Sequential([keras.layers.AveragePooling2D(2, dtype=self.dtype), encoder])

    def _decoder(self) -> keras.layers.Layer | None:
        if _known("decoder", self.config, DECODERS) == "dense":
            return None
        *space, channels = self.data.x_train.shape[1:]
        if not space:
            raise ValueError(
                "A convolutional decoder makes images [H, W, C] or series [T, C]. "
                f"Received: examples of shape {self.data.x_train.shape[1:]}"
            )
        learns_scale = self.config["likelihood"] == "normal" and self.config["likelihood_scale"] is None
        has_scale = self.config["likelihood"] in ("discretized_logistic", "pixel_cnn") or learns_scale
        return layers.ConvDecoder((*space, channels * (1 + has_scale)), dtype=self.dtype)


def classifier(
    config: Mapping[str, Any], example_shape: Sequence[int], dtype: str | None = None
) -> keras.layers.Layer | None:
    """The network of q(y|...) that a config asks for; None for the model's own dense one.

    Args:
        config: the fields.
        example_shape: shape of one example: an image (H, W, C), a series (T, C) or a vector (D,).
        dtype: of its layers, except those that compute places or colours of pixels, which need float32.

    Raises:
        ValueError: another name, or a network of other examples.
    """
    kind = _known("classifier", config, CLASSIFIERS, example_shape)
    units = config["classifier_units"] if kind in ("dense", "noisy") else ()
    if kind == "dense":
        return keras.Sequential([keras.layers.Flatten(dtype=dtype), dense_network(config, dtype, units)]) if units else None
    if kind == "noisy":
        noise = keras.layers.GaussianNoise(config["noise"], seed=config["seed"], dtype=dtype)
        return keras.Sequential([keras.layers.Flatten(dtype=dtype), noise, dense_network(config, dtype, units)])
    if config["classifier"] == "recurrent":
        return recurrent_network(config, dtype)
    seeded = {"seed": config["seed"], "dtype": dtype}
    if len(example_shape) == 2:
        return layers.ConvEncoder(config["filters"], dropout=config["dropout"], **seeded)
    if config["classifier"] == "local_contrast":
        moved = layers.RandomAffine(**_MOVED_FACES, seed=config["seed"], dtype="float32")
        encoder = layers.ConvEncoder((32, 64, 128), 256, config["dropout"], **seeded)
        return keras.Sequential([moved, layers.LocalContrast(dtype="float32"), encoder])
    return image_network(**{name: config[name] for name in ("filters", "dropout", "bending", "colours")}, **seeded)


def dense_network(config: Mapping[str, Any], dtype: str | None = None, units: Sequence[int] = ()) -> layers.MLP:
    """The dense network that a config describes.

    Args:
        config: the fields.
        dtype: of its layers.
        units: their widths; () for those of the config.
    """
    return layers.MLP(units or config["hidden_units"], config["activation"], config["normalization"], dtype=dtype)


def recurrent_network(config: Mapping[str, Any], dtype: str | None = None) -> keras.Sequential:
    """Features of series [B, T, C]: a gated recurrent unit in each direction of time, then dropout.

    Args:
        config: the fields.
        dtype: of its layers.
    """
    unit = keras.layers.GRU(_RECURRENT_UNITS, dtype=dtype)
    dropout = keras.layers.Dropout(config["dropout"], seed=config["seed"], dtype=dtype)
    return keras.Sequential([keras.layers.Bidirectional(unit, dtype=dtype), dropout])


def _known(field: str, config: Mapping[str, Any], known: tuple[str, ...], example_shape: Sequence[int] = ()) -> str:
    """The value of a field that names a network.

    Raises:
        ValueError: another name, or a network of other examples.
    """
    name, num_axes = config[field], len(example_shape)
    choices.check(f"config.{field}", name, known)
    if (name in _OF_IMAGES and num_axes != 3) or (name in _OF_SERIES and num_axes != 2):
        what = "images [H, W, C]" if name in _OF_IMAGES else "series [T, C]"
        raise ValueError(f"config.{field}={name} is for {what}. Received: examples of shape {tuple(example_shape)}")
    return name
