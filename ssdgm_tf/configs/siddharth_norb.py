"""M2 with a label inferred given the style (Siddharth et al. 2017) on small NORB (two npz files under --data_dir).

    ssdgm-train --config=siddharth_norb:labels=1000,seed=0 --workdir=runs/siddharth_norb

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
        model="disentangled_vae",
        latent_dim=20,
        labelled_bound="importance",
        num_samples=2,
        epochs=15,
    )
