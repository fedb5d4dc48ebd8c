"""The conditional VAE on scikit-learn's 8x8 digits: p(x|y,z) and q(z|x,y), every label given.

    ssdgm-train --config=conditional_vae_digits:seed=0 --workdir=runs/conditional_vae_digits

It classifies nothing: its figures are bounds, and images of each class in the style of others.
"""

from ssdgm_tf.configs.common import model_config, parse_arg


def get_config(arg: str | None = None):
    """Arguments: `labels` (0 for all; images without one are left out) and `seed` (of the weights and the draws)."""
    args = parse_arg(arg, labels=0, seed=0)
    return model_config(
        **args,
        data="digits",
        model="conditional_vae",
        latent_dim=10,
        hidden_units=(300,),
        activation="relu",
        likelihood="normal",
        likelihood_scale=0.25,
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
        epochs=100,
    )
