"""A baseline on scikit-learn's 8x8 digits.

    ssdgm-train --config=baseline_digits:labels=30,seed=0 --workdir=runs/baseline_digits

--config.model= names it, see `ssdgm_tf.baselines.make`; --config.m1=m1_digits fits it on M1's features.

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the split, the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=30, seed=0)
    return model_config(
        **args,
        data="digits",
        model="label_spreading",
    )
