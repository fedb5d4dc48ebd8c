"""M2 in two stages on scikit-learn's 8x8 digits: labels of `m2_digits`, better images.

    ssdgm-train --config=m2_pictures_digits:labels=30,seed=0 --workdir=runs/m2_pictures_digits

Trains `m2_digits` in the run's folder first, or builds on a run of any model that infers y from x alone: --part=FOLDER. Its
q(y|x) is frozen. The decoder and the style are learned anew, with a larger style and a sharper likelihood.
"""

from ssdgm_tf.configs.common import DIGITS, preset

get_config = preset(
    DIGITS,
    labels=30,
    own={"labeller": "m2_digits"},
    model="m2",
    latent_dim=10,
    hidden_units=(300,),
    activation="relu",
    likelihood="normal",
    likelihood_scale=0.15,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    epochs=100,
)
