"""From the fields of a config to what is trained: the model, its networks, its optimizer; or a baseline."""

import keras
import numpy as np

from ssdgm_tf import baselines, layers, models, objectives
from ssdgm_tf.data import SemiSupervisedData
from ssdgm_tf.models import streams
from ssdgm_tf.errors import UserError

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_JIT_COMPILE = {"auto": "auto", "on": True, "off": False}
# {config.model: (class, the config's fields that are sizes of its own)}
MODELS = {
    "vae": (models.VAE, ("latent_dim",)),
    "conditional_vae": (models.ConditionalVAE, ("latent_dim",)),
    "m2": (models.M2, ("latent_dim",)),
    "m1m2": (models.M1M2, ("latent_dim", "top_units")),
    "adgm": (models.ADGM, ("latent_dim", "auxiliary_dim")),
    "sdgm": (models.SDGM, ("latent_dim", "auxiliary_dim")),
    "disentangled_vae": (models.DisentangledVAE, ("latent_dim",)),
    "faces": (models.Faces, ("latent_dim",)),
    "multi_digit": (models.MultiDigit, ("latent_dim", "fine_tune")),
}
# What a config may build on: a trained model, or the run that the flag of the same name gives.
_PARTS = ("m1", "digit_model")
_OF_DENSE_NETWORKS = ("hidden_units", "activation", "normalization")
CLASSIFIERS = ("dense", "noisy", "convolutional", "local_contrast")
# Without a q(y|...).
_WITHOUT_CLASSIFIER = ("vae", "conditional_vae", "multi_digit")
# Faces are aligned: they move less than digits, and must not turn.
_MOVED_FACES = {"shift": 1.5, "rotation": 4.0, "scaling": 0.05, "shear": 0.05}


def is_baseline(config: dict) -> bool:
    """Does the config name a baseline in the place of a model?"""
    return config["model"] in baselines.names.NAMES


def part(config: dict) -> str | None:
    """The field of the config that names a trained model which it builds on, "m1" or "digit_model"; None for none."""
    return next((kind for kind in _PARTS if config[kind]), None)


def title(config: dict) -> str:
    """What the config trains, as a reader knows it."""
    return MODELS[config["model"]][0].__name__ if config["model"] in MODELS else config["model"].replace("_", " ")


def compared(results: dict) -> dict[str, dict[str, float]]:
    """The test errors of a run, {name: {"": the model's, "labels_only_": ..., "nearest_neighbour_": ...}}."""
    prefixes = ("", "labels_only_", "nearest_neighbour_")
    names = [name for name in results if name.endswith(("error", "_degrees", "_mae")) and not name.startswith(prefixes[1:])]
    return {name: {prefix: results[prefix + name] for prefix in prefixes if prefix + name in results} for name in names}


def with_unit(name: str, error: float) -> str:
    """An error by the name of its metric: a share of wrong labels in percent, angles in degrees."""
    if name.endswith("error"):
        return f"{100 * error:.2f} %"
    return f"{error:.2f} degrees" if name.endswith("degrees") else f"{error:.3f}"


def labels(config: dict) -> str:
    """How many labels the config shows, in words."""
    if config["model"] == "vae":
        return "no labels"
    return f"{config['labels']} labels" if config["labels"] else "all labels"


