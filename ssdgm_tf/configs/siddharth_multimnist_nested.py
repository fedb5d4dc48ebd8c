"""Multi-MNIST with a model of single digits inside, which says what digits they are (Siddharth et al. 2017).

    ssdgm-train --config=siddharth_multimnist_nested:labels=1900,seed=0 --workdir=runs/multimnist_nested

The data of `siddharth_multimnist`. The digits are those of `fast_mnist` (M2, 100 labels), trained first in the run's
folder or given by `--part=RUN`, and kept as they are; `--config.fine_tune` trains them further. No canvas says which
digits are on it.
"""

from ml_collections import ConfigDict

from ssdgm_tf.configs.common import CANVASES, model_config, parse_arg


def get_config(arg: str | None = None) -> ConfigDict:
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1900, seed=0)
    return model_config(
        own={"digit_model": "fast_mnist", "fine_tune": False},
        **args,
        **CANVASES,
        labelled_twice=args.labels == 0,
    )
