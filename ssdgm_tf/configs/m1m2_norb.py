"""M1+M2 in two stages on small NORB (two npz files under --data_dir).

    ssdgm-train --config=m1m2_norb:labels=1000,seed=0 --workdir=runs/m1m2_norb

Trains `m1_norb` in the run's folder first, or builds on a run of it: --m1=FOLDER.

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="npz:small_norb/small_norb_32x32x2_train.npz,small_norb/small_norb_32x32x2_test.npz",
        model="m1m2",
        m1="m1_norb",
        latent_dim=10,
        likelihood="normal",
        likelihood_scale=0.1,
        learning_rate=0.002,
        learning_rate_schedule="cosine",
        batch_size=200,
        epochs=30,
    )
