"""M1+M2 in two stages on scikit-learn's 8x8 digits.

    ssdgm-train --config=m1m2_digits:labels=30,seed=0 --workdir=runs/m1m2_digits

Trains `m1_digits` in the run's folder first, or builds on a run of it: --m1=FOLDER.

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the split, the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=30, seed=0)
    return model_config(
        **args,
        data="digits",
        model="m1m2",
        m1="m1_digits",
        latent_dim=5,
        top_units=(300,),
        hidden_units=(300,),
        activation="relu",
        likelihood="normal",
        likelihood_scale=0.25,
        learning_rate=0.002,
        learning_rate_schedule="cosine",
        epochs=200,
    )
