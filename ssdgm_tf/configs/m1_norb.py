"""M1 on small NORB (two npz files under --data_dir).

    ssdgm-train --config=m1_norb:seed=0 --workdir=runs/m1_norb

It sees no label: what it learns are features, which `m1m2_norb` and the baselines on M1 build on.

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (which it does not see) and `seed` (of the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="npz:small_norb/small_norb_32x32x2_train.npz,small_norb/small_norb_32x32x2_test.npz",
        model="vae",
        likelihood="normal",
        likelihood_scale=0.1,
        learning_rate=0.001,
        learning_rate_schedule="cosine",
        batch_size=200,
        epochs=20,
    )
