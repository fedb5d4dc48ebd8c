"""ADGM with a convolutional q(y|a,x) on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=adgm_svhn:labels=1000,seed=0 --workdir=runs/adgm_svhn

Measured on two CPU cores: 1000 labels of the re-crop: error 21.72 % in 4.7 minutes, 1 run. results/README.md has the
tables.
"""

from ssdgm_tf.configs.common import PHOTOGRAPHS, model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="svhn_cropped",
        **PHOTOGRAPHS,
        model="adgm",
        latent_dim=20,
        auxiliary_dim=20,
        epochs=40,
    )
