"""The fields of every config with their defaults, the arguments of presets, and the fields that presets share."""

from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict, config_dict

#: In the config.json of a run, beside its settings: the numbers of epochs that it was to have before its present one.
EARLIER_EPOCHS = "earlier_epochs"

#: Fields that describe the distributions and networks of a model.
OF_NETWORKS = (
    "latent_dim",
    "hidden_units",
    "activation",
    "normalization",
    "likelihood",
    "likelihood_scale",
    "prior",
    "estimator",
    "classifier",
    "classifier_units",
    "noise",
    "dropout",
    "filters",
    "bending",
    "colours",
    "encoder",
    "decoder",
)

# -- data sets --
DIGITS = {"data": "digits"}
#: The papers' split: 50,000 training images, the other 10,000 for validation.
MNIST = {"data": "mnist", "num_validation": 10_000}
NORB = {"data": "npz:small_norb/small_norb_32x32x2_train.npz,small_norb/small_norb_32x32x2_test.npz"}
SVHN = {"data": "svhn_cropped"}
# Training examples of the data sets whose presets have a relative gamma.
_NUM_TRAINING = {"mnist": 50_000}

# -- networks and objectives --
#: Dense networks for 8x8 digits.
SMALL_DENSE = {"hidden_units": (300,), "activation": "relu", "likelihood": "normal", "likelihood_scale": 0.25}
#: Digits with 30 labels, with large weights of the labels.
FEW_DIGITS = DIGITS | SMALL_DENSE | {"gamma": 10.0, "classification_weight": 30.0, "learning_rate": 1e-3, "epochs": 200}
#: `m2_digits` without its terms of consistency and its first steps.
PLAIN = {"consistency": "", "labels_first_steps": 0, "labels_spread": False}
#: A convolutional classifier of moved images and a wide likelihood: see docs/choosing_a_model.md.
CONVOLUTIONAL = {
    "hidden_units": (500,),
    "activation": "relu",
    "likelihood": "normal",
    "likelihood_scale": 0.5,
    "estimator": "top_k",
    "classifier": "convolutional",
    "learning_rate": 1e-3,
    "learning_rate_schedule": "cosine",
    "batch_size": 200,
}
#: Photographs show little of their class: training starts with the labels, and their weight is larger.
PHOTOGRAPHS = CONVOLUTIONAL | {"likelihood_scale": 1.0, "classification_weight": 300.0, "labels_first_steps": 800}
#: Multi-MNIST: small networks, because the model looks at each canvas three times.
CANVASES = {
    "data": "canvases:mnist",
    "num_validation": 1000,
    "model": "multi_digit",
    "hidden_units": (256,),
    "activation": "relu",
    "likelihood": "normal",
    "likelihood_scale": 0.3,
    "encoder": "pooled",
    "classification_weight": 50.0,
    "labels_first_steps": 800,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "cosine",
    "epochs": 5,
    "num_importance_samples": 10,
}
#: A dense classifier of noisy images, for models that do not know which pixels are neighbours.
NOISY = {
    "activation": "relu",
    "estimator": "top_k",
    "classifier": "noisy",
    "noise": 0.3,
    "learning_rate_schedule": "cosine",
    "batch_size": 200,
}

#: The adversarial autoencoder of Makhzani et al. 2016 on MNIST, without its own field.
ADVERSARIAL_MNIST = (
    MNIST
    | NOISY
    | {
        "model": "adversarial_autoencoder",
        "latent_dim": 10,
        "hidden_units": (1000, 1000),
        "estimator": "relaxed",
        "learning_rate": 1e-3,
    }
)