def model(settings: dict, dataset: SemiSupervisedData, part: models.GraphicalModel | None = None) -> models.NamedModel:
    """The model that the settings describe, compiled, with weights that follow from the config's seed.

    Args:
        settings: {"config": {field: value}, "precision": ..., "jit_compile": ...}.
        dataset: what it will be trained on.
        part: the trained model that it builds on: the M1 of a two-stage one, the digit model of canvases.

    Raises:
        UserError: a field that the model or its optimizer refuses.
    """
    config = settings["config"]
    if config["model"] not in MODELS:
        known = sorted({*MODELS, *baselines.names.NAMES})
        raise UserError(f"config.model must be one of {', '.join(known)}. Received: config.model={config['model']!r}")
    keras.utils.set_random_seed(config["seed"])
    if config["preprocessing"] != "none" and config["likelihood"] != "normal":
        raise UserError(
            "Whitened data are real numbers: they need config.likelihood=normal. "
            f"Received: config.preprocessing={config['preprocessing']!r}, config.likelihood={config['likelihood']!r}"
        )
    try:
        made = _make(settings, dataset, part)
        _check_variables(made, config, dataset)
        _check_labels_first(made, config, dataset)
        made.build(_input_shapes(made, dataset))
        made.compile(
            keras.optimizers.Adam(
                _learning_rate(made, config, dataset),
                weight_decay=config["weight_decay"] or None,
                global_clipnorm=config["global_clipnorm"],
            ),
            gamma=_gamma(config, dataset),
            classification_weight=config["classification_weight"],
            num_samples=config["num_samples"],
            labelled_bound=config["labelled_bound"],
            kl_weight=_kl_weight(made, config, dataset),
            jit_compile=_JIT_COMPILE[settings["jit_compile"]],
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    return made


def classifier(config: dict, dtype: str | None = None) -> keras.layers.Layer | None:
    """The network of q(y|...) that the config asks for; None for the model's own dense one.

    Args:
        config: the fields.
        dtype: of its layers, but for the places of pixels, which need float32.

    Raises:
        ValueError: another name.
    """
    if _named("classifier", config, CLASSIFIERS) == "dense":
        return None
    if config["classifier"] == "noisy":
        dense = layers.MLP(*(config[name] for name in _OF_DENSE_NETWORKS), dtype=dtype)
        noise = keras.layers.GaussianNoise(config["noise"], seed=config["seed"], dtype=dtype)
        return keras.Sequential([keras.layers.Flatten(dtype=dtype), noise, dense])
    seeded = {"seed": config["seed"], "dtype": dtype}
    if config["classifier"] == "local_contrast":
        moved = layers.RandomAffine(**_MOVED_FACES, seed=config["seed"], dtype="float32")
        encoder = layers.ConvEncoder((32, 64, 128), 256, config["dropout"], **seeded)
        return keras.Sequential([moved, layers.LocalContrast(dtype="float32"), encoder])
    moved = layers.RandomAffine(seed=config["seed"], dtype="float32")
    return keras.Sequential([moved, layers.ConvEncoder(dropout=config["dropout"], **seeded)])


def labels_only(config: dict, num_classes: int, num_steps: int) -> baselines.NetworkClassifier:
    """The network of q(y|x), to be trained on the labelled examples alone.

    Args:
        config: the fields.
        num_classes: number of classes K.
        num_steps: steps of Adam, at the config's learning rate but at most 1e-3.
    """
    network = classifier(config) or layers.MLP(*(config[name] for name in _OF_DENSE_NETWORKS))
    rate = min(config["learning_rate"], 1e-3)
    return baselines.NetworkClassifier(network, num_classes, rate, num_steps, seed=config["seed"])


def _make(settings, dataset, part):
    config = settings["config"]
    model_class, sizes = MODELS[config["model"]]
    options = {name: config[name] for name in sizes}
    dtype = _POLICIES[settings["precision"]]
    if config["model"] in _WITHOUT_CLASSIFIER and config["classifier"] != "dense":
        raise ValueError(
            f"{config['model']} has no classifier: config.classifier must be 'dense'. "
            f"Received: config.classifier={config['classifier']!r}"
        )
    if config["model"] not in ("vae", "multi_digit"):
        options |= {
            "num_classes": dataset.num_classes,
            "prior": _prior(config, dataset),
            "estimator": config["estimator"],
            "classifier": classifier(config, dtype),
        }
    if config["model"] == "m1m2" and part is not None:
        return models.M1M2.from_m1(part, seed=config["seed"], **options)
    options |= {name: config[name] for name in (*_OF_DENSE_NETWORKS, "likelihood", "likelihood_scale")}
    options |= {"encoder": _encoder(config, dtype), "decoder": _decoder(config, dataset, dtype)}
    if config["model"] == "faces" and config["lamp_concentration"] is not None:
        options |= {"lamps": _lamps(dataset), "lamp_concentration": config["lamp_concentration"]}
    if config["model"] == "multi_digit":
        options |= {"canvas_size": dataset.x_train.shape[1], "image_shape": dataset.digit_shape, "digit_model": part}
        options |= {"max_digits": sum(name.startswith("place") for name in dataset.y_test)}
    return model_class(**options, seed=config["seed"], dtype=dtype)


def _lamps(dataset):
    """The directions that labelled images are lit from, each once; None where none is known."""
    _, y = dataset.labelled
    return np.unique(y["lighting"].round(4), axis=0) if isinstance(y, dict) and "lighting" in y else None


def _encoder(config, dtype):
    if _named("encoder", config, ("dense", "convolutional", "pooled")) == "dense":
        return None
    encoder = layers.ConvEncoder(units=256, dtype=dtype)
    if config["encoder"] == "convolutional":
        return encoder
    return keras.Sequential([keras.layers.AveragePooling2D(2, dtype=dtype), encoder])


def _decoder(config, dataset, dtype):
    if _named("decoder", config, ("dense", "convolutional")) == "dense":
        return None
    *space, channels = dataset.x_train.shape[1:]
    if len(space) != 2:
        raise ValueError(
            f"A convolutional decoder makes images [H, W, C]. Received: examples of shape {dataset.x_train.shape[1:]}"
        )
    has_scale = config["likelihood"] == "discretized_logistic" or (
        config["likelihood"] == "normal" and config["likelihood_scale"] is None
    )
    return layers.ConvDecoder((*space, channels * (1 + has_scale)), dtype=dtype)


def _named(field, config, known):
    if config[field] not in known:
        raise ValueError(f"config.{field} must be one of {known}. Received: config.{field}={config[field]!r}")
    return config[field]


def _prior(config, dataset):
    if config["prior"] == "empirical":
        if config["labels"]:
            print("Labels that are drawn are equal per class: the empirical prior over classes is uniform.")
        return models.empirical_prior(dataset.y_train, dataset.num_classes)
    return config["prior"]


def _learning_rate(made, config, dataset):
    """The rate, or its schedule: a linear rise over the labels-first steps or an epoch, then a cosine over the epochs."""
    rate = config["learning_rate"]
    if config["learning_rate_schedule"] == "constant":
        return rate
    if config["learning_rate_schedule"] != "cosine":
        raise ValueError(
            "config.learning_rate_schedule must be 'constant' or 'cosine'. "
            f"Received: config.learning_rate_schedule={config['learning_rate_schedule']!r}"
        )
    steps = steps_per_epoch(made, config, dataset)
    schedule, rise = keras.optimizers.schedules.CosineDecay, config["labels_first_steps"] or steps
    return schedule(0.1 * rate, config["epochs"] * steps, alpha=0.01, warmup_target=rate, warmup_steps=rise)


def _kl_weight(made, config, dataset):
    if not config["warmup_epochs"]:
        return None
    steps = config["labels_first_steps"] + config["warmup_epochs"] * steps_per_epoch(made, config, dataset)
    return keras.optimizers.schedules.PolynomialDecay(0.0, steps, 1.0)


def _gamma(config, dataset):
    """The config's gamma, or that of its supervision rate."""
    rate = config["supervision_rate"]
    if rate is None:
        return config["gamma"]
    if not 0 < rate < 1:
        raise ValueError(f"config.supervision_rate must lie between 0 and 1. Received: config.supervision_rate={rate}")
    num_labels = int(np.sum(dataset.is_labelled))
    return objectives.gamma_of_rate(rate, len(dataset.x_train) - num_labels, max(num_labels, 1))


def _check_variables(made, config, dataset):
    """Labels of a data set are of variables that the model has."""
    names = set(dataset.y_train) if isinstance(dataset.y_train, dict) else {"y"}
    of_model = {*made.graph.supervised, *made.graph.observed}
    if names - of_model and made.graph.supervised:
        raise ValueError(
            f"{title(config)} takes labels of {', '.join(made.graph.supervised)}. "
            f"Received: {config['data']}, with labels of {', '.join(sorted(names))}"
        )


def _check_labels_first(made, config, dataset):
    num_labels = int(np.sum(dataset.is_labelled))
    if config["labels_first_steps"] and not (made.graph.supervised and num_labels):
        raise ValueError(
            "config.labels_first_steps needs a model that infers labels, and labels. "
            f"Received: config.labels_first_steps={config['labels_first_steps']}, {title(config)}, {num_labels} labels"
        )


def _input_shapes(made, dataset):
    x = (None, *dataset.x_train.shape[1:])
    return {"x": x, "y": (None,)} if "y" in made.graph.observed else x


def examples(made: models.NamedModel, x, y) -> tuple:
    """(x, y) as the model's `fit` takes them: labels that it is to infer, that are always given, or that it does not see.

    Args:
        made: the model.
        x: images.
        y: their labels.
    """
    if "y" in made.graph.observed:
        return {"x": x, "y": y}, None
    if isinstance(y, dict):  # the truth about a test set may be of more variables than the model has
        y = {name: values for name, values in y.items() if name in made.graph.supervised}
    return x, (y if made.graph.supervised else None)


def training_examples(made: models.NamedModel, dataset: SemiSupervisedData) -> tuple:
    """What the model trains on, as `examples`: the labelled ones alone where labels are always given.

    Args:
        made: the model.
        dataset: its data set.
    """
    return examples(made, *(dataset.labelled if "y" in made.graph.observed else (dataset.x_train, dataset.y_train)))


def steps_per_epoch(made: models.NamedModel, config: dict, dataset: SemiSupervisedData) -> int:
    """Steps of an epoch of the config on the data set.

    Args:
        made: the model.
        config: the fields.
        dataset: its training examples.
    """
    x, y = training_examples(made, dataset)
    is_labelled = np.zeros(len(x["x"] if isinstance(x, dict) else x), bool) if y is None else dataset.is_labelled
    return streams.steps_per_epoch(is_labelled, config["batch_size"], config["labelled_batch_size"])
