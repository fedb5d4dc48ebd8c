"""SDGM, convolutional on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=sdgm_svhn:labels=1000,seed=0 --workdir=runs/sdgm_svhn

Measured on two CPU cores: 1000 labels of the re-crop: error 29.25 % in 8.5 minutes, 1 run. results/README.md has the
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
        model="sdgm",
        encoder="convolutional",
        decoder="convolutional",
        latent_dim=20,
        auxiliary_dim=20,
        epochs=40,
    )
