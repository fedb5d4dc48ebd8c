"""A baseline on MNIST.

    ssdgm-train --config=baseline_mnist:labels=100,seed=0 --workdir=runs/baseline_mnist

50,000 training images, the other 10,000 for validation. --config.model= names it, see `ssdgm_tf.baselines.make`;
--config.m1=m1_mnist fits it on M1's features. results/README.md has the errors.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    return model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        model="label_spreading",
    )
