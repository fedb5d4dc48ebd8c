"""What every config shares: its fields with their defaults, and its arguments."""

from ml_collections import ConfigDict, config_dict

#: A convolutional classifier of moved images, and evidence that is gentle with it: see docs/choosing_a_model.md.
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
#: The same for photographs, most of which is not about the class: the labels come first, and weigh more.
PHOTOGRAPHS = CONVOLUTIONAL | {"likelihood_scale": 1.0, "classification_weight": 300.0, "labels_first_steps": 800}
#: Multi-MNIST: small networks, for each canvas is looked at three times.
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
#: A dense classifier of noisy images, for models that know no places of pixels.
NOISY = {
    "activation": "relu",
    "estimator": "top_k",
    "classifier": "noisy",
    "noise": 0.3,
    "learning_rate_schedule": "cosine",
    "batch_size": 200,
}


def parse_arg(arg: str | None, **defaults: int) -> ConfigDict:
    """`"labels=100,seed=0"` as a ConfigDict over typed defaults.

    Args:
        arg: what follows the colon of `--config=NAME:...`.
        **defaults: the arguments that the config takes, all integers.

    Raises:
        ValueError: an argument that is not among `defaults`, or that is no integer.
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


def model_config(**fields) -> ConfigDict:
    """A config: the defaults below, replaced by `fields`; an unknown field or another type raises."""
    config = ConfigDict(
        {
            # Data: "digits", the name of a TensorFlow Datasets set, npz:FILE, npz:TRAIN,TEST, idx:FOLDER, folder:FOLDER,
            # faces:FILE or canvases:DATA SET.
            "data": "digits",
            "preprocessing": "none",  # or "pca:DIMENSIONS", "zca"
            "bad_examples": "stop",  # or "drop": what is not finite, or no image
            "labels": 100,  # 0 for all that there are
            "supervised": "",  # of several variables those whose labels are shown, as "identity,lighting"; "" for all
            "labelled_twice": False,  # are they among the unlabelled examples too, without their labels?
            "num_validation": 0,
            "seed": 0,
            # Model: "vae", "conditional_vae", "m2", "m1m2", "adgm", "sdgm", "disentangled_vae", "faces", "multi_digit"; or a
            # baseline, see `ssdgm_tf.baselines.make`.
            "model": "m2",
            "m1": "",  # the config of the M1 that it builds on; "" for none
            "digit_model": "",  # of multi_digit: the config of the model of single digits that it nests; "" for none
            "fine_tune": False,  # is that trained further?
            "latent_dim": 50,
            "auxiliary_dim": 50,  # of adgm and sdgm
            "top_units": (500,),  # of m1m2, over the features
            "hidden_units": (500, 500),
            "activation": "softplus",
            "normalization": config_dict.placeholder(str),
            "likelihood": "bernoulli",
            "likelihood_scale": 0.2,
            "prior": "uniform",  # or "learned", "empirical"
            # Of faces: their light is near a direction that a labelled image has, this concentrated; without it, anywhere.
            "lamp_concentration": config_dict.placeholder(float),
            "estimator": config_dict.placeholder(str),
            # Or "noisy" (dense, of noisy images), "convolutional" (of randomly moved ones), "local_contrast" (the same of
            # what `layers.LocalContrast` leaves).
            "classifier": "dense",
            "noise": 0.3,  # of "noisy"
            "dropout": 0.5,  # of "convolutional" and "local_contrast"
            "encoder": "dense",  # of the latent variables; or "convolutional", "pooled" (that of images at half their size)
            "decoder": "dense",  # of the image; or "convolutional"
            # Objective; without them gamma is N / M and classification_weight 0.1 (N + M) / M. A supervision
            # rate, gamma M / (N + gamma M), takes the place of gamma.
            "gamma": config_dict.placeholder(float),
            "supervision_rate": config_dict.placeholder(float),
            "classification_weight": config_dict.placeholder(float),
            "labelled_bound": config_dict.placeholder(str),
            "num_samples": 1,
            "warmup_epochs": 0,  # over which the weight of the KL terms rises from 0 to 1
            # Optimisation.
            "learning_rate": 3e-4,
            "learning_rate_schedule": "constant",  # or "cosine"
            "weight_decay": 0.0,
            "global_clipnorm": config_dict.placeholder(float),  # largest norm of all gradients together
            "batch_size": 100,
            "labelled_batch_size": 100,
            "epochs": 10,
            "labels_first_steps": 0,  # steps on the labelled examples alone, before the first epoch
            # Evaluation: importance samples of the reported log-likelihood.
            "num_importance_samples": 100,
        }
    )
    config.lock()
    config.update(fields)
    return config


def relative_gamma(config: ConfigDict, weight: float, num_training: int) -> ConfigDict:
    """The config with gamma = `weight` N / M: the mean of the labelled stream has that weight against the other one.

    Args:
        config: the config; its gamma follows `config.labels`, also where the command line changes it.
        weight: of the labelled mean; 1 is the default of a config without gamma.
        num_training: N + M, the training examples.

    Raises:
        ValueError: `labels` is not positive.
    """
    if not config.labels > 0:
        raise ValueError(f"This config needs a positive number of labels. Received: labels={config.labels}")
    num_labels = config.get_ref("labels").to_float()
    config.gamma = weight * (num_training - num_labels) / num_labels
    return config
