"""M1+M2 in two stages on scikit-learn's 8x8 digits.

    ssdgm-train --config=m1m2_digits:labels=30,seed=0 --workdir=runs/m1m2_digits

Trains `m1_digits` in the run's folder first, or builds on a run of it: --part=FOLDER.
"""

from ssdgm_tf.configs.common import DIGITS, SMALL_DENSE, preset

get_config = preset(
    DIGITS,
    SMALL_DENSE,
    labels=30,
    own={"m1": "m1_digits", "top_units": (300,)},
    model="m1m2",
    latent_dim=5,
    learning_rate=0.002,
    learning_rate_schedule="cosine",
    epochs=200,
)
