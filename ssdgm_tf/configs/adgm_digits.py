"""ADGM on scikit-learn's 8x8 digits.

ssdgm-train --config=adgm_digits:labels=30,seed=0 --workdir=runs/adgm_digits
"""

from ssdgm_tf.configs.common import FEW_DIGITS, preset

get_config = preset(FEW_DIGITS, labels=30, own={"auxiliary_dim": 10}, model="adgm", latent_dim=10)
