"""M2 with a convolutional q(y|x) on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=m2_svhn:labels=1000,seed=0 --workdir=runs/m2_svhn

Measured on two CPU cores: 1000 labels of the re-crop: error 19.31 % in 2.1 minutes, 1 run. results/README.md has the
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
        model="m2",
        latent_dim=20,
        epochs=40,
    )
