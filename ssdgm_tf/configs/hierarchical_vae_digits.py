"""The variational autoencoder with two layers of latent variables on scikit-learn's 8x8 digits.

    ssdgm-train --config=hierarchical_vae_digits:seed=0 --workdir=runs/hierarchical_vae

It sees no label.
"""

from ssdgm_tf.configs.common import DIGITS, SMALL_DENSE, preset

get_config = preset(
    DIGITS,
    SMALL_DENSE,
    labels=30,
    own={"top_dim": 5},
    model="hierarchical_vae",
    latent_dim=10,
    learning_rate=0.002,
    learning_rate_schedule="cosine",
    epochs=50,
)
