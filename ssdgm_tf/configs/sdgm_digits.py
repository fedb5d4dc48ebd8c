"""SDGM on scikit-learn's 8x8 digits.

ssdgm-train --config=sdgm_digits:labels=30,seed=0 --workdir=runs/sdgm_digits
"""

from ssdgm_tf.configs.common import FEW_DIGITS, preset

get_config = preset(FEW_DIGITS, labels=30, own={"auxiliary_dim": 10}, model="sdgm", latent_dim=10)
