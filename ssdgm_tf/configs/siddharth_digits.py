"""M2 with a label inferred given the style (Siddharth et al. 2017) on scikit-learn's 8x8 digits.

    ssdgm-train --config=siddharth_digits:labels=30,seed=0 --workdir=runs/siddharth_digits

Measured: nothing yet.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` and `seed` (of the split, the labels, the weights and the draws)."""
    args = parse_arg(arg, labels=30, seed=0)
    return model_config(
        **args,
        data="digits",
        model="disentangled_vae",
        latent_dim=10,
        hidden_units=(300,),
        activation="relu",
        likelihood="normal",
        likelihood_scale=0.25,
        gamma=10.0,
        classification_weight=30.0,
        labelled_bound="importance",
        num_samples=2,
        learning_rate=0.001,
        epochs=200,
    )
