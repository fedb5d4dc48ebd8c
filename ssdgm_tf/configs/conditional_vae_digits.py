"""The conditional VAE on scikit-learn's 8x8 digits: p(x|y,z) and q(z|x,y), every label given.

    ssdgm-train --config=conditional_vae_digits:seed=0 --workdir=runs/conditional_vae_digits

It does not classify: its figures are bounds, and images of each class in the style of others.
"""

from ssdgm_tf.configs.common import DIGITS, SMALL_DENSE, preset

get_config = preset(
    DIGITS,
    SMALL_DENSE,
    labels=0,
    model="conditional_vae",
    latent_dim=10,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    epochs=100,
)
