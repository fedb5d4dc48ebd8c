"""M1+M2 in two stages on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=m1m2_svhn:labels=1000,seed=0 --workdir=runs/m1m2_svhn

Trains `m1_svhn` in the run's folder first, or builds on a run of it: --m1=FOLDER.

Measured on two CPU cores: 1000 labels of the re-crop: error 87.55 % in 2.4 minutes, 1 run. results/README.md has the
tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="svhn_cropped",
        model="m1m2",
        m1="m1_svhn",
        latent_dim=10,
        likelihood="normal",
        likelihood_scale=0.1,
        learning_rate=0.002,
        learning_rate_schedule="cosine",
        batch_size=200,
        epochs=60,
    )
