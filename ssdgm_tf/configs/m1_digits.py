"""M1 on scikit-learn's 8x8 digits.

    ssdgm-train --config=m1_digits:seed=0 --workdir=runs/m1_digits

Ten seconds on two CPU cores. It sees no label: what it learns are features, which `m1m2_digits` builds on.

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (which it does not see) and `seed` (of the weights and the draws)."""
    args = parse_arg(arg, labels=30, seed=0)
    return model_config(
        **args,
        data="digits",
        model="vae",
        latent_dim=10,
        hidden_units=(300,),
        activation="relu",
        likelihood="normal",
        likelihood_scale=0.25,
        learning_rate=0.002,
        learning_rate_schedule="cosine",
        epochs=200,
    )
