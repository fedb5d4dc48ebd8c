"""What every config shares: its fields with their defaults, and its arguments."""

from ml_collections import ConfigDict, config_dict


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


def m2_config(**fields) -> ConfigDict:
    """A config of M2: the defaults below, replaced by `fields`; an unknown field or another type raises."""
    config = ConfigDict(
        {
            # Data: "digits", or the name of a TensorFlow Datasets set.
            "data": "digits",
            "labels": 100,
            "num_validation": 0,
            "seed": 0,
            # Model.
            "model": "m2",
            "latent_dim": 50,
            "hidden_units": (500, 500),
            "activation": "softplus",
            "likelihood": "bernoulli",
            "likelihood_scale": 0.2,
            # Objective; without them gamma is N / M and classification_weight 0.1 (N + M) / M.
            "gamma": config_dict.placeholder(float),
            "classification_weight": config_dict.placeholder(float),
            "num_samples": 1,
            # Optimisation.
            "learning_rate": 3e-4,
            "weight_decay": 0.0,
            "batch_size": 100,
            "labelled_batch_size": 100,
            "epochs": 10,
            # Evaluation: importance samples of the reported log-likelihood.
            "num_importance_samples": 100,
        }
    )
    config.lock()
    config.update(fields)
    return config
