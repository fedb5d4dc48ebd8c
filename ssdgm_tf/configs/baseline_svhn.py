"""A baseline on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=baseline_svhn:labels=1000,seed=0 --workdir=runs/baseline_svhn

--config.model= names it, see `ssdgm_tf.baselines.make`; --config.m1=m1_svhn fits it on M1's features.

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="svhn_cropped",
        model="label_spreading",
    )
