"""M1 on scikit-learn's 8x8 digits.

    ssdgm-train --config=m1_digits:seed=0 --workdir=runs/m1_digits

Ten seconds on two CPU cores. It sees no label. It learns features, which `m1m2_digits` builds on.
"""

from ssdgm_tf.configs.common import DIGITS, SMALL_DENSE, preset

get_config = preset(
    DIGITS,
    SMALL_DENSE,
    labels=30,
    model="vae",
    latent_dim=10,
    learning_rate=0.002,
    learning_rate_schedule="cosine",
    epochs=200,
)
