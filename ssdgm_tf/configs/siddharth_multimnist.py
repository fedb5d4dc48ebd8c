"""Multi-MNIST: the number, the places and the looks of digits on a canvas (Siddharth et al. 2017).

    ssdgm-train --config=siddharth_multimnist:labels=1900,seed=0 --workdir=runs/multimnist

20,000 canvases of 50x50 with 0 to 3 digits of MNIST's training images, 1,000 of them for validation; 5,000 of its test
images. The count and the places are known for `labels` canvases. labels=0 is all: then every canvas is among the unlabelled
ones too, because there the model learns to count by what it can draw. The model never sees a single digit.
"""

from ml_collections import ConfigDict

from ssdgm_tf.configs.common import CANVASES, model_config, parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """The config for the arguments `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1900, seed=0)
    return model_config(
        own={"digit_model": "", "fine_tune": False},
        **args,
        **CANVASES,
        labelled_twice=args.labels == 0,
        latent_dim=20,
    )