def preset(
    *parts: Mapping[str, Any],
    labels: int,
    own: Mapping[str, Any] | None = None,
    gamma_ratio: float | None = None,
    **fields: Any,
) -> Callable[[str | None], ConfigDict]:
    """The `get_config` of a preset.

    Args:
        *parts: {field: value}; later parts take precedence.
        labels: the default of the argument `labels`.
        own: {field: value} of the fields that only the model of the preset has.
        gamma_ratio: the weight of the labelled mean relative to the unlabelled one, see `relative_gamma`; or None.
        **fields: the fields of the preset.
    """
    merged: dict[str, Any] = {}
    for part in (*parts, fields):
        merged |= part

    def get_config(arg: str | None = None) -> ConfigDict:
        """The config for the arguments `labels` and `seed` (of the labels, the weights and the draws)."""
        config = model_config(own, **merged, **parse_arg(arg, labels=labels, seed=0))
        return config if gamma_ratio is None else relative_gamma(config, gamma_ratio, _NUM_TRAINING[config.data])

    return get_config


def parse_arg(arg: str | None, **defaults: int) -> ConfigDict:
    """The arguments of a preset, `"labels=100,seed=0"`, as a ConfigDict.

    Args:
        arg: the text after the colon of `--config=NAME:...`; None for the defaults.
        **defaults: the arguments that the preset takes, all integers.

    Raises:
        ValueError: an argument that is not among `defaults`, or not an integer.
    """
    values = dict(defaults)
    for part in filter(None, (arg or "").split(",")):
        name, equals, value = part.partition("=")
        try:
            if not equals or name not in defaults:
                raise ValueError
            values[name] = int(value)
        except ValueError:
            known = ", ".join(f"{name}={value}" for name, value in defaults.items())
            raise ValueError(
                f"A config's arguments are integers, here with the defaults {known}. Received: {part!r}"
            ) from None
    return ConfigDict(values)


