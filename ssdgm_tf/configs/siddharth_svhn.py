"""M2 with a label inferred given the style (Siddharth et al. 2017) on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=siddharth_svhn:labels=1000,seed=0 --workdir=runs/siddharth_svhn

Measured on two CPU cores: 1000 labels of the re-crop: error 21.26 % in 2.7 minutes, 1 run. results/README.md has the
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
        model="disentangled_vae",
        latent_dim=20,
        labelled_bound="importance",
        num_samples=2,
        epochs=40,
    )
