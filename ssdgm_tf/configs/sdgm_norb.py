"""SDGM, convolutional on small NORB (two npz files under --data_dir).

    ssdgm-train --config=sdgm_norb:labels=1000,seed=0 --workdir=runs/sdgm_norb

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import PHOTOGRAPHS, model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="npz:small_norb/small_norb_32x32x2_train.npz,small_norb/small_norb_32x32x2_test.npz",
        **PHOTOGRAPHS,
        model="sdgm",
        encoder="convolutional",
        decoder="convolutional",
        latent_dim=20,
        auxiliary_dim=20,
        epochs=15,
    )
