"""A baseline on small NORB (two npz files under --data_dir).

    ssdgm-train --config=baseline_norb:labels=1000,seed=0 --workdir=runs/baseline_norb

--config.model= names it, see `ssdgm_tf.baselines.make`; --config.m1=m1_norb fits it on M1's features.

Measured on two CPU cores: nearest neighbours, 1000 labels: error 29.95 % in 0.0 minutes, 1 run; linear SVM, 1000
labels: error 28.28 % in 0.1 minutes, 1 run; SVM (RBF), 1000 labels: error 21.33 % in 0.7 minutes, 1 run.
results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="npz:small_norb/small_norb_32x32x2_train.npz,small_norb/small_norb_32x32x2_test.npz",
        model="label_spreading",
    )