def model_config(own: Mapping[str, Any] | None = None, **fields: Any) -> ConfigDict:
    """A config: the fields that every run has, and the own fields of its model.

    Args:
        own: {field: value} of the fields that only the model has: arguments of its class, or the preset that it builds on.
        **fields: values that replace the defaults below.

    Raises:
        ValueError: an own field that every run has.
        KeyError: an unknown field.
        TypeError: a value whose type is not that of the default.
    """
    config = ConfigDict(
        {
            # Data: "digits", the name of a TensorFlow Datasets set, npz:FILE, npz:TRAIN,TEST, npy:X,Y, mat:FILE, csv:FILE,
            # parquet:FILE, idx:FOLDER, folder:FOLDER, records:FOLDER, faces:FILE, tables:NAME or canvases:DATA_SET.
            "data": "digits",
            # "auto" standardises vectors and leaves images as they are; or "none", "standardize", "pca:DIMENSIONS", "zca".
            "preprocessing": "auto",
            "bad_examples": "stop",  # or "drop": examples that are not finite, files that are not images
            "resize": "",  # or "HEIGHTxWIDTH", such as "32x48": the images of folder:FOLDER are resized to it
            # Of csv: the name or the index of the label column; "" for the column "label". Of tables (model "table") one or
            # several columns, separated by commas.
            "target": "",
            "schema": "",  # of tables: a file like the schema.json of a run, which says what the columns are; "" to find it
            "image_shape": "",  # of csv: "28x28" or "28x28x1" makes images of the rows; "" for vectors
            "labels": 100,  # how many labels the model sees; 0 for all
            "supervised": "",  # the variables whose labels it sees, such as "identity,lighting"; "" for all
            "labelled_twice": False,  # whether labelled examples are among the unlabelled ones too, without their labels
            "labelled_only": False,  # whether unlabelled examples are left out, and labelled ones repeated instead
            "num_validation": 0,
            "seed": 0,
            # Model: the name of a file in `ssdgm_tf.models.zoo`, or a baseline, see `ssdgm_tf.baselines.make`.
            "model": "m2",
            "latent_dim": 50,
            "hidden_units": (500, 500),
            "activation": "softplus",
            "normalization": config_dict.placeholder(str),
            "likelihood": "bernoulli",
            "likelihood_scale": 0.2,
            "prior": "uniform",  # or "learned", "empirical"
            "estimator": config_dict.placeholder(str),
            # Or "noisy" (dense, of noisy images), "convolutional" (of randomly moved images, or of series), "recurrent" (of
            # series), "local_contrast" (convolutional, of the local contrast of moved images).
            "classifier": "dense",
            "classifier_units": (),  # for "dense" and "noisy": their hidden widths; () for hidden_units
            "noise": 0.3,  # for "noisy"
            "dropout": 0.5,  # for "convolutional", "recurrent" and "local_contrast"
            "filters": (32, 64, 64),  # of the convolutions of "convolutional"
            "bending": 0.0,  # for "convolutional" of images: how much they are bent, in pixels, beside being moved
            # For "convolutional" of images: whether they are standardised, and in training changed in saturation and
            # contrast, a fifth of them inverted.
            "colours": False,
            # Or "convolutional", "recurrent" (of series), "pooled" (convolutional, of images at half their size).
            "encoder": "dense",
            "decoder": "dense",  # or "convolutional"
            # Objective. By default gamma is N / M and classification_weight is 0.1 (N + M) / M, of images at least 50 nats
            # for 784 elements. A supervision rate, gamma M / (N + gamma M), takes the place of gamma.
            "gamma": config_dict.placeholder(float),
            "supervision_rate": config_dict.placeholder(float),
            "classification_weight": config_dict.placeholder(float),
            "labelled_bound": config_dict.placeholder(str),
            # Terms on q(y|x) of unlabelled examples, with weights: "views", "free_match", "soft_match",
            # "virtual_adversarial", "entropy", "class_balance"; such as "views=0.5,entropy=0.1"; "" for none.
            "consistency": "",
            "num_samples": 1,
            # The share of the epochs in which q(y|x) learns only from labels and terms of consistency. The other networks
            # learn from the bounds from the start.
            "bound_delay": 0.0,
            "warmup_epochs": 0,  # epochs over which the weight of the KL terms rises from 0 to 1
            # Optimisation.
            "learning_rate": 3e-4,
            "learning_rate_schedule": "constant",  # or "cosine"
            "weight_decay": 0.0,
            # Of a running average of the weights, such as 0.99; none by default. The averages are validated and remain after
            # training, and "mean_teacher" learns from them.
            "ema_momentum": config_dict.placeholder(float),
            "global_clipnorm": config_dict.placeholder(float),  # the largest norm of all gradients together
            "batch_size": 100,
            "labelled_batch_size": 100,
            "balance": False,  # whether each class is equally often among the labelled examples of a step
            "epochs": 10,  # or 0, of a model that infers labels: those of about target_steps steps, 5 to 1,000
            "target_steps": 400,  # where epochs is 0
            "keep": "last",  # whose weights remain: the last epoch's, or the "best" one's, of the lowest validation error
            "labels_first_steps": 0,  # steps on the labelled examples only, before the first epoch
            # Whether these steps show other examples too, with labels that spread to them along a graph of neighbours.
            "labels_spread": False,
            # Evaluation: importance samples of the reported log-likelihood.
            "num_importance_samples": 100,
        }
    )
    if common := sorted(set(own or {}) & set(config)):
        raise ValueError(f"The own fields of a model must not be fields of every run. Received: own={common}")
    config.lock()
    config.update(fields)
    with config.unlocked():
        for name, value in (own or {}).items():
            config[name] = config_dict.placeholder(object) if value is None else value
    return config


def changed_of_networks(config: Mapping[str, Any]) -> list[str]:
    """The fields of `OF_NETWORKS` that differ from their defaults. A config.json has lists where configs have tuples.

    Args:
        config: the fields.
    """
    defaults = model_config()
    return [name for name in OF_NETWORKS if _plain(config[name]) != _plain(defaults[name])]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def relative_gamma(config: ConfigDict, weight: float, num_training: int) -> ConfigDict:
    """The config with gamma = `weight` N / M, so that the labelled mean has that weight relative to the unlabelled one.

    Args:
        config: the config. Its gamma follows `config.labels`, even if the command line changes it.
        weight: the weight; a config without gamma has 1.
        num_training: N + M, the training examples.

    Raises:
        ValueError: `labels` is not positive.
    """
    if not config.labels > 0:
        raise ValueError(f"This config needs a positive number of labels. Received: labels={config.labels}")
    num_labels = config.get_ref("labels").to_float()
    config.gamma = weight * (num_training - num_labels) / num_labels
    return config
