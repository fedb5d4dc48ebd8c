"""M2 on MNIST as Kingma et al. 2014 split it: 50,000 training images, the other 10,000 held out for validation.

ssdgm-train --config=m2_mnist:labels=100,seed=0 --workdir=runs/m2_mnist
"""

from ssdgm_tf.configs.common import m2_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (a multiple of 10) and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=100, seed=0)
    return m2_config(**args, data="mnist", num_validation=10_000, batch_size=200, epochs=25)
