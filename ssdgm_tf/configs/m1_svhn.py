"""M1 on SVHN (`svhn_cropped` of TFDS).

    ssdgm-train --config=m1_svhn:seed=0 --workdir=runs/m1_svhn

It sees no label: what it learns are features, which `m1m2_svhn` and the baselines on M1 build on.

Measured on two CPU cores: 0.9 minutes, 1 run of the re-crop. results/README.md has the tables.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (which it does not see) and `seed` (of the weights and the draws)."""
    args = parse_arg(arg, labels=1000, seed=0)
    return model_config(
        **args,
        data="svhn_cropped",
        model="vae",
        likelihood="normal",
        likelihood_scale=0.1,
        learning_rate=0.001,
        learning_rate_schedule="cosine",
        batch_size=200,
        epochs=30,
    )
