"""SDGM on MNIST.

    ssdgm-train --config=sdgm_mnist:labels=100,seed=0 --workdir=runs/sdgm_mnist

50,000 training images, the other 10,000 for validation.

Measured on two CPU cores: 100 labels: error 11.23 % in 6.8 minutes, 1 run. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import NOISY, model_config, parse_arg, relative_gamma


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    config = model_config(
        **args,
        data="mnist",
        num_validation=10_000,
        **NOISY,
        model="sdgm",
        normalization="batch",
        learning_rate=0.001,
        epochs=20,
    )
    return relative_gamma(config, 0.1, num_training=50_000)
