"""Multi-MNIST with a nested model of single digits, which classifies the digits (Siddharth et al. 2017).

    ssdgm-train --config=siddharth_multimnist_nested:labels=1900,seed=0 --workdir=runs/multimnist_nested

The data of `siddharth_multimnist`. The digit model is `fast_mnist` (M2, 100 labels), trained first in the
run's folder or given by `--part=RUN`, and frozen; `--config.fine_tune` trains it further. No canvas says which
digits are on it.
"""

from ml_collections import ConfigDict

from ssdgm_tf.configs.common import CANVASES, model_config, parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """The config for the arguments `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1900, seed=0)
    return model_config(
        own={"digit_model": "fast_mnist", "fine_tune": False},
        **args,
        **CANVASES,
        labelled_twice=args.labels == 0,
    )
